"""Labels, their attributes, and the attributes' values, each with a stack-wide reference.

References are derived (UUID version 5: RFC 4122, section 4.3) from a number that the stack drew
once, so that two replicas that meet a label at the same moment give it the same reference, and a
value has its reference before it is registered.
"""

from __future__ import annotations

import colorsys
import hashlib
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, TypeAlias, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct, field

from layernext.model import Label, LabelAttribute
from layernext.stack.store.chunks import sorted_chunks
from layernext.stack.store.clock import now_text
from layernext.stack.store.database import Database
from layernext.stack.store.labels.records import LabelGroup, LabelRef, ValueRef
from layernext.stack.store.labels.texts import value_text
from layernext.stack.store.labels.values import ValueFiles, ValueRow
from layernext.stack.store.pages import read_cursor
from layernext.stack.store.schema import (
    attribute,
    attribute_value,
    label,
    label_group,
    label_group_member,
)
from layernext.stack.store.storable import is_storable
from layernext.wire.native import PageOf

Kept = TypeVar("Kept", bound=Sized)

MAX_VALUES = 1_000
"""Values of one attribute that uploads register. More than that is not a list to choose from; the
references of the others are known all the same."""

MAX_VALUE_CHARACTERS = 1_000
"""Longest JSON text of a value that uploads register: masks and the like are no choice either."""

MAX_REMEMBERED = 50_000
"""Values, and as many labels and attributes, that a process keeps in memory: some 20 MB."""

SHOWN_VALUES = 100

Value: TypeAlias = tuple[str, str, str]
"""Label, attribute, `value_text`."""


class Seen(Struct):
    """What a transaction has made or found; `Labels.remember` keeps it once that stands."""

    label_ids: dict[str, int]
    attribute_ids: dict[tuple[str, str], int] = field(default_factory=dict)
    values: set[Value] = field(default_factory=set)
    full: set[tuple[str, str]] = field(default_factory=set)


