"""Upload one model run for each geometry, list what the stack has, and read it back.

export LAYERNEXT_URL=… LAYERNEXT_API_KEY=… LAYERNEXT_SECRET=…
python examples/upload_samples.py
"""

import json
import os
import tempfile
from pathlib import Path

import layernext

COLLECTION = "examples/samples"

# The output of three models for one image; coordinates are pixels.
SAMPLES: dict[str, dict[str, object]] = {
    "rectangle": {"bbox": [217.62, 240.54, 38.99, 57.75]},
    "polygon": {"polygon": [[224.24, 297.18], [228.29, 297.18], [234.91, 298.29]]},
    "line": {"line": [[217.62, 240.54], [256.61, 240.54], [256.61, 298.29]]},
}


def main() -> None:
    """Upload, list, read."""
    client = layernext.LayerNextClient(
        os.environ["LAYERNEXT_API_KEY"],
        os.environ["LAYERNEXT_SECRET"],
        os.environ["LAYERNEXT_URL"],
    )
    with client, tempfile.TemporaryDirectory() as folder:
        for geometry, shape in SAMPLES.items():
            annotation = {
                "label": "bottle",
                "metadata": {"color": "green"},
                "confidence": 0.83,
                **shape,
            }
            image = {"image": "000000397133.jpg", "annotations": [annotation]}
            path = Path(folder) / f"{geometry}.json"
            path.write_text(json.dumps({"images": [image]}), encoding="utf-8")
            report = client.upload_modelrun_from_json(
                COLLECTION, f"example {geometry}", path, geometry
            )
            print(report)
        for run in client.runs.list(COLLECTION):
            print(f"{run.name}: {run.annotation_count} annotations on {run.image_count} images")
            for image_set in client.iter_annotations(COLLECTION, run.name):
                print(" ", image_set.annotations[0])


if __name__ == "__main__":
    main()
