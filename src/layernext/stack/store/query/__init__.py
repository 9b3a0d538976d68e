"""The query language: text to a tree, and the tree to a statement with bound parameters."""

from layernext.stack.store.query.compile import compile_query
from layernext.stack.store.query.fields import FIELDS, Field
from layernext.stack.store.query.parse import Query, parse_query

__all__ = ["FIELDS", "Field", "Query", "compile_query", "parse_query"]
