"""What can be uploaded: a file, or any iterable of typed or plain annotation sets.

A source gives the JSON of one image after the other, each checked, none kept.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from layernext.client.cancellation import go_on_unless_cancelled
from layernext.client.progress import ProgressChoice, show_progress
from layernext.errors import ConfigurationError, DataError, FormatError, Problem
from layernext.formats import (
    DEFAULT_PROBLEM_LIMIT,
    IMAGE_EXTENSIONS,
    FileKeys,
    FileSummary,
    Losses,
    NameMatcher,
    Sample,
    Spans,
    check_file,
    detect_format,
    iter_file,
    key_reader,
    merged,
)
from layernext.model import (
    GEOMETRY_KEYS,
    IMAGE_KEYS,
    Annotation,
    Geometry,
    ImageAnnotations,
    ImageDecoder,
    encode_image,
    naming_image,
)

Validate: TypeAlias = Literal["first", "stream"]
"""``first``: the whole file is checked before anything is sent. ``stream``: batch by batch."""

GivenImage: TypeAlias = ImageAnnotations | Mapping[str, Any]

_LINE_BREAKS = b"\r\n"
_CHECKED_KEYS = {"type", "label", "confidence", *GEOMETRY_KEYS.values()}
"""Whose values have types that the decoder checks."""


class Source(Protocol):
    """Gives the images of an upload as lines of JSON."""

    @property
    def total(self) -> int | None:
        """Images in all, if that is known."""
        ...

    @property
    def is_repeatable(self) -> bool:
        """Whether `lines` can be called again, to start over."""
        ...

    @property
    def warnings(self) -> dict[str, tuple[int, str]]:
        """What is sent and may be a mistake, once all was read: how often, and where it was first."""
        ...

    @property
    def file_keys(self) -> dict[str, bytes]:
        """The JSON of the keys beside ``images`` in a file, once all was read."""
        ...

    def prepare(self, progress: ProgressChoice) -> None:
        """Check everything, if that is to happen before anything is sent.

        Raises:
            FormatError, DataError: with every problem, up to a limit.
        """
        ...

    def lines(self) -> Iterator[bytes]:
        """The JSON of each image, without line breaks.

        Raises:
            DataError: an image is not valid.
        """
        ...


class FileSource:
    """A LayerNext JSON file: plain, ``.gz`` or ``.zst``.

    Args:
        path: the file.
        geometry: of annotations without a ``type``; None for form v2.
        validate: see `Validate`.
        strict: refuse keys that the format does not know.

    Attributes:
        too_large_keys: keys beside ``images`` that are too large to be kept.
    """

    is_repeatable = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        geometry: Geometry | None,
        validate: Validate,
        *,
        strict: bool = False,
    ) -> None:
        check_validate(validate)
        self._strict = strict
        self.warnings: dict[str, tuple[int, str]] = {}
        self.file_keys: dict[str, bytes] = {}
        self.too_large_keys: list[str] = []
        self._path = Path(path)
        self._geometry = geometry
        self._spans: Spans | None = None
        self._validate = validate
        self.total: int | None = None

    def prepare(self, progress: ProgressChoice) -> None:
        """Check the whole file, if that is to happen before anything is sent.

        Raises:
            FormatError, DataError: with every problem of the file, up to a limit.
        """
        if self._validate == "first":
            self._spans, keys = Spans(), FileKeys()
            summary = check_with_progress(
                self._path,
                self._geometry,
                progress,
                spans=self._spans,
                strict=self._strict,
                file_keys=keys,
            )
            self.total, self.warnings = summary.images, summary.warnings
            self.file_keys, self.too_large_keys = keys.values, keys.too_large

    def lines(self) -> Iterator[bytes]:
        """See `Source`. A file that was checked before is only read again, not decoded."""
        for raw in self._spans.read(self._path) if self._spans else self._checked():
            # JSON text has line breaks between its tokens only, where none is needed.
            yield raw.translate(None, _LINE_BREAKS) if b"\n" in raw or b"\r" in raw else raw

    def _checked(self) -> Iterator[bytes]:
        decoder = ImageDecoder(self._geometry, refuses_extra=self._strict)
        keys, problems = FileKeys(), list[Problem]()
        on_key = key_reader(decoder.extra_keys, keys, problems, strict=self._strict)
        for index, raw in enumerate(iter_file(self._path, on_key=on_key)):
            _refuse(problems, self._path)
            with naming_image(raw):
                decoder.decode(raw, index=index, file=self._path.name)
            yield raw
        _refuse(problems, self._path)
        self.warnings = decoder.extra_keys.counts
        self.file_keys, self.too_large_keys = keys.values, keys.too_large


def _refuse(problems: list[Problem], path: Path) -> None:
    if problems:
        raise DataError(problems, file=path.name)


def check_with_progress(
    path: str | os.PathLike[str],
    geometry: Geometry | None,
    progress: ProgressChoice,
    limit: int = DEFAULT_PROBLEM_LIMIT,
    spans: Spans | None = None,
    *,
    strict: bool = False,
    file_keys: FileKeys | None = None,
) -> FileSummary:
    """`formats.check_file` with progress; an error says if the file has another format."""
    try:
        with show_progress(progress, f"checking {Path(path).name}", None) as advance:
            return check_file(
                path,
                geometry,
                limit=limit,
                on_image=lambda: advance(1),
                spans=spans,
                strict=strict,
                file_keys=file_keys,
            )
    except (DataError, FormatError) as error:
        kind = None
        try:
            kind = detect_format(Path(path))
        except FormatError as unknown:
            raise unknown from error
        except OSError:
            pass  # the file cannot be read again; what was wrong at first is what to say
        if error.hint is None and kind is not None and not kind.startswith("layernext"):
            error.hint = (
                f"this looks like {kind}, not LayerNext JSON; upload it with format={kind!r} "
                f"(on the command line --from {kind})"
            )
        raise


class FormatSource:
    """A file or folder in another format; see `layernext.formats.read_format`.

    Args:
        path: the file or folder.
        read: gives its images, what is not read of them noted in its argument; may be called again.
        validate: see `Validate`.
        strict: refuse what is not read.
        list_names: lists the images of the collection, for a source that names them in another way.
        match_names: see `SourceOptions`. Otherwise only names without extension, of images whose size the
            source lacks, are those of the collection's images.
    """

    is_repeatable = True

    def __init__(
        self,
        path: Path,
        read: Callable[[Losses], Iterator[Sample]],
        validate: Validate,
        *,
        strict: bool = False,
        list_names: Callable[[], Iterable[str]] | None = None,
        match_names: bool = False,
    ) -> None:
        check_validate(validate)
        self._path, self._read, self._validate, self._strict = path, read, validate, strict
        self._list_names = list_names
        self._match_names = match_names
        self._matcher: NameMatcher | None = None
        self._names: dict[str, list[str]] | None = None
        self.total: int | None = None
        self.losses = Losses(strict=strict)
        self.file_keys: dict[str, bytes] = {}

    @property
    def warnings(self) -> dict[str, tuple[int, str]]:
        """See `Source`."""
        return self.losses.warnings

    def prepare(self, progress: ProgressChoice) -> None:
        """Read all of it once, if that is to happen before anything is sent.

        Raises:
            FormatError, DataError: something in it is not right, with file and place.
        """
        if self._validate == "first":
            count = 0
            with show_progress(progress, f"checking {self._path.name}", None) as advance:
                for _ in self.lines():
                    count += 1
                    advance(1)
            self.total = count

    def lines(self) -> Iterator[bytes]:
        """See `Source`."""
        losses = self.losses = Losses(strict=self._strict)
        decoder = ImageDecoder(None, refuses_extra=self._strict)
        losses.warnings = decoder.extra_keys.counts
        origins: dict[str, str] = {}
        for index, sample in enumerate(merged(self._read(losses), losses)):
            annotation_set = ImageAnnotations(
                image=self._image_of(sample, losses, origins),
                annotations=sample.annotations,
                normalized=sample.normalized,
                width=sample.width if sample.height else None,
                height=sample.height if sample.width else None,
                extra=sample.extra,
            )
            raw = encode_image(annotation_set, where=sample.image)
            with naming_image(annotation_set.image):
                decoder.decode(raw, index=index, file=self._path.name)
            yield raw

    def _image_of(self, sample: Sample, losses: Losses, origins: dict[str, str]) -> str:
        """The name under which an image is uploaded.

        Raises:
            DataError: it fits several images of the collection, or one that another image of the source fits.
        """
        if not self._match_names:
            return self._name_of(sample) if sample.normalized else sample.image
        if self._matcher is None:
            self._matcher = NameMatcher(self._list_names() if self._list_names else ())
        name = self._matcher.resolve(sample.image, origins, file=self._path.name)
        if name is None:
            losses.warn("an image that the collection does not have", sample.image)
            return sample.image
        return name

    def _name_of(self, sample: Sample) -> str:
        """The name of an image in the collection, if the source has it without extension.

        Raises:
            DataError: no image of the collection has that name, or several have.
        """
        if PurePosixPath(sample.image).suffix.lower() in IMAGE_EXTENSIONS:
            return sample.image
        if self._names is None:
            self._names = {}
            for name in self._list_names() if self._list_names else ():
                stem = PurePosixPath(name).with_suffix("").as_posix()
                self._names.setdefault(stem, []).append(name)
        names = self._names.get(sample.image, [])
        if len(names) == 1:
            return names[0]
        what = "has several images of this name" if names else "has no image of this name"
        listed = f": {', '.join(names[:3])}" if names else ""
        message = f"is an image without extension, and the collection {what}{listed}"
        advice = "upload the images first, or give the folder with the images"
        raise DataError(Problem(sample.image, message), file=self._path.name, hint=advice)


def check_validate(validate: str) -> None:
    """Refuse a word that is none of `Validate`.

    Raises:
        ConfigurationError: it is another one.
    """
    if validate not in {"first", "stream"}:
        raise ConfigurationError(f"validate is {validate!r}, must be 'first' or 'stream'")


class ItemSource:
    """Any iterable of `ImageAnnotations` or plain dictionaries in the form of a file's images.

    Args:
        items: read once, never all in memory. Numbers and arrays of numpy are welcome in
            dictionaries.
        geometry: of annotations without a ``type``; None for form v2.
        strict: refuse keys that the format does not know.
    """

    is_repeatable = False
    total = None

    def __init__(
        self, items: Iterable[GivenImage], geometry: Geometry | None, *, strict: bool = False
    ) -> None:
        _refuse_other_sources(items)
        self._strict = strict
        self.warnings: dict[str, tuple[int, str]] = {}
        self.file_keys: dict[str, bytes] = {}
        self._items = items
        self._geometry = geometry

    def prepare(self, progress: ProgressChoice) -> None:
        """Nothing: items are checked one by one as they come."""

    def lines(self) -> Iterator[bytes]:
        """See `Source`."""
        v1 = ImageDecoder(self._geometry, refuses_extra=self._strict)
        v2 = ImageDecoder(None, refuses_extra=self._strict)
        v2.extra_keys = v1.extra_keys
        self.warnings = v1.extra_keys.counts
        for index, item in enumerate(self._items):
            go_on_unless_cancelled()
            raw = encode_item(item, index)
            decoder = v2 if isinstance(item, ImageAnnotations) else v1
            name = item.image if isinstance(item, ImageAnnotations) else item.get("image")
            with naming_image(name):
                decoder.decode(raw, index=index)
            yield raw
        go_on_unless_cancelled()  # before what was gathered last is sent


def _refuse_other_sources(items: object) -> None:
    """Refuse what is not a list of images, though it can often be iterated.

    Raises:
        DataError: it is something else; says what to pass.
    """
    kind = type(items).__name__
    if isinstance(items, ImageAnnotations) or (isinstance(items, Mapping) and "image" in items):
        advice = "pass a list of them: [image]"
    elif isinstance(items, Mapping) and "images" in items and "categories" in items:
        advice = "this looks like COCO: save it as a file and upload that with format='coco'"
    elif isinstance(items, Mapping) and "images" in items:
        advice = "pass the list in it: data['images']"
    elif hasattr(items, "columns") and hasattr(items, "to_numpy"):
        advice = "save it as a file and upload that with format='csv' or 'parquet'"
    elif isinstance(items, Mapping) or not isinstance(items, Iterable):
        advice = "each image is ImageAnnotations or a dictionary with `image` and `annotations`"
    else:
        return
    message = f"is a {kind}, must be a file or an iterable of images"
    raise DataError(Problem("the source", message), hint=advice)


def encode_item(item: object, index: int) -> bytes:
    """The JSON of one annotation set.

    Raises:
        DataError: something in it is not a JSON value, and would come back as another one: a number
            that is not finite, a key that is not a string, another object.
    """
    where = f"images[{index}]"
    try:
        _refuse_path(item, where)
        if isinstance(item, ImageAnnotations):
            _refuse_foreign_fields(item, where)
            raw = encode_image(item, enc_hook=_plain, where=where)
            if b"null" in raw:
                # msgspec writes NaN and infinity as null, which would pass for a missing value.
                _refuse_foreign(msgspec.to_builtins(item, enc_hook=_plain), where)
            return raw
        if isinstance(item, Mapping):
            if "image_id" in item and "image" not in item:
                message = "is an entry of COCO results, must have `image` and `annotations`"
                advice = "save the list as JSON and upload that file with format='coco-results'"
                raise DataError(Problem(where, message), hint=advice)
            _refuse_foreign_fields(item, where)
            return json.dumps(item, allow_nan=False, ensure_ascii=False, default=_plain).encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        message = (
            f"contains the character U+{code:04X}, which is half of a pair and cannot be encoded"
        )
        raise DataError(Problem(where, message)) from error
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        if isinstance(item, Mapping) and not isinstance(error, RecursionError):
            _refuse_foreign(item, where)
        raise DataError(Problem(where, str(error))) from error
    kind = type(item).__name__
    raise DataError(Problem(where, f"is a {kind}, must be ImageAnnotations or a dictionary"))


def _refuse_path(item: object, where: str) -> None:
    name = item.get("image") if isinstance(item, Mapping) else getattr(item, "image", None)
    if isinstance(name, os.PathLike):
        file = PurePath(name).name
        message = f"is a path, must be the file name in the collection: use path.name, {file!r}"
        raise DataError(Problem(f"{where}.image", message))


def _plain(value: Any) -> Any:
    """Arrays and scalars of numpy and its kin as plain data, without importing them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _refuse_foreign_fields(item: ImageAnnotations | Mapping[Any, Any], where: str) -> None:
    """Look at the fields that may hold anything; the decoder checks all others."""
    if isinstance(item, ImageAnnotations):
        _refuse_foreign(item.extra, f"{where}.extra")
        for position, annotation in enumerate(item.annotations):
            if annotation.metadata or annotation.attributes or annotation.extra:
                _refuse_foreign_in(annotation, f"{where}.annotations[{position}]")
    else:
        _refuse_foreign_in_plain(item, where)


