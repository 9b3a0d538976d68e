"""Opening, migrating and closing the database."""

from __future__ import annotations

import gc
import importlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import alembic.autogenerate
import alembic.migration
import alembic.operations
import psutil
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext

from layernext.errors import ConfigurationError
from layernext.stack.store import Database, Store, schema
from layernext.stack.store.annotations import summaries
from layernext.stack.store.schema import annotation_set
from tests.contract.store import earlier
from tests.contract.store.batches import box, content, prepared, upload
from tests.support.postgres import postgres_database


def test_open_again(database_url: str) -> None:
    """What was stored is there after a restart."""
    store = Store.open(database_url)
    upload(store, prepared("a", box()))
    store.close()
    store = Store.open(database_url)
    assert content(store) == {"a": [box()]}
    store.close()


def test_ping_and_close(store: Store) -> None:
    """A store answers, and may be closed twice."""
    store.ping()
    store.close()
    store.close()


def test_migrations_make_the_schema(store: Store) -> None:
    """The tables that migrations make are those that the statements use."""
    with store.database.write() as connection:
        context = alembic.migration.MigrationContext.configure(
            connection, opts={"compare_type": True}
        )
        assert alembic.autogenerate.compare_metadata(context, schema.metadata) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://localhost/x",
        "stack.sqlite3",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "postgresql:",
        "postgresql://user:topsecret@127.0.0.1:1/x",
        "postgresql://user:topsecret@127.0.0.1:notaport/x",
        "sqlite:////proc/nowhere/stack.sqlite3",
    ],
)
def test_url_that_cannot_be_opened(url: str) -> None:
    """A URL that leads nowhere is a configuration error, and no password is in its text."""
    with pytest.raises(ConfigurationError) as refused:
        Store.open(url)
    assert "topsecret" not in str(refused.value)


@pytest.mark.parametrize("name", ["with space", "50% ?#&", "名前", "a'b\"c", "%(here)s"])
def test_any_folder(tmp_path: Path, name: str) -> None:
    """The database may lie in a folder of any name, and lies there."""
    path = tmp_path / name / "deep" / "stack.sqlite3"
    store = Store.open(f"sqlite:///{path}")
    upload(store, prepared("a", box()))
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["stack.sqlite3"]


def test_not_a_database(tmp_path: Path) -> None:
    """A file that is not a database is refused and left as it is."""
    path = tmp_path / "stack.sqlite3"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError):
        Store.open(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_newer_database(database_url: str) -> None:
    """A database of a later version is refused with a sentence that says so."""
    store = Store.open(database_url)
    with store.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(ConfigurationError, match="another version"):
        Store.open(database_url)


def test_settings_of_the_file(tmp_path: Path) -> None:
    """The file has a write-ahead log, full synchronisation, foreign keys and 8 KiB pages."""
    store = Store.open(f"sqlite:///{tmp_path / 'stack.sqlite3'}")
    database = store.database
    for transaction in (database.write, database.read, database.stream):
        with transaction() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "page_size")
            }
        assert found == {
            "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "page_size": 8192,
        }  # fmt: skip
    store.close()


def test_opened_at_the_same_moment(database_url: str) -> None:
    """Several processes may open one new database at once: one migrates, all work."""
    barrier = threading.Barrier(8)

    def open_store(_: int) -> Store:
        barrier.wait()
        return Store.open(database_url)

    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(open_store, range(8)))
    tables = [store.labels.ensure_table({"cup": {}})["cup"].ref for store in stores]
    assert len(set(tables)) == 1
    for store in stores:
        store.close()


def test_sqlite_files_after_close(tmp_path: Path) -> None:
    """Closing leaves one sound file: the log is folded into it."""
    path = tmp_path / "stack.sqlite3"
    store = Store.open(f"sqlite:///{path}")
    upload(store, *(prepared(f"{n}", box()) for n in range(100)))
    store.close()
    assert list(tmp_path.iterdir()) == [path]
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT count(*) FROM annotation_set").fetchone() == (100,)
    connection.close()


def test_no_leak(database_url: str) -> None:
    """Fifty stores, opened, used and closed, leave no file and no thread behind."""

    def use() -> None:
        store = Store.open(database_url)
        upload(store, prepared("a", box()))
        assert len(content(store)) == 1
        next(store.annotations.iter_sets(None))  # a reader that is simply dropped
        store.close()

    process = psutil.Process()
    use()
    gc.collect()
    files, threads = process.num_fds(), process.num_threads()
    for _ in range(50):
        use()
    gc.collect()
    assert process.num_fds() <= files
    assert process.num_threads() <= threads


def test_stream_that_ends_after_its_store(database_url: str) -> None:
    """Its connection is closed with it, and not left to the garbage collector."""
    process = psutil.Process()
    gc.collect()
    gc.disable()
    try:
        store = Store.open(database_url)
        upload(store, prepared("a", box()), prepared("b", box()))
        store.close()
        before = process.num_fds()
        sets = store.annotations.iter_sets(None)
        next(sets)
        store.close()
        assert process.num_fds() > before
        sets.close()
        assert process.num_fds() == before
    finally:
        gc.enable()


def test_failed_open_leaves_nothing(tmp_path: Path) -> None:
    """A store that cannot be opened holds no file open."""
    path = tmp_path / "stack.sqlite3"
    path.write_bytes(b"not a database" * 1000)
    process = psutil.Process()
    gc.collect()
    before = process.num_fds()
    for _ in range(10):
        with pytest.raises(ConfigurationError):
            Store.open(f"sqlite:///{path}")
    gc.collect()
    assert process.num_fds() <= before


