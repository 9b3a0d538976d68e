"""Answers: typed, and dictionaries with the keys of the published clients."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import layernext.client
from layernext.client import (
    Answer,
    CreatedCollection,
    CreatedLabel,
    Done,
    Embedding,
    EmbeddingReport,
    FailedFile,
    FileDownloadReport,
    FileUploadReport,
    FileUrl,
    Job,
    Label,
    LabelGroup,
    MetadataReport,
    ProjectReport,
    RemoveReport,
    TrashReport,
    UploadReport,
    UploadStatus,
    VersionReport,
)
from layernext.model import LabelAttribute
from layernext.wire.published import PUBLISHED_KEYS

ANNOTATIONS = UploadReport(
    collection="yard", run="r", mode="machine", images=1, annotations=2, batches=1, resumed_batches=0,
    new_labels=["cup"], unmatched_images=None, bytes_sent=3, seconds=0.5,
)  # fmt: skip
FAILED = FailedFile(path="a.jpg", name="a.jpg", reason="is not an image")
KIND = LabelAttribute(name="kind", ref="k", value_count=1, values=[{"value": "car", "ref": "v"}])

# Each answer with the published keys that a script reads from it.
ANSWERS: list[tuple[Answer, dict[str, Any]]] = [
    (CreatedCollection(collection_id="c"), {"isSuccess": True, "collectionId": "c"}),
    (CreatedLabel(label_reference="r"), {"label_reference": "r"}),
    (Done(message=""), {"isSuccess": True, "is_success": True, "success": True, "message": ""}),
    (Embedding(unique_name="a", vector=[1.0]), {"uniqueName": "a", "embeddings": [1.0]}),
    (
        EmbeddingReport(stored=2, unknown=["a"], messages=["no a"]),
        {"success": False, "upsert_count": 2, "message": ["no a"]},
    ),
    (
        FileDownloadReport(
            folder=Path("f"), downloaded=["a"], unchanged=[], deleted=[], kept=[], failed=[FAILED],
            bytes_received=1, seconds=0.5, message="one failed",
        ),
        {"is_success": False, "message": "one failed", "folder": "f"},
    ),
    (
        FileUploadReport(
            collection="yard", collection_id="c", job_id="j", unique_name="yard_a.jpg",
            uploaded=["a.jpg"], skipped=[], failed=[], ignored=[], bytes_sent=1, seconds=0.5,
            annotations=ANNOTATIONS,
        ),
        {
            "is_success": True, "isSuccess": True, "job_id": "j", "jobId": "j", "collection_id": "c",
            "unique_name": "yard_a.jpg",
        },
    ),
    (FileUrl(url="https://a"), {"isSuccess": True, "url": "https://a"}),
    (
        Job(id="j", status="in_progress", progress=5.0),
        {
            "jobId": "j", "isSuccess": True, "success": True, "job_status": "IN_PROGRESS",
        },
    ),
    (
        Label(name="cup", ref="r", color="#fff", attributes=[KIND]),
        {"label": "r", "key": "r", "labelText": "cup", "color": "#fff", "type": 2},
    ),
    (
        LabelGroup(id="g", name="n", label_refs=["r"]),
        {"id": "g", "groupId": "g", "groupName": "n", "labelKeys": ["r"]},
    ),
    (
        MetadataReport(updated=1, unmatched=[], message=""),
        {"isSuccess": True, "updatedCount": 1, "message": ""},
    ),
    (ProjectReport(id="p", job_id="j", added=3), {"isSuccess": True, "id": "p", "job_id": "j"}),
    (
        RemoveReport(images=3, annotations=4),
        {"isSuccess": True, "imageCount": 3, "annotationCount": 4},
    ),
    (TrashReport(files=2, message="m"), {"isSuccess": True, "message": "m", "trashedCount": 2}),
    (
        UploadStatus(progress=50.0, uploaded_count=1, total_count=2),
        {"isSuccess": True, "progress": 50.0, "uploadedCount": 1, "totalCount": 2},
    ),
    (
        VersionReport(version_id="v", dataset_id="d", job_id="j", message="", version="1.0.0"),
        {
            "isSuccess": True, "versionId": "v", "datasetVersionId": "v", "datasetId": "d",
            "jobId": "j", "version": "1.0.0",
        },
    ),
]  # fmt: skip
EACH = pytest.mark.parametrize(
    ("answer", "published"), ANSWERS, ids=[type(answer).__name__ for answer, _ in ANSWERS]
)


def test_every_answer_is_here() -> None:
    """Each answer has its row in the table of keys, and its case in this file."""
    classes = {
        name
        for name, value in vars(layernext.client).items()
        if inspect.isclass(value) and issubclass(value, Answer) and value is not Answer
    }
    assert classes == set(PUBLISHED_KEYS) == {type(answer).__name__ for answer, _ in ANSWERS}


@EACH
def test_as_a_dictionary(answer: Answer, published: dict[str, Any]) -> None:
    """`.get`, `in`, `dict()`, iteration and `KeyError` work as of a dictionary."""
    for key, value in published.items():
        assert key in answer
        assert answer[key] == answer.get(key) == dict(answer)[key] == value
    assert answer.get("nothing", 7) == 7
    assert "nothing" not in answer
    with pytest.raises(KeyError, match="nothing"):
        answer["nothing"]
    assert set(answer) == set(answer.keys()) == {key for key, _ in answer.items()}
    assert {**answer} == dict(answer) == answer


@EACH
def test_as_json(answer: Answer, published: dict[str, Any]) -> None:
    """`json.dumps` writes all of it; `to_dict` has our names alone."""
    for indent in (None, 2):  # the second is written by Python code, the first by C
        written = json.loads(json.dumps(answer, indent=indent))
        assert written == dict(answer)
        assert published.items() <= written.items()
    assert json.loads(json.dumps(answer.to_dict())) == answer.to_dict()
    for name, value in answer.to_dict().items():
        assert name not in answer if value is None else name in answer


@EACH
def test_success_under_every_name(answer: Answer, published: dict[str, Any]) -> None:
    """Published methods name success in three ways; a script may ask for any of them."""
    if not isinstance(answer, Embedding | Label | Job):
        assert answer["isSuccess"] == answer["is_success"] == answer["success"]


@EACH
def test_copies(answer: Answer, published: dict[str, Any]) -> None:
    """Copies and pickles have the attributes and the keys."""
    for twin in (copy.copy(answer), copy.deepcopy(answer), pickle.loads(pickle.dumps(answer))):
        assert type(twin) is type(answer)
        assert twin == answer
        assert twin.to_dict() == answer.to_dict()
        assert repr(twin) == repr(answer)


@EACH
def test_attributes_cannot_be_changed(answer: Answer, published: dict[str, Any]) -> None:
    """The dictionary is the caller's own; the attributes stay."""
    twin = copy.copy(answer)
    name = next(iter(twin.to_dict()))
    with pytest.raises(AttributeError):
        setattr(twin, name, "other")
    twin["extra"] = 1
    assert "extra" not in answer


