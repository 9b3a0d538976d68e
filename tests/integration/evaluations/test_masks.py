"""Masks from COCO results into a stack and back, on both databases: exactly, counted, found, evaluated."""

from __future__ import annotations

import contextlib
import io
import json
import random
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import jaccard_score

from layernext import (
    EvaluationSettings,
    ImageAnnotations,
    LayerNextClient,
    Mask,
    RunLengths,
    SemanticMask,
    convert,
)
from layernext.errors import DataError
from layernext.evaluation import evaluate_files
from layernext.formats import iter_file
from layernext.model import counts_of, decode_trusted
from tests.support.postgres import postgres_database
from tests.support.stack_process import StackProcess, running_stack

HEIGHT, WIDTH = 120, 160
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
COLLECTION = "yard"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackProcess]:
    """A stack on each database."""
    with ExitStack() as ending:
        database = None
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            database = ending.enter_context(postgres_database(server))
        folder = tmp_path_factory.mktemp("stack")
        yield ending.enter_context(running_stack(folder, database=database))


@pytest.fixture(scope="module")
def client(stack: StackProcess) -> Iterator[LayerNextClient]:
    """A client of it."""
    with LayerNextClient(*stack.arguments, retry_for_s=5) as ours:
        yield ours


def blob(rng: random.Random, x: float, y: float, radius: float) -> Any:
    """A mask of a few overlapping discs, with a hole in some."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    for _ in range(3):
        cx, cy = x + rng.gauss(0, radius / 2), y + rng.gauss(0, radius / 2)
        pixels |= (rows - cy) ** 2 + (columns - cx) ** 2 < radius**2
    if rng.random() < 0.3:
        pixels &= (rows - y) ** 2 + (columns - x) ** 2 > (radius / 3) ** 2
    return pixels


def encoded(pixels: Any, *, as_list: bool) -> dict[str, Any]:
    """Run lengths as COCO's tools write them, or as a list of numbers."""
    packed = coco.encode(np.asfortranarray(pixels.astype(np.uint8)))
    text = packed["counts"].decode()
    counts = counts_of(RunLengths((HEIGHT, WIDTH), text))
    return {"size": [HEIGHT, WIDTH], "counts": counts if as_list else text}


def scene(seed: int, images: int = 25) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Instances, some of them crowds, and results that find most of them."""
    rng = random.Random(seed)
    truths: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        for _ in range(rng.randrange(1, 6)):
            x, y, radius = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.choice([6, 20, 45])
            pixels = blob(rng, x, y, radius)
            is_crowd = rng.random() < 0.15
            category = rng.randint(1, 3)
            truths.append(
                {
                    "id": len(truths) + 1, "image_id": image, "category_id": category,
                    "iscrowd": int(is_crowd), "area": int(pixels.sum()),
                    "segmentation": encoded(pixels, as_list=is_crowd),
                }
            )  # fmt: skip
            for _ in range(rng.choice([0, 1, 1, 2])):
                moved = blob(rng, x + rng.gauss(0, 2), y + rng.gauss(0, 2), radius)
                shifted = np.roll(pixels, rng.randint(-3, 3), axis=rng.randint(0, 1))
                chosen = shifted if rng.random() < 0.8 else moved
                results.append(
                    {
                        "image_id": image,
                        "category_id": category if rng.random() < 0.9 else rng.randint(1, 3),
                        "segmentation": encoded(chosen, as_list=False),
                        "score": round(rng.random(), 2),
                    }
                )
    return {
        "images": [
            {"id": number, "file_name": f"{number:03}.jpg", "width": WIDTH, "height": HEIGHT}
            for number in range(1, images + 1)
        ],
        "categories": [{"id": number, "name": f"kind {number}"} for number in (1, 2, 3)],
        "annotations": truths,
    }, results


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The scene as two files."""
    folder = tmp_path_factory.mktemp("coco")
    truth, results = scene(3)
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    return folder / "truth.json", folder / "results.json"


@pytest.fixture(scope="module")
def filled(client: LayerNextClient, files: tuple[Path, Path]) -> LayerNextClient:
    """The client of a stack that has both."""
    truth, results = files
    client.upload_modelrun(
        COLLECTION, "truth", truth, format="coco", ground_truth=True, progress=False
    )
    client.upload_modelrun(
        COLLECTION, "run", results, format="coco-results", instances=truth, progress=False
    )
    return client


