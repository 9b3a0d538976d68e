"""The pages' routes without a browser: who gets in, what is kept, what is said to other sites' pages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jinja2 import meta
from litestar.routes import HTTPRoute

from layernext.stack.api.browser import HEADER
from layernext.stack.web.page import ENVIRONMENT, Page, policy
from layernext.stack.web.sign_in import safe_target
from layernext.stack.web.static_files import static_files
from layernext.wire import native
from layernext.wire.published import DELETE_ANNOTATIONS_PATH
from tests.integration.stack.conftest import BASE_URL, Stack, assert_error

OWN = {"Origin": BASE_URL}


@pytest.fixture(autouse=True)
def _no_cookies(request: pytest.FixtureRequest) -> None:
    """Cookies of one test are not another's."""
    if "shared" in request.fixturenames:
        request.getfixturevalue("shared").client.cookies.clear()


def sign_in(stack: Stack, role: Any = "write", **headers: str) -> httpx.Response:
    key = stack.keys[role]
    body = {"api_key": key.api_key, "secret": key.secret}
    return stack.ask("POST", "/sign-in", role=None, json=body, headers={**OWN, **headers})


def pages_of(stack: Stack) -> list[str]:
    return [
        re.sub(r"\{\w+(:\w+)?\}", "1", route.path_format)
        for route in stack.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.opt.get("is_page") and handler.opt["role"] is not None
    ]


def test_pages_need_a_session(shared: Stack) -> None:
    """Every page leads to the sign-in page, which knows where to go back to."""
    pages = pages_of(shared)
    assert "/" in pages
    for path in pages:
        answer = shared.ask("GET", f"{path}?q=a%26b", role=None, follow_redirects=False)
        assert answer.status_code == 303
        target = httpx.URL(answer.headers["location"])
        assert (target.path, target.params["next"]) == ("/sign-in", f"{path}?q=a%26b")
        assert answer.content == b""


def test_session(shared: Stack) -> None:
    """A session shows pages and may ask the API what its key may; its token is in no answer."""
    answer = sign_in(shared, "read")
    assert answer.json() == {"key_name": "test read", "role": "read"}
    (cookie,) = answer.headers.get_list("set-cookie")
    assert re.fullmatch(
        r"layernext-[0-9a-f]{10}=[\w-]{43}; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax", cookie
    )
    page = shared.ask("GET", "/", role=None)
    assert page.status_code == 200
    assert "test read" in page.text
    assert shared.json("GET", "/api/v1", role=None)["key_name"] == "test read"
    make = {"json": {"name": "c"}, "headers": {**OWN, HEADER: "1"}, "role": None}
    assert_error(shared.ask("POST", "/api/v1/collections", **make), 403, "not-allowed")
    assert shared.json("POST", "/api/v1/collections", **{**make, "role": "write"})["name"] == "c"


def test_cookie_behind_tls(shared: Stack) -> None:
    """Where the browser speaks TLS, the cookie never goes without."""
    answer = sign_in(shared, **{"X-Forwarded-Proto": "https", "Origin": "https://testserver.local"})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-layernext-")
    assert cookie.endswith("; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({HEADER: "1", "Sec-Fetch-Site": "cross-site"}, id="other-site"),
        pytest.param({HEADER: "1", "Sec-Fetch-Site": "same-site"}, id="other-port"),
        pytest.param({HEADER: "1", "Sec-Fetch-Site": "none"}, id="typed"),
        pytest.param({HEADER: "1", "Origin": "http://evil.example"}, id="other-origin"),
        pytest.param({HEADER: "1", "Origin": "null"}, id="no-origin-to-tell"),
        pytest.param({HEADER: "1"}, id="nothing-said"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, id="no-header-of-ours"),
        pytest.param(OWN, id="own-origin-no-header-of-ours"),
    ],
)
def test_forged_requests(shared: Stack, headers: dict[str, str]) -> None:
    """With the cookie, nothing changes what no page of ours has asked for."""
    sign_in(shared)
    for method, path in (("POST", "/api/v1/collections"), ("POST", "/sign-out")):
        answer = shared.ask(method, path, role=None, json={"name": "forged"}, headers=headers)
        assert_error(answer, 403, "not-allowed")
    names = [one["name"] for one in shared.json("GET", "/api/v1/collections", role=None)["items"]]
    assert "forged" not in names


def test_links_change_nothing(shared: Stack) -> None:
    """The published protocol deletes with GET: following a link to that is refused."""
    sign_in(shared)
    for headers in ({}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}):
        answer = shared.ask(
            "GET",
            f"{DELETE_ANNOTATIONS_PATH}?collectionId=x&operationId=y",
            role=None,
            headers=headers,
        )
        assert_error(answer, 403, "not-allowed")


def test_reading_from_another_site(shared: Stack) -> None:
    """Another site's page cannot even ask for data; its link to a page works."""
    sign_in(shared)
    other = {"Sec-Fetch-Site": "cross-site"}
    assert_error(shared.ask("GET", "/api/v1/collections", role=None, headers=other), 403)
    assert shared.ask("GET", "/", role=None, headers=other).status_code == 200


