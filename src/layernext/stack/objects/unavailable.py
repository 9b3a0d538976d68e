"""Errors of buckets: reasons for the log and for operators, nothing about locations for clients."""

from __future__ import annotations

import logging
import re

import obstore

from layernext.errors import ConfigurationError, StackUnavailable

log = logging.getLogger("layernext.stack.objects")

MOST_CHARACTERS = 300

_METADATA_SERVICE = re.compile(r"/latest/(api/token|meta-data)|computeMetadata|/metadata/identity")
"""Where credentials are looked up when none are set, as paths of the three clouds' machines."""

_DENIED = (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError)
_VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "s3a": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "gcs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


def unavailable(error: Exception) -> StackUnavailable:
    """The error that a client gets; the reason, which may name hosts and paths, is logged."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    log.warning("the bucket does not answer as it should: %s", lines[0][:MOST_CHARACTERS])
    return StackUnavailable(
        "the store of objects does not answer as it should; the stack's log says why", status=503
    )


def unusable(url: str, error: Exception) -> ConfigurationError:
    """The error that an operator gets for a bucket that cannot be opened."""
    text = str(error)
    hint = "check its name, its endpoint, and its credentials in the environment"
    if _METADATA_SERVICE.search(text) or "Account must be specified" in text:
        reason = "no credentials found"
        variables = _VARIABLES.get(url.partition("://")[0])
        hint = f"set {variables}" if variables else hint
    elif "NoSuchBucket" in text:
        reason = "no such bucket"
    elif isinstance(error, _DENIED) or "403 Forbidden" in text:
        reason = "access denied"
    elif "error sending request" in text:
        reason = "its server does not respond"
    else:
        lines = text.strip().splitlines() or [type(error).__name__]
        reason = lines[0][:MOST_CHARACTERS]
    return ConfigurationError(f"the bucket {url} cannot be used: {reason}", hint=hint)
