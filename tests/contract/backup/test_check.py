"""The check of rows against objects, both ways, and what a repair does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from layernext.stack.backup import Checked, check, repair
from layernext.stack.objects import BucketStore, FolderStore, ObjectStore
from layernext.stack.store import Database, FileUploadRequest, NamedObject, Store
from layernext.stack.store.objects.dropped import drop
from layernext.stack.store.schema import file_item, image
from tests.contract.backup.stacks import Parts, add_file, content_of, show_nothing
from tests.support.s3 import S3Server, s3_server

__all__ = ["s3_server"]

DAY_SECONDS = 86400.0


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "objects")
    server: S3Server = request.getfixturevalue("s3_server")
    return BucketStore(server.new_bucket(), server.options)


@pytest.fixture
def parts(database_url: str, objects: ObjectStore) -> Iterator[Parts]:
    database = Database(database_url)
    yield Parts(database, objects)
    database.close()


def checked(parts: Parts, *, with_checksums: bool = False, orphan_age_s: float = 0.0) -> Checked:
    # A bucket's times have no fraction of a second.
    return check(
        parts.database,
        parts.objects,
        show_nothing,
        with_checksums=with_checksums,
        orphan_age_s=orphan_age_s - 2,
    )


def paths(named: list[NamedObject]) -> list[str]:
    return [named_object.path for named_object in named]


def test_a_whole_stack_has_no_problem(parts: Parts) -> None:
    """All files are there, with the size and the checksum of their rows."""
    for number in range(30):
        add_file(parts, f"{number}.bin")
    result = checked(parts, with_checksums=True)
    assert (result.files, result.size_bytes, result.problem_count) == (30, 15_000, 0)


def test_differences_are_named(parts: Parts) -> None:
    """What is missing, of another size, of other content; and what nothing refers to."""
    fine, missing, short, other = (add_file(parts, f"{number}.bin") for number in range(4))
    parts.objects.delete(missing)
    parts.objects.put([(short, b"short"), (other, content_of("other")), ("a/orphan", b"12345")])
    result = checked(parts)
    assert (paths(result.missing), paths(result.wrong_size)) == ([missing], [short])
    assert (result.orphans, result.orphan_bytes) == (["a/orphan"], 5)
    assert (result.wrong_content, result.problem_count) == ([], 3)
    assert paths(checked(parts, with_checksums=True).wrong_content) == [other]
    assert fine not in str(result)


def test_what_is_under_way_is_no_orphan(parts: Parts) -> None:
    """Neither objects of uploads that end just now, nor those that will be deleted, nor young ones."""
    add_file(parts, "a.bin")
    parts.objects.put([("a/begun", b"b"), ("a/dropped", b"d")])
    store = Store(parts.database)
    request = FileUploadRequest(name="yard", kind=5, fields={}, is_override=False, names=["b.bin"])
    upload_id, _ = store.files.open_upload(request)
    item = store.files.begin_file(upload_id, "b.bin", size=None, checksum=None).item
    assert item is not None
    store.files.set_place(item, "a/begun", "handle")
    with parts.database.write() as connection:
        drop(parts.database, connection, ["a/dropped"])
    assert checked(parts).problem_count == 0
    with parts.database.write() as connection:
        connection.execute(sa.delete(file_item))
    assert checked(parts).orphans == ["a/begun"]
    assert checked(parts, orphan_age_s=DAY_SECONDS).orphans == []


def test_repair(parts: Parts) -> None:
    """Orphans go, missing files are marked, missing thumbnails are made again; then all is well."""
    lost, bare = add_file(parts, "lost.bin"), add_file(parts, "bare.bin")
    with parts.database.write() as connection:
        of = sa.update(image).where(image.c.object_path == bare)
        connection.execute(of.values(thumbnail_path=f"{bare}.webp"))
    parts.objects.delete(lost)
    parts.objects.put([("a/orphan", b"12345")])
    result = checked(parts)
    assert sorted(named_object.table for named_object in result.missing) == ["image", "thumbnail"]
    repaired = repair(parts.database, parts.objects, result)
    assert (repaired.removed, repaired.marked) == (1, 2)
    with parts.database.read() as connection:
        columns = (image.c.object_path, image.c.state, image.c.failure, image.c.thumbnail_path)
        rows = {row[0]: tuple(row[1:]) for row in connection.execute(sa.select(*columns))}
    assert rows[lost] == ("missing", "its content is missing; upload the file again", None)
    assert rows[bare] == ("pending", None, None)
    again = checked(parts)
    assert (again.problem_count, again.marked) == (0, [lost])
    assert repair(parts.database, parts.objects, result).removed == 1, "repeatable"


def test_a_repair_looks_again(parts: Parts) -> None:
    """An object that a row names by now stays, whatever the check said."""
    path = add_file(parts, "a.bin")
    late = Checked(orphans=[path])
    assert repair(parts.database, parts.objects, late).removed == 0
    assert parts.objects.find(path) is not None


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    """SQLite's own check, and rows that refer to others that are not there."""
    file = tmp_path / "stack.sqlite3"
    database = Database(f"sqlite:///{file}")
    parts = Parts(database, FolderStore(tmp_path / "objects"))
    for number in range(50):
        add_file(parts, f"{number}.bin", 1)
    with database.change_tables() as connection:
        connection.exec_driver_sql("DELETE FROM collection")
    assert any(
        "refers to a missing row of collection" in problem for problem in checked(parts).database
    )
    with database.read() as connection:
        root = "SELECT rootpage FROM sqlite_master WHERE name = 'label'"
        page = connection.exec_driver_sql(root).scalar_one()
        page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    database.close()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * page_bytes)
        raw.write(b"\xff" * page_bytes)
    database = Database(f"sqlite:///{file}", migrates=False)
    try:
        assert checked(Parts(database, parts.objects)).database
    finally:
        database.close()
