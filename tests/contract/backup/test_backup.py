"""Backups of rows and objects: from either database into either, with files in a folder or a bucket."""

from __future__ import annotations

import random
import secrets
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from layernext.errors import (
    ConfigurationError,
    Conflict,
    DataError,
    NotFound,
    StackUnavailable,
    StorageFull,
)
from layernext.stack.backup import Manifest, Target, prune, restore, verify
from layernext.stack.backup import target as target_module
from layernext.stack.backup.transfer import SMALL_BYTES
from layernext.stack.jobs.purge import delete_dropped
from layernext.stack.objects import FolderStore
from layernext.stack.search import ItemFilter, Search
from layernext.stack.store import Store, is_empty
from layernext.stack.store.schema import file_item, file_part, file_upload, image, label, setting
from tests.contract.backup.stacks import (
    BIG,
    NewParts,
    Parts,
    add_file,
    brought_back,
    content_of,
    contents,
    fill,
    flip,
    paths_of,
    rows_of,
    show_nothing,
    taken,
)
from tests.contract.store import earlier
from tests.support.s3 import S3Server

FAR = "2999-01-01T00:00:00.000Z"


# -- what comes back ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target_kind", "goal"),
    [
        pytest.param(("sqlite", "folder"), "bucket", ("postgresql", "bucket"), id="to PostgreSQL"),
        pytest.param(("postgresql", "bucket"), "folder", ("sqlite", "folder"), id="to SQLite"),
        pytest.param(("sqlite", "bucket"), "folder", ("sqlite", "folder"), id="SQLite"),
        pytest.param(("postgresql", "folder"), "bucket", ("postgresql", "bucket"), id="PostgreSQL"),
    ],
)
def test_everything_comes_back(
    source: tuple[str, str],
    target_kind: str,
    goal: tuple[str, str],
    new_parts: NewParts,
    folder: Path,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every row of every table with its exact values, every object with its bytes; the next id is new."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    where = str(folder) if target_kind == "folder" else s3_server.new_bucket()
    parts, restored = new_parts(*source), new_parts(*goal, migrates=False)
    fill(parts, seed=8)
    with parts.database.write() as connection:
        connection.execute(sa.update(file_item).values(is_stored=True))
    before = rows_of(parts.database)
    assert [table for table, rows in before.items() if not rows] == []
    manifest = taken(parts, Target(where, s3_server.url, is_new_fine=True))
    assert (manifest.missing, manifest.damaged) == (0, 0)
    again = Target(where, s3_server.url, is_new_fine=False)
    brought_back(again, again.newest(), restored)
    assert rows_of(restored.database) == before
    assert paths_of(restored) == paths_of(parts)
    for path in paths_of(parts):
        assert b"".join(restored.objects.read(path)) == content_of(path)
    with restored.database.write() as connection:
        values = {"name": "new", "ref": "n", "color": "", "description": "", "created_at": ""}
        connection.execute(sa.insert(label).values(values))
        newest = connection.execute(sa.select(label.c.id).where(label.c.name == "new")).scalar_one()
    assert newest > BIG + 1


def test_large_files_are_streamed(new_parts: NewParts, target: Target) -> None:
    """A file beyond what is held in memory goes and comes back, also one whose checksum nobody knows yet."""
    parts, restored = new_parts(), new_parts(migrates=False)
    paths = [add_file(parts, name, SMALL_BYTES + 12345) for name in ("a.bin", "b.bin")]
    with parts.database.write() as connection:
        unseen = sa.update(image).where(image.c.object_path == paths[1])
        connection.execute(unseen.values(checksum=None))
    brought_back(target, taken(parts, target), restored)
    for path in paths:
        assert b"".join(restored.objects.read(path)) == content_of(path, SMALL_BYTES + 12345)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_database_of_before_is_backed_up(
    database: str, new_parts: NewParts, target: Target
) -> None:
    """One that the earlier migrations made, and that nothing has opened since, is restored into either kind."""
    parts = new_parts(database, migrates=False)
    with parts.database.change_tables() as connection:
        earlier.upgrade(connection, "0009")
        namespace = {"name": "reference_namespace", "value": str(uuid.uuid4())}
        connection.execute(sa.insert(setting).values(namespace))
        named = "INSERT INTO label (name, ref, color, description, created_at) VALUES ('a','r','','','')"
        connection.exec_driver_sql(named)
    with pytest.raises(ConfigurationError, match="revision 0009"):
        taken(parts, target)
    with parts.database.change_tables() as connection:
        earlier.upgrade(connection, earlier.LAST)
    manifest = taken(parts, target)
    assert manifest.revision == earlier.LAST
    for goal in ("sqlite", "postgresql"):
        restored = new_parts(goal, migrates=False)
        brought_back(target, manifest, restored)
        labels = Store(restored.database).labels.list_page(after=None, limit=9).items
        assert [item.name for item in labels] == ["a"]


@pytest.mark.parametrize("revision", ["0001", "0009", "0021"])
def test_a_backup_of_an_earlier_revision_is_refused(
    new_parts: NewParts, target: Target, revision: str
) -> None:
    """With the way to get on, and nothing is touched."""
    restored = new_parts(migrates=False)
    manifest = taken(new_parts(), target)
    older = msgspec.structs.replace(manifest, revision=revision)
    with pytest.raises(ConfigurationError, match=f"revision {revision}") as refused:
        brought_back(target, older, restored)
    assert "restore it with the previous version" in str(refused.value.hint)
    assert is_empty(restored.database)
    assert paths_of(restored) == set()


def test_a_newer_version_is_refused(new_parts: NewParts, target: Target) -> None:
    """A backup whose schema this version does not know is refused with a sentence, and nothing is touched."""
    restored = new_parts(migrates=False)
    manifest = taken(new_parts(), target)
    newer = Manifest(
        **{name: getattr(manifest, name) for name in manifest.__struct_fields__}
        | {"revision": "9999"}
    )
    with pytest.raises(ConfigurationError, match="newer version"):
        brought_back(target, newer, restored)
    assert is_empty(restored.database)
    assert paths_of(restored) == set()


def test_unfinished_uploads_begin_again(new_parts: NewParts, target: Target) -> None:
    """Parts that had come are not in a backup, so that the restored stack does not count on them."""
    parts, restored = new_parts(), new_parts(migrates=False)
    fill(parts, seed=3)
    with parts.database.write() as connection:
        connection.execute(
            sa.update(file_item).values(is_stored=False, object_path="a/b", handle="c")
        )
    brought_back(target, taken(parts, target), restored)
    with restored.database.read() as connection:
        assert set(connection.execute(sa.select(file_item.c.object_path, file_item.c.handle))) == {
            (None, None)
        }
        assert list(connection.execute(sa.select(file_part))) == []
        assert connection.execute(sa.select(sa.func.count()).select_from(file_upload)).scalar_one()


# -- while others work -------------------------------------------------------------------------


class Interfering(FolderStore):
    """A store where something happens when an object is read for the first time.

    Args:
        root: of the store.
        happening: gets the path.
    """

    def __init__(self, root: Path, happening: Callable[[str], None]) -> None:
        super().__init__(root)
        self._happening: Callable[[str], None] | None = happening

    def read(
        self, path: str, start: int = 0, stop: int | None = None, *, size: int | None = None
    ) -> Iterator[bytes]:
        happening, self._happening = self._happening, None
        if happening:
            happening(path)
        return super().read(path, start, stop, size=size)


def purge_all(parts: Parts) -> None:
    """Everything goes to the trash and out of it, as by a running stack."""
    with parts.database.write() as connection:
        connection.execute(sa.update(image).values(trashed_at="2026-01-02T00:00:00.000Z"))
    store = Store(parts.database)
    while Search(store).purge.purge_some(ItemFilter(), FAR, 0):
        pass
    delete_dropped(store, parts.objects, lambda: None)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_purge_waits_for_the_backup(database: str, new_parts: NewParts, target: Target) -> None:
    """What is purged while its objects are copied is whole in the backup, and goes when that has ended."""
    parts, restored = new_parts(database), new_parts(migrates=False)
    paths = {add_file(parts, f"{number}.bin") for number in range(200)}
    before = rows_of(parts.database)
    busy = Parts(parts.database, Interfering(parts.root, lambda _: purge_all(parts)))
    manifest = taken(busy, target)
    assert (manifest.missing, manifest.objects.count) == (0, 200)
    assert paths_of(parts) == paths, "held"
    delete_dropped(Store(parts.database), parts.objects, lambda: None)
    assert paths_of(parts) == set()
    brought_back(target, manifest, restored)
    assert rows_of(restored.database) == before
    assert paths_of(restored) == paths


def test_files_that_go_in_spite_of_it(new_parts: NewParts, target: Target) -> None:
    """If rows and objects went although a backup holds them, it begins again with what is there now."""
    parts = new_parts()
    paths = [add_file(parts, f"{number}.bin") for number in range(20)]

    def take_away(path: str) -> None:
        del path
        with parts.database.write() as connection:
            connection.execute(sa.delete(image).where(image.c.object_path == paths[7]))
        parts.objects.delete(paths[7])
        for info in list(target.store.list_objects("snapshots")):
            assert not info.path.endswith("manifest.json")

    manifest = taken(Parts(parts.database, Interfering(parts.root, take_away)), target)
    assert (manifest.missing, manifest.objects.count) == (0, 19)
    assert [snapshot.id for snapshot in target.list_snapshots()] == [manifest.id]


def test_files_that_go_again_and_again(new_parts: NewParts, target: Target) -> None:
    """A backup that never comes to its end says so, and leaves nothing that counts."""
    parts = new_parts()
    add_file(parts, "0.bin")

    class Vanishing(FolderStore):
        def read(
            self, path: str, start: int = 0, stop: int | None = None, *, size: int | None = None
        ) -> Iterator[bytes]:
            """Another file comes, and this one goes."""
            del start, stop, size
            add_file(parts, f"{secrets.token_hex(8)}.bin")
            with parts.database.write() as connection:
                connection.execute(sa.delete(image).where(image.c.object_path == path))
            raise NotFound("gone", status=404)

    with pytest.raises(StackUnavailable, match="purged while"):
        taken(Parts(parts.database, Vanishing(parts.root)), target)
    assert target.list_snapshots() == []


def test_lost_and_damaged_files_are_named(new_parts: NewParts, target: Target) -> None:
    """A stack that has lost a file is backed up all the same, and says so; what is there comes back."""
    parts, restored = new_parts(), new_parts(migrates=False)
    lost, damaged, fine = (add_file(parts, f"{number}.bin") for number in range(3))
    parts.objects.delete(lost)
    parts.objects.put([(damaged, b"other bytes")])
    manifest = taken(parts, target)
    assert (manifest.missing, manifest.damaged) == (1, 1)
    report = restore(target, manifest, restored.database, restored.objects, show_nothing)
    assert (report.lost, report.lost_paths, report.files) == (1, [lost], 2)
    assert b"".join(restored.objects.read(damaged)) == b"other bytes"
    assert b"".join(restored.objects.read(fine)) == content_of(fine)
    assert rows_of(restored.database) == rows_of(parts.database)


# -- again and again ---------------------------------------------------------------------------


def test_a_second_backup_copies_what_is_new(new_parts: NewParts, target: Target) -> None:
    """Snapshots share contents; each of them can be restored."""
    parts = new_parts()
    first_paths = {add_file(parts, f"{number}.bin") for number in range(50)}
    first = taken(parts, target)
    rows_then = rows_of(parts.database)
    copied = contents(target)
    new_path = add_file(parts, "new.bin")
    reads: list[str] = []

    class Noting(FolderStore):
        def read(
            self, path: str, start: int = 0, stop: int | None = None, *, size: int | None = None
        ) -> Iterator[bytes]:
            reads.append(path)
            return super().read(path, start, stop, size=size)

    second = taken(Parts(parts.database, Noting(parts.root)), target)
    assert reads == [new_path]
    assert (first.new_objects, second.new_objects, second.objects.count) == (50, 1, 51)
    assert len(contents(target) - copied) == 1
    restored = new_parts(migrates=False)
    brought_back(target, first, restored)
    assert rows_of(restored.database) == rows_then
    assert paths_of(restored) == first_paths


class Failing(FolderStore):
    """A store that takes so many objects and then has no room."""

    def __init__(self, root: Path, room: int) -> None:
        super().__init__(root)
        self._room = room

    def put(self, objects: Sequence[tuple[str, bytes | memoryview]]) -> None:
        self._room -= len(objects)
        if self._room < 0:
            raise StorageFull("there is no room for the file", status=507)
        super().put(objects)


def test_a_backup_that_fails_goes_on(new_parts: NewParts, target: Target, folder: Path) -> None:
    """Nothing half-written counts; the next attempt copies the rest and clears away what was left."""
    parts = new_parts()
    for number in range(300):
        add_file(parts, f"{number}.bin")
    target.store = Failing(folder, 200)
    with pytest.raises(StorageFull):
        taken(parts, target)
    assert target.list_snapshots() == []
    with pytest.raises(ConfigurationError, match="no backup"):
        target.newest()
    copied = len(contents(target))
    assert 0 < copied < 300
    target.store = FolderStore(folder)
    manifest = taken(parts, target)
    assert manifest.new_objects == 300 - copied
    assert set(target.list_folders()) == {manifest.id}
    assert verify(target, manifest, show_nothing).problems == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_restore_that_fails_goes_on(
    database: str, new_parts: NewParts, target: Target, tmp_path: Path
) -> None:
    """Until all rows are there the database is empty; the same call again goes on where it was."""
    parts, restored = new_parts(), new_parts(database, migrates=False)
    for number in range(300):
        add_file(parts, f"{number}.bin")
    manifest, other = taken(parts, target), taken(parts, target)
    root = tmp_path / "restored"
    with pytest.raises(StorageFull):
        brought_back(target, manifest, Parts(restored.database, Failing(root, 200)))
    assert is_empty(restored.database)
    half = Parts(restored.database, FolderStore(root))
    assert len(paths_of(half)) > 1
    with pytest.raises(Conflict, match="another restore"):
        brought_back(target, other, half)
    brought_back(target, manifest, half)
    assert rows_of(half.database) == rows_of(parts.database)
    assert paths_of(half) == paths_of(parts)
    with pytest.raises(Conflict, match="not empty"):
        brought_back(target, manifest, half)
    # As if it was killed between its last two steps.
    half.objects.put([("restoring/snapshot", manifest.id.encode())])
    brought_back(target, manifest, half)
    assert paths_of(half) == paths_of(parts)


def test_only_an_empty_stack_is_filled(new_parts: NewParts, target: Target) -> None:
    """Neither a database with tables nor a store with an object is touched."""
    parts = new_parts()
    add_file(parts, "a.bin")
    manifest = taken(parts, target)
    with pytest.raises(Conflict, match="the database is not empty"):
        brought_back(target, manifest, new_parts())
    used = new_parts(migrates=False)
    used.objects.put([("yard/b", b"b")])
    with pytest.raises(Conflict, match="has yard/b"):
        brought_back(target, manifest, used)
    assert is_empty(used.database)
    assert paths_of(used) == {"yard/b"}
    # A stack was started on what a killed restore has left.
    half = new_parts()
    half.objects.put([("restoring/snapshot", manifest.id.encode())])
    Store(half.database)
    with pytest.raises(Conflict, match="the database is not empty"):
        brought_back(target, manifest, half)


# -- damage ------------------------------------------------------------------------------------


def test_damaged_rows_are_refused(new_parts: NewParts, target: Target, folder: Path) -> None:
    """Of a backup whose rows are damaged nothing is in the database; `verify` names the file."""
    parts, restored = new_parts(), new_parts(migrates=False)
    fill(parts, seed=5)
    manifest = taken(parts, target)
    rng = random.Random(1)
    files = sorted((folder / "files" / "snapshots" / manifest.id).glob("*.zst"))
    for path in rng.sample([file for file in files if file.name != "objects.zst"], 6):
        shutil.copy(path, folder / "kept")
        flip(path)
        with pytest.raises(DataError, match="damaged"):
            brought_back(target, manifest, restored)
        assert is_empty(restored.database)
        assert any(
            path.name in problem for problem in verify(target, manifest, show_nothing).problems
        )
        shutil.copy(folder / "kept", path)
    brought_back(target, manifest, restored)
    assert not is_empty(restored.database)


@pytest.mark.parametrize("size", [500, SMALL_BYTES + 1])
def test_damaged_contents_are_named(
    size: int, new_parts: NewParts, target: Target, folder: Path
) -> None:
    """A file that the backup has lost is named and left out; no wrong byte comes back."""
    parts, restored = new_parts(), new_parts(migrates=False)
    lost, damaged, fine = (add_file(parts, f"{number}.bin", size) for number in range(3))
    manifest = taken(parts, target)
    by_content = {
        file.read_bytes(): file
        for file in (folder / "files" / "objects").rglob("*")
        if file.is_file()
    }
    by_content[content_of(lost, size)].unlink()
    flip(by_content[content_of(damaged, size)])
    problems = verify(target, manifest, show_nothing).problems
    assert sorted(problem.partition(":")[0] for problem in problems) == sorted([lost, damaged])
    report = restore(target, manifest, restored.database, restored.objects, show_nothing)
    assert (report.lost, set(report.lost_paths)) == (2, {lost, damaged})
    assert paths_of(restored) == {fine}


def test_a_damaged_list_of_objects_is_not_built_on(
    new_parts: NewParts, target: Target, folder: Path
) -> None:
    """The next backup looks at every file again."""
    parts = new_parts()
    add_file(parts, "a.bin")
    first = taken(parts, target)
    flip(folder / "files" / "snapshots" / first.id / "objects.zst")
    second = taken(parts, target)
    assert verify(target, second, show_nothing).problems == []
    assert (second.objects.count, second.new_objects) == (1, 0)


# -- what is kept ------------------------------------------------------------------------------


def test_old_snapshots_are_dropped(new_parts: NewParts, target: Target) -> None:
    """With the contents that only they had; of each stack the newest stay."""
    parts, other = new_parts(), new_parts()
    add_file(other, "other.bin")
    remaining = add_file(parts, "kept.bin")
    gone = add_file(parts, "gone.bin")
    of_other = taken(other, target)
    first = taken(parts, target)
    with parts.database.write() as connection:
        connection.execute(sa.delete(image).where(image.c.object_path == gone))
    second = taken(parts, target)
    dropped = prune(target, 1)
    assert dropped.snapshots == [first.id]
    assert (dropped.objects, dropped.size_bytes) == (1, 500)
    assert {snapshot.id for snapshot in target.list_snapshots()} == {of_other.id, second.id}
    restored = new_parts(migrates=False)
    brought_back(target, second, restored)
    assert paths_of(restored) == {remaining}
    assert prune(target, 1).objects == 0


def test_prune_and_backup_exclude_each_other(
    new_parts: NewParts, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither begins while the other is at work; one that died is in nobody's way for ever."""
    parts = new_parts()
    with target.writing() as (dead, _), pytest.raises(Conflict, match="a backup is being written"):
        prune(target, 1)
    with target.pruning():
        with pytest.raises(Conflict, match="is pruning snapshots"):
            taken(parts, target)
        with pytest.raises(Conflict, match="is pruning snapshots"):
            prune(target, 1)
    assert target.list_snapshots() == []
    monkeypatch.setattr(target_module, "NOTE_SECONDS", -1.0)
    target_module.Note(target.store, f"snapshots/{dead}/begun").write()
    target_module.Note(target.store, "pruning/begun").write()
    monkeypatch.undo()
    manifest = taken(parts, target)
    assert set(target.list_folders()) == {manifest.id}


def test_nobody_else_reads_a_backup(new_parts: NewParts, folder: Path) -> None:
    """Folders are for their owner alone, and so is each file: there are hashes of keys and a secret in it."""
    parts = new_parts()
    add_file(parts, "a.bin")
    taken(parts, Target(str(folder), is_new_fine=True))
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_unknown_snapshots_and_places(folder: Path, target: Target) -> None:
    """Each is one sentence."""
    with pytest.raises(NotFound, match=r"no snapshot '\.\./x'"):
        target.manifest("../x")
    with pytest.raises(ConfigurationError, match="no backup in"):
        Target(str(folder / "nothing"), is_new_fine=False)
    (folder / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Target(str(folder / "file"), is_new_fine=True)