class Labels:
    """All statements on labels, with what was seen before kept in memory.

    Args:
        database: where they are.
        namespace: the stack's own number, from which all references derive.
    """

    def __init__(self, database: Database, namespace: uuid.UUID) -> None:
        self._database = database
        self._namespace = namespace
        self._lock = threading.Lock()
        self._ids: dict[str, int] = {}
        self._attribute_ids: dict[tuple[str, str], int] = {}
        self._values: set[Value] = set()
        self._full: set[tuple[str, str]] = set()

    # -- references -------------------------------------------------------------------------

    def label_ref(self, name: str) -> str:
        """The reference of a label."""
        return str(uuid.uuid5(self._namespace, name))

    def attribute_ref(self, label_name: str, name: str) -> str:
        """The reference of a label's attribute."""
        return str(uuid.uuid5(uuid.UUID(self.label_ref(label_name)), name))

    def value_ref(self, label_name: str, name: str, text: str) -> str:
        """The reference of a value, given as `value_text`."""
        return _value_ref(uuid.UUID(self.attribute_ref(label_name, name)), text)

    # -- writing ----------------------------------------------------------------------------

    def ensure_ids(
        self, connection: sa.Connection, names: Iterable[str]
    ) -> tuple[dict[str, int], list[str]]:
        """The row ids of labels, making those that are missing.

        Returns:
            Name to id, and the names that were new. Call `remember` once the transaction stands.
        """
        requested = set(names)
        known_ids = {name: self._ids[name] for name in requested if name in self._ids}
        missing = sorted(requested - known_ids.keys())
        if not missing:
            return known_ids, []
        known_ids |= _ids_by_name(connection, missing)
        new = [name for name in missing if name not in known_ids]
        if new:
            rows = [self._label_row(name) for name in new]
            connection.execute(
                self._database.upsert(label).on_conflict_do_nothing(index_elements=["name"]), rows
            )
            known_ids |= _ids_by_name(connection, new)
        return known_ids, new

    def ensure_values(
        self,
        connection: sa.Connection,
        label_ids: dict[str, int],
        values: set[Value],
        *,
        attributes: Iterable[tuple[str, str]] = (),
        limited: bool,
    ) -> Seen:
        """Register attributes and values.

        Args:
            connection: the transaction.
            label_ids: the row id of every label that is named.
            values: what to register.
            attributes: (label, name) of further ones, which may have no value.
            limited: leave out what is beyond `MAX_VALUES` and `MAX_VALUE_CHARACTERS`.

        Returns:
            What is there now; give it to `remember` once the transaction stands.
        """
        seen = Seen(label_ids)
        unknown = values - self._values
        if limited:
            unknown = {value for value in unknown if value[:2] not in self._full}
        pairs = {value[:2] for value in unknown}.union(attributes)
        if not pairs:
            return seen
        seen.attribute_ids = self._ensure_attributes(connection, label_ids, pairs)
        refs = {pair: uuid.UUID(self.attribute_ref(*pair)) for pair in pairs}
        if limited:
            fresh = self._within_limits(connection, unknown, refs, seen)
        else:
            fresh = {value: _value_ref(refs[value[:2]], value[2]) for value in unknown}
        if fresh:
            insert = self._database.upsert(attribute_value).on_conflict_do_nothing()
            rows = [
                {"attribute_id": seen.attribute_ids[value[:2]], "value": value[2], "ref": ref}
                for value, ref in sorted(fresh.items())
            ]
            connection.execute(insert, rows)
        seen.values |= fresh.keys()
        return seen

    def _ensure_attributes(
        self, connection: sa.Connection, label_ids: Mapping[str, int], pairs: set[tuple[str, str]]
    ) -> dict[tuple[str, str], int]:
        known_ids = {
            pair: self._attribute_ids[pair] for pair in pairs if pair in self._attribute_ids
        }
        missing = {self.attribute_ref(*pair): pair for pair in sorted(pairs - known_ids.keys())}
        if missing:
            rows = [
                {"label_id": label_ids[item], "name": name, "ref": ref}
                for ref, (item, name) in missing.items()
            ]
            insert = self._database.upsert(attribute).on_conflict_do_nothing()
            connection.execute(insert, rows)
        for chunk in sorted_chunks(missing):
            query = sa.select(attribute.c.ref, attribute.c.id).where(attribute.c.ref.in_(chunk))
            known_ids |= {missing[row.ref]: row.id for row in connection.execute(query)}
        return known_ids

    def _within_limits(
        self,
        connection: sa.Connection,
        values: set[Value],
        refs: Mapping[tuple[str, str], uuid.UUID],
        seen: Seen,
    ) -> dict[Value, str]:
        """The values that are to be registered, with their references; notes what it finds."""
        known_ids: dict[int, set[str]] = {}
        for chunk in sorted_chunks(seen.attribute_ids.values()):
            condition = attribute_value.c.attribute_id.in_(chunk)
            query = sa.select(attribute_value.c.attribute_id, attribute_value.c.ref).where(
                condition
            )
            for attribute_id, ref in connection.execute(query):
                known_ids.setdefault(attribute_id, set()).add(ref)
        fresh: dict[Value, str] = {}
        for value in sorted(values):
            pair, text = value[:2], value[2]
            existing = known_ids.setdefault(seen.attribute_ids[pair], set())
            if len(existing) >= MAX_VALUES:
                seen.full.add(pair)
            elif len(text) <= MAX_VALUE_CHARACTERS:
                ref = _value_ref(refs[pair], text)
                if ref in existing:
                    seen.values.add(value)
                else:
                    existing.add(ref)
                    fresh[value] = ref
        return fresh

    def remember(self, seen: Seen) -> None:
        """Keep in memory what a committed transaction has made or found."""
        with self._lock:
            self._ids = _bounded(self._ids | seen.label_ids, dict)
            if seen.attribute_ids:
                # New objects: other threads read the old ones without the lock.
                self._attribute_ids = _bounded(self._attribute_ids | seen.attribute_ids, dict)
                self._values = _bounded(self._values | seen.values, set)
                self._full = _bounded(self._full | seen.full, set)

    def ensure_table(
        self, requested: Mapping[str, Mapping[str, Sequence[Any]]]
    ) -> dict[str, LabelRef]:
        """Make every label, attribute and value that is missing; the references of all."""
        values = {
            (entry, name, value_text(value))
            for entry, attributes in requested.items()
            for name, chunk in attributes.items()
            for value in chunk
        }

        pairs = [(item, name) for item, attributes in requested.items() for name in attributes]

        def work(connection: sa.Connection) -> Seen:
            ids, _ = self.ensure_ids(connection, requested)
            return self.ensure_values(connection, ids, values, attributes=pairs, limited=False)

        if requested:
            self.remember(self._database.write_again(work))
        return self._table(requested)

    def _table(self, requested: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, LabelRef]:
        return {
            item: LabelRef(
                ref=self.label_ref(item),
                color=color_of(item),
                attributes={
                    name: (self.attribute_ref(item, name), self._refs_by_text(item, name, chunk))
                    for name, chunk in attributes.items()
                },
            )
            for item, attributes in requested.items()
        }

    def ensure_tables(
        self, batches: Iterable[Mapping[str, Mapping[str, Sequence[Any]]]]
    ) -> Iterator[dict[str, LabelRef]]:
        """As `ensure_table`, for more than one transaction should hold: a table for each batch.

        All values are registered once the iterator has ended.
        """
        with ValueFiles(self._database) as files:
            for batch in batches:
                yield self._table_into(files, batch)
            files.register()

    def _table_into(
        self, files: ValueFiles, requested: Mapping[str, Mapping[str, Sequence[Any]]]
    ) -> dict[str, LabelRef]:
        """The references of a batch whose labels and attributes are registered; its values go into files."""
        pairs = [(item, name) for item, attributes in requested.items() for name in attributes]

        def work(connection: sa.Connection) -> Seen:
            ids, _ = self.ensure_ids(connection, requested)
            return self.ensure_values(connection, ids, set(), attributes=pairs, limited=False)

        seen = self._database.write_again(work)
        self.remember(seen)
        table = self._table(requested)
        for entry, name in pairs:
            attribute_number = uuid.UUID(self.attribute_ref(entry, name))
            row_id = seen.attribute_ids[entry, name]
            for value in requested[entry][name]:
                text = value_text(value)
                files.add(ValueRow(row_id, text, _value_ref(attribute_number, text)))
        return table

    def _refs_by_text(self, item: str, name: str, values: Sequence[Any]) -> dict[str, str]:
        attribute_number = uuid.UUID(self.attribute_ref(item, name))
        # Strings come last: where 1 and "1" are both there, the published clients mean the string.
        ordered = sorted(values, key=lambda value: isinstance(value, str))
        return {
            value if isinstance(value, str) else value_text(value): _value_ref(
                attribute_number, value_text(value)
            )
            for value in ordered
        }

    def create(
        self, name: str, description: str, attributes: Mapping[str, Sequence[Any]]
    ) -> tuple[Label, bool]:
        """Make a label with its attributes; the label, and whether it was new."""
        values = {(name, key, value_text(v)) for key, chunk in attributes.items() for v in chunk}

        pairs = [(name, key) for key in attributes]

        def work(connection: sa.Connection) -> tuple[Seen, bool]:
            ids, new = self.ensure_ids(connection, [name])
            if description:
                changed = sa.update(label).where(label.c.name == name)
                connection.execute(changed.values(description=description))
            seen = self.ensure_values(connection, ids, values, attributes=pairs, limited=False)
            return seen, bool(new)

        seen, is_new = self._database.write_again(work)
        self.remember(seen)
        with self._database.read() as connection:
            (result,) = _labels(connection, label.c.name == name, 1)
        return result[1], is_new

    def _label_row(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "ref": self.label_ref(name),
            "color": color_of(name),
            "description": "",
            "created_at": now_text(),
        }

    # -- reading ----------------------------------------------------------------------------

    def list_page(
        self, *, after: str | None, limit: int, group_id: str | None = None
    ) -> PageOf[Label]:
        """Labels with their attributes, oldest first; only those of a group if one is given.

        Raises:
            InvalidRequest: `after` is not a cursor.
        """
        where: sa.ColumnElement[bool] = label.c.id > read_cursor(after)
        if group_id is not None:
            if not is_storable(group_id):
                return PageOf([])
            members = (
                sa.select(label_group_member.c.label_id)
                .join(label_group, label_group.c.id == label_group_member.c.group_id)
                .where(label_group.c.public_id == group_id)
            )
            where &= label.c.id.in_(members)
        with self._database.read() as connection:
            rows = _labels(connection, where, limit + 1)
        following = str(rows[limit - 1][0]) if len(rows) > limit else None
        return PageOf([item for _, item in rows[:limit]], following)

    def resolve_refs(
        self, attribute_refs: Sequence[str], value_refs: Sequence[str]
    ) -> tuple[dict[str, str], dict[str, ValueRef]]:
        """Names behind attribute references and values behind value references."""
        with self._database.read() as connection:
            return (
                self._resolve_attributes(connection, attribute_refs),
                self._resolve_values(connection, value_refs),
            )

    @staticmethod
    def _resolve_values(
        connection: sa.Connection, value_refs: Iterable[str]
    ) -> dict[str, ValueRef]:
        """What value references stand for; unknown ones are left out."""
        known_ids: dict[str, ValueRef] = {}
        for chunk in sorted_chunks({ref for ref in value_refs if is_storable(ref)}):
            rows = connection.execute(
                sa.select(attribute_value.c.ref, attribute_value.c.value, attribute.c.name)
                .join(attribute, attribute.c.id == attribute_value.c.attribute_id)
                .where(attribute_value.c.ref.in_(chunk))
            )
            for row in rows:
                known_ids[row.ref] = ValueRef(row.name, msgspec.json.decode(row.value))
        return known_ids

    @staticmethod
    def _resolve_attributes(connection: sa.Connection, refs: Iterable[str]) -> dict[str, str]:
        """The names behind attribute references; unknown ones are left out."""
        known_ids: dict[str, str] = {}
        for chunk in sorted_chunks({ref for ref in refs if is_storable(ref)}):
            condition = attribute.c.ref.in_(chunk)
            rows = connection.execute(sa.select(attribute.c.ref, attribute.c.name).where(condition))
            known_ids |= {row.ref: row.name for row in rows}
        return known_ids

    # -- groups -----------------------------------------------------------------------------

    def create_group(self, name: str, label_refs: Sequence[str]) -> LabelGroup | None:
        """Make a group, or give it more labels if there is one of that name.

        Returns:
            The group, or None if one of the references is unknown.
        """

        def work(connection: sa.Connection) -> LabelGroup | None:
            ids: list[int] = []
            for chunk in sorted_chunks({ref for ref in label_refs if is_storable(ref)}):
                query = sa.select(label.c.id).where(label.c.ref.in_(chunk))
                ids += connection.execute(query).scalars()
            if len(ids) != len(set(label_refs)):
                return None
            values = {"public_id": uuid.uuid4().hex[:24], "name": name}
            insert = self._database.upsert(label_group).values(**values)
            connection.execute(insert.on_conflict_do_nothing())
            named = sa.select(label_group).where(label_group.c.name == name)
            group = connection.execute(named).one()
            if ids:
                insert = self._database.upsert(label_group_member).on_conflict_do_nothing()
                members = [{"group_id": group.id, "label_id": row_id} for row_id in sorted(ids)]
                connection.execute(insert, members)
            return _groups(connection, label_group.c.id == group.id)[0]

        return self._database.write_again(work)

    def change_group(
        self, group_id: str, label_refs: Sequence[str], *, removes: bool
    ) -> LabelGroup | None:
        """Add labels to a group or take them out.

        Returns:
            The group, or None if there is no such group or one of the references is unknown.
        """

        def work(connection: sa.Connection) -> LabelGroup | None:
            query = sa.select(label_group.c.id).where(label_group.c.public_id == group_id)
            value = connection.execute(query).scalar_one_or_none()
            ids: list[int] = []
            for chunk in sorted_chunks({ref for ref in label_refs if is_storable(ref)}):
                select = sa.select(label.c.id).where(label.c.ref.in_(chunk))
                ids += connection.execute(select).scalars()
            if value is None or len(ids) != len(set(label_refs)):
                return None
            if removes:
                condition = (label_group_member.c.group_id == value) & (
                    label_group_member.c.label_id.in_(ids)
                )
                connection.execute(sa.delete(label_group_member).where(condition))
            elif ids:
                insert = self._database.upsert(label_group_member).on_conflict_do_nothing()
                members = [{"group_id": value, "label_id": row_id} for row_id in sorted(ids)]
                connection.execute(insert, members)
            return _groups(connection, label_group.c.id == value)[0]

        return self._database.write_again(work) if is_storable(group_id) else None

    def list_groups(self) -> list[LabelGroup]:
        """Every group with its labels' references."""
        with self._database.read() as connection:
            return _groups(connection, sa.true())


