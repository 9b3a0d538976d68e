"""Log what a model returns, without converting it.

    export LAYERNEXT_URL=… LAYERNEXT_API_KEY=… LAYERNEXT_SECRET=…
    python examples/model_outputs.py

The detector here returns lists at random, in a dictionary such as torchvision's. `run.log_results` takes what your
model returns as it is: docs/model-outputs.md lists the libraries.
"""

import os
import random
from collections.abc import Iterator

import layernext

COLLECTION = "examples/outputs"
IMAGES = 50
NAMES = ["background", "cup", "bottle"]


def detect(random_source: random.Random) -> dict[str, list[list[float]] | list[int] | list[float]]:
    """Boxes as left, top, right, bottom; scores and class numbers."""
    corners = [
        (random_source.uniform(0, 500), random_source.uniform(0, 400))
        for _ in range(random_source.randrange(4))
    ]
    return {
        "boxes": [[x, y, x + 60, y + 40] for x, y in corners],
        "scores": [random_source.random() for _ in corners],
        "labels": [random_source.randint(1, 2) for _ in corners],
    }


def main() -> None:
    """One run that is logged image by image, and one that is uploaded from a generator."""
    random_source = random.Random(7)  # noqa: S311 - no secret
    images = [f"{number:06}.jpg" for number in range(IMAGES)]
    client = layernext.LayerNextClient(
        os.environ["LAYERNEXT_API_KEY"],
        os.environ["LAYERNEXT_SECRET"],
        os.environ["LAYERNEXT_URL"],
    )
    with client:
        with client.model_run(COLLECTION, "detector 1") as run:
            for image in images:
                run.log_results(detect(random_source), image, names=NAMES, format="xyxy")
        print(run.report)

        outputs: Iterator[object] = (detect(random_source) for _ in images)
        report = client.upload_modelrun(
            COLLECTION, "detector 2", outputs, image_names=images, names=NAMES, format="xyxy"
        )
        print(report)


if __name__ == "__main__":
    main()
