"""Labels, and groups of them."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

from layernext.client.answers import Label, LabelGroup
from layernext.client.groups.group import Group
from layernext.client.published import labels
from layernext.client.reports import CreatedLabel, Done
from layernext.client.texts import check_text


class Labels(Group):
    """Labels, and groups of them."""

    def list_in_group(self, group_id: str) -> builtins.list[Label]:
        """The labels of a group.

        Args:
            group_id: the group's id.
        """
        return labels.list_labels(self._transport, check_text(group_id, "group_id", "a group"))

    def create(self, label: Mapping[str, Any]) -> CreatedLabel:
        """Create a label with its attributes and their values, or add those that an existing label lacks.

        Args:
            label: ``dict(className="Vehicle", attributes=[dict(attributeName="kind",
                values=[dict(valueName="car")])])``; a class and its values may have a ``description``.

        Returns:
            The label's reference; ``["label_reference"]`` works as in the published client.

        Raises:
            DataError: a name is missing, empty or repeated; with its location.
        """
        return labels.create_label(self._transport, label)

    def groups(self) -> builtins.list[LabelGroup]:
        """Every group of labels."""
        return labels.list_groups(self._transport)

    def create_group(self, group_name: str, label_ids: Sequence[str]) -> LabelGroup:
        """Create a group of labels, or add labels to the group with that name.

        Args:
            group_name: the group's name.
            label_ids: references of labels, as `Label.ref`; at least one.

        Raises:
            DataError: the name is empty, or there are no labels.
            NotFound: one of the labels does not exist.
        """
        return labels.create_group(self._transport, group_name, label_ids)

    def add_to_group(self, group_id: str, label_ids: Sequence[str]) -> Done:
        """Add labels to a group; its other labels stay.

        Args:
            group_id: the group's id.
            label_ids: references of labels; at least one.

        Raises:
            DataError: no group is named, or there are no labels.
            NotFound: there is no such group, or one of the labels does not exist.
        """
        return labels.add_to_group(self._transport, group_id, label_ids)

    def remove_from_group(self, group_id: str, label_ids: Sequence[str]) -> Done:
        """Remove labels from a group; the labels themselves stay.

        Args:
            group_id: the group's id.
            label_ids: references of labels; at least one.

        Raises:
            DataError: no group is named, or there are no labels.
            NotFound: there is no such group, or one of the labels does not exist.
        """
        return labels.remove_from_group(self._transport, group_id, label_ids)

    def list(self) -> builtins.list[Label]:
        """Every label of the stack with its reference, color and attributes."""
        return self._connection.protocol.labels()