def test_what_is_not_known_has_no_key() -> None:
    """A count that the stack did not say is missing, as in its own answer."""
    report = TrashReport(files=None, message="")
    assert "trashedCount" not in report
    assert report.get("trashedCount") is None
    assert report.files is None


def test_nested_data_has_both_names() -> None:
    """The attributes of a label are plain data with published and our keys."""
    label = Label(name="cup", ref="r", color="#fff", attributes=[KIND])
    (attribute,) = label["attributes"]
    assert (attribute["key"], attribute["labelText"], attribute["name"]) == ("k", "kind", "kind")
    assert attribute["values"] == [{"value": "car", "ref": "v", "key": "v", "valueText": "car"}]
    assert label.attributes == [KIND]


def test_unfinished_jobs_have_neither_failed_nor_succeeded() -> None:
    """`is_success` is a key once a job has ended."""
    states = {"in_progress": None, "queued": None, "completed": True, "failed": False}
    for status, ended_well in states.items():
        assert Job(id="j", status=status, progress=0.0).get("is_success") is ended_well


def test_what_else_the_stack_says() -> None:
    """Keys of the stack's answer that we do not know are there, too; ours are not replaced."""
    done = Done(message="").including({"labelCount": 3, "isSuccess": False, "other": None})
    assert done == {
        "message": "",
        "isSuccess": True,
        "is_success": True,
        "success": True,
        "labelCount": 3,
    }
    assert Done(message="").including([1]) == Done(message="")
