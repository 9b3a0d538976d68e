"""Progress: silent by default, a bar on request, or the user's own function."""

from __future__ import annotations

import sys

import pytest

from layernext.client.progress import show_progress


@pytest.mark.parametrize("choice", [None, False])
def test_silent(choice: bool | None, capfd: pytest.CaptureFixture[str]) -> None:
    """Where standard error is not a terminal, nothing is written."""
    with show_progress(choice, "uploading", 10) as advance:
        advance(3)
    assert capfd.readouterr() == ("", "")


def test_bar_is_written_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """A bar that was asked for goes to standard error, and leaves standard output alone."""
    with show_progress(True, "uploading", 10) as advance:
        advance(10)
    written = capsys.readouterr()
    assert written.out == ""
    assert "uploading" in written.err


def test_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default a terminal gets a bar."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with show_progress(None, "uploading", None) as advance:
        advance(1)
    assert "uploading" in capsys.readouterr().err


def test_own_function() -> None:
    """A function is told what is done, how many images are, and how many there will be."""
    calls: list[tuple[str, int, int | None]] = []
    with show_progress(lambda *told: calls.append(told), "uploading r", 5) as advance:
        advance(2)
        advance(3)
    assert calls == [("uploading r", 2, 5), ("uploading r", 5, 5)]
