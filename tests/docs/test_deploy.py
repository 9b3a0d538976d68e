"""deploy/: what can be checked without building an image or having a cluster."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from layernext.cli.command_groups import COMMANDS, LazyCommand
from layernext.stack.api.metrics import Metrics
from layernext.stack.store import Store

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "layernext"
TEMPLATES = CHART / "templates"
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
COMPOSE_VARIABLES = {
    "POSTGRES_PASSWORD": "a",
    "S3_USER": "b",
    "S3_PASSWORD": "c",
    "S3_ENDPOINT": "http://192.0.2.10:9000",
}
OPTION = re.compile(r"--[a-z][a-z-]*")


def parameters_of(command: str) -> list[Any]:
    """What `layernext <command> --help` lists."""
    return LazyCommand(command, COMMANDS[command], is_group=False).load().params  # type: ignore[no-any-return]


def options_of(command: str) -> set[str]:
    return {option for parameter in parameters_of(command) for option in parameter.opts}


def commands_in(service: dict[str, Any]) -> list[str]:
    return [str(word) for word in service.get("command", [])]


def uses() -> list[Any]:
    """Each command line of ours: where it is, the command, its words."""
    lines = []
    for file in COMPOSE:
        for name, service in yaml.safe_load(file.read_text())["services"].items():
            if service.get("image") == "layernext":
                lines.append((f"{file.name} {name}", *commands_in(service)))
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    lines.append(("Dockerfile", *json.loads(dockerfile.rpartition("\nCMD ")[2])))
    unit = (DEPLOY / "systemd" / "layernext.service").read_text()
    (start,) = re.findall(r"^ExecStart=\S+/layernext (.*)$", unit, re.MULTILINE)
    lines.append(("systemd", *start.split()))
    shared = OPTION.findall((TEMPLATES / "_pod.tpl").read_text())
    for name, command in (("server.yaml", "serve"), ("worker.yaml", "worker")):
        text = (TEMPLATES / name).read_text()
        assert f"- {command}\n" in text
        own = re.findall(r"^ *- (--[a-z-]+)", text, re.MULTILINE)
        lines.append((name, command, *own, *shared))
    return [pytest.param(command, words, id=where) for where, command, *words in lines]


@pytest.mark.parametrize(("command", "words"), uses())
def test_options_exist(command: str, words: list[str]) -> None:
    """Each option that a file gives to `serve` or `worker` is one of that command."""
    options = {OPTION.match(word).group() for word in words if OPTION.match(word)}  # type: ignore[union-attr]
    assert options
    assert options <= options_of(command)


def test_environment_variables_exist() -> None:
    """Variables of ours in the files are those that `serve` and `worker` read."""
    read = {
        parameter.envvar
        for command in ("serve", "worker")
        for parameter in parameters_of(command)
        if parameter.envvar
    }
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    used = {name for path in files for name in re.findall(r"LAYERNEXT_[A-Z_]+", path.read_text())}
    assert used
    assert used <= read


@pytest.mark.parametrize("file", [CHART / "Chart.yaml", CHART / "values.yaml", *COMPOSE], ids=str)
def test_yaml_is_read(file: Path) -> None:
    """Each file is one YAML document with something in it."""
    assert isinstance(yaml.safe_load(file.read_text()), dict)


def test_chart_values_exist() -> None:
    """Each value that a template uses has a default."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    text = "".join(path.read_text() for path in TEMPLATES.iterdir())
    for path in set(re.findall(r"\.Values\.([A-Za-z.]+)", text)):
        node = values
        for name in path.split("."):
            assert name in node, path
            node = node[name]
    assert text.count("{{") == text.count("}}")


def test_image_files_exist() -> None:
    """What the image copies is in the repository, and not ignored by the build."""
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name.removeprefix('./')}" in kept
    assert "\nUSER 10001\n" in dockerfile
    assert "'/ready'" in dockerfile


def metric_names(folder: Path) -> set[str]:
    """Names of samples that a server shows."""
    store = Store.open(f"sqlite:///{folder / 'stack.sqlite3'}")
    try:
        text = Metrics(store, "0").text().decode()
    finally:
        store.close()
    names = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
        parts = ("_bucket", "_count", "_sum") if kind == "histogram" else ()
        names |= {name, *(f"{name}{part}" for part in parts)}
    return names


def test_metrics_exist(tmp_path: Path) -> None:
    """The dashboard and the docs name metrics that there are, and the docs all of ours."""
    names = metric_names(tmp_path)
    dashboard = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    pattern = re.compile(r"\b(?:layernext|process)_[a-z_]+\b")
    shown = {name for query in queries for name in pattern.findall(query)}
    assert len(shown) > 10
    assert shown <= names
    page = (ROOT / "docs" / "stack.md").read_text()
    documented = set(re.findall(r"`(layernext_[a-z_]+)`", page))
    ours = {name for name in names if name.startswith("layernext_") and "_created" not in name}
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in ours}
    assert documented == ours


def run(*command: str, **environment: str) -> None:
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=os.environ | environment,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    command = ["docker", "compose", "version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="docker compose is not installed")
@pytest.mark.parametrize("file", COMPOSE, ids=lambda path: path.name)
def test_compose_files(file: Path) -> None:
    """Compose reads them; that needs no running Docker."""
    run("docker", "compose", "--file", str(file), "config", "--quiet", **COMPOSE_VARIABLES)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_configuration(tmp_path: Path) -> None:
    """nginx reads its file; the servers' names are those of this machine here."""
    text = (DEPLOY / "compose" / "nginx.conf").read_text()
    file = tmp_path / "nginx.conf"
    file.write_text(re.sub(r"stack-[12]:8750 resolve", "127.0.0.1:8750", text))
    run("nginx", "-t", "-c", str(file), "-p", str(tmp_path))


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
def test_chart() -> None:
    """helm finds nothing to object to, and renders YAML."""
    run("helm", "lint", "--strict", str(CHART))
    run("helm", "template", "test", str(CHART))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_unit(tmp_path: Path) -> None:
    """systemd knows every setting of the unit."""
    text = (DEPLOY / "systemd" / "layernext.service").read_text()
    unit = tmp_path / "layernext.service"
    unit.write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    run("systemd-analyze", "verify", str(unit))
