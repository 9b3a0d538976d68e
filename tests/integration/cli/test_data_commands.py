"""upload, validate, download, runs, collections, labels, rm: processes against a real stack."""

from __future__ import annotations

import json

import pytest
import zstandard

from layernext.cli import exit_codes

GEOMETRIES = {"bbox": "rectangle", "polygon": "polygon", "line": "line"}


def lines(text):
    return text.strip().splitlines()


@pytest.mark.parametrize("name", GEOMETRIES)
def test_round_trip(connected, samples, tmp_path, name):
    """A sample file comes back value by value; the spellings are those that scripts rely on."""
    sample = samples / f"example_{name}.json"
    collection, run = f"round/{name}", "test model v1.0.1"
    uploaded = connected(
        "upload", collection, run, sample, "--geometry", GEOMETRIES[name], "--json"
    )
    report = json.loads(uploaded.stdout)
    assert (report["images"], report["annotations"], report["mode"]) == (1, 1, "machine")
    connected("download", collection, run, "--out", "back.json")
    assert json.loads((tmp_path / "back.json").read_text()) == json.loads(sample.read_text())


@pytest.mark.parametrize("name", GEOMETRIES)
def test_geometry_is_found_out(connected, samples, name):
    """Without --geometry a form v1 file says by its keys what it has."""
    sample = samples / f"example_{name}.json"
    found = json.loads(connected("validate", sample, "--json").stdout)
    assert found == {
        "valid": True,
        "file": str(sample),
        "images": 1,
        "annotations": 1,
        "geometry": GEOMETRIES[name],
        "format": "layernext",
        "warnings": {},
        "losses": {},
    }
    connected("upload", "found", name, sample)
    runs = json.loads(connected("runs", "found", "--json").stdout)
    assert name in {run["name"] for run in runs}


def test_ground_truth(connected, samples):
    """--ground-truth uploads a ground truth; the listing says so."""
    sample = samples / "example_bbox.json"
    connected("upload", "truths", "truth", sample, "--ground-truth", "--json")
    (run,) = json.loads(connected("runs", "truths", "--json").stdout)
    assert (run["name"], run["mode"]) == ("truth", "human")
    assert "ground truth" in connected("runs", "truths").stdout


def test_slash_at_the_end_is_the_same_collection(connected, samples):
    """'slashed/' and 'slashed' are one collection."""
    for name in ("slashed/", "slashed"):
        connected("upload", name, "run", samples / "example_bbox.json")
    names = [row["name"] for row in json.loads(connected("collections", "--json").stdout)]
    assert names.count("slashed") == 1
    assert "slashed/" not in names


def test_listings_as_tables(connected, samples):
    """Without --json, listings are tables with a header."""
    connected("upload", "tables", "a run", samples / "example_bbox.json")
    assert lines(connected("collections").stdout)[0].startswith("Collection")
    runs = connected("runs", "tables").stdout
    assert lines(runs)[0].startswith("Run")
    assert "a run" in runs
    assert "kitchen" in connected("labels").stdout


def test_labels_as_json(connected, samples):
    """Labels come with reference, color and attributes."""
    connected("upload", "labelled", "run", samples / "example_bbox.json")
    labels = json.loads(connected("labels", "--json").stdout)
    kitchen = next(label for label in labels if label["name"] == "kitchen")
    assert kitchen["color"].startswith("#")
    assert [attribute["name"] for attribute in kitchen["attributes"]] == ["name"]


def test_several_runs_in_one_compressed_file(connected, samples, tmp_path):
    """A download without a run has all of them, each named; .zst compresses."""
    for name, geometry in GEOMETRIES.items():
        sample = samples / f"example_{name}.json"
        connected("upload", "several", name, sample, "--geometry", geometry)
    done = connected("download", "several", "--out", "all.json.zst", "--json")
    report = json.loads(done.stdout)
    assert (report["images"], report["path"]) == (3, "all.json.zst")
    packed = (tmp_path / "all.json.zst").read_bytes()
    images = json.loads(zstandard.ZstdDecompressor().decompressobj().decompress(packed))["images"]
    assert {(image["run"], image["mode"]) for image in images} == {
        (name, "machine") for name in GEOMETRIES
    }
    assert {image["annotations"][0]["type"] for image in images} == set(GEOMETRIES.values())


def test_numbers_of_several_runs_stay_as_written(connected, tmp_path):
    """Sets in form v2 are copied, not rewritten: 243 does not become 243.0."""
    box = '{"type":"rectangle","label":"a","bbox":[243,1.50,3e1,4],"confidence":1}'
    path = tmp_path / "run.json"
    path.write_text(f'{{"images":[{{"image":"a.jpg","annotations":[{box}]}}]}}')
    for run in ("one", "two"):
        connected("upload", "as written", run, path)
    connected("download", "as written", "one", "two", "--out", "both.json")
    assert (tmp_path / "both.json").read_text().count(box) == 2


