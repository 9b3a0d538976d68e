"""The LayerNext JSON file: ``{"images": [{"image": …, "annotations": […]}, …]}``, read as a stream.

Beside ``images`` there may be ``skeletons``, which say what the keypoints of a label are.

The reader cuts the file into the bytes of its images without decoding them, so that memory stays at
one window however large the file is, and callers can forward an image's original bytes. It never
checks an image: `layernext.model.ImageDecoder` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct, field

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.core.compression import create_compressed, open_decompressed
from layernext.formats.core.json_stream import (
    JsonWindow,
    Judge,
    Spans,
    expect_end,
    iter_list,
    iter_unique_members,
)
from layernext.formats.core.losses import DEFAULT_PROBLEM_LIMIT
from layernext.model import (
    GEOMETRY_KEYS,
    CheckedImage,
    ExtraKeys,
    Geometry,
    ImageDecoder,
    Skeleton,
    extra_key_problem,
    find_skeleton_problems,
    naming_image,
    refuse_repeated_keys,
    show,
)

_GEOMETRY_OF_KEY = {GEOMETRY_KEYS[name]: name for name in reversed(GEOMETRY_KEYS)}
"""The kind of an annotation without a ``type``, by its key; of kinds that share a key, the first."""


class FileSummary(Struct, frozen=True, kw_only=True):
    """What a file holds, after a check without a problem.

    Attributes:
        images: entries in ``images``.
        annotations: annotations in all of them.
        geometry: that of annotations without a ``type``; None for form v2.
        warnings: keys that the format does not know: how often, and where they were first.
    """

    images: int
    annotations: int
    geometry: Geometry | None
    warnings: dict[str, tuple[int, str]] = field(default_factory=dict)


MAX_FILE_KEYS_BYTES = 256 << 10
"""JSON of the keys beside ``images`` that is kept: enough for what a tool says about itself and a data set."""


class FileKeys:
    """The keys beside ``images``, which are kept with a run: at most `MAX_FILE_KEYS_BYTES`.

    Attributes:
        values: the JSON of each, without line breaks.
        too_large: those that did not fit.
    """

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.too_large: list[str] = []
        self._size = 0

    def add(self, key: str, raw: bytes) -> None:
        """Keep one key.

        Raises:
            DataError: no other program could read it: a key in it is repeated, or a text is not Unicode.
        """
        try:
            refuse_repeated_keys(raw, key)
            msgspec.json.decode(raw)
            key.encode()
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise DataError(Problem(show(key), f"cannot be kept: {error}")) from error
        size = len(key.encode()) + len(raw)
        if self._size + size > MAX_FILE_KEYS_BYTES:
            self.too_large.append(key)
            return
        self._size += size
        self.values[key] = raw.translate(None, b"\r\n")


def iter_raw_images(
    stream: BinaryIO,
    *,
    file: str,
    judge: Judge | None = None,
    spans: Spans | None = None,
    on_key: Callable[[str, bytes], None] | None = None,
) -> Iterator[bytes]:
    """The bytes of each entry of ``images``, one after another, as they are in the file.

    Args:
        stream: UTF-8 JSON text without a byte order mark.
        file: the file's name, for error messages.
        judge: decodes an image for the caller. With it, most images need not be scanned for their
            end first: an image ends where the next seems to begin, if it decodes.
        spans: collects where each image is.
        on_key: called with every other key beside ``images`` and its JSON; otherwise they are skipped.

    Raises:
        FormatError: the JSON is broken, not an object, or has no list ``images``; with line and
            column.
    """
    window = JsonWindow(stream, file)
    has_images = False
    for key in iter_unique_members(window, "an object with `images`"):
        if key != "images":
            value = window.value()
            if on_key:
                on_key(key, value)
            continue
        has_images = True
        yield from iter_list(window, "images", judge, spans)
    expect_end(window)
    if not has_images:
        raise FormatError(
            'has no list `images`; expected {"images": [{"image": …, "annotations": […]}]}',
            file=file,
        )


def iter_file(
    path: str | os.PathLike[str], *, on_key: Callable[[str, bytes], None] | None = None
) -> Iterator[bytes]:
    """The bytes of each image of a plain, ``.gz`` or ``.zst`` file; see `iter_raw_images`."""
    with open_decompressed(path) as stream:
        yield from iter_raw_images(stream, file=Path(path).name, on_key=on_key)


def read_skeletons(path: str | os.PathLike[str]) -> dict[str, Skeleton]:
    """What a file says about keypoints before its images: skeletons by label; empty if it says nothing.

    Raises:
        FormatError: as `iter_raw_images`.
        DataError: they are not valid; with every problem.
    """
    name = Path(path).name
    with open_decompressed(path) as stream:
        window = JsonWindow(stream, name)
        for key in iter_unique_members(window, "an object with `images`"):
            if key == "images":
                break  # a stream, which is not to be read twice
            raw = window.value()
            if key == "skeletons":
                return _skeletons(raw, name)
    return {}


def _skeletons(raw: bytes, file: str) -> dict[str, Skeleton]:
    refuse_repeated_keys(raw, "skeletons", file)
    try:
        skeletons = msgspec.json.decode(raw, type=dict[str, Skeleton])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(Problem("skeletons", str(error)), file=file) from error
    problems = [
        problem
        for label, skeleton in skeletons.items()
        for problem in find_skeleton_problems(skeleton, f"skeletons[{show(label)}]")
    ]
    if problems:
        raise DataError(problems, file=file)
    return skeletons


def detect_geometry(path: str | os.PathLike[str]) -> Geometry | None:
    """The geometry of a form v1 file, by its first annotation; None if it is form v2.

    A file without any annotation counts as form v2.

    Raises:
        FormatError: as `iter_raw_images`.
        DataError: the first annotation has neither ``type`` nor exactly one geometry.
    """
    for index, raw in enumerate(iter_file(path)):
        try:
            image = msgspec.json.decode(raw, type=_AnyImage)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # the check that follows names the problem
        if image.annotations:
            first = image.annotations[0]
            if "type" in first:
                return None
            present = [name for key, name in _GEOMETRY_OF_KEY.items() if key in first]
            if len(present) != 1:
                raise DataError(
                    Problem(
                        f"images[{index}].annotations[0]",
                        "the geometry is not clear: give each annotation a `type`, or name the "
                        "geometry of the file",
                    ),
                    file=Path(path).name,
                )
            return present[0]
    return None


class _AnyImage(Struct):
    annotations: list[dict[str, msgspec.Raw]]


def check_file(
    path: str | os.PathLike[str],
    geometry: Geometry | None,
    *,
    limit: int = DEFAULT_PROBLEM_LIMIT,
    on_image: Callable[[], None] | None = None,
    spans: Spans | None = None,
    strict: bool = False,
    file_keys: FileKeys | None = None,
) -> FileSummary:
    """Read the whole file once and check every image.

    Args:
        path: plain, ``.gz`` or ``.zst``.
        geometry: geometry of annotations without a ``type`` (form v1), or None for form v2.
        limit: stop looking after this many problems.
        on_image: called after each image, for progress.
        spans: collects where each image is, to read the file again without scanning it.
        strict: refuse keys that the format does not know; otherwise they are warnings.
        file_keys: collects the keys beside ``images``.

    Returns:
        What the file holds.

    Raises:
        FormatError: broken JSON or compression.
        DataError: with every problem, in file order.
    """
    name = Path(path).name
    decoder = ImageDecoder(geometry, refuses_extra=strict)
    problems: list[Problem] = []
    images = annotations = 0
    decoded: CheckedImage | None = None
    on_key = key_reader(decoder.extra_keys, file_keys or FileKeys(), problems, strict=strict)

    def judge(raw: bytes) -> bool:
        nonlocal decoded
        decoded = decoder.try_decode(raw)
        return decoded is not None

    with open_decompressed(path) as stream:
        for raw in iter_raw_images(stream, file=name, judge=judge, spans=spans, on_key=on_key):
            try:
                if decoded is not None:
                    decoder.note_extra(images)
                image = decoded or _decode(decoder, raw, images)
                annotations += len(image.annotations)
            except DataError as error:
                problems += error.problems
                if len(problems) >= limit:
                    raise DataError(problems[:limit], file=name, more=True) from None
            decoded = None
            images += 1
            if on_image:
                on_image()
    if problems:
        raise DataError(problems, file=name)
    return FileSummary(
        images=images,
        annotations=annotations,
        geometry=geometry,
        warnings=decoder.extra_keys.counts,
    )


def key_reader(
    counts: ExtraKeys, file_keys: FileKeys, problems: list[Problem], *, strict: bool
) -> Callable[[str, bytes], None]:
    """A function that takes the keys beside ``images``, for `iter_raw_images`.

    Args:
        counts: gets those that are kept.
        file_keys: keeps them.
        problems: gets those that cannot be kept, and all of them with `strict`.
        strict: refuse them all.
    """

    def read(key: str, raw: bytes) -> None:
        if key == "skeletons":
            return  # of the labels: see `read_skeletons`
        if strict:
            problems.append(extra_key_problem("file", key, show(key)))
            return
        try:
            file_keys.add(key, raw)
        except DataError as error:
            problems.extend(error.problems)
        if key in file_keys.values:
            counts.add("file", key, show(key))

    return read


def _decode(decoder: ImageDecoder, raw: bytes, index: int) -> CheckedImage:
    with naming_image(raw):
        return decoder.decode(raw, index=index)


class FileWriter:
    """Writes a LayerNext JSON file image by image; see `create_compressed` for what is guaranteed.

    Created by `create_file`.
    """

    def __init__(self, stream: BinaryIO, skeletons: Mapping[str, Skeleton]) -> None:
        self._stream = stream
        self._beginning = b"{"
        if skeletons:
            self._beginning += b'"skeletons": ' + msgspec.json.encode(skeletons) + b",\n"
        self._separator = self._beginning + b'"images": [\n'
        self.images = 0

    def begin(self, keys: bytes) -> None:
        """Write keys beside ``images``, before the first image.

        Args:
            keys: the JSON of an object.
        """
        inner = keys.strip()[1:-1]
        if inner:
            self._beginning += inner + b",\n"
            self._separator = self._beginning + b'"images": [\n'

    def write(self, raw: bytes) -> None:
        """Append one image, given as the bytes of a JSON object."""
        self._stream.write(self._separator + raw)
        self._separator = b",\n"
        self.images += 1

    def close(self) -> None:
        """Complete the file."""
        ending = b"\n]}\n" if self.images else self._beginning + b'"images": []}\n'
        self._stream.write(ending)


@contextmanager
def create_file(
    path: str | os.PathLike[str], skeletons: Mapping[str, Skeleton] | None = None
) -> Iterator[FileWriter]:
    """A file under construction: enter it for a writer.

    Nothing is visible under `path` until the block ends without an exception.

    Args:
        path: the file.
        skeletons: of the labels that have keypoints.
    """
    with create_compressed(path) as stream:
        writer = FileWriter(stream, skeletons or {})
        yield writer
        writer.close()
