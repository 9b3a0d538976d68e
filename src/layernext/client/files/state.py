"""What a large upload remembers on this machine, so that another process can go on with it.

One small file for each large file that is under way, below the user's state folder; it is gone once
the file is stored. It names the upload and the file, and no key, secret or URL that authorizes.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
import platformdirs
from msgspec import Struct

from layernext.client.files.sources import LocalFile

logger = logging.getLogger("layernext.client.files")

FOLDER_VARIABLE = "LAYERNEXT_STATE"


class Resumed(Struct, frozen=True):
    """An upload that was begun: its id at the stack."""

    upload_id: str


def state_folder() -> Path:
    """Where unfinished uploads are remembered."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else Path(platformdirs.user_state_dir("layernext")) / "uploads"


class UploadMemory:
    """Remembers one file's upload.

    Args:
        url: of the stack.
        api_key: whose upload it is.
        collection: and kind, as a text.
        file: which; another size or time of change makes it another file.
    """

    def __init__(self, url: str, api_key: str, collection: str, file: LocalFile) -> None:
        what = (url, api_key, collection, str(file.path.absolute()), file.name, str(file.size),
                str(file.mtime_ns))  # fmt: skip
        digest = hashlib.sha256("\0".join(what).encode(errors="surrogateescape")).hexdigest()
        self._path = state_folder() / f"{digest[:40]}.json"

    def find(self) -> str | None:
        """The id of the upload that was begun for this file, if any."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Resumed).upload_id
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            logger.warning("cannot read %s, the upload starts over: %s", self._path, error)
            return None

    def keep(self, upload_id: str) -> None:
        """Remember the upload; without a place to do so it just cannot be resumed."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=self._path.parent, delete=False) as file:
                file.write(msgspec.json.encode(Resumed(upload_id)))
            Path(file.name).replace(self._path)
        except OSError as error:
            logger.warning("an interrupted upload will start over: %s", error)

    def forget(self) -> None:
        """The file is stored, or the upload is gone."""
        with suppress(OSError):
            self._path.unlink()
