"""Every exception that a user of the SDK can catch.

The tree, most general first::

    LayerNextError                        .hint  .code
    ├─ ConfigurationError                 key, secret or URL missing or malformed
    ├─ DataError (ValueError)             .problems  .file  .where  .expected  .got
    │  └─ FormatError                     a file does not have the format it claims
    ├─ ConnectionFailed (OSError)         no answer: .url  .attempts  .elapsed_s
    │  └─ RequestTimeout (TimeoutError)
    ├─ StackError                         the stack refused: .status  .request_id  .detail
    │  ├─ NotAuthenticated  NotAllowed  NotFound  Conflict  TooLarge  InvalidRequest
    │  └─ RateLimited  StackUnavailable  StorageFull  NotSupported  IncompatibleStack
    ├─ UploadIncomplete                   .report
    ├─ DownloadIncomplete                 .report
    └─ JobFailed                          .job

This module imports nothing of the project, so every room may use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class LayerNextError(Exception):
    """Base class of all exceptions that this package raises on purpose.

    Attributes:
        code: short name of the class for programs; it never changes.
        hint: what to do next, in one sentence, or None.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes pickle exceptions; by default, pickling loses keyword arguments.
        return _restore, (type(self), self.args), self.__dict__


def _restore(kind: type[LayerNextError], arguments: tuple[Any, ...]) -> LayerNextError:
    return kind.__new__(kind, *arguments)


class ConfigurationError(LayerNextError):
    """The key, secret, URL or another setting is missing or malformed; nothing was sent."""

    code = "configuration"


@dataclass(frozen=True)
class Problem:
    """One problem in the user's data, and its location.

    Attributes:
        where: path to the value, such as ``images[12].annotations[3].bbox``.
        message: what is wrong there, such as ``width is -4.0, must be ≥ 0``.
        expected: a short description of a valid value, or None.
        got: the invalid value as JSON, shortened, or None.
    """

    where: str
    message: str
    expected: str | None = None
    got: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class DataError(LayerNextError, ValueError):
    """Data breaks a rule. The batch with the problem is not stored.

    Attributes:
        problems: all problems found, in file order; at least one.
        more: True if the check stopped at its limit, so there may be other problems.
        file: name of the file, or None if the data did not come from a file.
        where, expected, got: the values of the first problem.
    """

    code = "data"

    def __init__(
        self,
        problems: Sequence[Problem] | Problem | str,
        *,
        file: str | None = None,
        more: bool = False,
        hint: str | None = None,
    ) -> None:
        if isinstance(problems, str):
            problems = Problem("", problems)
        if isinstance(problems, Problem):
            problems = (problems,)
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.more = more
        self.file = file
        first = self.problems[0]
        self.where, self.expected, self.got = first.where, first.expected, first.got
        text = self.lines()[0]
        others = len(self.problems) - 1
        if others or more:
            count = f"{others} or more" if more else str(others)
            text += f" (and {count} other problem{'' if count == '1' else 's'})"
        super().__init__(text, hint=hint)

    def lines(self) -> list[str]:
        """Each problem as one line, which starts with the file's name if there is a file."""
        prefix = f"{self.file}: " if self.file else ""
        return [f"{prefix}{problem}" for problem in self.problems]


class FormatError(DataError):
    """A file does not have the format it claims: broken JSON, unknown compression."""

    code = "format"


class ConnectionFailed(LayerNextError, OSError):
    """The stack did not answer.

    Attributes:
        url: URL of the request.
        attempts: number of attempts.
        elapsed_s: time spent on all attempts, in seconds.
    """

    code = "connection"

    def __init__(
        self, message: str, *, url: str, attempts: int, elapsed_s: float, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.url = url
        self.attempts = attempts
        self.elapsed_s = elapsed_s


class RequestTimeout(ConnectionFailed, TimeoutError):
    """The stack did not answer in time."""

    code = "timeout"


class StackError(LayerNextError):
    """The stack answered with an error.

    Attributes:
        status: HTTP status code.
        request_id: the stack's id of the request, to find it in the stack's log, or None.
        detail: further details from the stack, as decoded JSON, or None.
        after_lost_answer: whether an earlier attempt at the same call may have succeeded without its
            answer arriving.
    """

    code = "stack"
    after_lost_answer = False

    def __init__(
        self,
        message: str,
        *,
        status: int,
        request_id: str | None = None,
        detail: Any = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.request_id = request_id
        self.detail = detail


class NotAuthenticated(StackError):
    """The stack does not know this key, or the secret is wrong (401)."""

    code = "not-authenticated"


class NotAllowed(StackError):
    """The key's role does not permit this (403)."""

    code = "not-allowed"


class NotFound(StackError):
    """There is no such collection, model run, job or route (404)."""

    code = "not-found"


class Conflict(StackError):
    """The request contradicts what the stack has (409)."""

    code = "conflict"


class TooLarge(StackError):
    """The request is larger than the stack accepts (413)."""

    code = "too-large"


class InvalidRequest(StackError):
    """The stack could not accept the request as it was sent (any other 4xx)."""

    code = "invalid-request"


class RateLimited(StackError):
    """Too many requests, and waiting as the stack asked did not help (429).

    Attributes:
        retry_after_s: seconds that the stack asks the client to wait, or None.
    """

    code = "rate-limited"

    def __init__(
        self, message: str, *, status: int, retry_after_s: float | None = None, **rest: Any
    ) -> None:
        super().__init__(message, status=status, **rest)
        self.retry_after_s = retry_after_s


class StackUnavailable(StackError):
    """The stack runs but cannot serve the request (5xx), and retrying did not help."""

    code = "unavailable"


class StorageFull(StackError):
    """The stack has no space left for the data; it stored none of it (507)."""

    code = "storage-full"


class NotSupported(StackError):
    """The stack does not offer this; the message says what to do instead (501)."""

    code = "not-supported"


class IncompatibleStack(StackError):
    """The server at this URL is not a stack that this client can talk to."""

    code = "incompatible"


class UploadIncomplete(LayerNextError):
    """An upload ended early. Everything that the stack acknowledged is stored and stays.

    Attributes:
        report: the upload report up to that point.
    """

    code = "upload-incomplete"

    def __init__(self, message: str, *, report: Any, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.report = report


class DownloadIncomplete(LayerNextError):
    """A download ended early; no file was written under its final name.

    Attributes:
        report: the download report up to that point; None if no file was being written.
    """

    code = "download-incomplete"

    def __init__(self, message: str, *, report: Any, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.report = report


class JobFailed(LayerNextError):
    """A job of the stack failed.

    Attributes:
        job: the job as the stack reports it.
    """

    code = "job-failed"

    def __init__(self, message: str, *, job: Any, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.job = job


__all__ = [
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "DataError",
    "DownloadIncomplete",
    "FormatError",
    "IncompatibleStack",
    "InvalidRequest",
    "JobFailed",
    "LayerNextError",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "NotSupported",
    "Problem",
    "RateLimited",
    "RequestTimeout",
    "StackError",
    "StackUnavailable",
    "StorageFull",
    "TooLarge",
    "UploadIncomplete",
]