def test_rm_asks_unless_told(connected, samples):
    """rm without --yes does nothing where it cannot prompt; with it the run is gone."""
    connected("upload", "removed", "run", samples / "example_bbox.json")
    refused = connected("rm", "removed", "run", code=2)
    assert "--yes" in refused.stderr
    report = json.loads(connected("rm", "removed", "run", "--yes", "--json").stdout)
    assert report == {"images": 1, "annotations": 1, "message": ""}
    assert json.loads(connected("runs", "removed", "--json").stdout) == []


def test_json_is_the_only_output(connected, samples):
    """With --json standard output is one document, even on first use and with notes."""
    sample = samples / "example_bbox.json"
    for command in (
        ["upload", "only", "run", sample],
        ["validate", sample],
        ["runs"],
        ["collections"],
        ["labels"],
        ["download", "only", "run", "--out", "x.json"],
        ["doctor"],
    ):
        json.loads(connected(*command, "--json").stdout)


def test_unusual_names(connected, samples, tmp_path):
    """Names with slashes, percent signs, spaces and other scripts arrive as they were written."""
    collection, run = "räume/küche 100%?#", "модель / 模型 50% #1?"
    connected("upload", collection, run, samples / "example_bbox.json")
    runs = json.loads(connected("runs", collection, "--json").stdout)
    assert [(each["collection"], each["name"]) for each in runs] == [(collection, run)]
    connected("download", collection, run, "--out", "back.json")
    assert (tmp_path / "back.json").exists()


def test_control_characters_do_not_reach_the_terminal(connected, samples):
    """A name with an escape sequence is listed with the escape made visible."""
    connected("upload", "escapes", "\x1b[31mred\nnext", samples / "example_bbox.json")
    shown = connected("runs", "escapes").stdout
    assert "\x1b" not in shown
    assert "\\x1b[31mred\\nnext" in shown


def test_upload_of_nothing(connected, tmp_path):
    """A file without images is a mistake: a sentence and code 4; the JSON report comes all the same."""
    file = tmp_path / "empty.json"
    file.write_text('{"images": []}')
    done = connected("upload", "nothing", "run", file, code=exit_codes.DATA)
    assert "error: the file has no images" in done.stderr
    done = connected("upload", "nothing", "run", file, "--json", code=exit_codes.DATA)
    assert json.loads(done.stdout)["images"] == 0


@pytest.mark.parametrize("content", [b"hello", b"\x89PNG\r\n", b'{"shapes": []}'])
def test_no_format(connected, cli, tmp_path, content):
    """What is in no known format is refused with one sentence that has the formats."""
    file = tmp_path / "notes.json"
    file.write_bytes(content)
    sentence = (
        "notes.json: unsupported format; the supported ones are layernext, coco, coco-results, yolo"
    )
    for run in (cli("validate", file, code=4), connected("upload", "c", "r", file, code=4)):
        assert run.stderr.startswith("error: ")
        assert sentence in run.stderr
        assert run.stderr.count("\n") == 1


def test_empty_sources(connected, cli, tmp_path):
    """A file or folder with nothing in it is called empty, not unsupported."""
    file, folder = tmp_path / "run.json", tmp_path / "labels"
    file.write_text(" \n")
    folder.mkdir()
    target = tmp_path / "out.json"
    for source, kind in ((file, "file"), (folder, "folder")):
        for run in (
            cli("validate", source, code=4),
            cli("convert", source, target, "--to", "coco", code=4),
            connected("upload", "c", "r", source, code=4),
        ):
            assert run.stderr == f"error: {source}: the {kind} is empty\n"


def test_geometry_of_another_format(connected, tmp_path):
    """--geometry and --normalized are for LayerNext JSON; with another format the option is named."""
    file = tmp_path / "coco.json"
    file.write_text('{"images": [], "annotations": [], "categories": []}')
    for option in (["--geometry", "rectangle"], ["--normalized"]):
        run = connected("upload", "c", "r", file, *option, code=3)
        assert (
            f"is in the format coco, which defines geometry and units itself; leave out {option[0]}"
            in run.stderr
        )


