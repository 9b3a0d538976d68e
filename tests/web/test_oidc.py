"""Signing in through an identity provider, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from layernext import LayerNextClient
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, running_provider
from tests.support.stack_process import StackProcess, running_stack
from tests.web.conftest import check_accessible

BOX = {"label": "cup", "type": "rectangle", "bbox": [1, 2, 3, 4]}


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def stack(tmp_path: Path, provider: OidcProvider) -> Iterator[StackProcess]:
    """A stack with two collections, that lets in people of a domain."""
    secret = tmp_path / "secret"
    secret.write_text(CLIENT_SECRET)
    options = ("--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT_ID)
    options += ("--oidc-client-secret-file", str(secret), "--oidc-domain", "example.com", "--quiet")
    with running_stack(tmp_path / "stack", *options) as stack:
        yield stack


def test_sign_in_through_a_provider(
    browser: Browser, stack: StackProcess, provider: OidcProvider
) -> None:
    """A person signs in, sees what is granted and nothing else, and signs out; a stranger is told why not."""
    with LayerNextClient(*stack.arguments) as client:
        for name in ("kitchen", "hidden"):
            images = [{"image": "a.jpg", "annotations": [BOX]}]
            client.upload_modelrun(name, "robot", images, progress=False)
        client.users.add("Ada", email="ada@example.com")
        client.grants.add("kitchen", "Ada", "read")
        hidden = next(each.id for each in client.collections.list() if each.name == "hidden")
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{stack.url}/runs")
    page.get_by_role("link", name="Sign in with 127.0.0.1").click()
    expect(page).to_have_url(f"{stack.url}/runs")
    expect(page.get_by_role("link", name="robot")).to_have_count(1)
    page.goto(f"{stack.url}/")
    expect(page.get_by_role("heading", name="kitchen")).to_be_visible()
    expect(page.get_by_text("hidden")).to_have_count(0)
    page.goto(f"{stack.url}/collections/{hidden}")
    expect(page.get_by_text(f"There is no collection '{hidden}'.")).to_be_visible()
    page.get_by_role("button", name="Ada").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{stack.url}/sign-in")
    page.goto(f"{stack.url}/")
    expect(page).to_have_url(f"{stack.url}/sign-in")

    provider.person |= {"sub": "2", "email": "eve@elsewhere.example"}
    page.get_by_role("link", name="Sign in with 127.0.0.1").click()
    told = "Sign in with a verified email address of example.com."
    expect(page.get_by_text(told)).to_be_visible()
    check_accessible(page)
    page.goto(f"{stack.url}/")
    expect(page).to_have_url(f"{stack.url}/sign-in")
    page.context.close()