def color_of(name: str) -> str:
    """A color for a label, ``#rrggbb``: the same for the same name on every stack.

    The hue comes from a hash of the name; saturation and lightness vary in few steps and stay
    where a line is readable on most photographs.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
    hue = int.from_bytes(digest[:2], "big") / 0x10000
    lightness = 0.42 + 0.06 * (digest[2] % 4)
    saturation = 0.65 + 0.1 * (digest[3] % 4)
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _value_ref(attribute_number: uuid.UUID, text: str) -> str:
    """The text of `uuid.uuid5`, which takes several times as long: there are millions of values."""
    digits = hashlib.sha1(attribute_number.bytes + text.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _bounded(remembered: Kept, empty: Callable[[], Kept]) -> Kept:
    """What is remembered, or nothing once that is too much: it only spares a look-up."""
    return remembered if len(remembered) <= MAX_REMEMBERED else empty()


def _ids_by_name(connection: sa.Connection, names: Sequence[str]) -> dict[str, int]:
    known_ids: dict[str, int] = {}
    for chunk in sorted_chunks(names):
        condition = label.c.name.in_(chunk)
        rows = connection.execute(sa.select(label.c.name, label.c.id).where(condition))
        known_ids |= {row.name: row.id for row in rows}
    return known_ids


def _labels(
    connection: sa.Connection, where: sa.ColumnElement[bool], limit: int
) -> list[tuple[int, Label]]:
    rows = connection.execute(sa.select(label).where(where).order_by(label.c.id).limit(limit)).all()
    by_label: dict[int, list[LabelAttribute]] = {row.id: [] for row in rows}
    owned = sa.select(attribute).where(attribute.c.label_id.in_(by_label)).order_by(attribute.c.id)
    attributes = connection.execute(owned).all()
    existing = _first_values(connection, attribute.c.label_id.in_(by_label))
    for row in attributes:
        chunk = existing.get(row.id, [])
        values = [{"value": msgspec.json.decode(v.value), "ref": v.ref} for v in chunk]
        count = chunk[0].value_count if chunk else 0
        by_label[row.label_id].append(
            LabelAttribute(name=row.name, ref=row.ref, value_count=count, values=values)
        )
    return [
        (
            row.id,
            Label(
                name=row.name,
                ref=row.ref,
                color=row.color,
                description=row.description,
                attributes=by_label[row.id],
            ),
        )
        for row in rows
    ]


def _first_values(
    connection: sa.Connection, of_attributes: sa.ColumnElement[bool]
) -> dict[int, list[sa.Row[Any]]]:
    """The oldest values of each attribute, `SHOWN_VALUES` at most, with the number of all."""
    item = attribute_value.c.attribute_id
    numbered = (
        sa.select(
            attribute_value,
            sa.func.row_number().over(partition_by=item, order_by=attribute_value.c.id).label("at"),
            sa.func.count().over(partition_by=item).label("value_count"),
        )
        .join(attribute, attribute.c.id == item)
        .where(of_attributes)
        .subquery()
    )
    query = sa.select(numbered).where(numbered.c.at <= SHOWN_VALUES).order_by(numbered.c.id)
    known_ids: dict[int, list[sa.Row[Any]]] = {}
    for row in connection.execute(query):
        known_ids.setdefault(row.attribute_id, []).append(row)
    return known_ids


def _groups(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[LabelGroup]:
    groups = connection.execute(
        sa.select(label_group).where(where).order_by(label_group.c.id)
    ).all()
    refs: dict[int, list[str]] = {row.id: [] for row in groups}
    members = (
        sa.select(label_group_member.c.group_id, label.c.ref)
        .join(label, label.c.id == label_group_member.c.label_id)
        .where(label_group_member.c.group_id.in_(refs))
        .order_by(label.c.id)
    )
    for row in connection.execute(members):
        refs[row.group_id].append(row.ref)
    return [LabelGroup(id=row.public_id, name=row.name, label_refs=refs[row.id]) for row in groups]
