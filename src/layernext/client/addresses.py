"""What the user says of where the stack is: its URL, its credentials, proxies, certificates."""

from __future__ import annotations

import ipaddress
import logging
import os
import urllib.request

import httpx

from layernext.errors import ConfigurationError

logger = logging.getLogger("layernext.client")

_PROXY_VARIABLES = {"http_proxy", "https_proxy", "all_proxy"}


def proxy_for(url: str) -> str | None:
    """The proxy that a URL is reached through, with the variable that names it; None for none.

    Without the credentials that a proxy's URL may have.
    """
    parsed = httpx.URL(url)
    if urllib.request.proxy_bypass(parsed.host):
        return None
    for variable in (f"{parsed.scheme}_proxy", "all_proxy"):
        for name, value in os.environ.items():
            if name.lower() == variable and value:
                proxy = httpx.URL(value if "://" in value else f"http://{value}")
                port = f":{proxy.port}" if proxy.port else ""
                return f"{proxy.host}{port} of {name}"
    return None


def hint_about_path(url: str) -> str | None:
    """What to try where no stack answers at a URL that has a path."""
    parsed = httpx.URL(url)
    if parsed.path in {"", "/"}:
        return None
    return f"the URL has the path {parsed.path!r}; is it {str(parsed.copy_with(path='/'))[:-1]}?"


def tidy_url(url: object) -> str:
    """The URL without blanks around it and slashes at its end.

    Raises:
        ConfigurationError: it cannot be that of a stack.
    """
    example = "it should look like https://api.example.com"
    if not isinstance(url, str) or not url.strip():
        raise ConfigurationError("the stack's URL is missing", hint=example)
    # Without what stands before the host: a key and a secret, by a mistake of the user's.
    visible_url = f"…@{url.rpartition('@')[2]}" if "@" in url else url
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        # What httpx says may quote a part of the credentials; then it is left out.
        reason = "" if "@" in url else f": {error}"
        raise ConfigurationError(f"{visible_url!r} is not a URL{reason}", hint=example) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigurationError(f"{visible_url!r} is not an http or https URL", hint=example)
    if parsed.userinfo:
        raise ConfigurationError("the URL must not contain credentials", hint=example)
    if parsed.scheme == "http" and not _is_loopback(parsed.host):
        logger.warning("the connection to %s is not encrypted; use https", parsed.host)
    return str(parsed.copy_with(query=None, fragment=None)).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bad_certificates(error: OSError) -> ConfigurationError:
    """The error for certificates that cannot be read; names the variable that asks for them."""
    reason = error.strerror or str(error)
    path = os.environ.get("SSL_CERT_FILE")
    if not path:
        return ConfigurationError(f"the certificates to trust cannot be read: {reason}")
    return ConfigurationError(
        f"the certificates in {path}, which SSL_CERT_FILE names, cannot be read: {reason}",
        hint="set SSL_CERT_FILE to a file of certificates in PEM form, or unset it",
    )


def bad_proxy(error: Exception) -> ConfigurationError:
    """Names the setting, never its value, which may have credentials in it."""
    set_here = [name for name in os.environ if name.lower() in _PROXY_VARIABLES]
    bad = [name for name in set_here if not _is_usable_proxy(os.environ[name])]
    # Where each proxy can be used it is the list of hosts to reach without one.
    bad = bad or [name for name in os.environ if name.lower() == "no_proxy"]
    setting = f"the proxy setting {' and '.join(bad)}" if bad else "this system's proxy setting"
    if isinstance(error, ImportError):
        return ConfigurationError(
            f"{setting} asks for a SOCKS proxy, which needs another package",
            hint="pip install 'httpx[socks]'",
        )
    return ConfigurationError(
        f"{setting} cannot be used", hint="a proxy should look like http://proxy.example.com:3128"
    )


def _is_usable_proxy(value: str) -> bool:
    try:
        proxy = value if "://" in value else f"http://{value}"  # as it is read everywhere
        httpx.Client(proxy=proxy, trust_env=False).close()
    except (ImportError, ValueError, httpx.InvalidURL):
        return False
    return True


def check_credentials(api_key: object, secret: object) -> None:
    """Refuse what cannot be a key and its secret, without saying their values.

    Raises:
        ConfigurationError: one of them is missing or cannot be right.
    """
    for what, value in (("API key", api_key), ("secret", secret)):
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"the {what} is missing")
        if value != value.strip():
            raise ConfigurationError(
                f"the {what} has spaces or line breaks around it", hint="copy it without them"
            )
        if not (value.isascii() and value.isprintable()):
            raise ConfigurationError(f"the {what} has characters that no {what} has")
        if value is api_key and ":" in value:
            raise ConfigurationError("the API key contains a colon, which no key has")
