"""Requests without an answer: which faults may pass, and what to tell the user."""

from __future__ import annotations

import ssl

import httpx

from layernext.client.addresses import proxy_for
from layernext.errors import ConnectionFailed, RateLimited, RequestTimeout, StackError

# What an earlier attempt met if it may have been carried out all the same.
_LOST_ANSWERS = {502, 504}
_FINAL_FAULTS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects)
_PROXY_FAULTS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
# What TLS says of an answer in plain HTTP, depending on the version of OpenSSL.
_PLAIN_HTTP_REASONS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
_PASSING_TLS_FAULTS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


def may_have_run(error: Exception) -> bool:
    """Whether the stack may have carried out the request that failed so."""
    if isinstance(error, StackError):
        return error.status in _LOST_ANSWERS
    return not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def is_final(error: httpx.RequestError) -> bool:
    """Whether another attempt would meet the same fault."""
    return isinstance(error, _FINAL_FAULTS) or (
        isinstance(error, httpx.ConnectError) and _tls_fault(error) is not None
    )


def _tls_fault(error: BaseException | None) -> ssl.SSLError | None:
    """What TLS has against the connection, unless that may pass."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return None if isinstance(error, _PASSING_TLS_FAULTS) else error
        error = error.__cause__ or error.__context__
    return None


def trouble_of(url: str, error: Exception) -> str:
    """What went wrong in an attempt, as the beginning of a sentence."""
    if isinstance(error, StackError):
        is_limited = isinstance(error, RateLimited)
        asks = "is limiting requests" if is_limited else "is temporarily unavailable"
        return f"the stack {asks}"
    reason = f" ({error})" if str(error) else ""
    proxy = proxy_for(url)
    if proxy is not None and isinstance(error, _PROXY_FAULTS):
        return f"no connection through the proxy {proxy}{reason}"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"nothing answers at {url}{reason}"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer from {url} in time"
    if isinstance(error, httpx.DecodingError):
        return f"an answer from {url} cannot be read{reason}"
    return f"the connection to {url} broke{reason}"


def no_answer(url: str, error: Exception, attempts: int, elapsed_s: float) -> ConnectionFailed:
    """The error after the last attempt at a request."""
    kind = RequestTimeout if isinstance(error, httpx.TimeoutException) else ConnectionFailed
    reason = str(error) or type(error).__name__
    tried = "once" if attempts == 1 else f"{attempts} times in {elapsed_s:.0f} s"
    what = "no readable answer" if isinstance(error, httpx.DecodingError) else "no answer"
    hint = "is the stack running, and is the URL right?"
    tls_fault = _tls_fault(error)
    proxy = proxy_for(url)
    if tls_fault is not None and tls_fault.reason in _PLAIN_HTTP_REASONS:
        hint = f"this port speaks http, not https; is it http{url[5:]}?"
    elif proxy is not None and isinstance(error, _PROXY_FAULTS):
        hint = (
            f"the request goes through the proxy {proxy}; is it running? Correct or unset the "
            "variable, or name the stack's host in NO_PROXY"
        )
    elif tls_fault is not None:
        hint = "is the URL right, and is the certificate's issuer trusted on this machine? see SSL_CERT_FILE"
    return kind(
        f"{what} from {url}, tried {tried}: {reason}",
        url=url,
        attempts=attempts,
        elapsed_s=elapsed_s,
        hint=hint,
    )
