"""The query language: text to a tree, and the tree to a statement with bound parameters."""

from layernext.stack.store.query.compile import compare, compile_query
from layernext.stack.store.query.fields import FIELDS, Field
from layernext.stack.store.query.parse import Query, parse_query
from layernext.stack.store.query.tallies import chosen_evaluations, named

__all__ = [
    "FIELDS",
    "Field",
    "Query",
    "chosen_evaluations",
    "compare",
    "compile_query",
    "named",
    "parse_query",
]
