"""Exit codes and the one line that a known error becomes."""

from __future__ import annotations

from layernext.errors import (
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DataError,
    DownloadIncomplete,
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
    UNEXPECTED: "a fault in this program; --debug shows it whole",
    USAGE: "the command line is not right",
    CONFIGURATION: "key, secret, URL or another setting is missing or wrong",
    DATA: "the data is not valid; nothing of it was stored",
    NOT_FOUND: "no such collection, model run or key",
    NOT_PERMITTED: "the key is not known, or its role does not permit this",
    NO_CONNECTION: "the stack does not answer, or cannot serve at the moment",
    INCOMPLETE: "an upload or download ended early; repeat it with --resume",
    REFUSED: "the stack refused the request",
    DIFFERENT: "the demo found a difference between what was sent and what came back",
    INTERRUPTED: "interrupted with Ctrl-C",
}

# The first class that fits decides, so the special ones stand before the general.
_CODES: list[tuple[type[LayerNextError], int]] = [
    (ConfigurationError, CONFIGURATION),
    (DataError, DATA),
    (NotFound, NOT_FOUND),
    (NotAuthenticated, NOT_PERMITTED),
    (NotAllowed, NOT_PERMITTED),
    (ConnectionFailed, NO_CONNECTION),
    (StackUnavailable, NO_CONNECTION),
    (RateLimited, NO_CONNECTION),
    (UploadIncomplete, INCOMPLETE),
    (DownloadIncomplete, INCOMPLETE),
    (JobFailed, INCOMPLETE),
    (Conflict, REFUSED),
    (StackError, REFUSED),
]


def code_of(error: LayerNextError) -> int:
    """The exit code for an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), UNEXPECTED)


def lines_of(error: LayerNextError) -> list[str]:
    """What to tell the user: a line, or one for each problem of a file."""
    if isinstance(error, DataError):
        lines = error.lines()
        return [*lines, "… and more; the search stopped here"] if error.more else lines
    return [" ".join(str(error).split())]
