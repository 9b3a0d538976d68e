"""Backups into a target that lost something: the next one heals it, and what cannot be read stops nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from layernext.errors import ConfigurationError, Conflict, DataError
from layernext.stack.backup import Manifest, Target, prune, verify
from layernext.stack.backup import target as target_module
from layernext.stack.backup.target import Note, content_path
from layernext.stack.objects import FolderStore, ObjectStore
from layernext.stack.store import Store
from tests.contract.backup.stacks import (
    NewParts,
    add_file,
    brought_back,
    content_of,
    contents,
    flip,
    show_nothing,
    taken,
)


def content_file(folder: Path, path: str, size: int = 500) -> Path:
    """Where a target in a folder keeps the content of a stack's object."""
    raw = content_of(path, size)
    objects = (folder / "files" / "objects").rglob("*")
    return next(file for file in objects if file.is_file() and file.read_bytes() == raw)


def manifest_file(folder: Path, manifest: Manifest) -> Path:
    return folder / "files" / "snapshots" / manifest.id / "manifest.json"


# -- contents ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda file: file.unlink(), id="missing"),
        pytest.param(lambda file: file.write_bytes(b"short"), id="other size"),
    ],
)
def test_the_next_backup_heals(
    damage: Callable[[Path], None], new_parts: NewParts, target: Target, folder: Path
) -> None:
    """Content that is gone from the target, or has another size there, is copied again."""
    parts = new_parts()
    paths = [add_file(parts, f"{number}.bin") for number in range(3)]
    taken(parts, target)
    damage(content_file(folder, paths[1]))
    manifest = taken(parts, target)
    assert (manifest.new_objects, manifest.new_bytes) == (1, 500)
    assert verify(target, manifest, show_nothing).problems == []
    assert taken(parts, target).new_objects == 0


def test_content_of_another_size_is_no_content(
    new_parts: NewParts, target: Target, folder: Path
) -> None:
    """A file that no earlier snapshot lists is copied over content that is too short."""
    parts = new_parts()
    path = add_file(parts, "a.bin")
    first = taken(parts, target)
    content_file(folder, path).write_bytes(b"short")
    target.drop_snapshot(first.id)
    manifest = taken(parts, target)
    assert manifest.new_objects == 1
    assert verify(target, manifest, show_nothing).problems == []


def test_verify_removes_damaged_contents_on_request(
    new_parts: NewParts, target: Target, folder: Path
) -> None:
    """Rot keeps the size. Without the request nothing is removed; with it the next backup heals."""
    parts = new_parts()
    damaged, intact = add_file(parts, "a.bin"), add_file(parts, "b.bin")
    manifest = taken(parts, target)
    file = content_file(folder, damaged)
    flip(file)
    verified = verify(target, manifest, show_nothing)
    assert (len(verified.problems), verified.removed) == (1, 0)
    assert file.exists()
    with target.writing(), pytest.raises(Conflict, match="a backup is being written"):
        verify(target, manifest, show_nothing, removes_damaged=True)
    assert file.exists()
    verified = verify(target, manifest, show_nothing, removes_damaged=True)
    assert (len(verified.problems), verified.removed) == (1, 1)
    assert contents(target) == {
        content_file(folder, intact).relative_to(folder / "files").as_posix()
    }
    healed = taken(parts, target)
    assert healed.new_objects == 1
    for snapshot in (manifest, healed):
        assert verify(target, snapshot, show_nothing).problems == []


# -- manifests ---------------------------------------------------------------------------------


