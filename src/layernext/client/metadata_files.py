"""Metadata as the caller has it: a JSON file or its content, checked before anything is sent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from layernext.client.texts import check_text
from layernext.errors import DataError, FormatError, Problem
from layernext.model import refuse_repeated_keys, show

MetadataSource: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any]"
"""A JSON file, or its content: ``{"files": [{"file": "1.jpg", "metadata": {"Tags": ["a"]}}]}``."""

MAX_FILE_BYTES = 1 << 30


def read_entries(source: MetadataSource) -> list[dict[str, Any]]:
    """The entries of a metadata file, all of them checked.

    Raises:
        DataError: an entry is wrong, with its location; FormatError if it is not such a file.
    """
    content: Any = source
    if isinstance(source, str | os.PathLike):
        content = _read(Path(source))
    if not isinstance(content, Mapping) or not isinstance(content.get("files"), Iterable):
        raise DataError(Problem("files", "is missing: a metadata file is an object with `files`"))
    entries = []
    for number, entry in enumerate(content["files"]):
        where = f"files[{number}]"
        if not isinstance(entry, Mapping):
            raise DataError(Problem(where, f"is {show(entry)}, must be an object"))
        unknown = sorted(set(entry) - {"file", "metadata"})
        if unknown:
            raise DataError(
                Problem(f"{where}.{unknown[0]}", "is unknown; the keys are file, metadata")
            )
        name = check_text(entry.get("file"), f"{where}.file", "a file")
        fields = check_fields(entry.get("metadata") or {}, f"{where}.metadata")
        entries.append({"file": name, "metadata": fields})
    return entries


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FormatError(Problem(str(path), "is larger than 1 GiB"))
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text)
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(Problem(str(path), f"is not JSON: {error}")) from error
    refuse_repeated_keys(text.encode("utf-8", "surrogatepass"), file=path.name)
    return content


def check_fields(fields: Any, where: str) -> dict[str, Any]:
    """Metadata as it is sent; the stack checks the rest.

    Raises:
        DataError: it is not an object, its tags are not strings, or a name cannot be one.
    """
    if not isinstance(fields, Mapping):
        raise DataError(Problem(where, f"is {show(fields)}, must be an object"))
    tags = fields.get("Tags", [])
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
        raise DataError(Problem(f"{where}.Tags", "must be a list of strings"))
    for name in fields:
        check_text(name, where, "a metadata field")
    return dict(fields)
