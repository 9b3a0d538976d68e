"""Answers that are dictionaries, too, as scripts for the published clients expect.

The published clients answer the stack's JSON as it comes. An `Answer` has typed attributes and *is* a
dictionary with the same data and the published keys: ``.get``, ``in``, ``dict()``, ``json.dumps`` and
``KeyError`` work as in those scripts. `json` writes no class but ``dict`` and its subclasses as an
object, which is why an answer is one (docs/decisions/0022-answers-are-dictionaries.md).
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from layernext.model import LabelAttribute, Record, record_html, short_repr
from layernext.wire.published import (
    LABEL_TYPE,
    PUBLISHED_KEYS,
    PublishedAttribute,
    PublishedValue,
    wire_fields,
)

AnAnswer = TypeVar("AnAnswer", bound="Answer")


class Answer(dict[str, Any]):
    """An answer with typed attributes that is also a dictionary.

    Its keys are the attributes' names and the published keys; an attribute that is None has no key.
    Attributes cannot be changed; the dictionary can.
    """

    def __post_init__(self) -> None:
        """Fill the dictionary."""
        self.update(self.to_dict())
        for key, source in PUBLISHED_KEYS[type(self).__name__].items():
            self[key] = source if isinstance(source, bool) else _plain(getattr(self, source))
        for key in [key for key, value in self.items() if value is None]:
            del self[key]

    def including(self: AnAnswer, raw: object) -> AnAnswer:  # noqa: PYI019 - Self needs 3.11
        """This answer with everything else that the stack said, under the stack's keys."""
        for key, value in raw.items() if isinstance(raw, dict) else ():
            if value is not None:
                self.setdefault(key, value)
        return self

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return record_html(self)

    def to_dict(self) -> dict[str, Any]:
        """The attributes as plain data that any JSON library can write, without the published keys."""
        fields: Any = self
        return {
            attribute.name: _plain(getattr(self, attribute.name))
            for attribute in dataclasses.fields(fields)
        }


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=os.fspath)


def answer_of(kind: type[AnAnswer], record: Record) -> AnAnswer:
    """A record of the native protocol as the answer with the same fields."""
    return kind(**msgspec.structs.asdict(record))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Label(Answer):
    """A class that annotations name.

    The keys ``label``, ``key`` and ``labelText`` work as in the published clients.

    Attributes:
        name: as used in annotations.
        ref: stack-wide reference.
        color: ``#rrggbb``.
        description: free text, usually empty.
        attributes: the label's attributes.
    """

    name: str
    ref: str
    color: str
    description: str = ""
    attributes: list[LabelAttribute] = dataclasses.field(default_factory=list)

    @property
    def label_type(self) -> int:
        """The published number for a class with attributes; it is the same for every label."""
        return LABEL_TYPE

    @property
    def published_attributes(self) -> list[dict[str, Any]]:
        """The attributes as plain data, with the published keys in addition to ours."""
        return [
            {
                **attribute.to_dict(),
                **wire_fields(
                    PublishedAttribute,
                    key=attribute.ref,
                    label_text=attribute.name,
                    values=[
                        value
                        | wire_fields(
                            PublishedValue, key=value.get("ref"), value_text=value.get("value")
                        )
                        for value in attribute.values
                    ],
                ),
            }
            for attribute in self.attributes
        ]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LabelGroup(Answer):
    """A named group of labels.

    The keys ``groupId``, ``groupName`` and ``labelKeys`` work as in the published clients.

    Attributes:
        id: given by the stack.
        name: as the user named it.
        label_refs: references of its labels.
    """

    id: str
    name: str
    label_refs: list[str]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Embedding(Answer):
    """The vector that a model computed from an image.

    The keys ``uniqueName`` and ``embeddings`` work as in the published clients.

    Attributes:
        unique_name: unique name of the image.
        vector: the numbers, as 32-bit floats hold them.
    """

    unique_name: str
    vector: list[float]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Job(Answer):
    """Work that the stack does, or an upload that it receives.

    The keys ``is_success``, ``job_status`` and ``jobId`` work as in the published clients.

    Attributes:
        id: given by the stack.
        status: ``in_progress``, ``completed``, ``queued`` or ``failed``.
        progress: 0 to 100.
        message: why it failed, or empty.
        name: display name; empty for an upload of annotations.
        created_at: UTC, ISO 8601; None if the stack did not say.
        updated_at: when the stack last heard of it or, once it has ended, when it ended; None if the stack
            did not say.
        kind: kind of work, such as ``evaluation``; empty if the stack did not say.
        about: ids of what it works on, such as ``{"evaluation": …}``.
        can_cancel: whether it can be canceled.
    """

    id: str
    status: str
    progress: float
    message: str = ""
    name: str = ""
    created_at: str | None = None
    updated_at: str | None = None
    kind: str = ""
    about: dict[str, str] = dataclasses.field(default_factory=dict)
    can_cancel: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the job ended successfully."""
        return self.status == "completed"

    @property
    def ended_well(self) -> bool | None:
        """The same as `is_success`, but None if the job has not ended."""
        return self.is_success if self.status in {"completed", "failed"} else None

    @property
    def job_status(self) -> str:
        """The published client's word: ``COMPLETED``, ``FAILED``, ``QUEUED`` or ``IN_PROGRESS``."""
        return self.status.upper()
