"""What goes wrong for users: an exit code of the table, one line on standard error, no traceback."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys

import pytest

from layernext.cli import exit_codes
from layernext.errors import UploadIncomplete
from tests.support.scripted_server import ScriptedServer, refusal
from tests.support.stack_process import COMMAND, create_key, free_port

HANG_SECONDS = 300
"""No test waits this long unless something hangs, however busy the machine is."""

BROKEN = {
    "images": [
        {"image": "1.jpg", "annotations": [{"bbox": [1, 2, -4.0, 3], "label": "cup"}]},
        {"image": "2.jpg", "annotations": [{"bbox": [1, 2, 3], "label": "cup"}]},
    ]
}


def the_line(done):
    """The one line on standard error."""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in done.stderr
    return line


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(BROKEN))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["nonsense"], "nonsense", id="command"),
        pytest.param(["upload"], "layernext upload --help", id="argument"),
        pytest.param(["runs", "--nonsense"], "--nonsense", id="option"),
        pytest.param(["keys"], "layernext keys --help", id="subcommand"),
        pytest.param(["upload", "c", "r", "f", "--geometry", "blob"], "blob", id="choice"),
        pytest.param(["serve", "--port", "0"], "port", id="range"),
    ],
)
def test_usage(cli, arguments, words):
    """A wrong command line is code 2 and says where help is."""
    line = the_line(cli(*arguments, code=exit_codes.USAGE))
    assert words in line
    assert "--help" in line


def test_no_configuration(cli):
    """Without key, secret and URL one line says which variables to set."""
    line = the_line(cli("runs", code=exit_codes.CONFIGURATION))
    for name in ("LAYERNEXT_API_KEY", "LAYERNEXT_SECRET", "LAYERNEXT_URL"):
        assert name in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("api_key = ", "cannot be read", id="broken"),
        pytest.param('color = "red"', "'color' is not a setting", id="unknown"),
        pytest.param("secret = 7", "'secret' is not a setting", id="type"),
        pytest.param(None, "no such configuration file", id="missing"),
    ],
)
def test_bad_configuration_file(cli, tmp_path, text, words):
    """A configuration file that cannot be right is code 3 and says why."""
    path = tmp_path / "config.toml"
    if text is not None:
        path.write_text(text)
    assert words in the_line(cli("runs", "--config", path, code=exit_codes.CONFIGURATION))


def test_every_problem_of_a_file(cli, broken):
    """A file's problems are a line each, with their places; nothing is sent."""
    done = cli("validate", broken, code=exit_codes.DATA)
    first, second = done.stderr.strip().splitlines()
    assert "broken.json: images[0].annotations[0].bbox" in first
    assert "-4.0" in first
    assert "images[1].annotations[0].bbox" in second
    images = [image["image"] for image in json.loads(broken.read_text())["images"]]
    assert f"(image '{images[0]}')" in first
    assert f"(image '{images[1]}')" in second
    assert done.stdout == ""


def test_problems_as_json(cli, broken):
    """validate --json answers a document for a bad file, too, with code 4."""
    found = json.loads(cli("validate", broken, "--json", code=exit_codes.DATA).stdout)
    assert found["valid"] is False
    places = [problem["where"] for problem in found["problems"]]
    assert places == ["images[0].annotations[0].bbox", "images[1].annotations[0].bbox"]


def test_limit_of_problems(cli, broken):
    """--limit stops the search and says that it did."""
    done = cli("validate", broken, "--limit", "1", code=exit_codes.DATA)
    assert "stopped" in done.stderr.strip().splitlines()[-1]


def test_bad_file_is_not_uploaded(connected, broken):
    """An upload of a bad file stores nothing."""
    connected("upload", "bad", "run", broken, code=exit_codes.DATA)
    line = the_line(connected("runs", "bad", code=exit_codes.NOT_FOUND))
    assert "'bad'" in line


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["validate", "nowhere.json"], id="validate"),
        pytest.param(["upload", "c", "r", "nowhere.json"], id="upload"),
        pytest.param(["upload", "c", "r", "."], id="folder"),
    ],
)
def test_unreadable_file(connected, arguments):
    """A file that cannot be read is code 4 and is named."""
    assert arguments[-1] in the_line(connected(*arguments, code=exit_codes.DATA))


