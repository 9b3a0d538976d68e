"""The migrations of the versions before the first one that is kept, to make databases as they left them."""

from __future__ import annotations

from pathlib import Path

import alembic.command
import alembic.config
import sqlalchemy as sa

LAST = "0020"


def upgrade(connection: sa.Connection, revision: str) -> None:
    """Bring a database to a revision as those versions did, within `Database.change_tables`."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, revision)
