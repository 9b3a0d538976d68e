"""Reading and writing LayerNext JSON files as streams."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from layernext.errors import DataError, FormatError
from layernext.formats import (
    check_file,
    create_file,
    detect_geometry,
    iter_file,
    iter_raw_images,
)
from layernext.formats.core import json_stream
from layernext.model import ImageAnnotations
from layernext.wire.native import MAX_BATCH_BYTES
from tests.support.strategies import json_values, model_runs


def raw_images(text: str | bytes) -> list[bytes]:
    data = text.encode() if isinstance(text, str) else text
    return list(iter_raw_images(io.BytesIO(data), file="f.json"))


@settings(deadline=None)
@given(model_runs(), st.sampled_from([None, 1, 4]), st.integers(1, 50))
def test_cutting_is_lossless(run: list[ImageAnnotations], indent: int | None, window: int) -> None:
    """However a file is laid out and wherever a read ends, every image comes out whole."""
    plain = json.loads(msgspec.json.encode(run))
    text = json.dumps({"images": plain}, indent=indent)
    stream = io.BytesIO(text.encode())
    old, json_stream.WINDOW_BYTES = json_stream.WINDOW_BYTES, window
    try:
        cut = [json.loads(raw) for raw in iter_raw_images(stream, file="f.json")]
    finally:
        json_stream.WINDOW_BYTES = old
    assert cut == plain


@settings(deadline=None)
@given(
    st.dictionaries(st.text(max_size=5).filter(lambda k: k != "images"), json_values, max_size=3)
)
def test_other_keys_are_skipped(others: dict[str, object]) -> None:
    """Keys before and after `images` do not disturb."""
    text = json.dumps({**others, "images": [{"image": "a"}], "z": others})
    assert [json.loads(raw) for raw in raw_images(text)] == [{"image": "a"}]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("", "line 1, column 1: invalid JSON: expected an object with `images`, found the end of the file", id="empty"),
        pytest.param("[]", "line 1, column 1: invalid JSON: expected an object with `images`, found '['", id="list"),
        pytest.param("{}", "has no list `images`", id="no-images"),
        pytest.param('{"images": {}}', "line 1, column 12: invalid JSON: expected the list of images, found '{'", id="object"),
        pytest.param('{"images": []} x', "line 1, column 16: invalid JSON: expected the end of the file, found 'x'", id="rest"),
        pytest.param('{"images": [], "images": []}', 'line 1, column 25: invalid JSON: key "images" appears twice', id="twice"),
        pytest.param('{"images": [\n {"image" 1}]}', "line 2, column 11, in images[0]: invalid JSON: expected ':'", id="no-colon"),
        pytest.param('{"images": [{"a": 1}', "line 1, column 21: invalid JSON: expected a comma or the end of the list `images`, found the end of the file", id="cut-between"),
        pytest.param('{"images": [{"a": ', "line 1, column 13, in images[0]: invalid JSON: the file ends in the middle of a value", id="cut-within"),
        pytest.param('{"images": [1,]}', "line 1, column 15, in images[1]: invalid JSON: invalid character", id="comma"),
        pytest.param('{"images": [{"a": [1, NaN]}]}', "line 1, column 23, in images[0]: invalid JSON: NaN is not a JSON number; write a finite one", id="nan"),
        pytest.param('{"images": [{}, {"a": -Infinity}]}', "line 1, column 24, in images[1]: invalid JSON: Infinity is not a JSON number", id="infinity"),
        pytest.param("{1: 2}", "line 1, column 2: invalid JSON: expected a key in double quotes, found '1'", id="key"),
    ],
)  # fmt: skip
def test_broken_files_name_line_and_column(text: str, wanted: str) -> None:
    """Broken JSON is refused with the place where it breaks."""
    with pytest.raises(FormatError) as caught:
        raw_images(text)
    assert str(caught.value).startswith(f"f.json: {wanted}")


def test_lines_are_counted_across_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line in an error is the file's, however many windows were read before."""
    monkeypatch.setattr(json_stream, "WINDOW_BYTES", 16)
    text = '{"images": [\n' + ",\n".join('{"image": "a"}' for _ in range(50)) + "\n x]}"
    with pytest.raises(FormatError, match="line 52, column 2: "):
        raw_images(text)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No bytes raise anything but a FormatError."""
    for prefix in (b"", b'{"images": ['):
        try:
            raw_images(prefix + data)
        except FormatError as error:
            assert error.file == "f.json"  # noqa: PT017


SAMPLE = {"images": [{"image": "a.jpg", "annotations": [{"label": "x", "bbox": [1, 2, 3, 4.5]}]}]}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param("r.json", json.dumps(SAMPLE).encode(), id="plain"),
        pytest.param("r.json", b"\xef\xbb\xbf" + json.dumps(SAMPLE).encode(), id="bom"),
        pytest.param("r.json.gz", gzip.compress(json.dumps(SAMPLE).encode()), id="gzip"),
        pytest.param("r.json.zst", zstandard.compress(json.dumps(SAMPLE).encode()), id="zstd"),
        pytest.param("misnamed.json", zstandard.compress(b"\xef\xbb\xbf" + json.dumps(SAMPLE).encode()), id="zstd-by-content"),
        pytest.param("two.zst", zstandard.compress(json.dumps(SAMPLE).encode()[:20]) + zstandard.compress(json.dumps(SAMPLE).encode()[20:]), id="two-frames"),
    ],
)  # fmt: skip
def test_compressions(tmp_path: Path, name: str, data: bytes) -> None:
    """Plain, gzip and zstd files with or without byte order mark read the same."""
    path = tmp_path / name
    path.write_bytes(data)
    assert [json.loads(raw) for raw in iter_file(path)] == SAMPLE["images"]
    assert detect_geometry(path) == "rectangle"
    assert check_file(path, "rectangle").annotations == 1


@pytest.mark.parametrize("cut", [5, 12, 20])
@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_truncated_compression(tmp_path: Path, compress, cut: int) -> None:
    """A compressed file that ends early is refused, not taken for a shorter one."""
    path = tmp_path / "r.json"
    path.write_bytes(compress(json.dumps(SAMPLE).encode())[:-cut])
    with pytest.raises(FormatError, match=r"r\.json: "):
        check_file(path, "rectangle")


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is the user's mistake, said in one sentence."""
    with pytest.raises(FormatError, match="cannot be read: No such file or directory"):
        check_file(tmp_path / "no.json", None)


