"""Signing in through an OpenID Connect provider: a real one on loopback, and everything that can be wrong with it."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from layernext.errors import ConfigurationError
from layernext.model import User
from layernext.stack.api.services import CALL_SLOTS
from layernext.stack.app import OidcSettings
from layernext.wire import native
from tests.integration.stack.conftest import Stack, running
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, running_provider

HOST = "http://testserver.local"
BEGIN, CALLBACK = "/sign-in/oidc", "/sign-in/oidc/callback"


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with running_provider() as running_one:
        yield running_one


@pytest.fixture
def make(tmp_path: Path, provider: OidcProvider) -> Iterator[Callable[..., Stack]]:
    """Makes a stack that knows the provider."""
    managers = []

    def make(**fields: Any) -> Stack:
        oidc = OidcSettings(
            issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, **fields
        )
        manager = running(tmp_path / str(len(managers)), oidc=oidc)
        managers.append(manager)
        return manager.__enter__()

    yield make
    for manager in managers:
        manager.__exit__(None, None, None)


class Browser:
    """Keeps cookies, and shows each step of a sign-in."""

    def __init__(self, stack: Stack) -> None:
        self._client = stack.client
        self._client.cookies.clear()

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self._client.get(
            f"{HOST}{path}", headers={"Accept": "text/html", **headers}, follow_redirects=False
        )

    def begin(self, target: str = "/") -> str:
        """To the provider; the path that it sends the browser back to."""
        answer = self.get(f"{BEGIN}?next={target}")
        assert answer.status_code == 303, answer.text
        there = httpx.get(answer.headers["location"])
        assert there.status_code == 302
        return there.headers["location"].removeprefix(HOST)

    def sign_in(self, target: str = "/") -> httpx.Response:
        return self.get(self.begin(target))


def assert_refused(answer: httpx.Response, text: str, status: int = 403) -> None:
    """A page with a sentence, and nobody is signed in by it."""
    assert answer.status_code == status, answer.text
    assert text in answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert not any(
        "=" in cookie and not cookie.startswith(("layernext-oidc",)) and "-oidc=" not in cookie
        for cookie in answer.headers.get_list("set-cookie")
    )


def users(stack: Stack) -> dict[str, User]:
    return {user.name: user for user in stack.store.users.list_all()}


def test_sign_in(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """A person signs in, sees who they are, reads what is granted, and signs out."""
    stack = make()
    browser = Browser(stack)
    shown = browser.get("/sign-in?next=/runs")
    assert "Sign in with 127.0.0.1" in shown.text
    assert f'href="{BEGIN}?next=%2Fruns"' in shown.text
    answer = browser.sign_in("/runs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs")
    page = browser.get("/runs")
    assert "Signed in as <strong>ada@example.com</strong>, role <strong>none</strong>" in page.text
    user = users(stack)["ada@example.com"]
    assert (user.kind, user.role, user.email) == ("person", "none", "ada@example.com")
    ours = {"Sec-Fetch-Site": "same-origin", "X-LayerNext-Page": "1", "Accept": "application/json"}
    stack.upload([{"image": "a", "annotations": []}], run="r", collection="yard")
    assert browser.get(native.COLLECTIONS_PATH, **ours).json()["items"] == []
    grant = {"collection": "yard", "user": "ada@example.com", "role": "write"}
    stack.client.cookies, cookies = httpx.Cookies(), stack.client.cookies
    stack.json("PUT", native.GRANTS_PATH, json=grant)
    stack.client.cookies = cookies
    (collection,) = browser.get(native.COLLECTIONS_PATH, **ours).json()["items"]
    assert collection["name"] == "yard"
    # What may be repeated has no API key to be recorded for; it is carried out all the same.
    query = {"run": "r", "collection": "yard"}
    removed = stack.client.delete(
        f"{HOST}{native.ANNOTATIONS_PATH}", params=query, headers={**ours, "Idempotency-Key": "1"}
    )
    assert removed.json() == {"sets": 1, "annotations": 0}
    assert stack.client.post(f"{HOST}/sign-out", headers=ours).status_code == 200
    assert browser.get("/runs").status_code == 303
    entries = stack.json("GET", native.AUDIT_PATH)["items"]
    acts = [(each["actor"], each["action"]) for each in entries]
    assert ("ada@example.com", "sign in") in acts
    assert ("ada@example.com", "sign out") in acts


def test_the_same_person_again(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """A person is known by issuer and subject, whatever becomes of their address."""
    stack = make(default_role="read")
    assert Browser(stack).sign_in().status_code == 303
    provider.person["email"] = "countess@example.com"
    assert Browser(stack).sign_in().status_code == 303
    people = [user for user in users(stack).values() if user.kind == "person"]
    assert [(user.name, user.role) for user in people] == [("ada@example.com", "read")]
    provider.person["sub"] = "another"
    assert Browser(stack).sign_in().status_code == 303
    assert "countess@example.com" in users(stack)


def test_a_person_who_was_added(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """The first sign-in finds the person whom an administrator has added with the address, if it is verified."""
    stack = make()
    added = {"name": "Ada", "role": "write", "email": "Ada@Example.com"}
    stack.json("POST", native.USERS_PATH, json=added)
    provider.person["email_verified"] = False
    assert Browser(stack).sign_in().status_code == 303
    assert set(users(stack)) - {"Ada"} >= {"Ada Lovelace"}
    provider.person |= {"email_verified": True, "sub": "2"}
    browser = Browser(stack)
    assert browser.sign_in().status_code == 303
    assert "Signed in as <strong>Ada</strong>, role <strong>write</strong>" in browser.get("/").text


def test_a_person_who_was_removed(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """They are not signed in any more, nor let in as somebody new; added again, they are."""
    stack = make()
    browser = Browser(stack)
    assert browser.sign_in().status_code == 303
    assert browser.get("/").status_code == 200
    stack.store.users.remove("ada@example.com")
    assert browser.get("/").status_code == 303
    assert_refused(Browser(stack).sign_in(), "You were removed from this stack")
    stack.store.users.add("Ada", "person", "read", "ada@example.com")
    browser = Browser(stack)
    assert browser.sign_in().status_code == 303
    assert "Signed in as <strong>Ada</strong>" in browser.get("/").text


def test_wrong_state(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """A browser ends only the sign-in that it has begun itself."""
    stack = make()
    browser = Browser(stack)
    back = browser.begin()
    assert_refused(browser.get(f"{back}x"), "did not begin this sign-in")
    assert_refused(browser.get(f"{CALLBACK}?code=x"), "did not begin this sign-in")
    other = Browser(stack)  # somebody else's browser, with the link of the first
    assert_refused(other.get(back), "did not begin this sign-in")
    other.begin()
    assert_refused(other.get(back), "did not begin this sign-in")


def test_a_sign_in_is_over(
    make: Callable[..., Stack], provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ten minutes it has to begin again; a code works once."""
    from layernext.stack.web import oidc

    stack = make()
    monkeypatch.setattr(oidc, "SECONDS", -1)
    assert Browser(stack).sign_in().status_code in {400, 403}
    monkeypatch.setattr(oidc, "SECONDS", 600)
    browser = Browser(stack)
    back = browser.begin()
    cookies = dict(stack.client.cookies)
    assert browser.get(back).status_code == 303
    stack.client.cookies = httpx.Cookies(cookies)
    assert_refused(browser.get(back), "did not accept this sign-in")


