"""URLs, credentials, proxies and certificates: refused with a sentence before any request, or used."""

from __future__ import annotations

import logging
import socket
import sys
import threading
import traceback
from pathlib import Path

import pytest

from layernext.client.connection import Connection
from layernext.client.transport import Transport
from layernext.errors import (
    ConfigurationError,
    ConnectionFailed,
    IncompatibleStack,
)
from tests.support.scripted_server import ScriptedServer, refusal
from tests.unit.client.conftest import KEY, SECRET, Opener


@pytest.mark.parametrize(
    ("url", "tidy"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        (" https://api.example.com//\n", "https://api.example.com"),
        ("https://api.example.com:8443/lake/", "https://api.example.com:8443/lake"),
        ("http://[::1]:8750/", "http://[::1]:8750"),
        ("HTTP://LOCALHOST:8750", "http://localhost:8750"),
    ],
)
def test_urls_are_tidied(transport: Opener, url: str, tidy: str) -> None:
    """A slash at the end and blanks around a URL do no harm."""
    assert transport(url).url == tidy


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param("   ", id="blank"),
        pytest.param(None, id="none"),
        pytest.param("api.example.com", id="no-scheme"),
        pytest.param("localhost:8750", id="no-scheme-port"),
        pytest.param("ftp://example.com", id="ftp"),
        pytest.param("https://", id="no-host"),
        pytest.param("https://user:pass@example.com", id="credentials"),
        pytest.param("ftp://user:pass@example.com/", id="ftp-credentials"),
        pytest.param("user:pass@example.com", id="no-scheme-credentials"),
        pytest.param("https://user:pass@example.com:port", id="odd-port-credentials"),
        pytest.param("https://user:pass/@word@example.com", id="odd-credentials"),
        pytest.param("https://example.com:port", id="odd-port"),
        pytest.param("https://exa mple.com\x00", id="control-character"),
    ],
)
def test_impossible_urls(transport: Opener, url: str) -> None:
    """A URL that cannot be one is named before anything is sent."""
    with pytest.raises(ConfigurationError) as caught:
        transport(url)
    shown = "".join(traceback.format_exception(caught.value))
    assert "user" not in str(caught.value)
    assert ":pass" not in shown
    assert "'pass" not in shown


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        pytest.param("", SECRET, id="no-key"),
        pytest.param(KEY, "", id="no-secret"),
        pytest.param(None, SECRET, id="key-none"),
        pytest.param("key:abc", SECRET, id="colon"),
        pytest.param("schlüssel", SECRET, id="key-not-ascii"),
        pytest.param(KEY, "geheim-ß", id="secret-not-ascii"),
        pytest.param(KEY, "line\nbreak", id="line-break"),
        pytest.param(f" {KEY}", SECRET, id="space-before-key"),
        pytest.param(f"{KEY}\n", SECRET, id="line-break-after-key"),
        pytest.param(KEY, f"{SECRET} ", id="space-after-secret"),
    ],
)
def test_impossible_credentials(key: str, secret: str) -> None:
    """Credentials that cannot be right are named before anything is sent, without their value."""
    with pytest.raises(ConfigurationError) as caught:
        Transport("https://example.com", key, secret)
    assert not secret or secret not in str(caught.value)


ENVIRONMENT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without any proxy or certificates of the machine that runs the tests."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        pytest.param("ALL_PROXY", "socks5://me:s3cr3t@h:1", "SOCKS", id="socks"),
        pytest.param("HTTP_PROXY", "foo://me:s3cr3t@h", "cannot be used", id="scheme"),
        pytest.param("https_proxy", "http://me:s3cr3t/x@h", "cannot be used", id="slash"),
        pytest.param("NO_PROXY", "fe80::/10", "cannot be used", id="exceptions"),
    ],
)
def test_impossible_proxies(
    transport: Opener, environment: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """A proxy setting that cannot be used is named, without its credentials."""
    if words == "SOCKS":
        environment.setitem(sys.modules, "socksio", None)
    else:
        environment.setenv("ALL_PROXY", "proxy.example.com:3128")
    environment.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        transport("https://a.b")
    text = str(caught.value)
    assert f"the proxy setting {name} " in text
    assert words in text
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cr3t" not in shown
    assert "me:" not in text


@pytest.mark.parametrize("key", [f" {KEY}", f"{KEY}\n", f"\t{KEY}"])
def test_spaces_around_credentials(key: str) -> None:
    """Spaces that came along with a copied key are told, not sent."""
    with pytest.raises(ConfigurationError, match="spaces or line breaks around it"):
        Transport("https://example.com", key, SECRET)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_dead_proxy(
    transport: Opener, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A proxy that does not answer is named, with its variable and without its credentials."""
    environment.setenv(name, "http://me:s3cr3t@127.0.0.1:1")
    with caplog.at_level(logging.WARNING), pytest.raises(ConnectionFailed) as caught:
        transport("http://stack.example.com", retry_for_s=0.5).request("GET", "/")
    assert f"the proxy 127.0.0.1:1 of {name}; is it running?" in str(caught.value)
    assert f"no connection through the proxy 127.0.0.1:1 of {name}" in caplog.text
    assert "s3cr3t" not in f"{caught.value} {caplog.text}"


def test_proxy_that_is_not_used(transport: Opener, environment: pytest.MonkeyPatch) -> None:
    """A proxy for other hosts is not blamed."""
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    environment.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ConnectionFailed) as caught:
        transport("http://127.0.0.1:1", retry_for_s=0).request("GET", "/")
    assert "proxy" not in str(caught.value)


def test_https_to_an_http_port(transport: Opener, environment: pytest.MonkeyPatch) -> None:
    """TLS where plain HTTP is spoken is told at once, with the URL that may be right."""
    del environment
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(ConnectionFailed, match=f"is it http://127.0.0.1:{port}") as caught:
            transport(f"https://127.0.0.1:{port}").request("GET", "/")
        thread.join()
    assert caught.value.attempts == 1


def test_url_with_a_path() -> None:
    """Where a URL with a path leads to no stack, the path is named, and nothing is tried again."""
    with ScriptedServer(refusal(404, "no")) as server:
        transport = Transport(f"{server.url}/app/data", KEY, SECRET)
        with pytest.raises(IncompatibleStack, match=f"the path '/app/data'; is it {server.url}"):
            _ = Connection(transport).protocol
        transport.close()
        assert len(server.requests) == 1


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_impossible_certificates(
    transport: Opener, environment: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    """Certificates that are not there, or are none, are named with the variable that asks."""
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    environment.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigurationError, match=r"ca\.pem, which SSL_CERT_FILE names"):
        transport("https://a.b")


def test_plain_http_is_warned_of(transport: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """Secrets over an open network are worth a warning; on this machine they are not."""
    with caplog.at_level(logging.WARNING, logger="layernext"):
        for url in ("http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1", "https://a.b"):
            transport(url)
        assert not caplog.records
        transport("http://stack.example.com")
    (record,) = caplog.records
    assert "not encrypted" in record.getMessage()
