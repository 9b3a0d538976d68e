"""The query language: text to a tree, the tree to a plan, and the plan to a condition with bound parameters."""

from layernext.stack.search.query.fields import FIELDS, Field
from layernext.stack.search.query.parse import Query, parse_query
from layernext.stack.search.query.plan import Plan, plan_query
from layernext.stack.search.query.tallies import chosen_evaluations, named
from layernext.stack.search.query.where import annotated, where

__all__ = [
    "FIELDS",
    "Field",
    "Plan",
    "Query",
    "annotated",
    "chosen_evaluations",
    "named",
    "parse_query",
    "plan_query",
    "where",
]
