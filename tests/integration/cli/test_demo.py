"""The demo, whole: what a newcomer sees first."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from layernext.cli import demo_kinds, demo_scene
from layernext.cli.demo import is_same
from layernext.model import KINDS, RunLengths

RUNS = 8


def test_demo_says_identical(cli, tmp_path):
    """Every run comes back identical, and nothing is left behind."""
    shown = cli("demo", "--images", "12", TMPDIR=str(tmp_path)).stdout
    assert shown.count("identical") == RUNS
    assert "DIFFERENT" not in shown
    assert "AP50" in shown
    assert "worst is scene" in shown
    for kind in demo_kinds.KINDS:
        assert re.search(rf"^{kind} +(AP|accuracy) +0\.\d+ +0\.\d+", shown, re.MULTILINE)
    assert "client.upload_modelrun_from_json('path1/path2/', 'test model v1.0.1'" in shown
    assert list(tmp_path.glob("layernext-demo-*")) == []


def test_demo_as_json(cli, tmp_path):
    """demo --json prints one document with a verdict for each run."""
    found = json.loads(cli("demo", "--images", "5", "--json", TMPDIR=str(tmp_path)).stdout)
    assert found["identical"] is True
    assert len(found["runs"]) == RUNS
    assert {run["kind"] for run in found["runs"]} == {"model run", "ground truth"}


def test_demo_that_stays(tmp_path):
    """demo --keep leaves the stack up with its key, data and images; Ctrl-C removes everything."""
    process = subprocess.Popen(
        [sys.executable, "-m", "layernext.cli", "demo", "--keep", "--images", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        shown = ""
        for line in process.stdout:
            shown += line
            if "Ctrl-C ends the stack" in line:
                break
        exported = dict(re.findall(r"export (LAYERNEXT_\w+)=(.+)", shown))
        images = Path(re.search(r"Drawn images: +(.+)", shown)[1])
        assert len(list(images.glob("*.jpg"))) == 3
        urllib.request.urlopen(exported["LAYERNEXT_URL"] + "/ready", timeout=180).close()
        link = re.search(r"(http://127\.0\.0\.1:\d+)/sign-in#(\S+)", shown)
        sign_in = urllib.request.Request(
            f"{link[1]}/sign-in", json.dumps({"token": link[2]}).encode(), {"Origin": link[1]}
        )
        with urllib.request.urlopen(sign_in, timeout=180) as answer:
            assert json.load(answer)["role"] == "admin"
        listed = subprocess.run(
            [sys.executable, "-m", "layernext.cli", "runs", "--json"],
            env={**os.environ, **exported},
            capture_output=True,
            check=True,
        )
        assert len(json.loads(listed.stdout)) == RUNS
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0
    finally:
        process.kill()
        process.communicate()
    assert list(tmp_path.glob("layernext-demo-*")) == []
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(exported["LAYERNEXT_URL"] + "/ready", timeout=180)


def test_demo_ended_from_outside_cleans_up(tmp_path):
    """SIGTERM in the middle of the demo stops its stack and removes its folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "layernext.cli", "demo", "--images", "2000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    deadline = time.monotonic() + 180
    while not list(tmp_path.glob("layernext-demo-*/images")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 130
    assert list(tmp_path.glob("layernext-demo-*")) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param({"a": [1.5, None]}, {"a": [1.5, None]}, True, id="equal"),
        pytest.param(243.0, 243, False, id="kind-of-number"),
        pytest.param(1, True, False, id="bool"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, False, id="key"),
        pytest.param([1, 2], [1, 2, 3], False, id="length"),
        pytest.param(0.0, -0.0, False, id="sign"),
    ],
)
def test_comparison_is_strict(one, other, same):
    """The demo's comparison sees a changed kind of number, a missing key, a missing entry."""
    assert is_same(one, other) is same


def test_scenes_are_repeatable():
    """The same seed gives the same scenes, and all four geometries are in them."""
    first, again = demo_scene.scenes(4), demo_scene.scenes(4)
    assert first == again
    kinds = {a["type"] for scene in first for a in demo_scene.truth(scene)["annotations"]}
    assert kinds == {"rectangle", "polygon", "line", "points"}


def test_every_kind_is_in_the_demo():
    """Together the demo's images have every kind of annotation; the same seed gives the same ones."""
    scenes = demo_kinds.kind_scenes(3)
    assert scenes == demo_kinds.kind_scenes(3)
    images = [demo_kinds.kinds_truth(scene) for scene in scenes]
    images += [demo_scene.truth(scene) for scene in demo_scene.scenes(2)]
    annotations = [annotation for image in images for annotation in image["annotations"]]
    assert {annotation["type"] for annotation in annotations} == set(KINDS)
    assert any("parts" in annotation for annotation in annotations)


def test_masks_are_where_the_wreaths_are(tmp_path):
    """A wreath's mask has the pixels that are drawn green, and not its hole."""
    from PIL import Image

    wreath = demo_kinds.Thing(60, 70, 0)
    scene = demo_kinds.KindScene("one.png", 1, "day", [(1, wreath)])
    demo_kinds.draw_kinds([scene], tmp_path)
    annotation, _ = demo_kinds.kinds_truth(scene)["annotations"]
    mask = RunLengths(tuple(annotation["mask"]["size"]), annotation["mask"]["counts"]).to_array()
    with Image.open(tmp_path / "one.png") as image:
        green = [
            [image.getpixel((x, y)) == demo_scene.COLORS["green"] for x in range(image.width)]
            for y in range(image.height)
        ]
    assert mask.tolist() == green
    assert not mask[70, 60]


def test_boxes_are_where_the_crates_are(tmp_path):
    """A crate's bbox is the drawn crate: its middle has the crate's color, its outside not."""
    from PIL import Image

    crate = demo_scene.Thing("crate", "red", [(100, 50), (180, 50), (180, 90), (100, 90)])
    scene = demo_scene.Scene("one.png", 1, [crate])
    demo_scene.draw_scenes([scene], tmp_path)
    (annotation,) = demo_scene.truth(scene)["annotations"]
    x, y, width, height = annotation["bbox"]
    assert (x, y, width, height) == (100, 50, 80, 40)
    with Image.open(tmp_path / "one.png") as image:
        red = demo_scene.COLORS["red"]
        for point in ((x + 2, y + 2), (x + width - 2, y + height - 2)):
            assert image.getpixel(point) == red
        for point in ((x - 2, y - 2), (x + width + 2, y + height + 2)):
            assert image.getpixel(point) != red
