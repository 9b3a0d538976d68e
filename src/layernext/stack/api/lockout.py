"""Wrong keys and secrets: whoever keeps sending them from an address has to wait, longer each time.

A secret has too many bits to be guessed; this keeps whoever tries from wasting our time, and from
filling the log. What somebody fails at elsewhere never keeps the rightful owner of a key out: what
counts is the address and the key together, or the address for keys that never came from it. Who shows the
secret that was right from the same address before never waits, whatever a neighbor fails at.

An address of IPv6 counts with its whole network of 64 bits, which is what a single customer gets.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from ipaddress import IPv6Address, ip_address
from typing import Generic, TypeVar

from msgspec import Struct

MEMORY_S = 3600.0
"""So long after its last failure, whoever failed counts as one who has not."""

LONGEST_WAIT_S = 300.0

FREE_OF_KEY = 5
"""Failures with a key from an address before the next attempt has to wait."""

FREE_OF_ADDRESS = 30
"""Failures with any keys from an address, before keys that never came from there have to wait."""

SUSPICIOUS_FAILURES = 100
"""With one key from all addresses together. From then on an address that the key never came from has
`FREE_IF_SUSPICIOUS` attempts: many addresses cannot guess together what one may not alone."""

FREE_IF_SUSPICIOUS = 1

MAX_REMEMBERED = 10_000
"""Of each: pairs, addresses, keys. The ones that failed longest ago are forgotten first."""

MAX_KEY_LENGTH = 64
"""Of a key that is remembered; a stranger may send a long one."""

Name = TypeVar("Name", bound=Hashable)


class Failures(Struct):
    """Failures of one pair, address or key."""

    count: int = 0
    last: float = 0.0


class RecentFailures(Generic[Name]):
    """Counts failures by name: for an hour after the last one, of a bounded number of names."""

    def __init__(self) -> None:
        self._rows: OrderedDict[Name, Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, name: Name, now: float) -> Failures:
        """Those of a name, as of a moment."""
        row = self._rows.get(name)
        return row if row is not None and now - row.last <= MEMORY_S else Failures(0, now)

    def add(self, name: Name, now: float) -> int:
        """Count one more; how many there are now."""
        count = self.get(name, now).count + 1
        self._rows[name] = Failures(count, now)
        self._rows.move_to_end(name)
        if len(self._rows) > MAX_REMEMBERED:
            self._rows.popitem(last=False)
        return count

    def forget(self, name: Name) -> None:
        """Start again at none."""
        self._rows.pop(name, None)


class Lockout:
    """Remembers failures and says who has to wait. For the event loop's thread alone.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pairs: RecentFailures[tuple[str, str]] = RecentFailures()
        self._addresses: RecentFailures[str] = RecentFailures()
        self._keys: RecentFailures[str] = RecentFailures()
        self._salt = secrets.token_bytes(16)
        self._good: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def __len__(self) -> int:
        """How much is remembered."""
        return len(self._pairs) + len(self._addresses) + len(self._keys) + len(self._good)

    def now(self) -> float:
        """The clock's time."""
        return self._clock()

    def wait_s(self, address: str, api_key: str, secret: str) -> float:
        """Seconds until this key may be tried with this secret from this address; 0 for now."""
        now, key = self._clock(), api_key[:MAX_KEY_LENGTH]
        address = network_of(address)
        right = self._good.get((address, key))
        if right is not None and right == self._digest(secret):
            return 0.0
        is_good = right is not None
        free = FREE_OF_KEY
        if not is_good and self._keys.get(key, now).count >= SUSPICIOUS_FAILURES:
            free = FREE_IF_SUSPICIOUS
        wait_s = _wait_s(self._pairs.get((address, key), now), free, now)
        if is_good:
            return wait_s
        return max(wait_s, _wait_s(self._addresses.get(address, now), FREE_OF_ADDRESS, now))

    def note_failure(self, address: str, api_key: str) -> int:
        """Note a wrong key or secret; how many there were of this address lately, with this one."""
        now, key = self._clock(), api_key[:MAX_KEY_LENGTH]
        address = network_of(address)
        self._pairs.add((address, key), now)
        self._keys.add(key, now)
        return self._addresses.add(address, now)

    def note_success(self, address: str, api_key: str, secret: str) -> None:
        """Note a right secret.

        The first time, failures with this key from this address are forgiven; later ones are a neighbor's, and
        go on counting.
        """
        pair, digest = (network_of(address), api_key[:MAX_KEY_LENGTH]), self._digest(secret)
        if self._good.get(pair) != digest:
            self._pairs.forget(pair)
        self._good[pair] = digest
        self._good.move_to_end(pair)
        if len(self._good) > MAX_REMEMBERED:
            self._good.popitem(last=False)

    def _digest(self, secret: str) -> bytes:
        text = secret.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._salt, digest_size=16).digest()


def network_of(address: str) -> str:
    """What counts as one address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.exploded[:19]


def _wait_s(failures: Failures, free: int, now: float) -> float:
    """What is left of the wait after the last failure."""
    beyond = failures.count - free
    if beyond < 0:
        return 0.0
    whole = min(2.0 ** min(beyond, 20), LONGEST_WAIT_S)
    return max(0.0, failures.last + whole - now)
