"""The data folder: for its owner's eyes only, whatever the umask, and for one server at a time."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from PIL import Image

from layernext import LayerNextClient
from tests.support.stack_process import COMMAND, StackProcess, create_key, free_port


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def open_to_others(folder: Path) -> dict[str, str]:
    """Files and folders that other users could use, with their modes."""
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")]}
    return {
        str(path.relative_to(folder)): oct(mode) for path, mode in modes.items() if mode & 0o077
    }


@pytest.fixture
def no_umask() -> None:
    """New files of this process and its children are open to everybody, unless they say otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def use(stack: StackProcess, folder: Path) -> None:
    """Put some of everything into a stack."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    Image.new("RGB", (40, 30)).save(source / "a.png")
    (source / "large.bin").write_bytes(os.urandom(1 << 20))
    with LayerNextClient(*stack.arguments) as client:
        report = client.upload_files_to_collection(source, "other", "yard", progress=False)
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        client.upload_modelrun("pictures", "run", [{"image": "a.png", "annotations": []}])


@pytest.mark.usefixtures("no_umask")
def test_files_are_private(tmp_path: Path) -> None:
    """A folder made beforehand for everybody, and all that a stack puts into it, is closed to others."""
    folder = tmp_path / "stack"
    folder.mkdir(mode=0o755)
    stack = StackProcess(folder)
    create_key(folder)
    assert open_to_others(folder) == {}
    stack.start()
    try:
        use(stack, tmp_path)
        (folder / "serve.log").chmod(0o600)  # the test's own
        assert (folder / "stack.sqlite3-wal").exists()
        assert open_to_others(folder) == {}
    finally:
        stack.stop()


def test_files_of_an_earlier_version_are_closed(tmp_path: Path) -> None:
    """What is open to others is closed at the next start, and the log names it."""
    folder = tmp_path / "stack"
    stack = StackProcess(folder)
    stack.start()
    stack.kill()
    for name in ("", "stack.sqlite3", "stack.sqlite3-wal", "stack.sqlite3-shm"):
        (folder / name).chmod(0o755 if not name else 0o644)
    stack.start()
    stack.stop()
    (folder / "serve.log").chmod(0o600)
    assert open_to_others(folder) == {}
    log = (folder / "serve.log").read_text()
    assert f"{folder} could be used by other users (mode 755); now only by its owner" in log
    assert f"{folder / 'stack.sqlite3'} could be used by other users (mode 644)" in log


AS_NOBODY = """
import os, sys
from pathlib import Path
from layernext.errors import ConfigurationError
from layernext.stack.app import Settings, open_store
if os.geteuid() == 0:
    os.setuid(65534)
try:
    open_store(Settings(data=Path(sys.argv[1])))
except ConfigurationError as error:
    print(error)
"""


def test_folder_of_somebody_else() -> None:
    """A folder that is open to others and belongs to one of them is refused."""
    ran = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "/usr"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == (
        "other users can read /usr (mode 755), and it belongs to one of them"
        " (choose another folder with --data, or change this one's owner)\n"
    )


def test_second_server_is_refused(tmp_path: Path) -> None:
    """It says who holds the folder; keys work meanwhile; after a kill the next one starts at once."""
    folder = tmp_path / "stack"
    stack = StackProcess(folder)
    stack.start()
    assert stack.process is not None
    try:
        for where in (
            ["--data", str(folder)],
            ["--database", f"sqlite:///{folder / 'stack.sqlite3'}", "--data", str(tmp_path / "x")],
        ):
            second = run("serve", *where, "--port", str(free_port()))
            assert second.returncode != 0
            assert second.stdout == ""
            expected = f"another stack is serving {folder}: process {stack.process.pid} on "
            assert expected in second.stderr
            assert "Traceback" not in second.stderr
        assert "test admin" in run("keys", "list", "--data", str(folder)).stdout
        assert httpx.get(f"{stack.url}/ready").status_code == 200
        stack.kill()
        stack.start()
    finally:
        stack.stop()
    stack.start()
    stack.stop()


def test_servers_share_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """Several servers may serve from one PostgreSQL database, even with one data folder."""
    first = StackProcess(tmp_path / "stack", database=postgres_url)
    second = StackProcess(tmp_path / "stack", database=postgres_url)
    first.start()
    second.start()
    assert (first.stop(), second.stop()) == (0, 0)
