"""constraints.txt: one exact version of everything that dev.py and CI install, and no address."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINES = [
    line
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def requirements() -> list[Requirement]:
    """Of the package, of its extras, of development, and of the build."""
    lists = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        PROJECT["dependency-groups"]["dev"],
        PROJECT["build-system"]["requires"],
    ]
    return [Requirement(line) for lines in lists for line in lines]


def applies(marker: Marker | None, environment: dict[str, str]) -> bool:
    return marker is None or marker.evaluate(environment)


def test_every_line_is_an_exact_version():
    """Nothing else stands in the file: no address, no path, no option."""
    pattern = re.compile(r"[a-z0-9.-]+==[0-9a-z.+]+( ; [a-z_]+ [a-zA-Z0-9_.'<>=!* ]+)?")
    assert [line for line in LINES if not pattern.fullmatch(line)] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_has_one_version(python):
    """On each supported Python, each dependency has exactly one version, which it allows."""
    environment = {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    pins: dict[str, list[str]] = {}
    for pin in map(Requirement, LINES):
        if applies(pin.marker, environment):
            (version,) = [specifier.version for specifier in pin.specifier]
            pins.setdefault(canonicalize_name(pin.name), []).append(version)
    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}
    wrong = {
        str(requirement): pins.get(canonicalize_name(requirement.name))
        for requirement in requirements()
        if applies(requirement.marker, environment)
        and not any(
            map(requirement.specifier.contains, pins.get(canonicalize_name(requirement.name), []))
        )
    }
    assert wrong == {}


def test_development_has_every_extra(monkeypatch):
    """`dev.py` installs all extras, and none of them is for development only."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    from tools.environment import EXTRAS

    extras = PROJECT["project"]["optional-dependencies"]
    assert EXTRAS.split(",") == sorted(extras)
    assert "dev" not in extras