def test_sign_in_from_another_site(shared: Stack) -> None:
    """No other site can sign a browser in with its own key."""
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = sign_in(shared, **headers)
        assert_error(answer, 403, "not-allowed")
        assert "set-cookie" not in answer.headers


def test_sign_out_ends_the_session(shared: Stack) -> None:
    """After signing out the token is worth nothing, wherever it was kept."""
    token = sign_in(shared).headers["set-cookie"].partition(";")[0]
    mine = {"Cookie": token}
    answer = shared.ask("POST", "/sign-out", role=None, headers={**OWN, HEADER: "1"})
    assert "Max-Age=0" in answer.headers["set-cookie"]
    shared.client.cookies.clear()
    assert shared.ask("GET", "/api/v1", role=None, headers=mine).status_code == 401


def test_revoked_key_ends_its_sessions(stack: Stack) -> None:
    """Who revokes a key signs everybody out who came with it, and its links are dead."""
    key = stack.keys["write"]
    sign_in(stack)
    link = stack.json("POST", "/api/v1/sign-in-links", role="write")
    assert stack.ask("GET", "/", role=None).status_code == 200
    assert stack.store.keys.revoke(key.api_key)
    assert stack.ask("GET", "/", role=None, follow_redirects=False).status_code == 303
    assert stack.ask("GET", "/api/v1", role=None).status_code == 401
    body = {"token": link["url"].partition("#")[2]}
    assert_error(stack.ask("POST", "/sign-in", role=None, json=body, headers=OWN), 401)


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        pytest.param("/collections/1?q=a%20b&run=x", "/collections/1?q=a%20b&run=x", id="page"),
        pytest.param("https://evil.example/", "/", id="other-site"),
        pytest.param("//evil.example/", "/", id="other-host"),
        pytest.param("/\\evil.example/", "/", id="backslash"),
        pytest.param("/\t/evil.example", "/", id="tab"),
        pytest.param("javascript:alert(1)", "/", id="script"),
        pytest.param("", "/", id="nothing"),
    ],
)
def test_where_signing_in_leads(shared: Stack, wanted: str, target: str) -> None:
    """Only to pages of this stack."""
    assert safe_target(wanted) == target
    page = shared.ask("GET", "/sign-in", role=None, params={"next": wanted})
    assert f'"next":"{target}"' in page.text


def test_names_are_no_markup(stack: Stack) -> None:
    """What users named is shown as text, in a page and in its data."""
    hostile = "</script><script>alert(1)</script><b>"
    key = stack.store.keys.create(hostile, "read")
    body = {"api_key": key.api_key, "secret": key.secret}
    assert stack.ask("POST", "/sign-in", role=None, json=body, headers=OWN).status_code == 200
    for answer in (
        stack.ask("GET", "/", role=None),
        stack.ask("GET", "/sign-in", role=None, params={"next": f"/{hostile}"}),
    ):
        assert "<script>alert" not in answer.text
        assert "<b>" not in answer.text


def test_pages_load_only_our_own(shared: Stack) -> None:
    """The policy forbids whatever is not ours; nothing in a page is inline or from elsewhere."""
    sign_in(shared)
    for path in ("/", "/sign-in", "/nowhere"):
        answer = shared.ask("GET", path, role=None, headers={"Accept": "text/html"})
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert not re.search(r"style=|<style|\son\w+=|https?://", answer.text)
        for script in re.findall(r"<script[^>]*>", answer.text):
            assert 'src="/static/' in script or 'type="application/json"' in script


def test_pictures_may_come_from_the_bucket(shared: Stack) -> None:
    """Where files are redirected to a bucket, its origin is allowed for pictures, and nothing else of it."""

    class Bucket:
        def read_url(self, path: str, seconds: int, headers: dict[str, str]) -> str:
            return f"https://pictures.example:9000/b/{path}?signature=1"

    found = dict(part.strip().split(" ", 1) for part in policy(Bucket()).split(";"))
    assert found["img-src"] == "'self' blob: data: https://pictures.example:9000"
    assert found["media-src"] == "'self' blob: https://pictures.example:9000"
    assert [name for name, value in found.items() if "example" in value] == ["img-src", "media-src"]


def test_static_files(shared: Stack) -> None:
    """They are kept for good under the URL that a page names, compressed, and open to everybody."""
    found = set(re.findall(r'"(/static/[^"#]+)', shared.ask("GET", "/sign-in", role=None).text))
    assert len(found) >= 4
    for url in found:
        answer = shared.ask("GET", url, role=None)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
        same = {"If-None-Match": answer.headers["etag"]}
        assert shared.ask("GET", url, role=None, headers=same).status_code == 304
        old = re.sub(r"/static/\w+/", "/static/0123456789ab/", url)
        assert shared.ask("GET", old, role=None).headers["cache-control"] == "no-cache"
    for path in ("nothing.js", "..%2Fpage.py", "%2e%2e%2fpage.py", "a/..%2f..%2fpage.py"):
        assert shared.ask("GET", f"/static/1/{path}", role=None).status_code == 404