def reference(truth: Path, results: Path, *, boundary: bool = False) -> Any:
    """pycocotools' own evaluation; with `boundary` the lower of both overlaps counts."""

    class Boundary(COCOeval):
        def computeIoU(self, image: int, category: int) -> Any:  # noqa: N802 - the original's name
            wide = super().computeIoU(image, category)
            if not len(wide):
                return wide
            kept = {
                id(each): each["segmentation"]
                for side in (self._gts, self._dts)
                for each in side[image, category]
            }
            for side in (self._gts, self._dts):
                for each in side[image, category]:
                    rle = self.cocoGt.annToRLE(each)
                    each["segmentation"] = slow_boundary(rle)
            narrow = super().computeIoU(image, category)
            for side in (self._gts, self._dts):
                for each in side[image, category]:
                    each["segmentation"] = kept[id(each)]
            return np.minimum(wide, narrow)

    with contextlib.redirect_stdout(io.StringIO()):
        there = COCO(str(truth))
        found = (Boundary if boundary else COCOeval)(there, there.loadRes(str(results)), "segm")
        found.evaluate()
        found.accumulate()
        found.summarize()
    return found


def slow_boundary(rle: dict[str, Any]) -> dict[str, Any]:
    """The boundary of a mask by scipy: what erosion by a 3 x 3 square, again and again, takes away."""
    from scipy.ndimage import binary_erosion

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools and numpy 2
        pixels = coco.decode(rle).astype(bool)
    steps = max(1, int(round(0.02 * np.sqrt(HEIGHT**2 + WIDTH**2))))  # noqa: RUF046 - as in the original
    inner = binary_erosion(pixels, np.ones((3, 3)), iterations=steps, border_value=0)
    return coco.encode(np.asfortranarray((pixels & ~inner).astype(np.uint8)))


