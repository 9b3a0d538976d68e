"""The names of the images that outputs are about: from the outputs, or as the caller gives them."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import TypeAlias

from layernext.client.outputs.output import Output
from layernext.errors import DataError, Problem

GivenNames: TypeAlias = str | Iterable[str] | Mapping[int, str]
"""The name of a single image, those of several in their order, or names by the numbers of images."""


class ImageNames:
    """Names the images of a call.

    Args:
        names: what the caller passes as ``image``; None if the outputs have names.
        paths: the file behind each name so far, as numbers; shared by the calls of a run.
    """

    def __init__(self, names: GivenNames | None, paths: dict[int, int]) -> None:
        self._names = names
        self._paths = paths
        self._list: Iterator[str] | None = None
        if names is not None and not isinstance(names, str | Mapping):
            self._list = iter(names)
        self._count = 0

    def name_of(self, output: Output) -> str:
        """The file name of an output's image in the collection.

        Raises:
            DataError: there is none; or it is that of another file, too.
        """
        self._count += 1
        if self._list is not None:
            name = next(self._list, None)
            if name is None:
                message = f"has no image name: image= has {self._count - 1}"
                raise DataError(Problem(output.where, message))
            return name
        if isinstance(self._names, str):
            if self._count > 1:
                message = (
                    "is the name of a single image, and there are several; pass a list of names"
                )
                raise DataError(Problem("image", message))
            return self._names
        if isinstance(self._names, Mapping) and output.id is not None:
            if output.id not in self._names:
                message = f"is of the image {output.id}, which image= does not have"
                raise DataError(Problem(output.where, message))
            return self._names[output.id]
        if output.image is not None:
            return output.image
        if output.path is not None:
            return self._name_of_file(output.path, output.where)
        advice = "image={number: name}" if output.id is not None else "image="
        raise DataError(Problem(output.where, f"does not name its image; pass {advice}"))

    def finish(self) -> None:
        """Check that every name was used.

        Raises:
            DataError: there are more names than outputs.
        """
        if self._list is not None and next(self._list, None) is not None:
            message = f"has more names than there are results: {self._count}"
            raise DataError(Problem("image", message))

    def _name_of_file(self, path: str, where: str) -> str:
        is_windows = PureWindowsPath(path).drive[1:2] == ":"
        name = PureWindowsPath(path).name if is_windows else PurePosixPath(path).name
        if (mimetypes.guess_type(name)[0] or "").startswith("video/"):
            message = f"is a frame of the video {name!r}; pass image= with a name for each frame"
            raise DataError(Problem(where, message))
        if self._paths.setdefault(hash(name), hash(path)) != hash(path):
            message = (
                f"is of {path!r}, and another file in another folder has that name; pass image="
            )
            raise DataError(Problem(where, message))
        return name