def test_remove_a_run_that_does_not_exist(connected, samples):
    """A mistyped name is an error; `--missing-ok` makes removing repeatable."""
    connected("upload", "typos", "run", samples / "example_bbox.json", "--quiet")
    done = connected("rm", "typos", "rum", "--yes", code=exit_codes.NOT_FOUND)
    assert done.stderr == "error: collection 'typos' has no run 'rum'\n"
    assert done.stdout == ""
    connected("rm", "no such collection", "run", "--yes", code=exit_codes.NOT_FOUND)
    report = json.loads(connected("rm", "typos", "rum", "--yes", "--missing-ok", "--json").stdout)
    assert report == {"images": 0, "annotations": 0, "message": ""}
    connected("rm", "typos", "run", "--yes")
    connected("rm", "typos", "run", "--yes", code=exit_codes.NOT_FOUND)


def test_upload_with_losses(connected, tmp_path):
    """Shapes that become coarser are named and end with code 4, unless that is accepted; masks and parts do not."""
    file = tmp_path / "coco.json"
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}
    mask = {"size": [4, 4], "counts": "52203"}
    annotations = [
        {"id": 1, **box},
        {"id": 2, **box, "segmentation": mask},
        {"id": 3, **box, "segmentation": [[0, 0], [1, 1]]},
        {"id": 4, **box, "segmentation": [[0, 0, 1, 0, 1, 1], [2, 2, 3, 2, 3, 3]]},
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 4}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": annotations,
    }
    file.write_text(json.dumps(content))
    upload = ("upload", "losses", "run", file, "--from", "coco")
    done = connected(*upload, code=exit_codes.DATA)
    assert "not read: a segmentation that is not outlines; its box is" in done.stdout
    assert "error: 1 annotation could not be read completely" in done.stderr
    done = connected(*upload, "--json", code=exit_codes.DATA)
    report = json.loads(done.stdout)
    assert (report["annotations"], report["lost_shapes"]) == (4, 1)
    assert list(report["losses"]) == ["a segmentation that is not outlines; its box is"]
    assert "error: 1 annotation" not in connected(*upload, "--allow-losses").stderr
    content["annotations"] = [{**annotations[0], "keypoints": [1, 2, 2]}]
    content["categories"][0] |= {"keypoints": ["nose"], "skeleton": [[1, 9]]}
    file.write_text(json.dumps(content))
    assert "not read: the skeleton of a label, which contradicts" in connected(*upload).stdout


def test_validate_another_format(cli, tmp_path):
    """A COCO file is recognized, and checked as one."""
    file = tmp_path / "coco.json"
    file.write_text('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}')
    done = cli("validate", file, code=exit_codes.DATA)
    assert "is not a COCO file: it has no list `categories`" in done.stderr


def coco_of(folder, *annotations, **image):
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80, **image}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}],
        "annotations": [{"image_id": 1, "category_id": 1, **each} for each in annotations],
    }
    path = folder / "coco.json"
    path.write_text(json.dumps(content))
    return path


def test_validate_names_what_looks_wrong(cli, tmp_path):
    """Valid files get warnings, with their first place and exit code 0; all problems are listed otherwise."""
    box = {"bbox": [10, 10, 5, 5], "score": 1.0}
    flat = {"bbox": [10, 10, 0, 5], "score": 1.0}
    outside = {"bbox": [90, 10, 50, 5], "score": 1.0}
    file = coco_of(tmp_path, box, box, flat, outside)
    done = cli("validate", file)
    assert done.stdout == "valid: 4 annotations on 1 image (coco)\n"
    lines = [line.partition(",")[0] for line in done.stderr.splitlines()]
    assert lines == [
        "warning: an annotation that repeats another one of the image", "warning: a rectangle without area",
        "warning: a shape that reaches out of its image", "warning: every confidence is 1.0",
        "warning: class numbers skip 2 to 4",
    ]  # fmt: skip
    document = json.loads(cli("validate", file, "--json").stdout)
    assert document["warnings"]["every confidence is 1.0"] == {"count": 1, "first": str(file)}
    coco_of(tmp_path, {"bbox": [1, 1, -1, 1]}, {"bbox": "x"}, box)
    done = cli("validate", file, code=exit_codes.DATA)
    assert len(done.stderr.splitlines()) == 2


def test_upload_of_what_is_valid(connected, tmp_path):
    """Invalid annotations stop an upload; --skip-invalid sends the rest, lists them, and ends with code 4."""
    file = coco_of(tmp_path, {"bbox": [1, 1, -1, 1]}, {"bbox": [1, 1, 2, 2], "score": 59})
    done = connected("upload", "skips", "run", file, code=exit_codes.DATA)
    assert "annotations[0].bbox: width and height" in done.stderr
    assert "annotations[1].score: the score is 59" in done.stderr
    assert "--scale-confidence 100 for percent" in done.stderr
    upload = ("upload", "skips", "run", file, "--scale-confidence", "100", "--skip-invalid")
    done = connected(*upload, code=exit_codes.DATA)
    assert "run in skips: 1 annotation on 1 image" in done.stdout
    assert "1 invalid annotation skipped" in done.stderr
    connected(*upload, "--allow-losses", "--map-labels", "cat=kitten")
    connected("download", "skips", "run", "--out", tmp_path / "back.json")
    (image,) = json.loads((tmp_path / "back.json").read_text())["images"]
    (annotation,) = image["annotations"]
    assert (annotation["label"], annotation["confidence"]) == ("kitten", 0.59)


