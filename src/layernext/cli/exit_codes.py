"""Exit codes, and how errors are printed.

`docs/cli.md` and ``layernext --help`` show this table; tests keep them in step.
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
    OK: "success",
    UNEXPECTED: "unexpected error in this program; LAYERNEXT_DEBUG=1 shows the traceback",
    USAGE: "invalid command line",
    CONFIGURATION: "missing or invalid key, secret, URL or other setting",
    DATA: "invalid data, or a file that cannot be read or written",
    NOT_FOUND: "no such collection, model run or key, or a conflict with existing data",
    NOT_PERMITTED: "unknown key, or its role does not permit this",
    NO_CONNECTION: "the stack does not respond, or is temporarily unavailable",
    INCOMPLETE: "an upload, download or job did not finish; repeat the command, with --resume to upload annotations",
    REFUSED: "the stack refused the request, or is not compatible with this version",
    DIFFERENT: "the demo's downloads differ from its uploads",
    INTERRUPTED: "interrupted, or a prompt was answered with no",
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
    """What to print for an error: one line, or one line per problem of a file."""
    if isinstance(error, DataError):
        lines = error.lines()
        if error.more:
            lines.append("… and more problems; the check stopped here")
        return [*lines, error.hint] if error.hint else lines
    if isinstance(error, LayerNextError):
        return [_for_a_command(str(error))]
    if isinstance(error, OSError) and error.strerror:
        prefix = f"{error.filename}: " if error.filename else ""
        return [f"{prefix}{error.strerror}"]
    return [f"unexpected {type(error).__name__}: {error} (LAYERNEXT_DEBUG=1 shows more)"]


def _for_a_command(text: str) -> str:
    """The SDK's hint, in the words of the command line."""
    text = text.replace("call it again with resume=True", "repeat the command with --resume")
    return text.replace("resume=True", "--resume")
