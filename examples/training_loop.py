"""Log a model run from a loop, image by image, while a model predicts.

    export LAYERNEXT_URL=… LAYERNEXT_API_KEY=… LAYERNEXT_SECRET=…
    python examples/training_loop.py

The model here draws boxes at random. Yours returns arrays or tensors; `run.log` takes them as they
are, as long as boxes are x, y, width, height in pixels.
"""

import os
import random

import layernext

COLLECTION = "examples/training"
EPOCHS = 2
IMAGES = 50


def predict(random_source: random.Random) -> tuple[list[list[float]], list[str], list[float]]:
    """Boxes, labels and confidences for one image; there may be none."""
    count = random_source.randrange(4)
    boxes = [[random_source.uniform(0, 500) for _ in range(4)] for _ in range(count)]
    labels = [random_source.choice(["cup", "bottle"]) for _ in boxes]
    return boxes, labels, [random_source.random() for _ in boxes]


def main() -> None:
    """One model run for each epoch."""
    random_source = random.Random(7)  # noqa: S311 - no secret
    client = layernext.LayerNextClient(
        os.environ["LAYERNEXT_API_KEY"],
        os.environ["LAYERNEXT_SECRET"],
        os.environ["LAYERNEXT_URL"],
    )
    with client:
        for epoch in range(EPOCHS):
            with client.model_run(COLLECTION, f"detector, epoch {epoch}") as run:
                for number in range(IMAGES):
                    boxes, labels, confidences = predict(random_source)
                    run.log(f"{number:06}.jpg", boxes=boxes, labels=labels, confidences=confidences)
            print(run.report)


if __name__ == "__main__":
    main()
