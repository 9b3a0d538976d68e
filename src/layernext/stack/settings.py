"""How a stack is set up. Filled in by whoever starts it: the command line, or a test."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8750
DATABASE_FILE = "stack.sqlite3"


class Settings(Struct, frozen=True, kw_only=True):
    """Settings of one stack.

    Attributes:
        data: the folder that holds everything of an embedded stack.
        host, port: where it listens.
        database: a ``postgresql://`` URL, or None for SQLite in `data`.
        native: whether it offers the native protocol beside the published one.
        max_body_bytes: largest body of a published request; larger ones are refused.
        quiet: no access log.
    """

    data: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    database: str | None = None
    native: bool = True
    max_body_bytes: int = 512 << 20
    quiet: bool = False

    @property
    def database_url(self) -> str:
        """The URL that `Store.open` takes."""
        return self.database or f"sqlite:///{self.data / DATABASE_FILE}"
