"""serve and keys: starting, first key, stopping, keys while it runs and while it does not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from layernext.cli import exit_codes
from tests.support.stack_process import START_SECONDS, free_port


@contextmanager
def serving(folder, *options):
    """`layernext serve` on an empty port: the process and its URL."""
    port = free_port()
    command = [sys.executable, "-m", "layernext.cli", "serve", "--data", str(folder)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("LAYERNEXT_")},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{url}/ready", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.05)
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def stop(process):
    """End it as a service manager does; the exit code and what it printed."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_first_start_shows_a_link(tmp_path):
    """The first start prints a link that signs a browser in, once; no other start does."""
    folder = tmp_path / "stack"
    with serving(folder) as (process, url):
        lines = iter(process.stderr.readline, "")
        link = next(m for line in lines if (m := re.search(r"(http://\S+)/sign-in#(\S+)", line)))
        assert link[1] == url
        body = json.dumps({"token": link[2]}).encode()
        request = urllib.request.Request(f"{url}/sign-in", body, {"Origin": url})
        with urllib.request.urlopen(request, timeout=180) as answer:
            assert json.load(answer)["role"] == "admin"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=180)
        stop(process)
    with serving(folder) as (process, url):
        assert "/sign-in#" not in stop(process)[2]


def test_first_start_shows_a_key_once(cli, tmp_path, samples):
    """The first start prints lines for a shell on standard output; the second prints none."""
    with serving(tmp_path / "stack") as (process, url):
        code, out, _ = stop(process)
    assert code == 0
    lines = dict(line.removeprefix("export ").split("=", 1) for line in out.splitlines())
    assert list(lines) == ["LAYERNEXT_API_KEY", "LAYERNEXT_SECRET", "LAYERNEXT_URL"]
    assert lines["LAYERNEXT_URL"] == url
    with serving(tmp_path / "stack") as (process, url):
        lines["LAYERNEXT_URL"] = url
        cli("upload", "c", "r", samples / "example_bbox.json", **lines)
        code, out, _ = stop(process)
    assert (code, out) == (0, "")


def test_first_key_as_json(cli, tmp_path):
    """serve --json prints the first key as one document; the key works."""
    with serving(tmp_path / "stack", "--json") as (process, url):
        names = {"api_key": "LAYERNEXT_API_KEY", "secret": "LAYERNEXT_SECRET"}
        folder = tmp_path / "stack"
        made = cli("keys", "create", "x", "--role", "read", "--data", folder, "--json")
        other = json.loads(made.stdout)
        cli("runs", LAYERNEXT_URL=url, **{names[k]: other[k] for k in names})
        code, out, _ = stop(process)
    assert code == 0
    first = json.loads(out)
    assert first["url"] == url
    assert first["role"] == "admin"


def test_key_lives_and_dies(cli, tmp_path):
    """A key works after create and not after revoke; both while the stack runs."""
    folder = tmp_path / "stack"
    with serving(folder) as (process, url):
        made = json.loads(
            cli("keys", "create", "ci", "--role", "write", "--data", folder, "--json").stdout
        )
        assert set(made) == {"api_key", "secret", "name", "role"}
        as_ci = {
            "LAYERNEXT_API_KEY": made["api_key"],
            "LAYERNEXT_SECRET": made["secret"],
            "LAYERNEXT_URL": url,
        }
        cli("collections", **as_ci)
        listed = json.loads(cli("keys", "list", "--data", folder, "--json").stdout)
        assert {key["name"]: key["role"] for key in listed} == {"first key": "admin", "ci": "write"}
        assert made["secret"] not in json.dumps(listed)
        cli("keys", "revoke", made["api_key"], "--data", folder)
        cli("collections", code=exit_codes.NOT_PERMITTED, **as_ci)
        assert stop(process)[0] == 0
    cli("keys", "revoke", made["api_key"], "--data", folder, code=exit_codes.NOT_FOUND)


def test_keys_before_the_first_start(cli, tmp_path):
    """keys create on an empty folder makes the stack's database; serve then shows no other key."""
    folder = tmp_path / "stack"
    cli("keys", "create", "mine", "--role", "admin", "--data", folder, "--json")
    with serving(folder) as (process, _):
        assert stop(process)[:2] == (0, "")


