"""Users, whom keys and sessions belong to, and what they may do in single collections.

Each name of a key becomes a service. Its role is the largest of the keys of that name, which keep
their own roles, so no key gains or loses anything.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0021"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_RANKS = {"read": 0, "write": 1, "admin": 2}


def upgrade() -> None:
    """Make the tables, and let keys and sessions belong to users."""
    op.create_table(
        "stack_user",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("issuer", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("removed_at", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_stack_user"),
    )
    op.create_index(
        "uq_stack_user_name",
        "stack_user",
        ["name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index(
        "uq_stack_user_issuer_subject", "stack_user", ["issuer", "subject"], unique=True
    )
    op.create_table(
        "collection_grant",
        sa.Column("user_id", _ROW_ID, nullable=False),
        sa.Column("collection_id", _ROW_ID, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["stack_user.id"], name="fk_collection_grant_user_id"),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collection.id"],
            name="fk_collection_grant_collection_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "collection_id", name="pk_collection_grant"),
    )
    op.create_index("ix_collection_grant_collection_id", "collection_grant", ["collection_id"])
    _add_user_ids()


def _add_user_ids() -> None:
    for table in ("api_key", "session"):
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("user_id", _ROW_ID))
    _fill_user_ids(op.get_bind())
    for table in ("api_key", "session"):
        with op.batch_alter_table(table) as batch:
            batch.alter_column("user_id", existing_type=_ROW_ID, nullable=False)
            batch.create_foreign_key(f"fk_{table}_user_id", "stack_user", ["user_id"], ["id"])
            if table == "session":
                batch.alter_column("api_key", existing_type=sa.Text, nullable=True)
        op.create_index(f"ix_{table}_user_id", table, ["user_id"])


def _fill_user_ids(connection: sa.Connection) -> None:
    key = sa.table(
        "api_key",
        *map(sa.column, ("api_key", "name", "role", "created_at", "user_id")),
    )
    user = sa.table("stack_user", *map(sa.column, ("id", "name", "kind", "role", "created_at")))
    session = sa.table("session", *map(sa.column, ("api_key", "user_id")))
    services: dict[str, tuple[str, str]] = {}
    for row in connection.execute(sa.select(key).order_by(key.c.created_at, key.c.api_key)):
        role, created_at = services.get(row.name, (row.role, row.created_at))
        services[row.name] = (max(role, row.role, key=_RANKS.__getitem__), created_at)
    for name, (role, created_at) in services.items():
        connection.execute(
            sa.insert(user).values(name=name, kind="service", role=role, created_at=created_at)
        )
    owner = sa.select(user.c.id).where(user.c.name == key.c.name).scalar_subquery()
    connection.execute(sa.update(key).values(user_id=owner))
    signed_in = sa.select(key.c.user_id).where(key.c.api_key == session.c.api_key)
    connection.execute(sa.update(session).values(user_id=signed_in.scalar_subquery()))
