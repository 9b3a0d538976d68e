"""Exit codes, and the lines that a known error becomes. The one table of both.

`docs/cli.md` and ``layernext --help`` show this table; tests hold them to it.
"""

from __future__ import annotations

from layernext.errors import (
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DataError,
    DownloadIncomplete,
    IncompatibleStack,
    JobFailed,
    LayerNextError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RateLimited,
    StackError,
    StackUnavailable,
    UploadIncomplete,
)

OK = 0
UNEXPECTED = 1
USAGE = 2
CONFIGURATION = 3
DATA = 4
NOT_FOUND = 5
NOT_PERMITTED = 6
NO_CONNECTION = 7
INCOMPLETE = 8
REFUSED = 9
DIFFERENT = 10
INTERRUPTED = 130

MEANINGS = {
    OK: "all went well",
    UNEXPECTED: "a fault in this program; LAYERNEXT_DEBUG=1 shows the traceback",
    USAGE: "the command line is not right",
    CONFIGURATION: "key, secret, URL or another setting is missing or wrong",
    DATA: "the data is not valid, or a file cannot be read or written",
    NOT_FOUND: "no such collection, model run or key, or a conflict with what is there",
    NOT_PERMITTED: "the key is not known, or its role does not permit this",
    NO_CONNECTION: "the stack does not answer, or cannot serve at the moment",
    INCOMPLETE: "an upload, download or job ended early; an upload goes on with --resume, files by themselves",
    REFUSED: "the stack refused the request, or is none that this version can talk to",
    DIFFERENT: "the demo got back something else than it sent",
    INTERRUPTED: "interrupted, or a question was answered with no",
}

# The first class that fits decides, so the special ones stand before the general.
CODES: list[tuple[type[Exception], int]] = [
    (ConfigurationError, CONFIGURATION),
    (DataError, DATA),
    (NotFound, NOT_FOUND),
    (Conflict, NOT_FOUND),
    (NotAuthenticated, NOT_PERMITTED),
    (NotAllowed, NOT_PERMITTED),
    (ConnectionFailed, NO_CONNECTION),
    (StackUnavailable, NO_CONNECTION),
    (RateLimited, NO_CONNECTION),
    (UploadIncomplete, INCOMPLETE),
    (DownloadIncomplete, INCOMPLETE),
    (JobFailed, INCOMPLETE),
    (IncompatibleStack, REFUSED),
    (StackError, REFUSED),
    (OSError, DATA),
]


def code_of(error: Exception) -> int:
    """The exit code for an error."""
    return next((code for kind, code in CODES if isinstance(error, kind)), UNEXPECTED)


def lines_of(error: Exception) -> list[str]:
    """What to tell the user: a line, or one for each problem of a file."""
    if isinstance(error, DataError):
        lines = error.lines()
        if error.more:
            lines.append("… there are more problems; the search stopped here")
        return [*lines, error.hint] if error.hint else lines
    if isinstance(error, LayerNextError):
        return [_for_a_command(str(error))]
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return [f"{place}{error.strerror}"]
    return [f"unexpected {type(error).__name__}: {error} (LAYERNEXT_DEBUG=1 shows more)"]


def _for_a_command(text: str) -> str:
    """A hint of the SDK as one for the command line."""
    text = text.replace("call it again with resume=True", "repeat the command with --resume")
    return text.replace("resume=True", "--resume")
