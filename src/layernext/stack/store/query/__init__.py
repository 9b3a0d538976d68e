"""The query language: text to a tree, the tree to a plan, and the plan to a condition with bound parameters."""

from layernext.stack.store.query.fields import FIELDS, Field
from layernext.stack.store.query.parse import Query, parse_query
from layernext.stack.store.query.plan import Plan, plan_query
from layernext.stack.store.query.tallies import chosen_evaluations, named
from layernext.stack.store.query.where import annotated, where

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
