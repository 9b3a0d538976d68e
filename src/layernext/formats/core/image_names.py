"""Names of pictures: when two names that different tools write mean the same picture.

The rules, from the strictest to the loosest; the first that leads to a picture decides:

1. the same name, once slashes point one way and ``./``, a leading slash and a URL's host are gone;
2. the same without the extension;
3. one is the end of the other, folder by folder: ``train/a.jpg`` and ``a.jpg``; with the extension, then without;
4. the same once a prefix or suffix of a tool is gone, then as 1 to 3: Label Studio's ``1a2b3c4d-a.jpg``, Roboflow's
   ``a_jpg.rf.0123456789abcdef0123456789abcdef.jpg``.

A rule that leads to several pictures leads to none: they are named, never merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from layernext.errors import DataError, Problem

Value = TypeVar("Value")

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")
_ROBOFLOW = re.compile(r"(?P<stem>.+)_(?P<extension>[A-Za-z0-9]+)\.rf\.[0-9A-Za-z]{20,}(\.\w+)?")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}")

_MAX_FOLDERS = 16
"""Of a name, from its end, that are compared."""


class NameMatch(Struct, frozen=True):
    """The image that a name matches.

    Attributes:
        name: the picture of that name, or None.
        rule: in words, such as ``same without the extension``; empty if nothing fits.
        candidates: pictures that fit equally well, if there are several.
    """

    name: str | None
    rule: str = ""
    candidates: tuple[str, ...] = ()


class NameMatcher:
    """Finds pictures by names from other tools.

    Args:
        names: of the pictures.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)
        self._by_key: dict[str, list[str]] = {}
        self._by_end: dict[str, list[str]] = {}
        for name in self._names:
            plain = plain_name(name)
            for key in dict.fromkeys((plain, without_extension(plain))):
                self._by_key.setdefault(key, []).append(name)
                for end in _shorter_ends(key):
                    self._by_end.setdefault(end, []).append(name)

    def find(self, name: str) -> NameMatch:
        """The picture that a name means."""
        if name in self._names:
            return NameMatch(name, "same name")
        plain = plain_name(name)
        for variant, prefix in (
            (plain, ""),
            (without_tool_marks(plain), "after a tool's mark is gone: "),
        ):
            if prefix and variant == plain:
                continue
            for rule, names in self._rules(variant):
                if len(names) == 1:
                    return NameMatch(names[0], prefix + rule)
                if names:
                    return NameMatch(None, prefix + rule, tuple(names))
        return NameMatch(None)

    def resolve(self, name: str, origins: dict[str, str], *, file: str | None = None) -> str | None:
        """The picture that a name means; None if none does.

        Args:
            name: of another tool.
            origins: the names that were resolved before, by the picture that they mean; gets this one.
            file: for messages.

        Raises:
            DataError: it matches several pictures, or one that another name matches.
        """
        match = self.find(name)
        if match.candidates:
            first, second = match.candidates[:2]
            message = f"fits several images: {first!r} and {second!r}"
            raise DataError(Problem(name, message), file=file)
        if match.name is None:
            return None
        if origins.setdefault(match.name, name) != name:
            message = f"is the same image as {origins[match.name]!r}: both match {match.name!r}"
            raise DataError(Problem(name, message), file=file)
        return match.name

    def _rules(self, plain: str) -> Iterator[tuple[str, list[str]]]:
        bare = without_extension(plain)
        yield "same name", self._by_key.get(plain, [])
        yield "same without the extension", self._by_key.get(bare, [])
        for rule, key in (
            ("one is the end of the other", plain),
            ("one is the end of the other, without the extension", bare),
        ):
            longer = self._by_end.get(key, [])
            shorter = next(
                (names for end in _shorter_ends(key) if (names := self._by_key.get(end))), []
            )
            yield rule, list(dict.fromkeys([*longer, *shorter]))


def plain_name(name: str) -> str:
    """A name with slashes that point one way, and without ``./``, a leading slash and a URL's host."""
    if _URL.match(name):
        name = unquote(urlsplit(name).path)
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in {"", "."})


def without_extension(name: str) -> str:
    """A name without what looks like the extension of a file."""
    extension = PurePosixPath(name).suffix
    return name.removesuffix(extension) if _EXTENSION.fullmatch(extension) else name


def without_tool_marks(plain: str) -> str:
    """A name without Label Studio's folder and prefix of uploads, and without Roboflow's suffix."""
    folder, slash, last = plain.rpartition("/")
    if _UPLOAD_PREFIX.match(last):
        folder, slash, last = "", "", _UPLOAD_PREFIX.sub("", last, count=1)
    exported = _ROBOFLOW.fullmatch(last)
    if exported is not None:
        last = f"{exported['stem']}.{exported['extension']}"
    return f"{folder}{slash}{last}"


def matched_names(
    values: Mapping[str, Value], names: Iterable[str], *, file: str | None = None
) -> dict[str, Value]:
    """The same values under the names of the pictures that their names match; other names stay unchanged.

    Args:
        values: by the names of another tool.
        names: of the pictures.
        file: for messages.

    Raises:
        DataError: a name matches several pictures, or two names match the same one.
    """
    matcher, origins = NameMatcher(names), dict[str, str]()
    return {
        matcher.resolve(name, origins, file=file) or name: value for name, value in values.items()
    }


def _shorter_ends(plain: str) -> Iterator[str]:
    """The ends of a name, longest first, without its first folder, its first two, and so on."""
    parts = plain.split("/")[-_MAX_FOLDERS:]
    for start in range(1, len(parts)):
        yield "/".join(parts[start:])