def test_upload_of_yolo_without_pictures(connected, tmp_path):
    """The fractions are sent, under the names that the collection has; an unknown image is named."""
    from PIL import Image

    (tmp_path / "photos").mkdir()
    Image.new("RGB", (100, 40)).save(tmp_path / "photos" / "p.png")
    labels = tmp_path / "run" / "labels"
    labels.mkdir(parents=True)
    (labels / "p.txt").write_text("0 0.5 0.5 0.2 0.4 0.87\n")
    upload = ("upload", "nopictures", "run", tmp_path / "run", "--from", "yolo", "--names", "cat")
    done = connected(*upload, code=exit_codes.DATA)
    assert (
        "p: is an image without extension, and the collection has no image of this name"
        in done.stderr
    )
    connected("files", "upload", tmp_path / "photos", "nopictures")
    assert "1 annotation on 1 image" in connected(*upload).stdout
    connected("download", "nopictures", "run", "--out", tmp_path / "back.json")
    (image,) = json.loads((tmp_path / "back.json").read_text())["images"]
    assert (image["image"], image["isNormalized"]) == ("p.png", True)
    assert image["annotations"][0]["bbox"] == pytest.approx([0.4, 0.3, 0.2, 0.4])


def test_earlier_spellings(connected, samples):
    """A group without a command lists; earlier names and the new ones do the same."""
    sample = samples / "example_bbox.json"
    connected("upload", "spelled", "run", sample, "--quiet")
    listed = connected("runs", "list", "spelled", "--json").stdout
    assert connected("runs", "spelled", "--json").stdout == listed
    assert (
        connected("collections", "--json").stdout
        == connected("collections", "list", "--json").stdout
    )
    report = json.loads(connected("runs", "delete", "spelled", "run", "--yes", "--json").stdout)
    connected("upload", "spelled", "run", sample, "--quiet")
    assert json.loads(connected("rm", "spelled", "run", "--yes", "--json").stdout) == report


def test_one_run_and_one_collection(connected, samples):
    """`show` has the labels of a run, and the size of a collection; `create` makes an empty one."""
    connected("upload", "one by one", "run", samples / "example_bbox.json", "--quiet")
    shown = lines(connected("runs", "show", "one by one", "run").stdout)
    assert shown[0] == "model run run in one by one: 1 annotation on 1 image, 0 of them empty"
    assert shown[1] == "geometries: 1 rectangle"
    assert shown[-1].split() == ["kitchen", "1", "1"]
    document = json.loads(connected("runs", "show", "one by one", "run", "--json").stdout)
    assert (document["labels"], document["mode"]) == ({"kitchen": 1}, "machine")
    refused = connected("runs", "show", "one by one", "rum", code=exit_codes.NOT_FOUND)
    assert "'rum'" in refused.stderr
    connected("collections", "create", "an empty one")
    details = json.loads(connected("collections", "show", "an empty one", "--json").stdout)
    assert details["name"] == "an empty one"
    assert "an empty one" in connected("collections", "show", "an empty one").stdout


def test_matching_names(connected, tmp_path):
    """What names of another tool would match is shown; an upload does just that."""
    box = {"type": "rectangle", "label": "cup", "bbox": [0, 0, 4, 4]}

    def file(*names):
        images = [{"image": name, "annotations": [box]} for name in names]
        path = tmp_path / "names.json"
        path.write_text(json.dumps({"images": images}))
        return path

    connected("upload", "matching", "first", file("train/a.jpg", "val/b.jpg", "train/b.jpg"))
    shown = connected("files", "match", "matching", file("a.png", "new.jpg"))
    assert "train/a.jpg" in shown.stdout
    assert "1 of 2 names match" in shown.stdout
    unclear = connected("files", "match", "matching", file("b.jpg"), "--json", code=exit_codes.DATA)
    assert json.loads(unclear.stdout)["b.jpg"]["candidates"] == ["val/b.jpg", "train/b.jpg"]
    connected("upload", "matching", "model", file("a.png"), "--match-names")
    connected("download", "matching", "model", "--out", "matched.json")
    (image,) = json.loads((tmp_path / "matched.json").read_text())["images"]
    assert image["image"] == "train/a.jpg"
