"""A stack in this process, with a key of each role, on a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar.testing import TestClient

from layernext.stack.api.front import StackApplication
from layernext.stack.app import Settings, create_app, open_stack, services_in
from layernext.stack.store import NewKey, Role, Store
from layernext.wire import native

Json = dict[str, Any]
BASE_URL = "http://testserver.local"


class Stack:
    """An application with its store, and a way to ask it things."""

    def __init__(self, app: StackApplication, store: Store, settings: Settings) -> None:
        self.app = app
        self.store = store
        self.settings = settings
        self.objects = services_in(app).objects
        self.keys: dict[Role, NewKey] = {
            role: store.keys.create(f"test {role}", role) for role in ("read", "write", "admin")
        }
        self.client: TestClient[StackApplication] = TestClient(app, raise_server_exceptions=False)

    def ask(
        self, method: str, path: str, *, role: Role | None = "admin", **named: Any
    ) -> httpx.Response:
        """One request, with the credentials of a role; `role` None sends none."""
        key = self.keys[role] if role else None
        auth = (key.api_key, key.secret) if key else None
        # A base URL of its own, because the test client takes `//path` for a host.
        url = path if path.startswith(BASE_URL) else f"{BASE_URL}{path}"
        return self.client.request(method, url, auth=auth, **named)

    def json(self, method: str, path: str, **named: Any) -> Any:
        """The JSON of a request that must succeed."""
        answer = self.ask(method, path, **named)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def open_upload(self, **fields: Any) -> native.UploadState:
        """Open an upload."""
        fields = {"run": "run", "mode": "machine", "collection": "yard", **fields}
        made = self.json("POST", native.uploads_path(), json=fields)
        return msgspec.convert(made, native.UploadState)

    def put(
        self, upload: native.UploadState, sequence: int, images: list[Json] | bytes, **named: Any
    ) -> httpx.Response:
        """Send a batch."""
        body = images if isinstance(images, bytes) else lines(images)
        path = native.batch_path(upload.id, sequence)
        return self.ask("PUT", path, content=body, **named)

    def upload(self, images: list[Json], **fields: Any) -> None:
        """Upload images in one batch."""
        upload = self.open_upload(**fields)
        assert self.put(upload, 0, images).status_code == 200
        self.json("POST", native.finish_path(upload.id), json={"batches": 1})

    def download(self, **query: Any) -> list[Json]:
        """What the stack has, as the lines of a download without the last one."""
        answer = self.ask("GET", native.ANNOTATIONS_PATH, params=query)
        assert answer.status_code == 200, answer.text
        *sets, last = [msgspec.json.decode(line) for line in answer.content.splitlines()]
        assert last == {"end": len(sets)}
        return sets

    def sets(self, **query: Any) -> list[Json]:
        """The annotation sets of a download."""
        return [line["set"] for line in self.download(**query)]


def lines(images: list[Json]) -> bytes:
    """Images as the body of a batch."""
    return b"".join(msgspec.json.encode(image) + b"\n" for image in images)


@contextmanager
def running(folder: Path, **fields: Any) -> Iterator[Stack]:
    """A stack with settings of one's own."""
    settings = Settings(data=folder, **fields)
    store, _ = open_stack(settings)
    try:
        app = create_app(store, settings)
        stack = Stack(app, store, settings)
        services_in(app).jobs.start()
        try:
            with stack.client:
                yield stack
        finally:
            services_in(app).jobs.stop()
    finally:
        store.close()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A fresh stack."""
    with running(tmp_path / "stack") as fresh:
        yield fresh


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack for all tests of a module that do not mind what others left in it."""
    with running(tmp_path_factory.mktemp("stack")) as fresh:
        yield fresh


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes a stack with settings of the test's own."""
    with_stack = []

    def make(**fields: Any) -> Stack:
        manager = running(tmp_path / f"stack {len(with_stack)}", **fields)
        with_stack.append(manager)
        return manager.__enter__()

    yield make
    for manager in with_stack:
        manager.__exit__(None, None, None)


def assert_error(answer: httpx.Response, status: int, code: str | None = None) -> Json:
    """The answer is an error in the one shape; its inner part."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    error: Json = body["error"]
    assert set(error) == {"statusCode", "name", "code", "message", "details", "requestId"}
    assert error["statusCode"] == status
    assert error["name"]
    assert error["message"]
    assert error["requestId"] == answer.headers["x-request-id"]
    if code is not None:
        assert error["code"] == code
    return error
