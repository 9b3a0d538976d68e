"""How much goes into one request of an upload.

Where every connection breaks after a while, a request that is too large never arrives. One that is
too small costs the stack nearly as much time as a large one.
"""

from __future__ import annotations

MOST_BYTES = 2 << 20
"""Of the source's JSON; as shapes it is some five times larger, well within the published 100 MB."""
FIRST_BYTES = 64 << 10
LEAST_BYTES = 8 << 10
FAILURES_BY_CHANCE = 1
"""The connection may have carried other requests before it broke, or break whatever it carries."""
GROWTH_DIVISOR = 8


class BatchSize:
    """The size of the next batch.

    It doubles with each request that passes, until the first one breaks; from then on it grows by
    an eighth. A request that breaks more than once halves it each further time.

    Attributes:
        bytes: of the source's JSON.
    """

    def __init__(self) -> None:
        self.bytes = FIRST_BYTES
        self._has_broken = False

    def request_passed(self) -> None:
        """Grow: a request went through at the first attempt."""
        growth = self.bytes // GROWTH_DIVISOR if self._has_broken else self.bytes
        self.bytes = min(MOST_BYTES, self.bytes + growth)

    def request_broke(self, failures: int) -> None:
        """Shrink, if this is not the first failure of the request."""
        self._has_broken = True
        if failures > FAILURES_BY_CHANCE:
            self.bytes = max(LEAST_BYTES, self.bytes // 2)