def test_refused_by_the_person(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """Whoever says no at the provider comes back to a sentence."""
    browser = Browser(make())
    state = parse_qs(urlsplit(browser.begin()).query)["state"][0]
    answer = browser.get(f"{CALLBACK}?error=access_denied&state={state}")
    assert_refused(answer, "(access_denied)")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param({"nonce": "of another sign-in"}, "nonce", id="wrong-nonce"),
        pytest.param({"nonce": None}, "nonce", id="no-nonce"),
        pytest.param({"exp": -300}, "expired", id="expired"),
        pytest.param({"aud": "another application"}, "aud", id="wrong-audience"),
        pytest.param({"aud": ["stack", "other"], "azp": "other"}, "azp", id="wrong-party"),
        pytest.param({"iss": "https://elsewhere.example"}, "iss", id="wrong-issuer"),
        pytest.param({"sub": None}, "sub", id="no-subject"),
        pytest.param({"iat": +1000}, "issued in the future", id="from-the-future"),
    ],
)
def test_wrong_token(
    make: Callable[..., Stack], provider: OidcProvider, change: dict[str, Any], text: str
) -> None:
    """A token that is not for this stack, this sign-in and now lets nobody in."""

    def changed(claims: dict[str, Any]) -> dict[str, Any]:
        now = int(time.time())
        for name, value in change.items():
            if value is None:
                del claims[name]
            else:
                claims[name] = now + value if isinstance(value, int) else value
        return claims

    provider.change = changed
    stack = make()
    assert_refused(Browser(stack).sign_in(), text)
    assert not [user for user in users(stack).values() if user.kind == "person"]


