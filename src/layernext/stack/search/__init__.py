"""Search: the query language, and the items, tallies and vectors that it finds. Above the store."""

from layernext.stack.search.items import ItemFilter, ItemRow, SortField
from layernext.stack.search.purge import Purge, Purged, before_days
from layernext.stack.search.query import FIELDS as QUERY_FIELDS
from layernext.stack.search.query import Field as QueryField
from layernext.stack.search.search import Search
from layernext.stack.search.tallies import Tallies
from layernext.stack.search.vectors import Similar

__all__ = [
    "QUERY_FIELDS",
    "ItemFilter",
    "ItemRow",
    "Purge",
    "Purged",
    "QueryField",
    "Search",
    "Similar",
    "SortField",
    "Tallies",
    "before_days",
]
