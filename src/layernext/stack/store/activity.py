"""What this process has stored, and how often its database failed, since it started."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping


class Activity:
    """Counts that only grow; cheap enough to keep whether anybody reads them or not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._images = 0
        self._annotations = 0
        self._database_errors: Counter[str] = Counter()

    def add_batch(self, images: int, annotations: int) -> None:
        """Count a batch that was stored."""
        with self._lock:
            self._images += images
            self._annotations += annotations

    def add_database_error(self, reason: str) -> None:
        """Count a statement that failed."""
        with self._lock:
            self._database_errors[reason] += 1

    @property
    def ingested(self) -> tuple[int, int]:
        """Images and annotations of all batches."""
        with self._lock:
            return self._images, self._annotations

    @property
    def database_errors(self) -> Mapping[str, int]:
        """How often the database failed, by reason."""
        with self._lock:
            return dict(self._database_errors)