def test_modules_import_what_is_there() -> None:
    """Each import of a module names a file beside it, and no module makes markup of text."""
    files = static_files()
    for name, file in files.items():
        text = file.content.decode()
        for path in re.findall(r'(?:from|import\() ?"(\.[^"]+)"', text):
            assert posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) in files, name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert "http" + "://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_modules_are_announced(shared: Stack) -> None:
    """A page names every module that its own ones import, however deep, and none twice."""
    sign_in(shared)
    page = shared.ask("GET", "/", role=None).text
    named = [
        url.rpartition("/")[2] for url in re.findall(r'(?:src|href)="(/static/[^"]+\.js)"', page)
    ]
    files, todo, needed = static_files(), ["collections.js", "shell.js"], set()
    while todo:
        name = todo.pop()
        needed.add(name)
        found = re.findall(r'from "\./([^"]+)"', files[name].content.decode())
        todo += [one for one in found if one not in needed]
    assert needed <= set(named)
    assert len(needed) > 4


def all_pages(kind: type[Page] = Page) -> list[type[Page]]:
    return [each for one in kind.__subclasses__() for each in (one, *all_pages(one))]


@pytest.mark.parametrize("kind", all_pages(), ids=lambda kind: kind.__name__)
def test_template_context(kind: type[Page]) -> None:
    """A template uses what its struct declares, nothing more, and no field of its own in vain."""
    names, todo = set(), [kind.template]
    while todo:
        source, _, _ = ENVIRONMENT.loader.get_source(ENVIRONMENT, todo.pop())
        tree = ENVIRONMENT.parse(source)
        names |= meta.find_undeclared_variables(tree)
        todo += [one for one in meta.find_referenced_templates(tree) if one]
    declared = set(kind.__struct_fields__)
    assert names - set(ENVIRONMENT.globals) <= declared
    assert declared - set(Page.__struct_fields__) <= names


def test_wrong_keys_have_to_wait(stack: Stack) -> None:
    """After five failures with a key an address has to wait, whatever the secret; other keys do not."""
    body = {"api_key": stack.keys["read"].api_key, "secret": "guess"}
    for _ in range(5):
        assert_error(stack.ask("POST", "/sign-in", role=None, json=body, headers=OWN), 401)
    refused = stack.ask("POST", "/sign-in", role=None, json=body, headers=OWN)
    assert_error(refused, 429, "rate-limited")
    assert refused.headers["Retry-After"] == "1"
    assert_error(sign_in(stack, "read"), 429)
    assert_error(stack.ask("GET", "/api/v1", role="read"), 429)
    assert sign_in(stack).status_code == 200


def test_used_links_have_to_wait(stack: Stack) -> None:
    """Tokens of links are guessed at no more often than secrets."""
    for _ in range(5):
        answer = stack.ask("POST", "/sign-in", role=None, json={"token": "guess"}, headers=OWN)
        assert_error(answer, 401)
    answer = stack.ask("POST", "/sign-in", role=None, json={"token": "guess"}, headers=OWN)
    assert_error(answer, 429)
    assert sign_in(stack).status_code == 200


def test_refused_links_are_noted(stack: Stack) -> None:
    """A wrong link has its entry in the audit log, like a wrong secret; a key beside it counts for nothing."""
    key = stack.keys["admin"]
    body = {"token": "guess", "api_key": key.api_key, "secret": key.secret}
    answer = stack.ask("POST", "/sign-in", role=None, json=body, headers=OWN)
    assert_error(answer, 401)
    (entry, *_) = stack.json("GET", native.AUDIT_PATH)["items"]
    assert (entry["action"], entry["outcome"], entry["api_key"]) == ("sign in", "refused", None)
    assert sign_in(stack, "admin").status_code == 200
    (entry, *_) = stack.json("GET", native.AUDIT_PATH)["items"]
    assert (entry["action"], entry["outcome"], entry["api_key"]) == ("sign in", "done", key.api_key)


def test_no_password_dialog(shared: Stack) -> None:
    """A browser's own window for name and password never comes up on a page."""
    for headers in ({HEADER: "1"}, {"Sec-Fetch-Dest": "image"}):
        answer = shared.ask("GET", "/api/v1", role=None, headers=headers)
        assert answer.status_code == 401
        assert "www-authenticate" not in answer.headers


def test_published_only_has_no_pages(make_stack: Callable[..., Stack]) -> None:
    """A stack that speaks the published protocol alone has no pages, as they need the other one."""
    stack = make_stack(native=False)
    assert_error(stack.ask("GET", "/"), 404)
    assert_error(stack.ask("GET", "/sign-in"), 404)
