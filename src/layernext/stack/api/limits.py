"""Limits of each key: how many requests in a second, and how many uploads at a time.

They are counted in this process. Where several servers share a database, each counts for itself.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection

from msgspec import Struct

from layernext.errors import RateLimited

BURST_S = 2.0
"""A key that was quiet may send the requests of so many seconds at once."""

MIN_BURST = 1.0

MAX_KEYS = 10_000
"""Whose buckets are remembered; one that was forgotten starts full."""

BUSY_WAIT_S = 1.0

TRANSFER_S = 300.0
"""A file whose parts go straight to a bucket counts as an upload until it is finished, but no longer than
this: the stack does not hear of a client that gave up."""


class _Bucket(Struct):
    """Requests that may still come, as of a moment."""

    tokens: float
    at: float


class KeyLimits:
    """Counts requests and uploads of keys. For the event loop's thread alone.

    Args:
        rate: requests a second of a key that has no rate of its own; None for any number.
        uploads: uploads at a time, of each key.
        clock: seconds that only grow.
    """

    def __init__(
        self, rate: float | None, uploads: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._max_uploads, self._clock = rate, uploads, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._uploads: Counter[str] = Counter()
        self._transfers: dict[str, dict[str, float]] = {}

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._buckets) + len(self._uploads) + len(self._transfers)

    def take(self, api_key: str, own_rate: float | None) -> None:
        """Count a request.

        Args:
            api_key: whose.
            own_rate: the key's own rate, which goes before the general one.

        Raises:
            RateLimited: it came too early.
        """
        rate = own_rate if own_rate is not None else self._rate
        if rate is None:
            return
        now, burst = self._clock(), max(rate * BURST_S, MIN_BURST)
        bucket = self._buckets.get(api_key)
        if bucket is None:
            bucket = self._buckets[api_key] = _Bucket(burst, now)
            if len(self._buckets) > MAX_KEYS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(api_key)
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1.0:
            raise RateLimited(
                f"this key may send {rate:g} requests a second",
                status=429,
                retry_after_s=(1.0 - bucket.tokens) / rate,
            )
        bucket.tokens -= 1.0

    def begin_upload(self, api_key: str) -> None:
        """Count an upload that begins; `end_upload` is to follow.

        Raises:
            RateLimited: too many are under way.
        """
        self._check_uploads(api_key)
        self._uploads[api_key] += 1

    def end_upload(self, api_key: str) -> None:
        """Count an upload that ends."""
        self._uploads[api_key] -= 1
        if self._uploads[api_key] <= 0:
            del self._uploads[api_key]

    def begin_transfer(self, api_key: str, file_id: str) -> None:
        """Count a file whose parts go straight to a bucket; again, it counts once.

        Raises:
            RateLimited: too many uploads are under way.
        """
        if file_id not in self.transfers(api_key):
            self._check_uploads(api_key)
        self._transfers.setdefault(api_key, {})[file_id] = self._clock()

    def end_transfer(self, api_key: str, file_id: str) -> None:
        """Count the end of such a file; nothing if it does not count."""
        self.keep_transfers(api_key, self.transfers(api_key) - {file_id})

    def transfers(self, api_key: str) -> set[str]:
        """The files whose parts count as going straight to a bucket."""
        oldest = self._clock() - TRANSFER_S
        begun = self._transfers.get(api_key, {})
        return {file_id for file_id, at in begun.items() if at > oldest}

    def keep_transfers(self, api_key: str, file_ids: Collection[str]) -> None:
        """Count no other file of a key any longer."""
        begun = self._transfers.pop(api_key, {})
        entries = {file_id: at for file_id, at in begun.items() if file_id in file_ids}
        if entries:
            self._transfers[api_key] = entries

    def _check_uploads(self, api_key: str) -> None:
        if self._uploads[api_key] + len(self.transfers(api_key)) < self._max_uploads:
            return
        raise RateLimited(
            f"this key may have {self._max_uploads} uploads at a time",
            status=429,
            retry_after_s=BUSY_WAIT_S,
        )
