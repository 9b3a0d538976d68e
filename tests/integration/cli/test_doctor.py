"""doctor: one line for each thing, with and without what it looks at."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from layernext import LayerNextClient
from layernext.cli import exit_codes
from tests.support.stack_process import create_key, running_stack


def findings(done):
    return {each["what"]: each for each in json.loads(done.stdout)["findings"]}


def test_all_is_well(connected):
    """Everything is looked at; an administrator sees the stack's state too."""
    named = findings(connected("doctor", "--json"))
    assert named["database"]["detail"] == "sqlite answers"
    assert named["files"]["detail"] == "the folder answers"
    for what in (
        "published clients",
        "disk of the state folder",
        "disk of temporary files",
        "disk of the stack",
        "jobs",
        "clock",
    ):
        assert named[what]["ok"] is True, named[what]
    assert named["proxy"]["ok"] is None


def test_not_an_administrator(connected, stack):
    """Others are told why they do not see the stack's state; that is not an error."""
    api_key, secret = create_key(stack.folder, "read")
    done = connected("doctor", "--json", LAYERNEXT_API_KEY=api_key, LAYERNEXT_SECRET=secret)
    named = findings(done)
    assert named["state of the stack"]["detail"] == "shown to keys with the role admin"
    assert "database" not in named
    assert named["clock"]["ok"] is True


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_proxy(connected, stack, name):
    """The variable that names a proxy is shown, and not its password."""
    proxy = {name: "http://me:pass-word@127.0.0.1:9"}
    shown = connected("doctor", no_proxy="127.0.0.1", **proxy).stdout
    assert f"· proxy: {name} is set, and not used for 127.0.0.1\n" in shown
    done = connected("doctor", code=exit_codes.NO_CONNECTION, no_proxy="", NO_PROXY="", **proxy)
    assert f"· proxy: requests go through the one in {name}\n" in done.stdout
    assert "pass-word" not in done.stdout + done.stderr


def add_package(folder: Path, name: str) -> None:
    """What pip leaves of an installed package, as far as its version is concerned."""
    info = folder / f"{name.replace('-', '_')}-2.3.4.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.3.4\n")


def test_published_client_in_the_way(connected, tmp_path):
    """A package that overwrites our files is named, with what to do; the other one is only named."""
    folder = tmp_path / "packages"
    add_package(folder, "layerx-sdk")
    named = findings(connected("doctor", "--json", PYTHONPATH=str(folder)))
    assert named["published clients"]["ok"] is None
    add_package(folder, "layernext")
    done = connected("doctor", "--json", code=exit_codes.CONFIGURATION, PYTHONPATH=str(folder))
    detail = findings(done)["published clients"]["detail"]
    assert detail.startswith(
        "layernext 2.3.4 has the same import name and overwrites files of layernext-sdk; repair: "
        "pip uninstall -y layernext && pip install --force-reinstall --no-deps ."
    )


def test_files_cannot_be_used(cli, tmp_path):
    """A server whose folder of files is gone is named by its part, without the server's path."""
    with running_stack(tmp_path / "stack") as stack:
        shutil.rmtree(stack.folder / "objects")
        names = ("LAYERNEXT_API_KEY", "LAYERNEXT_SECRET", "LAYERNEXT_URL")
        environment = dict(zip(names, stack.arguments, strict=True))
        done = cli("doctor", code=exit_codes.NO_CONNECTION, **environment)
    assert "✗ files: the folder cannot be used\n" in done.stdout
    assert str(stack.folder) not in done.stdout


LOW_DISK = """
import sys
from layernext.cli import doctor
doctor.LOW_DISK_BYTES = 1 << 62
doctor.LONG_WAIT_S = -1.0
from layernext.cli.app import run
sys.exit(run(["doctor"]))
"""


def test_thresholds(tmp_path):
    """A disk with too little room, and a queue that nobody works at, are errors with a reason."""
    with running_stack(tmp_path / "stack", "--jobs", "off") as stack:
        names = ("LAYERNEXT_API_KEY", "LAYERNEXT_SECRET", "LAYERNEXT_URL")
        environment = dict(zip(names, stack.arguments, strict=True))
        source = tmp_path / "source"
        source.mkdir()
        (source / "a.bin").write_bytes(b"1")
        with LayerNextClient(*stack.arguments) as client:
            client.upload_files_to_collection(source, "other", "yard", progress=False)
        ran = subprocess.run(
            [sys.executable, "-c", LOW_DISK],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
    assert ran.returncode == exit_codes.CONFIGURATION
    assert "✗ disk of the state folder: " in ran.stdout
    assert "may not be enough" in ran.stdout
    assert "✗ disk of the stack: " in ran.stdout
    assert "✗ jobs: 1 queued, 0 running; the oldest has waited for " in ran.stdout
    assert "start `layernext worker`" in ran.stdout