def test_they_come_back_as_written(
    filled: LayerNextClient, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """Every count of every mask, numbers and strings, by the SDK, as a file, and as COCO again."""
    truth = json.loads(files[0].read_text())
    wanted: dict[str, list[Any]] = {}
    for each in truth["annotations"]:
        wanted.setdefault(f"{each['image_id']:03}.jpg", []).append(each["segmentation"])
    sets = list(filled.iter_annotations(COLLECTION, "truth", ground_truth=True))
    assert {
        image.image: [
            {"size": [*each.mask.size], "counts": each.mask.counts} for each in image.annotations
        ]
        for image in sets
    } == wanted
    filled.download_to_file(
        COLLECTION, "truth", tmp_path / "truth.json", ground_truth=True, progress=False
    )
    assert [decode_trusted(raw, None) for raw in iter_file(tmp_path / "truth.json")] == sets
    results = json.loads(files[1].read_text())
    filled.download_to_file(COLLECTION, "run", tmp_path / "run.json", progress=False)
    report = convert(
        tmp_path / "run.json", tmp_path / "out.json", "coco-results", instances=files[0]
    )
    assert not report.losses
    back = json.loads((tmp_path / "out.json").read_text())
    assert sorted(json.dumps(each["segmentation"]) for each in back) == sorted(
        json.dumps(each["segmentation"]) for each in results
    )


@pytest.mark.parametrize("protocol", ["coco", "boundary"])
def test_average_precision_is_that_of_pycocotools(
    filled: LayerNextClient, files: tuple[Path, Path], protocol: Any
) -> None:
    """All twelve numbers to nine digits, crowds among the truths; with boundaries likewise."""
    found = filled.evaluate(
        collection=COLLECTION, run="run", ground_truth="truth", geometry="mask", protocol=protocol
    )
    theirs = reference(*files, boundary=protocol == "boundary")
    for name, expected in zip(NAMES, theirs.stats, strict=True):
        assert (found.summary[name] or 0.0) == pytest.approx(max(expected, 0.0), abs=1e-9), name
    assert 0.1 < found.summary["AP"] < 0.99
    assert found.counts["other_geometry"] == 0


def test_polygons_are_compared_with_masks(client: LayerNextClient) -> None:
    """A truth of outlines and a run of masks are measured as in COCO; so are two runs compared."""
    outline = [[10, 10], [50, 10], [50, 40], [10, 40]]
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    pixels[10:40, 10:50] = True
    mask = Mask(label="cup", confidence=0.5, mask=RunLengths.from_array(pixels))
    truth = {
        "image": "a.jpg",
        "annotations": [{"type": "polygon", "label": "cup", "polygon": outline}],
    }
    client.upload_modelrun("mixed", "truth", [truth], ground_truth=True, progress=False)
    client.upload_modelrun(
        "mixed", "run", [ImageAnnotations(image="a.jpg", annotations=[mask])], progress=False
    )
    names = {"collection": "mixed", "run": "run", "ground_truth": "truth"}
    assert client.evaluate(**names, geometry="mask").summary["AP"] == pytest.approx(1)
    assert client.evaluate(**names, geometry="polygon").counts["other_geometry"] == 1
    client.upload_modelrun("mixed", "outlines", [truth], progress=False)
    found = client.compare(
        run_a="run", run_b="outlines", collection="mixed", ground_truth="truth", geometry="mask"
    )
    assert found.changes is not None
    assert (found.changes.paired, found.changes.unchanged) == (1, 0)
    assert found.changes.mean_similarity == pytest.approx(1)


def test_statistics_and_queries(filled: LayerNextClient, files: tuple[Path, Path]) -> None:
    """Sizes and areas are those of the pixels; queries find masks by kind, area and sides."""
    truth = json.loads(files[0].read_text())
    statistics = filled.get_run_statistics(COLLECTION, "truth", mode="human")
    masks = truth["annotations"]
    assert statistics.geometries == {"mask": len(masks)}
    assert sum(statistics.area.counts) == len(masks)
    large = {f"{each['image_id']:03}.jpg" for each in masks if each["area"] > 2000}
    wide = set()
    for each in masks:
        size = each["segmentation"]["size"]
        packed = (
            coco.frPyObjects(each["segmentation"], *size)
            if each["iscrowd"]
            else each["segmentation"]
        )
        if coco.toBbox(packed)[2] >= 60:
            wide.add(f"{each['image_id']:03}.jpg")
    crowds = {f"{each['image_id']:03}.jpg" for each in masks if each["iscrowd"]}

    def found(query: str) -> set[str]:
        return {
            item.name
            for item in filled.iter_items(
                query=f"ground_truth = truth AND {query}", collection=COLLECTION
            )
        }

    assert found("annotation.geometry = mask") == {f"{each['image_id']:03}.jpg" for each in masks}
    assert found("annotation.geometry = polygon") == set()
    assert found("annotation.area > 2000") == large
    assert found("annotation.width >= 60") == wide
    assert found("annotation.metadata.iscrowd = 1") == crowds


def test_logging_arrays(client: LayerNextClient) -> None:
    """Arrays, lists, run lengths and pycocotools' dictionaries, each after the other kinds of shapes."""
    pixels = np.zeros((2, 3, 4), bool)
    pixels[0, 1:, 2:] = pixels[1, 0, 0] = True
    packed = coco.encode(np.asfortranarray(pixels[0].astype(np.uint8)))
    with client.model_run("logged", "run") as run:
        run.log(
            "a.jpg", boxes=[[1, 2, 3, 4]], masks=pixels, labels=["box", "cup", "fork"], size=(4, 3)
        )
        run.log(
            "b.jpg",
            masks=[pixels[0].tolist(), packed, RunLengths((3, 4), [12])],
            labels=["cup"] * 3,
        )
        with pytest.raises(
            DataError, match=r"masks\[0\]: is 4 x 3 pixels, must be of the image's size, 9 x 9"
        ):
            run.log("c.jpg", masks=pixels, labels=["cup"] * 2, size=(9, 9))
        with pytest.raises(DataError, match=r"masks: is a single mask \(H, W\)"):
            run.log("c.jpg", masks=pixels[0], labels=["cup"])
        with pytest.raises(DataError, match=r"masks\[0\]: has the type float64, must be bool"):
            run.log("c.jpg", masks=pixels.astype(float), labels=["cup"] * 2)
    a, b = client.iter_annotations("logged", "run")
    assert [each.label for each in a.annotations] == ["box", "cup", "fork"]
    assert [
        (each.mask.to_array() == array).all()
        for each, array in zip(a.annotations[1:], pixels, strict=True)
    ] == [True, True]
    assert [each.mask.counts for each in b.annotations] == [packed["counts"].decode()] * 2 + [[12]]


def test_a_wrong_mask_is_refused_by_the_stack(stack: StackProcess, client: LayerNextClient) -> None:
    """Nothing is stored, and the answer names the place; an older stack names the type in the same way."""
    from layernext.wire import native

    wrong = {
        "image": "a.jpg",
        "annotations": [{"type": "mask", "label": "x", "mask": {"size": [2, 2], "counts": [3]}}],
    }
    unknown = {"image": "a.jpg", "annotations": [{"type": "brush", "label": "x", "brush": [1]}]}
    with httpx.Client(base_url=stack.url, auth=(stack.api_key, stack.secret)) as http:
        request = {"collection": "refused", "run": "run", "mode": "machine"}
        upload = http.post(native.uploads_path(), json=request).raise_for_status().json()
        for image, message in (
            (wrong, "sums to 3 pixels"),
            (unknown, 'is \\"brush\\", must be rectangle'),
        ):
            answer = http.put(native.batch_path(upload["id"], 0), json=image)
            assert answer.status_code == 422
            assert "annotations[0]" in answer.text
            assert message in answer.text


def test_the_published_protocol_refuses_masks_by_name(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Before anything of the image is sent."""
    mask = Mask(label="cup", mask=RunLengths((2, 2), [1, 3]))
    with (
        running_stack(tmp_path_factory.mktemp("published"), native=False) as stack,
        LayerNextClient(*stack.arguments, retry_for_s=5) as client,
        pytest.raises(DataError, match="the published protocol has no shape 'mask'"),
    ):
        client.upload_modelrun(
            "yard", "run", [ImageAnnotations(image="a.jpg", annotations=[mask])], progress=False
        )


def label_maps(seed: int) -> list[Any]:
    """Class numbers of four images, 255 for void."""
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(4):
        pixels = np.full((HEIGHT, WIDTH), 255, np.uint8)
        for number in (0, 1, 2, 0):
            top, left = rng.integers(0, HEIGHT // 2), rng.integers(0, WIDTH // 2)
            pixels[top : top + 70, left : left + 90] = number
        maps.append(pixels)
    return maps


def test_semantic_masks(client: LayerNextClient, tmp_path: Path) -> None:
    """Label maps in, back exactly, counted, found, evaluated as by scikit-learn, and compared."""
    classes = ["road", "sky", "tree"]
    sides = {"truth": label_maps(1), "run": label_maps(2), "other": label_maps(3)}
    for name, maps in sides.items():
        with client.model_run("streets", name, ground_truth=name == "truth") as run:
            for number, pixels in enumerate(maps):
                run.log(f"{number}.png", semantic=pixels, names=classes, size=(WIDTH, HEIGHT))
    for image in client.iter_annotations("streets", "run"):
        pixels = np.full((HEIGHT, WIDTH), 255, np.uint8)
        for one in image.annotations:
            assert isinstance(one, SemanticMask)
            pixels[one.mask.to_array()] = classes.index(one.label)
        assert (pixels == sides["run"][int(image.image[0])]).all()
    statistics = client.get_run_statistics("streets", "run", mode="machine")
    assert statistics.geometries == {"semantic_mask": statistics.annotations}
    query = "run = run AND annotation.label = road AND annotation.geometry = semantic_mask"
    large = f"{query} AND annotation.area > 8000"
    assert {item.name for item in client.iter_items(query=large, collection="streets")} == {
        f"{number}.png" for number, pixels in enumerate(sides["run"]) if (pixels == 0).sum() > 8000
    }
    names = {"collection": "streets", "ground_truth": "truth", "geometry": "semantic_mask"}
    result = client.evaluate(**names, run="run")
    truth, run_ = (np.concatenate([m.ravel() for m in sides[name]]) for name in ("truth", "run"))
    truth, run_ = truth[truth != 255], run_[truth != 255]
    iou = jaccard_score(truth, run_, labels=[0, 1, 2], average=None)
    assert result.summary["mIoU"] == pytest.approx(iou.mean(), abs=1e-9)
    assert np.sum(result.confusion.counts) == len(truth)
    tallies = list(client.iter_tallies(result))
    assert len(tallies) == len(sides["run"])
    panoptic = client.evaluate(**names, run="run", protocol="panoptic")
    assert panoptic.summary["PQ"] == panoptic.summary["PQ_stuff"]
    compared = client.compare(run_a="run", run_b="other", **names, resamples=10)
    scores = {score.name: score for score in compared.scores}
    assert scores["mIoU"].a == result.summary["mIoU"]
    client.download_to_file("streets", "run", tmp_path / "run.json", progress=False)
    client.download_to_file(
        "streets", "truth", tmp_path / "truth.json", ground_truth=True, progress=False
    )
    files = evaluate_files(
        tmp_path / "truth.json", tmp_path / "run.json", EvaluationSettings(geometry="semantic_mask")
    )
    assert files.summary == result.summary
    assert files.confusion == result.confusion


def test_semantic_masks_that_contradict_each_other_are_refused(client: LayerNextClient) -> None:
    """Logged at once or one after the other; nothing of the second is stored."""
    pixels = label_maps(1)[0]
    with client.model_run("contradicting", "run") as run:
        run.log("a.png", semantic=pixels, names={0: "road", 1: "sky", 2: "tree"})
        with pytest.raises(
            DataError, match="names: have no name for 2; pixels with the number 255"
        ):
            run.log("b.png", semantic=pixels, names=["road", "sky"])
        with pytest.raises(DataError, match="have 'road' for 0 and 2"):
            run.log("b.png", semantic=pixels, names=["road", "sky", "road"])
        with pytest.raises(DataError, match="semantic: is 160 x 120 pixels, must be of the image"):
            run.log("b.png", semantic=pixels, names=["road", "sky", "tree"], size=(9, 9))
        run.log("c.png", semantic=pixels, names=["road", "sky"], ignore=[2, 255])

    def log_twice() -> None:
        with client.model_run("contradicting", "twice") as run:
            for _ in range(2):
                run.log("a.png", semantic=pixels, names=["road", "sky", "tree"])

    with pytest.raises(DataError, match=r"annotations\[3\]\.label: is \"road\", as in"):
        log_twice()
