"""Labels that are renamed, selected, or made the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layernext.errors import ConfigurationError
from layernext.formats import LabelRules, Losses, Sample, convert, parse_mapping
from layernext.model import Rectangle


def applied(rules: LabelRules, *labels: str) -> tuple[list[str], Losses]:
    losses = Losses()
    boxes = [Rectangle(label=label, bbox=(1, 2, 3, 4)) for label in labels]
    (sample,) = rules.apply([Sample(image="a.jpg", annotations=list(boxes))], losses)
    return [annotation.label for annotation in sample.annotations], losses


def test_nothing_changes() -> None:
    """Without rules a sample is the same object."""
    sample = Sample(image="a.jpg", annotations=[Rectangle(label="a", bbox=(1, 2, 3, 4))])
    rules = LabelRules()
    assert rules.change_nothing
    assert next(rules.apply([sample], Losses())) is sample


def test_mapping_and_selection() -> None:
    """Labels are renamed first, then selected; what is left out is named."""
    rules = LabelRules(labels=["dog", "cat"], mapping={"kitten": "cat"})
    labels, losses = applied(rules, "kitten", "cow", "dog")
    assert labels == ["cat", "dog"]
    what = "an annotation whose label is not among those of --labels"
    assert losses.counts == {what: (1, "a.jpg: annotations[1]")}
    assert rules.classes(["cow", "kitten"]) == ["dog", "cat"]


def test_case_is_ignored() -> None:
    """The first spelling counts, or that of the selection; mappings ignore it as well."""
    rules = LabelRules(ignore_case=True)
    assert applied(rules, "Car", "car", "CAR")[0] == ["Car"] * 3
    assert applied(rules, "car")[0] == ["Car"]
    rules = LabelRules(ignore_case=True, labels=["cAr"], mapping={"AUTO": "CAR"})
    assert applied(rules, "Car", "auto")[0] == ["cAr", "cAr"]


def test_class_agnostic() -> None:
    """Everything is an object; a selection still selects."""
    assert applied(LabelRules(class_agnostic=True), "a", "b")[0] == ["object", "object"]
    assert applied(LabelRules(class_agnostic=True, labels=["a"]), "a", "b")[0] == ["object"]


@pytest.mark.parametrize("pair", ["a", "=b", "a=", ""])
def test_mappings_that_are_wrong(pair: str) -> None:
    """A pair needs both names; two pairs must not contradict each other."""
    with pytest.raises(ConfigurationError, match="does not map a label"):
        parse_mapping([pair])
    with pytest.raises(ConfigurationError, match="is mapped to 'b' and to 'c'"):
        parse_mapping(["a=b", "a=c"])
    assert parse_mapping(["a=b", "c=d=e"]) == {"a": "b", "c": "d=e"}


def test_classes_of_a_conversion(tmp_path: Path) -> None:
    """The selection gives the order of classes, used or not; without it renamed classes keep theirs."""
    value = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(["z", "kitten", "cat"], 7)],
        "annotations": [{"image_id": 1, "category_id": 8, "bbox": [1, 2, 3, 4]}],
    }
    (tmp_path / "a.json").write_text(json.dumps(value))
    for number, (rules, names) in enumerate((
        (LabelRules(labels=["unused", "kitten"]), ["unused", "kitten"]),
        (LabelRules(mapping={"kitten": "cat"}), ["z", "cat"]),
        (LabelRules(class_agnostic=True), ["object"]),
    )):  # fmt: skip
        target = tmp_path / f"{number}.json"
        convert(tmp_path / "a.json", target, "coco", label_rules=rules)
        again = json.loads(target.read_text())
        assert [entry["name"] for entry in again["categories"]] == names
        assert len(again["annotations"]) == 1
