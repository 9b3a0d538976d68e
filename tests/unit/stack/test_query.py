"""The query language: what it takes, and what it says of what it does not take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layernext.errors import DataError
from layernext.stack.search.query.parse import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_LENGTH,
    All,
    Condition,
    Either,
    Node,
    Not,
    parse_query,
)


def shape(node: Node | None) -> object:
    """A tree as plain tuples."""
    if node is None:
        return None
    if isinstance(node, Condition):
        until = () if node.until is None else ("..", node.until)
        return (node.field.name, node.operator, *node.values, *until)
    if isinstance(node, Not):
        return ("not", shape(node.part))
    return ("and" if isinstance(node, All) else "or", *map(shape, node.parts))


DAY = ("2026-01-31T00:00:00.000Z", "2026-01-31T23:59:59.999Z")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", None),
        ("  ", None),
        ("annotation.label=Bird", ("annotation.label", "=", "Bird")),
        ("MetaData.Tags=water", ("metadata.Tags", "=", "water")),
        ("tags = water", ("metadata.Tags", "=", "water")),
        ("label = Traffic light", ("annotation.label", "=", "Traffic light")),
        ('label = "a AND b"', ("annotation.label", "=", "a AND b")),
        (r'label = "a \" \\ b"', ("annotation.label", "=", 'a " \\ b')),
        ("label = 'x'", ("annotation.label", "=", "x")),
        ("name = android", ("name", "=", "android")),
        ("a_field = 1", None),
        ("name = a and size > 5 MB", ("and", ("name", "=", "a"), ("size", ">", 5e6))),
        ("name=a or name=b and name=c",
         ("or", ("name", "=", "a"), ("and", ("name", "=", "b"), ("name", "=", "c")))),
        ("(name=a or name=b) and name=c",
         ("and", ("or", ("name", "=", "a"), ("name", "=", "b")), ("name", "=", "c"))),
        ("not name = a", ("not", ("name", "=", "a"))),
        ("name != a", ("not", ("name", "=", "a"))),
        ("name !~ a*", ("not", ("name", "~", "a*"))),
        ("name in (a, 'b c', d)", ("name", "=", "a", "b c", "d")),
        ("name not in (a)", ("not", ("name", "=", "a"))),
        ("width = 10..20", ("width", "=", 10.0, "..", 20.0)),
        ("size = 1 KiB..2MB", ("size", "=", 1024.0, "..", 2e6)),
        ("created = 2026-01-31", ("created", "=", DAY[0], "..", DAY[1])),
        ("created > 2026-01-31", ("created", ">", DAY[1])),
        ("created >= 2026-01-31", ("created", ">=", DAY[0])),
        ("created = 2026-01-31T12:00", ("created", "=", "2026-01-31T12:00:00.000Z")),
        ("created < 2026-01-31T12:00+02:00", ("created", "<", "2026-01-31T10:00:00.000Z")),
        ('metadata."my field".x = 1', None),
        ('metadata."my field" = 1', ("metadata.my field", "=", "1")),
        ("metadata.a.b = 1", ("metadata.a.b", "=", "1")),
        ("annotation.attribute.Color = Red", ("annotation.attribute.Color", "=", "Red")),
        ("analytics.embeddingModel = Resnet50", ("embedding.model", "=", "Resnet50")),
        ("has_file = yes", ("has_file", "=", True)),
        ("annotated = RAW", ("annotated", "=", "raw")),
    ],
)  # fmt: skip
def test_parsing(text: str, wanted: object) -> None:
    """Each form of a query, as a tree; those without one are refused below."""
    if wanted is None and text.strip():
        with pytest.raises(DataError):
            parse_query(text)
    else:
        assert shape(parse_query(text).root) == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("annotation.lable = a",
         "query, column 1: unknown field 'annotation.lable'; did you mean 'annotation.label'?"),
        ("name = a and wdith = 3",
         "query, column 14: unknown field 'wdith'; did you mean 'width'?"),
        ("xyzzy = a", "query, column 1: unknown field 'xyzzy'"),
        ("width = wide", "query, column 9: width needs a number, this is 'wide'"),
        ("width = nan", "query, column 9: width needs a number, this is 'nan'"),
        ("size > 5 PB", "query, column 8: size needs a size such as 5 MB, this is '5 PB'"),
        ("created = yesterday",
         "query, column 11: created needs a date such as 2026-01-31, this is 'yesterday'"),
        ("width ~ 3", "query, column 1: width is not text, so ~ does not apply"),
        ("name > a", "query, column 1: name has no order, so > does not fit"),
        ("annotated = none", "query, column 13: annotated is one of raw, machine, human"),
        ("has_file = maybe", "query, column 12: has_file is true or false"),
        ("name", "query, column 5: expected an operator behind 'name', such as = or ~"),
        ("name =", "query, column 7: expected a value"),
        ("(name = a", "query, column 10: expected )"),
        ("name = a)", "query, column 9: expected AND, OR or the end"),
        ("and name = a", "query, column 1: unknown field 'and'"),
        ('name = "a', "query, column 8: the quote is not closed"),
        ("name in (a", "query, column 11: expected , or )"),
        ("= 3", "query, column 1: expected a field, such as annotation.label"),
        ("name = \x00", "query, column 8: U+0000 cannot be in a value"),
    ],
)  # fmt: skip
def test_errors_point_at_the_column(text: str, problem: str) -> None:
    """One sentence with the place, and what was meant where that can be guessed."""
    with pytest.raises(DataError) as refused:
        parse_query(text)
    assert str(refused.value.problems[0]) == problem


def test_bounds() -> None:
    """Nothing a client sends makes the parser go deep or long."""
    assert parse_query(f"{'(' * MAX_DEPTH}name=a{')' * MAX_DEPTH}")
    for text in (
        f"{'(' * (MAX_DEPTH + 2)}name=a{')' * (MAX_DEPTH + 2)}",
        "not " * (MAX_DEPTH + 2) + "name=a",
        " or ".join(["name=a"] * (MAX_CONDITIONS + 1)),
        "(" * 9_000,
        "name=" + "a" * MAX_LENGTH,
    ):
        with pytest.raises(DataError):
            parse_query(text)


pieces = st.sampled_from(
    ["name", "label", "metadata.x", "=", "!=", "~", ">", "in", "(", ")", "and", "or", "not", '"',
     "'", "\\", "..", "3", "2026-01-31", ",", ".", " ", "\n", "\x00", "é", "*"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=80), st.lists(pieces, max_size=20).map(" ".join)))
def test_any_text(text: str) -> None:
    """Any text is a query or is refused with its column."""
    where = "query, column "
    try:
        found = parse_query(text)
    except DataError as error:
        where = error.problems[0].where
    else:
        assert found.root is None or isinstance(found.root, Condition | Not | All | Either)
    assert where.startswith("query, column ")
