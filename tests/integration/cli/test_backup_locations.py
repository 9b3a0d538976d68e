"""A backup's target and the stack's files are told apart, however they are spelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from layernext.cli.backup import check_apart
from layernext.errors import ConfigurationError
from layernext.stack.settings import Settings


def check(
    target: str, objects: str, endpoint: str | None = None, stack_endpoint: str | None = None
) -> None:
    options = {"endpoint": stack_endpoint} if stack_endpoint else {}
    settings = Settings(data=Path("/nowhere"), objects=objects, objects_options=options)
    check_apart(target, endpoint, settings)


@pytest.mark.parametrize(
    ("target", "objects"),
    [
        pytest.param("s3://b/p", "s3://b/p/", id="slash"),
        pytest.param("s3a://b/p", "s3://b/p", id="scheme"),
        pytest.param("s3://b//p", "s3://b/p", id="two slashes"),
        pytest.param("s3://b/x/../p", "s3://b/p", id="dots"),
        pytest.param("s3://b/%70", "s3://b/p", id="percent"),
        pytest.param("s3://b", "s3://b/p", id="whole bucket"),
        pytest.param("s3://b/p/q", "s3://b/p", id="below"),
        pytest.param("gcs://b/p", "gs://b/p", id="Google"),
        pytest.param("file:///b/p", "file:///b", id="file"),
        pytest.param("/b/p", "file:///b", id="folder"),
    ],
)
def test_the_same_place(target: str, objects: str) -> None:
    """One contains the other, in either direction."""
    with pytest.raises(ConfigurationError, match="is inside their folder"):
        check(target, objects)
    with pytest.raises(ConfigurationError, match="is inside their folder"):
        check(objects, target if "://" in target else f"file://{target}")


@pytest.mark.parametrize(
    ("target", "objects", "endpoint"),
    [
        pytest.param("s3://b/p", "s3://b/pq", None, id="prefix of a name"),
        pytest.param("s3://b/p", "s3://c/p", None, id="bucket"),
        pytest.param("s3://b/p", "s3://b/p", "http://other:9000", id="endpoint"),
        pytest.param("s3/b/p", "s3://b/p", None, id="folder"),
    ],
)
def test_other_places(target: str, objects: str, endpoint: str | None) -> None:
    """Neither contains the other."""
    check(target, objects, endpoint)


def test_the_same_endpoint() -> None:
    """A slash or a capital makes no other store."""
    with pytest.raises(ConfigurationError, match="is inside their folder"):
        check("s3://b/p", "s3://b/p", "http://Store:9000/", "http://store:9000")


def test_links(tmp_path: Path) -> None:
    """A link to the stack's files is the same place."""
    settings = Settings(data=tmp_path / "stack")
    settings.objects_folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(settings.objects_folder)
    with pytest.raises(ConfigurationError, match="is inside their folder"):
        check_apart(str(tmp_path / "link" / "b"), None, settings)