def test_problem_limit(tmp_path: Path) -> None:
    """The search for problems stops at its limit and says so."""
    path = tmp_path / "r.json"
    bad = {"image": "a", "annotations": [{"label": "", "bbox": [1, 2, 3]}]}
    path.write_text(json.dumps({"images": [bad] * 10}))
    with pytest.raises(DataError) as caught:
        check_file(path, "rectangle", limit=5)
    assert len(caught.value.problems) == 5
    assert caught.value.more
    assert str(caught.value).endswith("(and 4 or more other problems)")


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        pytest.param({"bbox": [1, 2, 3, 4], "label": "a"}, "rectangle", id="bbox"),
        pytest.param({"polygon": [[1, 2]], "label": "a"}, "polygon", id="polygon"),
        pytest.param({"line": [[1, 2]], "label": "a"}, "line", id="line"),
        pytest.param({"type": "line", "line": [[1, 2]], "label": "a"}, None, id="v2"),
    ],
)
def test_detect_geometry(tmp_path: Path, annotation: dict[str, object], wanted: str | None) -> None:
    """The first annotation tells the form, images without annotations before it or not."""
    path = tmp_path / "r.json"
    empty = {"image": "e", "annotations": []}
    path.write_text(json.dumps({"images": [empty, {"image": "a", "annotations": [annotation]}]}))
    assert detect_geometry(path) == wanted


def test_unclear_geometry(tmp_path: Path) -> None:
    """Two geometries and no type: ask, do not guess."""
    path = tmp_path / "r.json"
    both = {"bbox": [1, 2, 3, 4], "line": [[1, 2]], "label": "a"}
    path.write_text(json.dumps({"images": [{"image": "a", "annotations": [both]}]}))
    with pytest.raises(DataError, match="the geometry is not clear"):
        detect_geometry(path)


@pytest.mark.parametrize("name", ["r.json", "r.json.gz", "r.json.zst"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_write_and_read(tmp_path: Path, name: str, count: int) -> None:
    """What the writer writes, the reader reads, in every compression."""
    raws = [json.dumps({"image": f"{n}", "annotations": []}).encode() for n in range(count)]
    with create_file(tmp_path / name) as writer:
        for raw in raws:
            writer.write(raw)
    assert list(iter_file(tmp_path / name)) == raws


def test_nothing_half_written(tmp_path: Path) -> None:
    """A file whose writing fails leaves neither itself nor a temporary behind."""
    target = tmp_path / "r.json"

    def interrupted() -> None:
        with create_file(target) as writer:
            writer.write(b"{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_image_that_no_stack_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image larger than a batch may be is refused when the file is checked, with its place."""
    assert json_stream.MAX_IMAGE_BYTES == MAX_BATCH_BYTES
    monkeypatch.setattr(json_stream, "MAX_IMAGE_BYTES", 1 << 20)
    big = json.dumps({"image": "b", "annotations": [1] * 400_000})
    with pytest.raises(FormatError, match=r"in images\[1\]: .*one value is larger than 1 MiB"):
        raw_images('{"images": [{"image": "a", "annotations": []}, ' + big + "]}")
