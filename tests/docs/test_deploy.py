"""deploy/: what can be checked without building an image or having a cluster."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from layernext import LayerNextClient
from layernext.cli.command_groups import COMMANDS, LazyCommand
from layernext.stack.api.metrics import Metrics
from layernext.stack.store import Store
from tests.support.stack_process import free_port, running_stack

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


def test_health_check_of_the_image(tmp_path: Path) -> None:
    """The image's command serves, and its health check tells whether that answers."""
    dockerfile = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
    _, words = re.findall(r"CMD (\[.*\])", dockerfile)
    (check,) = re.findall(r"HEALTHCHECK .*? CMD (\[.*\])", dockerfile)
    assert json.loads(words)[0] == "serve"
    with running_stack(tmp_path / "stack") as stack:
        program = json.loads(check)[-1].replace("8750", str(stack.port))
        command = [sys.executable, "-c", program]
        # A proxy that the environment names must not answer in the stack's place.
        run(*command, http_proxy="http://127.0.0.1:1")
    assert subprocess.run(command, capture_output=True, check=False, timeout=180).returncode != 0


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
    run(
        "nginx",
        "-t",
        "-c",
        str(nginx_file(tmp_path, {1: 8751, 2: 8752}, 8750)),
        "-p",
        str(tmp_path),
    )


def nginx_file(folder: Path, servers: dict[int, int], port: int) -> Path:
    """The file for nginx with the ports of this machine, as a user without rights can start it.

    Args:
        folder: to write it to.
        servers: number to port.
        port: that nginx listens on.
    """
    text = (DEPLOY / "compose" / "nginx.conf").read_text()
    for number, server_port in servers.items():
        # Only newer ones than those of most systems look names up again.
        text = text.replace(f"stack-{number}:8750 resolve", f"127.0.0.1:{server_port}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    text = text.replace("listen 8750;", f"listen 127.0.0.1:{port};")
    text = text.replace("http {\n", f"http {{\n    access_log off;\n{paths}")
    file = folder / "nginx.conf"
    file.write_text(f"daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n{text}")
    return file


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_two_servers_behind_nginx(tmp_path: Path, postgres_url: str) -> None:
    """Requests pass through nginx as they were sent, also when one of the two servers is killed."""
    from contextlib import ExitStack

    port = free_port()
    with ExitStack() as opened:
        first, second = (
            opened.enter_context(
                running_stack(
                    tmp_path / "stack",
                    "--trusted-proxy=127.0.0.0/8",
                    database=postgres_url,
                )
            )
            for _ in range(2)
        )
        file = nginx_file(tmp_path, {1: first.port, 2: second.port}, port)
        process = subprocess.Popen(["nginx", "-c", str(file), "-p", str(tmp_path)])
        opened.callback(process.wait)
        opened.callback(process.terminate)
        url = f"http://127.0.0.1:{port}"
        with LayerNextClient(first.api_key, first.secret, url) as client:
            images = [{"image": "a b/ü.jpg", "annotations": []}]
            client.upload_modelrun("path1/path2", "run 1", images, progress=False)
            first.kill()
            for _ in range(4):
                (sets,) = list(client.iter_annotations("path1/path2", "run 1"))
            assert sets.image == "a b/ü.jpg"
        answer = httpx.get(f"{url}/metrics", auth=(first.api_key, first.secret))
        assert answer.status_code == 404


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
