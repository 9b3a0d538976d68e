"""Tracking: HOTA, CLEAR MOT and IDF1, equal to their definitions and to TrackEval's numbers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from layernext.errors import ConfigurationError, DataError
from layernext.evaluation import Evaluator, evaluate_files
from layernext.formats import Sample, write_export
from layernext.model import EvaluationSettings, ImageAnnotations, Rectangle
from tests.unit.evaluation.slow_tracks import numbers

TRACKING = EvaluationSettings(tracking=True)

# Of `moving(seed)`, computed with TrackEval 1.3.0: HOTA, DetA, AssA, DetRe, DetPr, AssRe, AssPr, LocA, MOTA, MOTP, IDF1,
# IDP, IDR; true positives, false positives, missed, switches, fragmentations, mostly and partly tracked, mostly lost.
TRACKEVAL = {
    1: (
        0.34938508388242207,
        0.618074991223248,
        0.19830692550017703,
        0.7594736842105263,
        0.7373530914665305,
        0.2441403106198866,
        0.566157540808797,
        0.9077098687963798,
        0.34,
        0.9031726294644864,
        0.3645320197044335,
        0.3592233009708738,
        0.37,
        82,
        21,
        18,
        27,
        16,
        4,
        3,
        0,
    ),
    2: (
        0.4080268981195013,
        0.4188044694985973,
        0.40392400564816183,
        0.4978662873399717,
        0.5471599791558103,
        0.4898737196361413,
        0.5535946549924432,
        0.7177576167020849,
        0.17117117117117117,
        0.6779642642706387,
        0.5566037735849056,
        0.5841584158415841,
        0.5315315315315315,
        70,
        31,
        41,
        20,
        20,
        2,
        10,
        0,
    ),
    3: (
        0.4628586728636268,
        0.4636952133638571,
        0.47123752569755506,
        0.5628356605800215,
        0.5745614035087719,
        0.5803122564900652,
        0.6005504050499381,
        0.744754813532955,
        0.3673469387755102,
        0.687349063590801,
        0.6597938144329897,
        0.6666666666666666,
        0.6530612244897959,
        35,
        13,
        14,
        4,
        7,
        2,
        9,
        0,
    ),
    4: (
        0.3025084181461266,
        0.35243167695704564,
        0.2620965418372926,
        0.4338549075391181,
        0.5038942648100071,
        0.3209710555998451,
        0.4693027141894439,
        0.7148454857631819,
        -0.011583011583011582,
        0.694153557908229,
        0.38589211618257263,
        0.4170403587443946,
        0.3590733590733591,
        123,
        100,
        136,
        26,
        64,
        0,
        10,
        0,
    ),
}


def moving(seed):
    """Some objects that move, and what a tracker may say of them: (truths, annotations) of each frame, by track."""
    random = np.random.default_rng(seed)
    objects, size = int(random.integers(2, 14)), random.uniform(80, 400)
    noise, switching = random.uniform(0.2, 10), random.uniform(0, 0.2)
    places, steps = random.uniform(0, size, (objects, 2)), random.uniform(-4, 4, (objects, 2))
    ids, following, frames = list(range(objects)), objects, []
    for _ in range(int(random.integers(3, 30))):
        places = places + steps
        for number in range(objects):
            if random.random() < switching / 2:
                ids[number], following = following, following + 1
            elif random.random() < switching:
                other = int(random.integers(objects))
                ids[number], ids[other] = ids[other], ids[number]
        truths, run = {}, {}
        for number in range(objects):
            if random.random() > 0.1:
                truths[number] = (*places[number].tolist(), 40.0, 60.0)
            if random.random() > 0.2:
                moved = places[number] + random.normal(0, noise, 2)
                run[ids[number]] = (*moved.tolist(), 40 + float(random.normal(0, noise / 3)), 60.0)
        for _ in range(random.poisson(0.4)):
            run[following], following = (
                (*random.uniform(0, size, 2).tolist(), 40.0, 60.0),
                following + 1,
            )
        frames.append((truths, run))
    return frames


def added(evaluator, frames, sequence="", label="car"):
    """Give frames to an evaluator."""
    for number, sides in enumerate(frames, 1):
        image = f"{sequence}{number:06d}.jpg"
        sets = [
            ImageAnnotations(
                image=image,
                annotations=[
                    Rectangle(label=label, bbox=box, track=track) for track, box in side.items()
                ],
            )
            for side in sides
        ]
        evaluator.add(image, *sets)
    return evaluator


def result_of(frames):
    return added(Evaluator(TRACKING), frames).result().tracking


def flat(entry):
    """Scores and counts in one dictionary."""
    return entry.scores | entry.counts


@pytest.mark.parametrize("seed", range(40))
def test_equal_to_the_definitions(seed):
    """Every number is what the published definition gives, computed slowly."""
    frames = moving(seed)
    expected, overall = numbers(frames), flat(result_of(frames).overall)
    for name, number in expected.items():
        assert overall[name] == pytest.approx(number, abs=1e-9), name


@pytest.mark.parametrize("seed", TRACKEVAL)
def test_equal_to_trackeval(seed):
    """Every number is that of TrackEval."""
    overall = flat(result_of(moving(seed)).overall)
    assert [overall[name] for name in NAMES] == pytest.approx(TRACKEVAL[seed], abs=1e-9)


def test_by_hand():
    """Two objects that exchange their ids once: what the numbers are can be counted."""
    one, two = (0, 0, 10, 10), (50, 0, 10, 10)
    truths = {1: one, 2: two}
    tracking = result_of([(truths, {7: one, 8: two})] * 3 + [(truths, {8: one, 7: two})])
    scores, counts = tracking.overall.scores, tracking.overall.counts
    assert counts["id_switches"] == 2
    assert scores["MOTA"] == pytest.approx((8 - 2) / 8)
    assert scores["IDF1"] == pytest.approx(6 / 8)
    # Of 8 matches, 6 are of pairs that share 3 of 5 annotations, 2 of pairs that share 1 of 7.
    assert scores["AssA"] == pytest.approx((6 * 3 / 5 + 2 * 1 / 7) / 8)
    assert (scores["DetA"], scores["LocA"], scores["MOTP"]) == (1, 1, 1)
    assert scores["HOTA"] == pytest.approx(scores["AssA"] ** 0.5)
    assert counts["mostly_tracked"] == 2
    assert tracking.curve.hota == pytest.approx([scores["HOTA"]] * 19)


def test_sequences_and_labels():
    """Labels and sequences are measured apart, and summed up; the order of images and processes does not matter."""
    scenes = {("a/", "car"): moving(1), ("b/", "car"): moving(2), ("b/", "van"): moving(3)}
    whole = Evaluator(TRACKING)
    for (sequence, label), frames in scenes.items():
        part = Evaluator(TRACKING)
        for number, frame in reversed([*enumerate(frames, 1)]):
            name = f"{sequence}{label}_{number}.jpg"
            sides = [
                ImageAnnotations(
                    image=name,
                    annotations=[
                        Rectangle(label=label, bbox=box, track=f"t{track}")
                        for track, box in side.items()
                    ],
                )
                for side in frame
            ]
            part.add(name, *sides)
        whole.merge(pickle.loads(pickle.dumps(part)))
    tracking = whole.result().tracking
    parts = {(each.sequence, each.label): flat(each) for each in tracking.parts}
    for (sequence, label), frames in scenes.items():
        expected = flat(result_of(frames).overall)
        assert parts[f"{sequence}{label}", label] == pytest.approx(expected)
    assert [each.label for each in tracking.labels] == ["car", "van"]
    assert [each.sequence for each in tracking.sequences] == ["a/car", "b/car", "b/van"]
    total = sum(each["id_switches"] for each in parts.values())
    assert tracking.overall.counts["id_switches"] == total
    cars = [parts["a/car", "car"], parts["b/car", "car"]]
    hits, truths = (sum(each[name] for each in cars) for name in ("true_positives", "truths"))
    false, switches = (
        sum(each[name] for each in cars) for name in ("false_positives", "id_switches")
    )
    assert tracking.labels[0].scores["MOTA"] == pytest.approx((hits - false - switches) / truths)


def test_what_does_not_count():
    """Ignored truths and what is on them, what has no track, what is below the confidence, images without a number."""
    box, other, third = (0, 0, 10, 10), (50, 0, 10, 10), (100, 0, 30, 30)
    truths = [
        Rectangle(label="car", bbox=box, track=1),
        Rectangle(label="car", bbox=other, track=2, metadata={"ignore": 1}),
        Rectangle(label="car", bbox=third, track=3, metadata={"iscrowd": 1}),
        Rectangle(label="car", bbox=(200, 0, 5, 5)),
    ]
    run = [
        Rectangle(label="car", bbox=box, track=1, confidence=0.9),
        Rectangle(label="car", bbox=other, track=2, confidence=0.9),
        Rectangle(label="car", bbox=(105, 5, 10, 10), track=3, confidence=0.9),
        Rectangle(label="car", bbox=box, track=4, confidence=0.1),
        Rectangle(label="car", bbox=box, confidence=0.9),
    ]
    evaluator = Evaluator(EvaluationSettings(tracking=True, confidence=0.5))
    for image in ("f1.jpg", "plain.jpg"):
        evaluator.add(
            image,
            ImageAnnotations(image=image, annotations=truths),
            ImageAnnotations(image=image, annotations=run),
        )
    tracking = evaluator.result().tracking
    assert tracking.overall.counts["truths"] == tracking.overall.counts["annotations"] == 1
    assert tracking.overall.scores["MOTA"] == 1
    assert (tracking.truths_without_track, tracking.annotations_without_track) == (2, 2)
    assert tracking.images_without_frame == 1


def test_nothing_to_measure():
    """Without tracks, or of one side only, what is undefined is None."""
    empty = result_of([({}, {})])
    assert set(empty.overall.scores.values()) == {None}
    box = {1: (0, 0, 10, 10)}
    missed, false = (result_of([sides]).overall for sides in ((box, {}), ({}, box)))
    assert (missed.scores["MOTA"], missed.scores["IDF1"], missed.scores["HOTA"]) == (0, 0, 0)
    assert missed.counts["mostly_lost"] == 1
    assert (false.scores["MOTA"], false.scores["IDF1"], false.scores["LocA"]) == (None, 0, None)


def test_a_track_that_is_twice_in_an_image():
    """It is refused with the image, the track and the label."""
    boxes = [Rectangle(label="car", bbox=(0, 0, 1, 1), track=7)] * 2
    evaluator = Evaluator(TRACKING)
    sides = [ImageAnnotations(image="f1.jpg", annotations=boxes)] * 2
    evaluator.add("f1.jpg", *sides)
    with pytest.raises(DataError, match=r"f1\.jpg: has the track 7 twice with the label 'car'"):
        evaluator.result()
    with pytest.raises(ConfigurationError, match="tracking needs objects that overlap"):
        EvaluationSettings(tracking=True, geometry="line", protocol="chamfer").complete()


def test_files_of_mot(tmp_path):
    """A folder of sequences against a tracker's files, as MOT's tools have them, and the report."""
    for name, seed in (("s1", 1), ("s2", 2)):
        for number, sides in enumerate(moving(seed), 1):
            for side, folder in zip(sides, ("truth", "run"), strict=True):
                path = (
                    tmp_path
                    / folder
                    / (f"{name}/gt/gt.txt" if folder == "truth" else f"{name}.txt")
                )
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a") as file:
                    for track, box in side.items():
                        print(
                            number,
                            track,
                            *box,
                            1,
                            *((1, 1) if folder == "truth" else (-1, -1, -1)),
                            sep=",",
                            file=file,
                        )
    result = evaluate_files(tmp_path / "truth", tmp_path / "run", TRACKING)
    for entry, seed in zip(result.tracking.sequences, (1, 2), strict=True):
        expected = numbers(moving(seed))
        assert {name: flat(entry)[name] for name in expected} == pytest.approx(expected)
    assert "## Tracking" in result.to_markdown()
    assert result.tables()["tracking"].rows[0]["HOTA"] == result.tracking.overall.scores["HOTA"]
    samples = [
        Sample(
            image=f"s1/img1/{number:06d}.jpg",
            annotations=[
                Rectangle(label="pedestrian", bbox=box, track=track) for track, box in side.items()
            ],
        )
        for number, (side, _) in enumerate(moving(1), 1)
    ]
    write_export(samples, tmp_path / "truth.json", "layernext")
    again = evaluate_files(tmp_path / "truth.json", tmp_path / "run", TRACKING)
    assert flat(again.tracking.overall) == pytest.approx(flat(result.tracking.sequences[0]))


NAMES = (
    "HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA", "MOTA", "MOTP", "IDF1", "IDP", "IDR",
    "true_positives", "false_positives", "missed", "id_switches", "fragmentations", "mostly_tracked",
    "partly_tracked", "mostly_lost",
)  # fmt: skip
