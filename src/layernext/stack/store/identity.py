"""Values that a database makes once and keeps, and the name that tells it from every other database."""

from __future__ import annotations

import hashlib
import uuid

import sqlalchemy as sa

from layernext.stack.store.database import Database
from layernext.stack.store.schema import setting

NAMESPACE = "reference_namespace"
"""The setting whose value the references of labels are made from, too."""


def keep_setting(database: Database, name: str, fresh: str) -> str:
    """The value of a setting; `fresh` becomes the value if there is none."""

    def work(connection: sa.Connection) -> str:
        insert = database.upsert(setting).values(name=name, value=fresh)
        connection.execute(insert.on_conflict_do_nothing())
        chosen = sa.select(setting.c.value).where(setting.c.name == name)
        return str(connection.execute(chosen).scalar_one())

    return database.write_again(work)


def namespace(database: Database) -> uuid.UUID:
    """The id of the stack, which copies of its database have as well."""
    return uuid.UUID(keep_setting(database, NAMESPACE, str(uuid.uuid4())))


def location_digest(database: Database) -> str:
    """Names a database by its id and by where it is, in 64 hexadecimal digits; a copy has another name."""
    text = f"{namespace(database)} {database.location()}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
