"""A stack for these tests, and the command line as a process beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.preloaded import completed_command
from tests.support.stack_process import running_stack

SAMPLES = Path(__file__).parents[3] / "src" / "layernext" / "cli" / "samples"
SECONDS = 600


@dataclass
class CommandLine:
    """Runs `layernext` as a user does: a process, its own folder, a chosen environment."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments, code=0, **environment):
        """Run it, expect an exit code, and give what it printed."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LAYERNEXT_")}
        variables = {**inherited, "HOME": str(self.folder), **self.environment, **environment}
        # Python reads some variables only when it starts.
        is_fresh = any(name.startswith(("PYTHON", "LC_", "LANG")) for name in environment)
        run = self._run_fresh if is_fresh else self._run_preloaded
        done = run(tuple(map(str, arguments)), variables)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def _run_fresh(self, arguments, variables):
        return subprocess.run(
            [sys.executable, "-m", "layernext.cli", *arguments],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )

    def _run_preloaded(self, arguments, variables):
        return completed_command(
            arguments, folder=self.folder, environment=variables, seconds=SECONDS
        )


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def cli(tmp_path):
    """The command line without any configuration."""
    return CommandLine(tmp_path)


@pytest.fixture
def connected(stack, tmp_path):
    """The command line, configured by the environment for the stack."""
    names = ("LAYERNEXT_API_KEY", "LAYERNEXT_SECRET", "LAYERNEXT_URL")
    return CommandLine(tmp_path, dict(zip(names, stack.arguments, strict=True)))


@pytest.fixture
def samples():
    return SAMPLES
