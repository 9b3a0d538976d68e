"""Reports: frozen, readable, and plain data on request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layernext import DownloadReport, UploadReport

REPORT = UploadReport(
    collection="yard",
    run="model 7",
    mode="machine",
    images=1_200,
    annotations=34_000,
    batches=2,
    resumed_batches=1,
    new_labels=["cup"],
    unmatched_images=3,
    bytes_sent=120_000,
    seconds=2.0,
    job_id="abc",
)


def test_upload_report_reads_well() -> None:
    """Its repr says what was stored, where, and what awaits its file."""
    text = repr(REPORT)
    for words in (
        "model run 'model 7'",
        "'yard'",
        "34,000 annotations",
        "1,200 images",
        "3 of them",
    ):
        assert words in text
    assert REPORT.annotations_per_second == 17_000


@pytest.mark.parametrize(
    "report",
    [
        REPORT,
        DownloadReport(path=Path("a/b.json"), images=3, seconds=0.5),
    ],
    ids=lambda report: type(report).__name__,
)
def test_plain_data(report: UploadReport | DownloadReport) -> None:
    """`to_dict` gives every field as data that any JSON library writes."""
    plain = report.to_dict()
    assert set(plain) == set(report.__struct_fields__)
    assert json.loads(json.dumps(plain)) == plain


def test_frozen() -> None:
    """A report cannot be changed."""
    with pytest.raises(AttributeError):
        REPORT.images = 7  # type: ignore[misc]
