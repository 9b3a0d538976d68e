"""Metadata fields and tags that were declared: in strict mode the only ones that there can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from layernext.errors import InvalidRequest
from layernext.stack.store.collections.fields import TAGS
from layernext.stack.store.database import Database
from layernext.stack.store.schema import declared_name
from layernext.stack.store.storable import is_storable

NameKind: TypeAlias = Literal["field", "tag"]
SHOWN_NAMES = 5
HINT = "an administrator declares it with `layernext items declare`"


class DeclaredNames:
    """The declared names of a database.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_all(self, kind: NameKind) -> list[str]:
        """In the order of the alphabet."""
        query = sa.select(declared_name.c.name).where(declared_name.c.kind == kind)
        with self._database.read() as connection:
            return sorted(connection.execute(query).scalars())

    def declare(self, kind: NameKind, names: Iterable[str]) -> None:
        """Declare names; those that are declared already stay so."""
        rows = [{"kind": kind, "name": name} for name in sorted(set(names))]
        if rows:
            insert = self._database.upsert(declared_name).on_conflict_do_nothing()
            self._database.write_again(lambda connection: connection.execute(insert, rows))

    def withdraw(self, kind: NameKind, names: Iterable[str]) -> None:
        """Let names be undeclared; metadata that has them stays as it is."""
        usable = [name for name in names if is_storable(name)]
        condition = (declared_name.c.kind == kind) & declared_name.c.name.in_(usable)
        self._database.write_again(
            lambda connection: connection.execute(sa.delete(declared_name).where(condition))
        )

    def check_names(self, kind: NameKind, names: Iterable[str]) -> None:
        """Refuse names that were not declared.

        Raises:
            InvalidRequest: some were not; 406, for which published clients look.
        """
        unknown = sorted(set(names) - set(self.list_all(kind)))
        if unknown:
            shown_names = ", ".join(repr(name[:100]) for name in unknown[:SHOWN_NAMES])
            more = f" and {len(unknown) - SHOWN_NAMES} more" if len(unknown) > SHOWN_NAMES else ""
            what = "metadata fields" if kind == "field" else "tags"
            text = f"this stack takes declared {what} only; it does not know {shown_names}{more}: {HINT}"
            raise InvalidRequest(text, status=406)

    def check_metadata(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Refuse metadata with fields or tags that were not declared.

        Raises:
            InvalidRequest: as in `check_names`.
        """
        fields: set[str] = set()
        tags: set[str] = set()
        for item in values:
            fields |= set(item) - {TAGS}
            tags |= set(item.get(TAGS, []))
        if fields:
            self.check_names("field", fields)
        if tags:
            self.check_names("tag", tags)