def test_clocks_differ(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """A minute between the clocks of provider and stack matters not."""
    now = int(time.time())
    provider.change = lambda claims: claims | {"iat": now + 60, "exp": now - 60}
    assert Browser(make()).sign_in().status_code == 303


def test_wrong_signature(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """Only what the provider's own keys have signed counts, and only by an algorithm for such keys."""
    stack = make()
    provider.signing_key = RSAKey.generate_key(2048, {"kid": "1"})
    assert_refused(Browser(stack).sign_in(), "is not valid")
    provider.signing_key = provider.published_key

    def forged(algorithm: str, key: bytes) -> Callable[..., dict[str, str]]:
        exchange = provider.exchange

        def exchanged(form: dict[str, str]) -> dict[str, str]:
            token = exchange(form)
            assert token is not None
            claims = jwt.decode(token["id_token"], provider.published_key).claims
            return {**token, "id_token": hand_made_token(algorithm, claims, key)}

        return exchanged

    # An algorithm that takes the public key for a shared secret would accept what anybody can sign.
    public_key = provider.published_key.as_pem(private=False)
    for algorithm, key in (("none", b""), ("HS256", public_key), ("HS256", b"guessed")):
        original = provider.exchange
        provider.exchange = forged(algorithm, key)  # type: ignore[method-assign]
        assert_refused(Browser(stack).sign_in(), "is not valid")
        provider.exchange = original  # type: ignore[method-assign]
    assert Browser(stack).sign_in().status_code == 303


def hand_made_token(algorithm: str, claims: dict[str, Any], key: bytes) -> str:
    """A token signed with an algorithm that libraries refuse to sign with such a key."""

    def encoded(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    header = json.dumps({"alg": algorithm, "kid": "1"}).encode()
    signed = f"{encoded(header)}.{encoded(json.dumps(claims).encode())}"
    digest = hmac.digest(key, signed.encode(), "sha256") if algorithm == "HS256" else b""
    return f"{signed}.{encoded(digest)}"


def test_new_key(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """A provider may change its keys at any time; they are not asked for at each sign-in."""
    stack = make()
    assert Browser(stack).sign_in().status_code == 303
    assert Browser(stack).sign_in().status_code == 303
    assert provider.requests.count("/keys") == 1
    provider.new_key()
    assert Browser(stack).sign_in().status_code == 303
    assert provider.requests.count("/keys") == 2
    assert provider.requests.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize(
    "person",
    [
        pytest.param({"email": "eve@elsewhere.example"}, id="foreign"),
        pytest.param({"email": "eve@example.com.elsewhere.example"}, id="longer"),
        pytest.param({"email": "eve@notexample.com"}, id="similar"),
        pytest.param({"email_verified": False}, id="not-verified"),
        pytest.param({"email": None}, id="none"),
    ],
)
def test_foreign_domain(
    make: Callable[..., Stack], provider: OidcProvider, person: dict[str, Any]
) -> None:
    """Only verified addresses of the allowed domains are let in."""
    provider.person |= person
    stack = make(domains=("example.com", "example.org"))
    assert_refused(Browser(stack).sign_in(), "verified email address of example.com or example.org")
    provider.person |= {"email": "ada@EXAMPLE.org", "email_verified": True}
    assert Browser(stack).sign_in().status_code == 303


def test_provider_is_down(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """Then a page says so, and keys work as ever."""
    stack = make()
    browser = Browser(stack)
    back = browser.begin()
    provider.status = 500
    assert_refused(browser.get(back), "The identity provider 127.0.0.1 does not answer", 503)
    provider.status = 200
    back = browser.begin()
    provider.close()
    assert_refused(browser.get(back), "The identity provider 127.0.0.1 does not answer", 503)
    fresh = Browser(stack)
    # What it said of itself is still known.
    assert fresh.get(BEGIN).status_code == 303
    assert stack.ask("GET", "/api/v1").status_code == 200


def test_provider_that_never_answered(tmp_path: Path) -> None:
    """A stack starts without its provider, too."""
    oidc = OidcSettings(issuer="http://127.0.0.1:1", client_id=CLIENT_ID)
    with running(tmp_path, oidc=oidc) as stack:
        assert "Sign in with 127.0.0.1" in Browser(stack).get("/sign-in").text
        assert_refused(Browser(stack).get(BEGIN), "does not answer", 503)


def test_another_issuer(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """A discovery document of another issuer is not believed."""
    provider.metadata = lambda: {"issuer": "https://elsewhere.example"}  # type: ignore[method-assign]
    assert_refused(Browser(make()).get(BEGIN), "not that of the issuer", 503)


def test_leads_nowhere_else(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """After signing in a browser goes to a path of this stack only."""
    stack = make()
    answer = Browser(stack).sign_in("https://elsewhere.example/")
    assert answer.headers["location"] == "/"


def test_without_a_provider(stack: Stack) -> None:
    """Then nothing of it is there."""
    browser = Browser(stack)
    assert "Sign in with" not in browser.get("/sign-in").text
    assert browser.get(BEGIN).status_code == 404


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        pytest.param({"issuer": "http://id.example.com", "client_id": "x"}, "https://", id="http"),
        pytest.param({"issuer": "example.com", "client_id": "x"}, "URL", id="no-url"),
        pytest.param({"issuer": "https://[", "client_id": "x"}, "URL", id="bracket"),
        pytest.param(
            {"issuer": "https://id.example.com", "client_id": ""}, "client id", id="no-id"
        ),
    ],
)
def test_settings(fields: dict[str, str], text: str) -> None:
    """What cannot be is refused at the start."""
    with pytest.raises(ConfigurationError, match=text):
        OidcSettings(**fields)


def test_refused_people_are_noted(make: Callable[..., Stack], provider: OidcProvider) -> None:
    """Whom the provider knows and the stack does not let in has an entry; a stranger's browser has none."""
    stack = make(domains=("example.org",))
    browser = Browser(stack)
    assert_refused(browser.sign_in(), "verified email address of example.org")
    assert_refused(browser.get(f"{CALLBACK}?code=x"), "did not begin this sign-in")
    (entry,) = stack.json("GET", native.AUDIT_PATH, params={"action": "sign in"})["items"]
    assert (entry["outcome"], entry["actor"], entry["subject"], entry["count"]) == (
        "refused", "", provider.issuer, 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"sub": ""}, id="empty-subject"),
        pytest.param({"sub": "a\x00b"}, id="nul-in-subject"),
        pytest.param({"sub": {"a": 1}}, id="object-as-subject"),
    ],
)
def test_odd_subjects(
    make: Callable[..., Stack], provider: OidcProvider, claims: dict[str, Any]
) -> None:
    """A subject is a text that can be shown; nothing else makes a user."""
    provider.person |= claims
    stack = make()
    answer = Browser(stack).sign_in()
    assert answer.status_code == 403, answer.text
    assert not [user for user in users(stack).values() if user.kind == "person"]


@pytest.mark.parametrize("value", [["true"], {"a": 1}, "yes", 2, None], ids=str)
def test_odd_verification(make: Callable[..., Stack], provider: OidcProvider, value: Any) -> None:
    """Whatever a provider says in place of true means that an address is not verified."""
    provider.person["email_verified"] = value
    stack = make()
    stack.json("POST", native.USERS_PATH, json={"name": "Ada", "email": "ada@example.com"})
    assert Browser(stack).sign_in().status_code == 303
    assert "Ada Lovelace" in users(stack)


def test_a_slow_provider_holds_nobody_up(
    make: Callable[..., Stack], provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many browsers wait for the provider, the stack answers everybody else."""
    from layernext.stack.api import oidc

    monkeypatch.setattr(oidc, "TIMEOUT_S", 300.0)
    stack = make()
    go_on, asked = threading.Event(), threading.Event()
    original = provider.metadata

    def slow() -> dict[str, Any]:
        asked.set()
        assert go_on.wait(120)
        return original()

    provider.metadata = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(2 * CALL_SLOTS) as pool:
        try:
            waiting = [
                pool.submit(
                    stack.client.get, f"{HOST}{BEGIN}", follow_redirects=False, timeout=None
                )
                for _ in range(2 * CALL_SLOTS)
            ]
            assert asked.wait(120)
            for _ in range(3):
                assert stack.ask("GET", native.COLLECTIONS_PATH).status_code == 200
            assert not any(each.done() for each in waiting)
        finally:
            go_on.set()
        assert {each.result().status_code for each in waiting} <= {303, 503}
