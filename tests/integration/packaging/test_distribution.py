"""The wheel and the source archive, built and installed as users install them, without a network."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import layernext
from tests.support.wheels import build, published_wheel

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "src"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder)
    return folder


def package_files() -> set[str]:
    """Every file of the package: code, templates, scripts and styles, migrations, samples."""
    files = (path for path in (PACKAGE / "layernext").rglob("*") if path.is_file())
    return {
        path.relative_to(PACKAGE).as_posix() for path in files if "__pycache__" not in path.parts
    }


def files_of_wheel(folder: Path) -> set[str]:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_the_package(built: Path) -> None:
    """The whole package, and nothing beside it."""
    files = files_of_wheel(built)
    assert files == package_files()
    for part in ("web/templates/", "web/static/", "store/migrations/versions/"):
        assert any(name.startswith(f"layernext/stack/{part}") for name in files)
    assert any(name.startswith("layernext/cli/samples/") for name in files)


def test_the_source_archive_builds_the_same(built: Path, tmp_path: Path) -> None:
    """The wheel of the unpacked archive is the wheel of the checkout."""
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        # Our own archive; Python has the filter from 3.11.4 on.
        packed.extractall(
            tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {})
        )
    (unpacked,) = tmp_path.iterdir()
    assert (unpacked / "dev.py").is_file()
    build(unpacked, tmp_path / "again")
    assert files_of_wheel(tmp_path / "again") == package_files()


def test_the_wheel_is_installed(built: Path, tmp_path: Path) -> None:
    """In a fresh environment the command says its version, and the package is the installed one."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    scripts = environment / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / "python"
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(output(tmp_path, str(python), "-c", ask))
    # The dependencies are those that run this test; its own package is not installed there whole.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    assert output(tmp_path, str(scripts / "layernext"), "--version").endswith(layernext.__version__)
    where = output(tmp_path, str(python), "-c", "import layernext; print(layernext.__file__)")
    assert Path(where) == packages / "layernext" / "__init__.py"


def output(folder: Path, *command: str) -> str:
    """What a command prints, started far from the checkout."""
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_over_a_published_client(built: Path, tmp_path: Path) -> None:
    """Both installed: doctor warns. The other one removed: the command says what to do, and that helps."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    python = tmp_path / "bin" / "python"
    (library,) = tmp_path.glob("lib/python*/site-packages")
    (library / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    (wheel,) = built.glob("*.whl")

    def pip(*arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(python), "-q", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def doctor() -> subprocess.CompletedProcess[str]:
        command = [str(python.with_name("layernext")), "doctor"]
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)

    pip("install", "--no-deps", str(published_wheel("layernext==2.3.4")))
    pip("install", "--no-deps", str(wheel))
    both = doctor()
    repair = "pip uninstall -y layernext && pip install --force-reinstall --no-deps ."
    assert f"repair: {repair}" in both.stdout
    assert "layernext 2.3.4 has the same import name" in both.stdout

    pip("uninstall", "-y", "layernext")
    broken = doctor()
    assert broken.returncode == 3
    assert broken.stderr == (
        "layernext is damaged: layernext/__init__.py is missing or another package's; "
        "repair: pip install --force-reinstall --no-deps . "
        "(in the folder with the source; for a wheel, its path replaces the dot)\n"
    )

    pip("install", "--force-reinstall", "--no-deps", str(wheel))
    assert "✓ published clients: not installed" in doctor().stdout