def test_unwritable_target(connected, samples, tmp_path):
    """A download into a place where nothing can be written is code 4, with the place."""
    connected("upload", "target", "run", samples / "example_bbox.json")
    (tmp_path / "file").write_text("")
    line = the_line(connected("download", "target", "--out", "file/x.json", code=exit_codes.DATA))
    assert "file" in line


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["runs", "nowhere"], id="runs"),
        pytest.param(["download", "nowhere", "--out", "x.json"], id="collection"),
        pytest.param(["rm", "nowhere", "run", "--yes"], id="rm"),
    ],
)
def test_not_found(connected, arguments, tmp_path):
    """What is not there is code 5, and no file is left."""
    assert "nowhere" in the_line(connected(*arguments, code=exit_codes.NOT_FOUND))
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    ("group", "word", "command", "code"),
    [
        ("runs", "lst", "list", exit_codes.NOT_FOUND),
        ("runs", "evalute", "evaluate", exit_codes.NOT_FOUND),
        ("collections", "craete", "create", exit_codes.USAGE),
    ],
)
def test_mistyped_command_of_a_listing_group(connected, group, word, command, code):
    """A word that no collection has may be a command, mistyped."""
    done = connected(group, word, code=code)
    assert f"did you mean layernext {group} {command}?" in done.stderr


def test_wrong_secret(connected):
    """A wrong secret is code 6; the secret is not repeated."""
    done = connected("runs", "--secret", "not-the-secret", code=exit_codes.NOT_PERMITTED)
    assert "not-the-secret" not in the_line(done)


def test_role_too_small(connected, stack, samples):
    """A key that may only read cannot upload: code 6, and it says so."""
    api_key, secret = create_key(stack.folder, "read")
    options = ["--api-key", api_key, "--secret", secret]
    connected("runs", *options)
    sample = samples / "example_bbox.json"
    done = connected("upload", "c", "r", sample, *options, code=exit_codes.NOT_PERMITTED)
    assert "read" in the_line(done)


def test_nobody_there(connected):
    """Where nothing listens, doctor says so at once, with code 7."""
    url = f"http://127.0.0.1:{free_port()}"
    done = connected("doctor", "--url", url, code=exit_codes.NO_CONNECTION)
    assert "✗ connection" in done.stdout
    assert done.stderr == ""


def test_note_while_nobody_is_there():
    """While nothing listens, a note says just that, and when the next attempt is."""
    url = f"http://127.0.0.1:{free_port()}"
    program = subprocess.Popen(
        [*COMMAND, "runs", "--api-key", "k", "--secret", "s", "--url", url],
        stderr=subprocess.PIPE,
        text=True,
    )
    first = program.stderr.readline()
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=HANG_SECONDS)
    assert first.startswith(f"note: nothing answers at {url} (")
    assert re.search(r"; trying again in \d\.\d s\n$", first)


def test_note_while_the_stack_does_not_serve():
    """A stack that answers 503 gets another note, in one line."""
    with ScriptedServer(refusal(503, "busy"), refusal(404, "no")) as server:
        options = ["--api-key", "k", "--secret", "s", "--url", server.url]
        done = subprocess.run(
            [*COMMAND, "runs", *options], capture_output=True, text=True, check=False
        )
    note, error = done.stderr.splitlines()
    assert note.startswith("note: the stack is temporarily unavailable; trying again in 0.")
    assert error.startswith("error: ")


def test_not_a_url(connected):
    """A URL that cannot be one is code 3, before any request."""
    the_line(connected("runs", "--url", "nonsense", code=exit_codes.CONFIGURATION))


