"""Everything that is found by a query, or by a vector, behind one face."""

from __future__ import annotations

from layernext.stack.search.items import Items
from layernext.stack.search.purge import Purge
from layernext.stack.search.set_index import SetIndex
from layernext.stack.search.tallies import Tallies
from layernext.stack.search.vectors import Embeddings
from layernext.stack.store import Store


class Search:
    """What queries find in a store. Make one for each store: it keeps arrays in memory.

    Args:
        store: what is searched; stays the caller's.

    Attributes:
        items: images and other files, by query.
        tallies: how a run did, image by image.
        embeddings: vectors of images, and the images nearest to one.
        purge: what goes for good.
    """

    def __init__(self, store: Store) -> None:
        database = store.database
        index = SetIndex(database)
        self.items = Items(database, store.selections, index)
        self.tallies = Tallies(database, index)
        self.embeddings = Embeddings(database)
        self.purge = Purge(database, self.items)
