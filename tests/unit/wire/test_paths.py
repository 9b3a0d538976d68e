"""Names in paths."""

from __future__ import annotations

from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given

from layernext.wire.paths import segment
from tests.support.strategies import names


@given(name=names)
def test_any_name(name: str) -> None:
    """One segment, that an HTTP library leaves as it is and that decodes to the name."""
    path = f"/a/{segment(name)}/z"
    assert httpx.URL("http://host" + path).raw_path.decode() == path
    assert path.count("/") == 3
    assert unquote(segment(name)) == name


@pytest.mark.parametrize("name", [".", "..", "..."])
def test_dots_do_not_walk(name: str) -> None:
    assert httpx.URL(f"http://host/a/b/{segment(name)}/z").raw_path.count(b"/") == 4
    assert unquote(segment(name)) == name