def test_keys_of_no_stack(cli, tmp_path):
    """keys list and revoke where no stack is say so, and make none."""
    folder = tmp_path / "typo"
    for command in (["keys", "list"], ["keys", "revoke", "key_x"]):
        done = cli(*command, "--data", folder, code=exit_codes.CONFIGURATION)
        assert "no stack found" in done.stderr
    assert not folder.exists()


def test_public_url(tmp_path):
    """What is printed has the public URL."""
    public_url = "https://stack.example.org"
    with serving(tmp_path / "stack", "--json", "--public-url", f"{public_url}/") as (process, url):
        assert urllib.request.urlopen(f"{url}/health").status == 200
        code, out, err = stop(process)
    assert code == 0
    assert json.loads(out)["url"] == public_url
    assert f"LayerNext stack on {public_url} (listening on 127.0.0.1:" in err


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("stack.example.org", "must begin with http:// or https:// and a host"),
        ("ftp://stack.example.org", "must begin with http:// or https:// and a host"),
        ("https://", "must begin with http:// or https:// and a host"),
        ("https://a:b@stack.example.org", "must not have a user name or password"),
        ("https://stack.example.org/stack", "must not have a path or query"),
        ("https://stack.example.org?a=b", "must not have a path or query"),
        ("https://stack.example.org:99999", "is not a URL: Port out of range 0-65535"),
        ("https://stack example.org", "printable ASCII characters and no spaces"),
        ("https://[::1", "is not a URL"),
    ],
)
def test_public_url_that_is_none(cli, tmp_path, url, text):
    """A public URL that no link can begin with is refused before anything is made."""
    folder = tmp_path / "stack"
    options = ["--data", folder, "--port", free_port()]
    done = cli("serve", *options, LAYERNEXT_PUBLIC_URL=url, code=exit_codes.CONFIGURATION)
    assert text in done.stderr
    assert not folder.exists()


def test_port_in_use(cli, stack, tmp_path):
    """A port that is taken is code 3; no key was made that nobody would see."""
    folder = tmp_path / "other"
    options = ["--data", folder, "--port", stack.port]
    done = cli("serve", *options, code=exit_codes.CONFIGURATION)
    (line,) = done.stderr.strip().splitlines()
    assert f"cannot listen on 127.0.0.1:{stack.port}" in line
    assert not folder.exists()


def test_address_that_is_none(cli, tmp_path):
    """A host that is not an address of this machine is code 3."""
    options = ["--data", tmp_path / "x", "--host", "203.0.113.7", "--port", free_port()]
    done = cli("serve", *options, code=exit_codes.CONFIGURATION)
    assert "cannot listen on 203.0.113.7" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("mysql://x/y", id="kind"),
        pytest.param("postgresql://nobody@127.0.0.1:1/nothing", id="nobody-there"),
    ],
)
def test_database_that_cannot_be_used(cli, tmp_path, url):
    """A database URL that does not work is code 3 and one line."""
    options = ["--data", tmp_path / "x", "--database", url]
    done = cli("keys", "list", *options, code=exit_codes.CONFIGURATION)
    (line,) = done.stderr.strip().splitlines()
    assert "database" in line


def test_open_to_others_warns(tmp_path):
    """Listening for other machines is said to be unencrypted, in one sentence."""
    port = free_port()
    command = [sys.executable, "-m", "layernext.cli", "serve", "--data", str(tmp_path / "s")]
    process = subprocess.Popen(
        [*command, "--host", "0.0.0.0", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = []
        while not said or "LayerNext stack on" not in said[-1]:
            said.append(process.stderr.readline())
            assert said[-1], said
        assert sum("put a proxy with TLS" in line for line in said) == 1
    finally:
        process.kill()
        process.communicate()


def test_doctor_on_a_stack(connected):
    """doctor finds everything in order, as text and as JSON."""
    text = connected("doctor").stdout
    for what in ("python", "connection", "credentials", "role", "protocol", "clock"):
        assert f"✓ {what}: " in text
    found = json.loads(connected("doctor", "--json").stdout)
    assert (found["ok"], found["exit_code"]) == (True, 0)


def test_doctor_without_configuration(cli):
    """doctor says what is not set, with code 3."""
    done = cli("doctor", code=exit_codes.CONFIGURATION)
    assert "✗ api key: not set; set LAYERNEXT_API_KEY" in done.stdout
