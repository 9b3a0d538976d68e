r"""From the text of a query to a tree, with errors that point at the column.

    query     = either { "OR" either }
    either    = single { "AND" single }
    single    = "NOT" single | "(" query ")" | condition
    condition = field operator value
    operator  = "=" | "!=" | "~" | "!~" | "<" | "<=" | ">" | ">=" | "in"

A value is quoted, with ``\`` before a quote or another ``\``, or plain: then it goes on to the next ``AND``,
``OR``, closing bracket, or the end, so that spaces in it need no quotes. ``=`` takes a range ``a..b``, both
ends included; ``in`` takes a list in brackets. docs/queries.md tells it to users.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone
from typing import Literal, TypeAlias

from msgspec import Struct

from layernext.errors import DataError, Problem
from layernext.stack.search.query.fields import Field, find_field, suggestion

MAX_LENGTH = 10_000
MAX_DEPTH = 50
MAX_CONDITIONS = 200
MAX_LIST = 1_000

Operator: TypeAlias = Literal["=", "~", "<", "<=", ">", ">="]

Value: TypeAlias = str | float | bool
"""Dates are text as the database has them."""


class Condition(Struct, frozen=True):
    """A field compared with a value.

    Attributes:
        field: the field.
        operator: ``=`` with several values is any of them.
        values: one; for ``=`` any number.
        until: with a range, its upper end; `values` has the lower one.
    """

    field: Field
    operator: Operator
    values: tuple[Value, ...]
    until: Value | None = None


class Not(Struct, frozen=True):
    """What does not hold."""

    part: Node


class All(Struct, frozen=True):
    """What holds together."""

    parts: tuple[Node, ...]


class Either(Struct, frozen=True):
    """Of which one holds at least."""

    parts: tuple[Node, ...]


Node: TypeAlias = Condition | Not | All | Either


class Query(Struct, frozen=True):
    """A parsed query; without a `root` everything fits."""

    root: Node | None


def parse_query(text: str) -> Query:
    """Parse a query.

    Raises:
        DataError: with the column, counted from 1, and what is wrong there.
    """
    if len(text) > MAX_LENGTH:
        raise DataError(
            Problem("query", f"has {len(text)} characters, must have at most {MAX_LENGTH}")
        )
    if not text.strip():
        return Query(None)
    parser = _Parser(text)
    unfit = _UNFIT.search(text)
    if unfit:
        parser.fail(f"U+{ord(unfit.group()):04X} cannot be in a value", unfit.start())
    root = parser.query(0)
    parser.spaces()
    if parser.at < len(text):
        parser.fail("expected AND, OR or the end")
    return Query(root)


# What no database takes as text.
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"(and|or|not)(?![\w.])", re.IGNORECASE)
_FIELD = re.compile(r"\w+(?:\.[\w-]+)*(?:\.\"(?:[^\"\\]|\\.)*\")?")
_OPERATOR = re.compile(r"!=|!~|<=|>=|=|~|<|>|(?:not\s+)?in(?=\s*\()", re.IGNORECASE)
_PLAIN_END = re.compile(r"\s+(?:and|or)(?![\w.])|\)|$", re.IGNORECASE)
_LIST_END = re.compile(r"[,)]|$")
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
_SIZE = re.compile(r"([\d.eE+]+)\s*(b|kb|mb|gb|tb|kib|mib|gib|tib)?", re.IGNORECASE)
_UNITS = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class _Parser:
    """Walks over the text; `at` is where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._conditions = 0

    def fail(self, message: str, at: int | None = None) -> None:
        """Raise what is wrong, and where."""
        column = (self.at if at is None else at) + 1
        raise DataError(Problem(f"query, column {column}", message))

    def spaces(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def word(self, expected: str) -> bool:
        """Go behind a keyword, if it is the next thing."""
        self.spaces()
        match = _WORD.match(self.text, self.at)
        if match and match.group(1).lower() == expected:
            self.at = match.end()
            return True
        return False

    def sign(self, expected: str) -> bool:
        self.spaces()
        if self.text.startswith(expected, self.at):
            self.at += len(expected)
            return True
        return False

    def query(self, depth: int) -> Node:
        parts = [self.either(depth)]
        while self.word("or"):
            parts.append(self.either(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def either(self, depth: int) -> Node:
        parts = [self.single(depth)]
        while self.word("and"):
            parts.append(self.single(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def single(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self.fail(f"brackets and NOT go more than {MAX_DEPTH} deep")
        if self.word("not"):
            return Not(self.single(depth + 1))
        if self.sign("("):
            inner = self.query(depth + 1)
            if not self.sign(")"):
                self.fail("expected )")
            # In brackets it stands alone: it speaks of a set of its own.
            return All((inner,)) if isinstance(inner, Condition) else inner
        return self.condition()

    def condition(self) -> Node:
        self.spaces()
        start = self.at
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            self.fail(f"there are more than {MAX_CONDITIONS} conditions")
        field = self.field()
        self.spaces()
        match = _OPERATOR.match(self.text, self.at)
        if not match:
            self.fail(f"expected an operator behind {field.name!r}, such as = or ~")
            raise AssertionError  # fail raises
        sign = re.sub(r"\s+", " ", match.group().lower())
        self.at = match.end()
        if sign.endswith("in"):
            return _maybe_not(Condition(field, "=", self.list_of(field)), sign.startswith("not"))
        is_negated, operator = sign in {"!=", "!~"}, _POSITIVE.get(sign, sign)
        _check_operator(self, field, operator, start)
        self.spaces()
        at = self.at
        text, is_quoted = self.value_text(_PLAIN_END)
        if operator == "=" and not is_quoted and ".." in text and field.kind in _RANGED:
            low, _, high = text.partition("..")
            first, last = self.value(field, low.strip(), at), self.value(field, high.strip(), at)
            last = _end_of_day(field, last, high)
            return _maybe_not(Condition(field, "=", (first,), last), is_negated)
        value = self.value(field, text, at, is_pattern=operator == "~")
        return _maybe_not(_dated(field, operator, value, text), is_negated)

    def field(self) -> Field:
        start = self.at
        match = _FIELD.match(self.text, start)
        if not match:
            self.fail("expected a field, such as annotation.label")
            raise AssertionError  # fail raises
        written = match.group()
        self.at = match.end()
        head, dot, tail = written.partition('."')
        if dot:
            written = f"{head}.{_unescaped(tail[:-1])}"
        field = find_field(written)
        if field is None:
            near = suggestion(written)
            hint = f"; did you mean {near!r}?" if near else ""
            self.fail(f"unknown field {written[:100]!r}{hint}", start)
            raise AssertionError  # fail raises
        return field

    def value_text(self, end: re.Pattern[str]) -> tuple[str, bool]:
        """The text of a value, and whether it stood in quotes."""
        self.spaces()
        quoted = _QUOTED.match(self.text, self.at)
        if quoted:
            self.at = quoted.end()
            inner = quoted.group(1) if quoted.group(1) is not None else quoted.group(2)
            return _unescaped(inner), True
        if self.text[self.at : self.at + 1] in {'"', "'"}:
            self.fail("the quote is not closed")
        match = end.search(self.text, self.at)
        stop = match.start() if match else len(self.text)
        text = self.text[self.at : stop].strip()
        if not text:
            self.fail("expected a value")
        self.at = stop
        return text, False

    def list_of(self, field: Field) -> tuple[Value, ...]:
        if not self.sign("("):
            self.fail("expected ( behind in")
        values: list[Value] = []
        while True:
            self.spaces()
            at = self.at
            text, _ = self.value_text(_LIST_END)
            values.append(self.value(field, text, at))
            if len(values) > MAX_LIST:
                self.fail(f"the list has more than {MAX_LIST} values")
            if self.sign(")"):
                return tuple(values)
            if not self.sign(","):
                self.fail("expected , or )")

    def value(self, field: Field, text: str, at: int, *, is_pattern: bool = False) -> Value:
        """A value as its field compares it."""
        if field.kind in {"text", "field"} or is_pattern:
            return text
        if field.kind == "word":
            if text.lower() not in field.words:
                self.fail(f"{field.name} is one of {', '.join(field.words)}", at)
            return text.lower()
        if field.kind == "flag":
            if text.lower() not in {"true", "false", "yes", "no"}:
                self.fail(f"{field.name} is true or false", at)
            return text.lower() in {"true", "yes"}
        if field.kind == "date":
            return self.date(field, text, at)
        return self.number(field, text, at)

    def number(self, field: Field, text: str, at: int) -> float:
        unit = 1
        if field.kind == "size":
            match = _SIZE.fullmatch(text)
            if match:
                text, unit = match.group(1), _UNITS[(match.group(2) or "b").lower()]
        try:
            number = float(text) * unit
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            what = "a size such as 5 MB" if field.kind == "size" else "a number"
            self.fail(f"{field.name} needs {what}, this is {text[:100]!r}", at)
        return number

    def date(self, field: Field, text: str, at: int) -> str:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            self.fail(f"{field.name} needs a date such as 2026-01-31, this is {text[:100]!r}", at)
            raise AssertionError from None  # fail raises
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        try:
            moment = moment.astimezone(timezone.utc)
        except OverflowError:
            self.fail(f"{field.name}: {text[:100]!r} is outside of all time", at)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_POSITIVE = {"!=": "=", "!~": "~"}
_RANGED = {"number", "size", "date", "field"}


def _check_operator(parser: _Parser, field: Field, operator: str, at: int) -> None:
    is_order = operator in {"<", "<=", ">", ">="}
    if operator == "~" and field.kind not in {"text", "field"}:
        parser.fail(f"{field.name} is not text, so ~ does not apply", at)
    if is_order and field.kind not in _RANGED:
        parser.fail(f"{field.name} has no order, so {operator} does not fit", at)


def _maybe_not(node: Node, is_negated: bool) -> Node:
    return Not(node) if is_negated else node


def _dated(field: Field, operator: str, value: Value, text: str) -> Condition:
    """A condition; of a day without a time the whole day counts."""
    if field.kind == "date" and _DAY.fullmatch(text.strip()) and isinstance(value, str):
        end = _end_of_day(field, value, text)
        if operator == "=":
            return Condition(field, "=", (value,), end)
        if operator in {"<=", ">"}:
            return Condition(field, operator, (end,))  # type: ignore[arg-type]
    return Condition(field, operator, (value,))  # type: ignore[arg-type]


def _end_of_day(field: Field, value: Value, text: str) -> Value:
    if field.kind != "date" or not _DAY.fullmatch(text.strip()) or not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    try:
        last = moment + timedelta(days=1) - timedelta(milliseconds=1)
    except OverflowError:
        return value
    return last.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