def test_debug_shows_the_traceback(connected):
    """LAYERNEXT_DEBUG=1 and --debug add the traceback; 0 does not."""
    for done in (
        connected("runs", "nowhere", code=exit_codes.NOT_FOUND, LAYERNEXT_DEBUG="1"),
        connected("--debug", "runs", "nowhere", code=exit_codes.NOT_FOUND),
    ):
        assert "Traceback" in done.stderr
        assert connected.environment["LAYERNEXT_SECRET"] not in done.stderr
    the_line(connected("runs", "nowhere", code=exit_codes.NOT_FOUND, LAYERNEXT_DEBUG="0"))


def test_precedence(cli, stack, tmp_path):
    """Options win over the environment, and that over the file."""
    api_key, secret, url = stack.arguments
    path = tmp_path / "config.toml"
    path.write_text(f'api_key = "{api_key}"\nsecret = "{secret}"\nurl = "{url}"\n')
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    cli("runs", "--config", path)
    cli("runs", "--config", path, code=exit_codes.NOT_PERMITTED, LAYERNEXT_SECRET="wrong")
    cli("runs", "--config", path, "--secret", secret, LAYERNEXT_SECRET="wrong")


def test_the_table_of_codes_is_in_help(cli):
    """`layernext --help` lists every exit code."""
    text = " ".join(cli("--help").stdout.split())
    for code, meaning in exit_codes.MEANINGS.items():
        assert f"{code}: {meaning}" in text


def test_without_arguments_help(cli):
    """`layernext` alone shows help and is not an error."""
    assert "Usage: layernext" in cli().stdout


def test_output_that_nobody_reads(connected):
    """A reader that goes away early (`| head`) leads to no error text."""
    import subprocess
    import sys

    program = f"{sys.executable} -m layernext.cli --help | true"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def interrupt(*arguments, **options):
    """Ctrl-C while the stack does not answer: the exit code, and what was said."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        program = subprocess.Popen(
            [*COMMAND, *map(str, arguments), "--api-key", "k", "--secret", "s", "--url", url],
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        silent.settimeout(HANG_SECONDS)
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)
            program.send_signal(signal.SIGINT)
        # Python notices a signal that comes just before a blocking call only after it: closing the
        # connection ends that call.
        _, said = program.communicate(timeout=HANG_SECONDS)
    return program.returncode, said


def test_interrupted():
    """Ctrl-C: one line, the usual code, no traceback."""
    assert interrupt("runs") == (exit_codes.INTERRUPTED, "interrupted\n")


def test_interrupted_in_the_background():
    """Also where SIGINT was ignored at the start, as by a shell that runs it in the background."""
    ignored = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    assert interrupt("runs", **ignored) == (exit_codes.INTERRUPTED, "interrupted\n")


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN], ids=["usual", "ignored"])
@pytest.mark.parametrize("module", ["layernext.cli.app", "layernext.cli.projects"])
def test_interrupted_imports(module, handler):
    """Ctrl-C while the program, or a command of it, still loads: no traceback."""
    program = f"""
import os, signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["layernext", "projects", "list"]
from layernext.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, handler),
    )
    assert (done.returncode, done.stderr) == (exit_codes.INTERRUPTED, "interrupted\n")


def test_upload_that_ends_early_says_the_option():
    """What is said of resuming is an option of the command, not an argument of the SDK."""
    hint = "call it again with resume=True to send only the rest"
    (line,) = exit_codes.lines_of(UploadIncomplete("it ended early", report=None, hint=hint))
    assert line == "it ended early (repeat the command with --resume to send only the rest)"


def test_interrupted_upload(samples):
    """Ctrl-C during an upload: the line says how it goes on."""
    code, said = interrupt("upload", "c", "r", samples / "example_bbox.json")
    assert code == exit_codes.INTERRUPTED
    (line,) = said.splitlines()
    assert line == "interrupted; repeat the command with --resume to send the rest"
