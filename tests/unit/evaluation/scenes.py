"""Seeded scenes: truths and what a run makes of them, as annotations of form v2."""

from __future__ import annotations

import json
import random

IMAGE_WH = (640, 480)


def scene(
    seed,
    *,
    images=40,
    labels=5,
    truths=10,
    ties=False,
    crowd=0.0,
    ignore=0.0,
    empty_labels=0,
    geometry="rectangle",
):
    """A list of (image, truths, annotations).

    Args:
        seed: of the random numbers.
        images, labels, truths: how many; truths in an image at most.
        ties: whether many confidences are equal.
        crowd, ignore: share of the truths that are flagged so.
        empty_labels: labels that only the run uses.
        geometry: rectangle or polygon.
    """
    rng = random.Random(seed)
    found = []
    for number in range(images):
        there, said = [], []
        for _ in range(rng.randint(0, truths)):
            size = rng.choice([12, 40, 130])
            w, h = size * rng.uniform(0.5, 1.5), size * rng.uniform(0.5, 1.5)
            bbox = [rng.uniform(0, 640 - w), rng.uniform(0, 480 - h), w, h]
            label = f"label {rng.randrange(labels)}"
            flags = {}
            if rng.random() < crowd:
                flags["iscrowd"] = 1
            elif rng.random() < ignore:
                flags["ignore"] = True
            there.append(shape(rng, geometry, label, bbox) | {"metadata": flags})
            for _ in range(rng.choice([0, 1, 1, 2, 3])):
                spread = rng.choice([0.02, 0.08, 0.2])
                moved = [
                    v + rng.gauss(0, spread) * s for v, s in zip(bbox, (w, h, w, h), strict=True)
                ]
                moved[2:] = [max(1.0, side) for side in moved[2:]]
                other = f"label {rng.randrange(labels + empty_labels)}"
                name = label if rng.random() < 0.85 else other
                said.append(shape(rng, geometry, name, moved))
        for _ in range(rng.randint(0, truths // 2)):
            name = f"label {rng.randrange(labels + empty_labels)}"
            corner = [rng.uniform(0, 560), rng.uniform(0, 400)]
            said.append(
                shape(rng, geometry, name, [*corner, rng.uniform(4, 80), rng.uniform(4, 80)])
            )
        rng.shuffle(said)
        for one in said:
            one["confidence"] = round(rng.random(), 1 if ties else 6)
        found.append((f"{number:04d}.jpg", there, said))
    return found


def shape(rng, geometry, label, bbox):
    """An annotation that fills about the box."""
    one = {"type": geometry, "label": label}
    if geometry == "rectangle":
        return one | {"bbox": bbox}
    x, y, w, h = bbox
    corners = [(0.5, 0.0), (1.0, 0.3), (0.9, 1.0), (0.3, 0.9), (0.0, 0.4)]
    points = [
        [x + w * (px + rng.uniform(-0.05, 0.05)), y + h * (py + rng.uniform(-0.05, 0.05))]
        for px, py in corners
    ]
    return one | {"polygon": points}


def encoded(image, annotations):
    """The bytes of an image's set."""
    return json.dumps({"image": image, "annotations": annotations}).encode()


def write(path, scene, side):
    """Write one side of a scene, 1 the truths and 2 the annotations, as a LayerNext file."""
    images = [json.loads(encoded(each[0], each[side])) for each in scene]
    path.write_text(json.dumps({"images": images}))
    return path
