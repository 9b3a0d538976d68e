"""Revisions of the tables: which this version reads, and how to get on with the others."""

from __future__ import annotations

from pathlib import Path

import alembic.config
import alembic.script
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from layernext.errors import ConfigurationError

FIRST = "0020"
"""What the first migration makes. It has the number of the last one of those that it replaced, so that a database
which these have brought to their end is up to date."""

EARLIER = frozenset([*(f"{number:04}" for number in range(1, 20)), "0021"])
"""Those that the first migration replaced; 0021 came before 0020."""

UPGRADE_HINT = (
    "upgrade it with the previous version first (CHANGELOG.md names it): start `layernext serve` of that version"
    " once, stop it when it is ready, then start this one"
)
BACKUP_HINT = "restore it with the previous version (CHANGELOG.md names it), which brings it up to date, and back up again"


def migration_config() -> alembic.config.Config:
    """What Alembic needs to know of the migrations."""
    config = alembic.config.Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config


def current_revision(connection: sa.Connection) -> str:
    """The revision of a database; empty without tables of a stack."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def is_known(revision: str) -> bool:
    """Whether this version reads tables of a revision."""
    scripts = alembic.script.ScriptDirectory.from_config(migration_config())
    return revision in {script.revision for script in scripts.walk_revisions()}


def refuse_earlier(revision: str) -> None:
    """Refuse a database that only an earlier version can bring up to date.

    Raises:
        ConfigurationError: with the way to get on.
    """
    if revision in EARLIER:
        raise ConfigurationError(
            f"an earlier version created this database: its tables have revision {revision}, and this version"
            f" reads revision {FIRST} and later ones",
            hint=UPGRADE_HINT,
        )


def check_backup(revision: str) -> None:
    """Refuse a backup whose rows this version cannot read.

    Raises:
        ConfigurationError: an earlier or a newer version has made it.
    """
    if revision in EARLIER:
        raise ConfigurationError(
            f"an earlier version created the backup: its rows have revision {revision}, and this version reads"
            f" revision {FIRST} and later ones",
            hint=BACKUP_HINT,
        )
    if not is_known(revision):
        raise ConfigurationError(
            f"the backup was made by a newer version: this version does not know its schema {revision!r}",
            hint="install that version or a newer one",
        )
