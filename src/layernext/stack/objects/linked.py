"""Files that are linked: read where they lie, below roots that whoever runs the stack has allowed.

The path of a linked object says where the file is and which version of it was linked: a hash of its size and its ETag
or time of change. A file that has changed since is not the object any more, and is as lost as one that is gone. Nothing is
ever written or deleted below a root. What the stack makes of a linked file, such as its small picture, is in its own
store of objects.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import obstore
from msgspec import Struct

from layernext.errors import ConfigurationError, NotAllowed, NotFound
from layernext.stack.objects.bucket import explained
from layernext.stack.objects.face import ObjectInfo, ObjectStore
from layernext.stack.objects.unavailable import unusable

PREFIX = "linked/"
PIECE_BYTES = 1 << 20
_CHUNK = 200
"""Characters of a folder's name in a path; file systems take 255."""
_SCHEMES = ("s3://", "gs://", "az://")
_THUMBNAIL = ".webp"


class LinkedFile(Struct, frozen=True, kw_only=True):
    """A file below a source that is to be linked.

    Attributes:
        name: relative to the source, with slashes.
        path: of the object.
        size: bytes.
        refusal: why it cannot be linked; None if it can.
    """

    name: str
    path: str = ""
    size: int = 0
    refusal: str | None = None


def linked_path(location: str, version: str) -> str:
    """The path of the object that a file is.

    Args:
        location: absolute path or URL of the file.
        version: of its content.
    """
    digits = location.encode("utf-8", "surrogateescape").hex()
    chunks = [digits[start : start + _CHUNK] for start in range(0, len(digits), _CHUNK)]
    tag = hashlib.sha256(version.encode()).hexdigest()[:16]
    return f"{PREFIX}{'/'.join(chunks)}/{tag}"


def linked_location(path: str) -> str | None:
    """Where a linked file is; None for every other object, and for what the stack made of a linked file."""
    if not path.startswith(PREFIX) or path.endswith(_THUMBNAIL):
        return None
    digits = path.removeprefix(PREFIX).rpartition("/")[0].replace("/", "")
    return bytes.fromhex(digits).decode("utf-8", "surrogateescape")


def describe_loss(path: str) -> str | None:
    """Why a linked file cannot be read as it was linked; None for other objects."""
    location = linked_location(path)
    if location is None:
        return None
    what = "is gone or has changed since it was linked"
    if not _is_url(location):
        exists = os.path.lexists(location)
        what = "has changed since it was linked" if exists else "is gone"
    return f"the linked file {location} {what}; link its folder again"


def normalized_root(text: str) -> str:
    """A root as it is compared: an absolute path without symbolic links, or a URL without a slash at its end.

    Raises:
        ConfigurationError: it is neither.
    """
    if _is_url(text):
        return text.rstrip("/")
    plain = text.removeprefix("file://")
    if "://" in plain or not os.path.isabs(plain):  # noqa: PTH117 - text of any system
        raise ConfigurationError(
            f"{text!r} is not a folder that can be linked: give an absolute path or s3://bucket/prefix"
        )
    return os.path.realpath(plain)


