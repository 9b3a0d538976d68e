"""Values that a database makes once and keeps, and the name that tells it from every other database."""

from __future__ import annotations

import hashlib
import secrets
import uuid

import sqlalchemy as sa

from layernext.stack.store.database import Database
from layernext.stack.store.schema import setting

NAMESPACE = "reference_namespace"
"""The setting whose value the references of labels are made from, too."""

_URL_SECRET = "url_secret"  # noqa: S105 - the setting's name


class StackIdentity:
    """Values that the database makes once, the same for all processes of the stack.

    Args:
        database: which.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def url_secret(self) -> bytes:
        """What the stack signs URLs with."""
        return bytes.fromhex(self._keep(_URL_SECRET, secrets.token_hex(32)))

    def namespace(self) -> uuid.UUID:
        """The id of the stack, which copies of its database have as well."""
        return uuid.UUID(self._keep(NAMESPACE, str(uuid.uuid4())))

    def location_digest(self) -> str:
        """Names a database by its id and by where it is, in 64 hexadecimal digits; a copy has another name."""
        text = f"{self.namespace()} {self._database.location()}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _keep(self, name: str, fresh: str) -> str:
        """The value of a setting; `fresh` becomes the value if there is none."""
        query = sa.select(setting.c.value).where(setting.c.name == name)
        with self._database.read() as connection:
            value = connection.execute(query).scalar_one_or_none()
        if value is not None:
            return str(value)

        def work(connection: sa.Connection) -> str:
            insert = self._database.upsert(setting).values(name=name, value=fresh)
            connection.execute(insert.on_conflict_do_nothing())
            return str(connection.execute(query).scalar_one())

        return self._database.write_again(work)


def location_digest(database: Database) -> str:
    """See `StackIdentity.location_digest`."""
    return StackIdentity(database).location_digest()