def _refuse_foreign_in_plain(item: Mapping[Any, Any], where: str) -> None:
    for key, value in item.items():
        if key not in IMAGE_KEYS:
            _refuse_key(key, where)
            _refuse_foreign(value, f"{where}.{key}")
    annotations = item.get("annotations")
    if not isinstance(annotations, list | tuple):
        return
    for position, fields in enumerate(annotations):
        if isinstance(fields, Mapping):
            for key, value in fields.items():
                if key not in _CHECKED_KEYS:
                    _refuse_key(key, f"{where}.annotations[{position}]")
                    _refuse_foreign(value, f"{where}.annotations[{position}].{key}")


def _refuse_foreign_in(annotation: Annotation, where: str) -> None:
    _refuse_foreign(annotation.metadata, f"{where}.metadata")
    _refuse_foreign(annotation.extra, f"{where}.extra")
    for name, values in annotation.attributes.items():
        for position, value in enumerate(values):
            _refuse_foreign(value.value, f"{where}.attributes.{name}[{position}].value")
            _refuse_foreign(value.metadata, f"{where}.attributes.{name}[{position}].metadata")
            _refuse_foreign(value.extra, f"{where}.attributes.{name}[{position}].extra")


def _refuse_key(key: object, where: str) -> None:
    if not isinstance(key, str):
        raise DataError(Problem(where, f"has the key {key!r}; keys must be strings"))


def _refuse_foreign(value: Any, where: str) -> None:
    """Raise for what JSON does not have, at any depth."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DataError(Problem(where, f"is {value}, must be a finite number"))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _refuse_key(key, where)
            _refuse_foreign(inner, f"{where}.{key}" if key.isidentifier() else f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            _refuse_foreign(inner, f"{where}[{position}]")
    else:
        kind = type(value).__name__
        raise DataError(Problem(where, f"is a {kind}, which JSON cannot represent"))