def changed_manifest(folder: Path, manifest: Manifest, **changes: object) -> None:
    file = manifest_file(folder, manifest)
    file.write_bytes(msgspec.json.encode(msgspec.json.decode(file.read_bytes()) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda folder, new: manifest_file(folder, new).write_bytes(b"{"), id="cut"),
        pytest.param(
            lambda folder, new: manifest_file(folder, new).write_bytes(b'{"id": "\xff"}'),
            id="not UTF-8",
        ),
        pytest.param(
            lambda folder, new: manifest_file(folder, new).write_bytes(b"[" * 100_000),
            id="too deep",
        ),
        pytest.param(
            lambda folder, new: changed_manifest(folder, new, format=99), id="another format"
        ),
        pytest.param(
            lambda folder, new: changed_manifest(folder, new, id="20260101T000000000000Z-00000000"),
            id="of another snapshot",
        ),
    ],
)
def test_a_manifest_that_cannot_be_read(
    damage: Callable[[Path, Manifest], None],
    new_parts: NewParts,
    target: Target,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is skipped with a warning; backups go on; nothing is pruned that it may need."""
    parts = new_parts()
    add_file(parts, "a.bin")
    first, damaged = taken(parts, target), taken(parts, target)
    damage(folder, damaged)
    with caplog.at_level(logging.WARNING):
        assert [snapshot.id for snapshot in target.list_snapshots()] == [first.id]
    assert damaged.id in caplog.text
    assert target.newest().id == first.id
    third = taken(parts, target)
    assert third.new_objects == 0
    before = contents(target)
    with pytest.raises((DataError, ConfigurationError), match=damaged.id):
        prune(target, 1)
    assert contents(target) == before
    assert [snapshot.id for snapshot in target.list_snapshots()] == [first.id, third.id]
    with pytest.raises((DataError, ConfigurationError)):
        target.manifest(damaged.id)


def test_files_of_others_in_a_target(new_parts: NewParts, target: Target, folder: Path) -> None:
    """What a file manager leaves behind stops nothing and is left alone."""
    parts = new_parts()
    add_file(parts, "a.bin")
    first = taken(parts, target)
    files = folder / "files"
    strays = [
        files / "snapshots" / ".DS_Store",
        files / "snapshots" / first.id / ".DS_Store",
        files / "objects" / ".DS_Store",
    ]
    for stray in strays:
        stray.write_bytes(b"x")
    second = taken(parts, target)
    assert prune(target, 1).snapshots == [first.id]
    assert [snapshot.id for snapshot in target.list_snapshots()] == [second.id]
    assert all(stray.exists() for stray in strays)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a b", ""])
def test_hostile_file_names(name: str, new_parts: NewParts, target: Target, folder: Path) -> None:
    """A manifest that names a file elsewhere is damaged, and that is said; no file elsewhere is read."""
    parts = new_parts()
    add_file(parts, "a.bin")
    first = taken(parts, target)
    raw = msgspec.to_builtins(first.objects) | {"name": name}
    changed_manifest(folder, first, objects=raw)
    manifest = target.manifest(first.id)
    assert len(verify(target, manifest, show_nothing).problems) == 1
    restored = new_parts(migrates=False)
    with pytest.raises(DataError, match="is missing"):
        brought_back(target, manifest, restored)
    assert verify(target, taken(parts, target), show_nothing).problems == []


def test_the_newest_of_several_stacks(new_parts: NewParts, target: Target) -> None:
    """Nobody gets the newest snapshot of a stack that was not meant."""
    stacks = [new_parts(), new_parts()]
    for parts in stacks:
        Store(parts.database)  # gives it a name
    first = taken(stacks[0], target)
    assert target.newest().id == first.id
    second = taken(stacks[1], target)
    with pytest.raises(ConfigurationError, match="backups of 2 stacks") as caught:
        target.newest()
    assert first.id in str(caught.value)
    assert second.id in str(caught.value)


# -- notes -------------------------------------------------------------------------------------


def test_a_prune_that_was_taken_for_dead_stops(
    new_parts: NewParts, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It removes nothing once others may have begun to write."""
    parts = new_parts()
    add_file(parts, "a.bin")
    snapshots = [taken(parts, target).id, taken(parts, target).id]
    target.store.put([(content_path("0" * 64), b"not needed")])
    before = contents(target)
    monkeypatch.setattr(target_module, "NOTE_SECONDS", target_module.RENEWAL_SECONDS - 1)
    with pytest.raises(Conflict, match="did not answer for too long"):
        prune(target, 1)
    assert contents(target) == before
    assert [snapshot.id for snapshot in target.list_snapshots()] == snapshots
    monkeypatch.undo()
    assert prune(target, 1).objects == 1


@pytest.mark.parametrize("stopped", [0, 1])
def test_a_note_sees_a_suspended_machine(stopped: int, tmp_path: Path) -> None:
    """Either clock may stand still; and a renewal after the gap does not hide it."""
    store: ObjectStore = FolderStore(tmp_path)
    seconds = [0.0, 0.0]
    note = Note(store, "pruning/begun", clocks=(lambda: seconds[0], lambda: seconds[1]))
    note.write()
    note.check()
    seconds[1 - stopped] += target_module.RENEWAL_SECONDS
    note.renew()
    note.check()
    seconds[1 - stopped] += target_module.NOTE_SECONDS
    with pytest.raises(Conflict):
        note.check()
    note.renew()
    with pytest.raises(Conflict):
        note.check()