class LinkedObjects:
    """A store of objects that also has the files below some roots.

    Args:
        inner: has everything else.
        roots: absolute paths, or URLs of buckets.
        options: for buckets, as in `BucketStore`.

    Raises:
        ConfigurationError: a root is neither.
    """

    def __init__(
        self, inner: ObjectStore, roots: Sequence[str], options: Mapping[str, Any]
    ) -> None:
        self._inner = inner
        self._roots = [normalized_root(root) for root in roots]
        self._options = dict(options)
        self._buckets: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    # -- sources ----------------------------------------------------------------------------

    def check_source(self, source: str) -> str:
        """The location of a folder or prefix that may be linked.

        Raises:
            NotAllowed: it is not below a root; says how to allow it.
            NotFound: there is no such folder.
            ConfigurationError: it is neither an absolute path nor the URL of a bucket.
        """
        location = normalized_root(source)
        if self._root_of(location) is None:
            raise NotAllowed(
                f"{source!r} must not be linked; whoever runs the stack allows it with "
                f"`layernext serve --allow-link {source}`",
                status=403,
            )
        if not _is_url(location) and not Path(location).is_dir():
            raise NotFound(f"there is no folder {source!r} where the stack runs", status=404)
        return location

    def list_source(self, location: str) -> Iterator[LinkedFile]:
        """Every file below a source that `check_source` has allowed, in order of its folders.

        Raises:
            NotFound: the folder is gone.
            StackUnavailable: the bucket cannot be read.
        """
        return self._list_bucket(location) if _is_url(location) else self._list_folder(location)

    def _list_folder(self, location: str) -> Iterator[LinkedFile]:
        def fail(error: OSError) -> None:
            if error.filename == location:
                raise NotFound(f"the folder {location} cannot be read", status=404) from error
            unreadable.append(os.path.relpath(str(error.filename), location))

        unreadable: list[str] = []
        for folder, folders, names in os.walk(location, onerror=fail):
            folders.sort()
            for name in sorted([*names, *folders]):
                path = os.path.join(folder, name)  # noqa: PTH118 - millions of them
                is_link = os.path.islink(path)  # noqa: PTH114
                if name in folders and not is_link:
                    continue
                inner = os.path.relpath(path, location).replace(os.sep, "/")
                if is_link and (name in folders or self._root_of(os.path.realpath(path)) is None):
                    why = (
                        "a symbolic link to a folder"
                        if name in folders
                        else "leads out of the allowed folders"
                    )
                    yield LinkedFile(name=inner, refusal=why)
                    continue
                try:
                    status = os.stat(path)  # noqa: PTH116
                except OSError as error:
                    yield LinkedFile(name=inner, refusal=str(error.strerror))
                    continue
                if stat.S_ISREG(status.st_mode):
                    object_path = linked_path(path, _version_of(status))
                    yield LinkedFile(name=inner, path=object_path, size=status.st_size)
        for inner in unreadable:
            yield LinkedFile(name=inner, refusal="the folder cannot be read")

    def _list_bucket(self, location: str) -> Iterator[LinkedFile]:
        store, prefix = self._bucket_of(location)
        with explained():
            for page in obstore.list(store, prefix or None):
                for entry in page:
                    key = str(entry["path"])
                    inner = key.removeprefix(prefix).removeprefix("/")
                    if not inner:
                        continue
                    whole = f"{location}/{inner}"
                    path = linked_path(whole, _version_in(entry))
                    yield LinkedFile(name=inner, path=path, size=entry["size"])

    def _root_of(self, location: str) -> str | None:
        if _is_url(location) and {"..", "."} & set(location.split("/")):
            return None
        for root in self._roots:
            if location == root or location.startswith(root.rstrip("/") + "/"):
                return root
        return None

    def _bucket_of(self, location: str) -> tuple[Any, str]:
        """The store of the root that a location is below, and the key there."""
        root = self._root_of(location)
        if root is None:
            raise NotFound("its folder may not be linked any more", status=404)
        if root not in self._buckets:
            is_plain = str(self._options.get("endpoint", "")).startswith("http://")
            from_url: Any = obstore.store.from_url  # its types are those of each store alone
            try:
                self._buckets[root] = from_url(
                    root, config=dict(self._options), client_options={"allow_http": is_plain}
                )
            except Exception as error:
                raise unusable(root, error) from error
        return self._buckets[root], location.removeprefix(root).removeprefix("/")

    def allows(self, path: str) -> bool:
        """Whether a linked object is below an allowed root; others always are."""
        location = linked_location(path)
        return location is None or self._root_of(location) is not None

    # -- objects ----------------------------------------------------------------------------

    def read(
        self, path: str, start: int = 0, stop: int | None = None, *, size: int | None = None
    ) -> Iterator[bytes]:
        """See `ObjectStore`; a file that has changed since it was linked is not there any more."""
        location = linked_location(path)
        if location is None:
            return self._inner.read(path, start, stop, size=size)
        if _is_url(location):
            return self._read_bucket(path, location, start, stop)
        file = self._checked_path(path, location)
        if file is None:
            raise NotFound(describe_loss(path) or "", status=404)
        return _pieces(file, start, stop)

    def _read_bucket(
        self, path: str, location: str, start: int, stop: int | None
    ) -> Iterator[bytes]:
        if stop is not None and stop <= start:
            return iter(())
        store, key = self._bucket_of(location)
        options: Any = {"range": {"offset": start}} if start else {}
        if stop is not None:
            options = {"range": (start, stop)}
        with explained():
            result = obstore.get(store, key, options=options)
        if linked_path(location, _version_in(result.meta)) != path:
            raise NotFound(
                f"the linked file {location} has changed since it was linked", status=404
            )
        return (bytes(piece) for piece in result.stream(min_chunk_size=PIECE_BYTES))

    def find(self, path: str) -> ObjectInfo | None:
        """See `ObjectStore`."""
        location = linked_location(path)
        if location is None:
            return self._inner.find(path)
        if not _is_url(location):
            file = self._checked_path(path, location)
            if file is None:
                return None
            status = file.stat()
            modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
            return ObjectInfo(path, status.st_size, modified)
        with suppress(NotFound), explained():
            store, key = self._bucket_of(location)
            entry = obstore.head(store, key)
            if linked_path(location, _version_in(entry)) == path:
                return ObjectInfo(path, entry["size"], entry["last_modified"])
        return None

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """See `ObjectStore`."""
        linked = [path for path in paths if linked_location(path) is not None]
        sizes = self._inner.sizes([path for path in paths if linked_location(path) is None])
        infos = map(self.find, linked)
        return sizes | {info.path: info.size for info in infos if info is not None}

    def read_url(self, path: str, seconds: int, headers: Mapping[str, str]) -> str | None:
        """See `ObjectStore`; linked files go through the stack."""
        if linked_location(path) is not None:
            return None
        return self._inner.read_url(path, seconds, headers)

    def local_path(self, path: str) -> Path | None:
        """See `ObjectStore`."""
        location = linked_location(path)
        if location is None:
            return self._inner.local_path(path)
        if _is_url(location):
            return None
        file = self._checked_path(path, location)
        if file is None:
            raise NotFound(describe_loss(path) or "", status=404)
        return file

    def delete(self, path: str) -> None:
        """See `ObjectStore`; linked files stay."""
        if linked_location(path) is None:
            self._inner.delete(path)

    def _checked_path(self, path: str, location: str) -> Path | None:
        """The file, if it may be read and is as it was linked."""
        real = os.path.realpath(location)
        if self._root_of(real) is None:
            return None
        try:
            status = os.stat(real)  # noqa: PTH116
        except OSError:
            return None
        is_same = (
            stat.S_ISREG(status.st_mode) and linked_path(location, _version_of(status)) == path
        )
        return Path(real) if is_same else None


def with_links(inner: ObjectStore, roots: Sequence[str], options: Mapping[str, Any]) -> ObjectStore:
    """A store of objects with the files below some roots; see `LinkedObjects`."""
    return cast("ObjectStore", LinkedObjects(inner, roots, options))


def _is_url(location: str) -> bool:
    return location.startswith(_SCHEMES)


def _version_of(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _version_in(entry: Any) -> str:
    return f"{entry['size']}-{entry['e_tag'] or entry['last_modified']}"


def _pieces(file: Path, start: int, stop: int | None) -> Iterator[bytes]:
    with file.open("rb") as stream:
        stream.seek(start)
        left = None if stop is None else max(stop - start, 0)
        while left is None or left:
            piece = stream.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
            if not piece:
                return
            left = None if left is None else left - len(piece)
            yield piece
