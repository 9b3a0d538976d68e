r"""Where on this machine a file goes whose name somebody else chose.

A name from a stack may be anything: ``../../etc/passwd``, ``C:\x``, ``NUL``, a name that another file's
folder has. What comes out is always a plain relative path, the same on every system, so that a folder
can be taken elsewhere; and no two files get the same one, even where case does not count.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

PRIVATE_FOLDER = ".layernext"
"""Below a download's folder: files that are on their way, and what came when."""

MAX_SEGMENT_BYTES = 200
MAX_SEGMENTS = 40

# Control characters, and what Windows has in no name.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode(errors="surrogatepass"))


def _segment(text: str) -> str:
    """One part of a path, safe everywhere; mostly unchanged."""
    text = _UNSAFE.sub(lambda match: _escaped(match[0]), text)
    text = "".join(
        _escaped(character) if "\ud800" <= character <= "\udfff" else character
        for character in text
    )
    # Windows drops dots and spaces at the end; "." and ".." lead elsewhere.
    plain = text.rstrip(". ")
    text = plain + _escaped(text[len(plain) :])
    if _DEVICES.fullmatch(text.partition(".")[0].rstrip(" ")):
        text = f"_{text}"
    if _key(text) == PRIVATE_FOLDER:
        text = _escaped(text[0]) + text[1:]
    if len(text.encode()) > MAX_SEGMENT_BYTES:
        return _shortened(text, text)
    return text


def _shortened(text: str, whole: str) -> str:
    """A name cut short, with a digest of the whole, and its extension."""
    stem, dot, extension = text.rpartition(".")
    if not stem or len(extension.encode()) > 16:  # noqa: PLR2004 - no extension is so long
        stem, dot, extension = text, "", ""
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:12]
    tail = f"~{digest}{dot}{extension}"
    room = MAX_SEGMENT_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail


def _key(path: str) -> str:
    """Equal for names that some file system takes for the same one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def local_name(name: str) -> str:
    r"""A name as a relative path with slashes.

    Args:
        name: as the stack has it; slashes make folders.

    Example:
        >>> local_name("left/../C:\\1.jpg")
        'left/%2E%2E/C%3A%5C1.jpg'
    """
    parts = [_segment(part) for part in name.split("/") if part]
    if len(parts) > MAX_SEGMENTS:
        rest = "_".join(parts[MAX_SEGMENTS:])
        parts = [*parts[:MAX_SEGMENTS], _shortened(rest, name)]
    return "/".join(parts) or "_"


class LocalNames:
    """Gives each file of a download a path of its own."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def of(self, name: str) -> str:
        """The path of one more file, relative, with slashes; files in the same order get the same."""
        path = local_name(name)
        number = 0
        while not self._is_free(path):
            folder, slash, last = local_name(name).rpartition("/")
            number += 1
            whole = f"{name}\0{number}"
            path = f"{folder}{slash}{_shortened(last, whole)}"
            if number > 1:  # the folder itself is a file's name
                path = _shortened(path.replace("/", "_"), whole)
        key = _key(path)
        self._files.add(key)
        parts = key.split("/")
        self._folders |= {"/".join(parts[:count]) for count in range(1, len(parts))}
        return path

    def _is_free(self, path: str) -> bool:
        key = _key(path)
        parts = key.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts)))
        is_taken = key in self._files or key in self._folders
        return not is_taken and not any(folder in self._files for folder in above)


class Folder:
    """The folder that a download may write to, and nothing outside of it.

    Args:
        root: created if missing.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._real = root.resolve()
        self._checked: set[Path] = set()

    def place(self, relative: str) -> Path:
        """The path of a file, its folders made.

        Raises:
            NotADirectoryError: a link in the folder leads out of it, or a file stands in the way.
        """
        path = self.root / relative
        parent = path.parent
        if parent not in self._checked:
            self._make(parent)
            if not parent.resolve().is_relative_to(self._real):
                raise NotADirectoryError(f"{parent} leads out of the folder")
            self._checked.add(parent)
        return path

    def _make(self, folder: Path) -> None:
        if folder == self.root or folder.is_dir():
            return
        self._make(folder.parent)
        if not folder.parent.resolve().is_relative_to(self._real):
            raise NotADirectoryError(f"{folder.parent} leads out of the folder")
        folder.mkdir(exist_ok=True)
