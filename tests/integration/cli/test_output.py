"""What the command line prints of data: visible, and in no line of its own."""

from __future__ import annotations

import json

import pytest

from layernext.cli.output import say, tell, tell_names


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "plain\n", id="plain"),
        pytest.param("", "\n", id="empty"),
        pytest.param("\n", "\n\n", id="break-only"),
        pytest.param("\nnext:\n", "\nnext:\n\n", id="own-breaks"),
        pytest.param("label x\nforged", "label x\\nforged\n", id="break-within"),
        pytest.param("\na\n\nb\r\x1b[2J", "\na\\n\\nb\\r\\x1b[2J\n", id="controls"),
        pytest.param("a\u2028b", "a\\u2028b\n", id="unicode-break"),
    ],
)
def test_tell(capsys: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    """Line breaks around a line are our own and stay; those within it are shown as escapes."""
    tell(text)
    assert capsys.readouterr().out == shown


def test_tell_names(capsys: pytest.CaptureFixture[str]) -> None:
    """A long list says how many names it leaves out."""
    tell_names("added", [f"{n}.jpg" for n in range(1_020)])
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (
        21, "added: 0.jpg", "added: and 1,000 more; --json names all",
    )  # fmt: skip
    tell_names("added", ["a.jpg"] * 20)
    assert "more" not in capsys.readouterr().out


def test_say(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error every note is one line."""
    say("note: a\nb\n")
    assert capsys.readouterr().err == "note: a\\nb\\n\n"


@pytest.mark.parametrize("label", ["x\nmodel run forged", "x\n"])
def test_labels_forge_no_lines(connected, tmp_path, label: str) -> None:
    """A label with a line break in it stays in its line."""
    box = {"label": label, "bbox": [1, 2, 3, 4]}
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"images": [{"image": "1.jpg", "annotations": [box]}]}))
    said = connected("upload", f"lines/{len(label)}", "run", path).stdout
    (line,) = [line for line in said.splitlines() if line.startswith("new labels: ")]
    assert line == "new labels: " + label.replace("\n", "\\n")
    assert not [
        line for line in said.splitlines() if line.startswith("model run forged") or not line
    ]