def test_the_first_migration_makes_the_tables_of_before(
    tmp_path: Path, request: pytest.FixtureRequest, database_url: str
) -> None:
    """A database of the earlier migrations, brought up to date, has the same tables, keys and indexes."""
    database = Database(database_url, migrates=False)
    with database.change_tables() as connection:
        earlier.upgrade(connection, earlier.LAST)
    database.close()
    Store.open(database_url).close()
    database = Database(database_url, migrates=False)
    with database.read() as connection:
        before = tables_of(connection)
    database.close()
    if database.is_sqlite:
        new_url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    else:
        server = request.getfixturevalue("postgres_server")
        with postgres_database(server) as new_url:
            compare(new_url, before)
        return
    compare(new_url, before)


def compare(url: str, before: Any) -> None:
    fresh = Store.open(url)
    try:
        with fresh.database.read() as connection:
            assert tables_of(connection) == before
    finally:
        fresh.close()


def tables_of(connection: sa.Connection) -> dict[str, Any]:
    """Every table, with what it has in any order: columns that were added later stand at the end."""
    inspector = sa.inspect(connection)
    return {
        name: {
            "columns": sorted(map(plain, inspector.get_columns(name)), key=repr),
            "key": plain(inspector.get_pk_constraint(name)),
            "foreign": sorted(map(plain, inspector.get_foreign_keys(name)), key=repr),
            "unique": sorted(map(plain, inspector.get_unique_constraints(name)), key=repr),
            "indexes": sorted(map(plain, inspector.get_indexes(name)), key=repr),
            "options": plain(inspector.get_table_options(name)),
        }
        for name in inspector.get_table_names()
    }


def plain(description: Any) -> dict[str, str]:
    """A description as text; of an expression its SQL, and not where the object lies."""
    return {
        key: repr({name: str(part) for name, part in value.items()})
        if isinstance(value, dict)
        else str(value)
        for key, value in description.items()
        if key != "comment"
    }


@pytest.mark.parametrize("revision", ["0001", "0012", "0018", "0021"])
def test_a_database_of_an_earlier_revision_is_refused(database_url: str, revision: str) -> None:
    """With the way to get on; nothing is changed, and the way works."""
    database = Database(database_url, migrates=False)
    try:
        with database.change_tables() as connection:
            earlier.upgrade(connection, revision)
        with pytest.raises(ConfigurationError, match=f"revision {revision}") as refused:
            Store.open(database_url)
        assert "upgrade it with the previous version first" in str(refused.value.hint)
        with database.change_tables() as connection:
            assert MigrationContext.configure(connection).get_current_revision() == revision
            earlier.upgrade(connection, earlier.LAST)
    finally:
        database.close()
    Store.open(database_url).close()


def test_tables_of_the_first_version_are_widened(tmp_path: Path) -> None:
    """Opening a database of the first version keeps what is in it, and every reference holds."""
    url = f"sqlite:///{tmp_path / 'stack.sqlite3'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        earlier.upgrade(connection, "0001")
        for statement in (
            "INSERT INTO collection VALUES (1, 'c1', 'yard', 'yard', 0, '2026-01-01')",
            (
                "INSERT INTO image (id, collection_id, name, bucket, has_file, created_at)"
                " VALUES (1, 1, 'a', '', 0, '2026-01-01')"
            ),
        ):
            connection.exec_driver_sql(statement)
    with engine.begin() as connection:
        earlier.upgrade(connection, earlier.LAST)
    engine.dispose()
    store = Store.open(url)
    try:
        (found,) = store.collections.list_page(after=None, limit=10).items
        assert (found.id, found.name, found.image_count) == ("c1", "yard", 1)
        upload(store, prepared("a", box()))
        with store.database.write() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    finally:
        store.close()


def test_sets_of_before_get_their_confidences(database_url: str) -> None:
    """Opening a database of a version without them gives each set the summary that it gets today."""
    found = [
        prepared("a.jpg", box("cup", confidence=0.5), box("fork"), box("cup", confidence=0.12345)),
        prepared("b.jpg"),
        prepared("c.jpg", box("fork", confidence=1)),
        prepared(
            "d.jpg",
            *(box("cup", confidence=each) for each in (-0.5, None, 1.5, 1e300, 0.9999)),
            is_checked=False,
        ),
    ]
    store = Store.open(database_url)
    try:
        upload(store, *found)
        with store.database.write() as connection:
            sets = sa.select(annotation_set).order_by(annotation_set.c.id)
            today = [row.label_summary for row in connection.execute(sets)]
            # As the version before had it: the numbers of each label, and no more.
            for row in connection.execute(sets).all():
                counts, _ = summaries.unpack(row.label_summary, row.annotation_count)
                mine = sa.update(annotation_set).where(annotation_set.c.id == row.id)
                connection.execute(mine.values(label_summary=summaries.pack(counts.items(), b"")))
            connection.exec_driver_sql("ALTER TABLE operation DROP COLUMN revision")
            upgrade = importlib.import_module(
                "tests.contract.store.earlier.versions.0008_confidences"
            ).upgrade
            context = alembic.migration.MigrationContext.configure(connection)
            with alembic.operations.Operations.context(context):
                upgrade()
            assert [row.label_summary for row in connection.execute(sets)] == today
    finally:
        store.close()
