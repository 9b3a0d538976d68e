"""A small source of each format that is only read, as its tool writes it, and what is in it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image

from layernext.formats import Sample
from layernext.model import (
    AttributeValue,
    ImageLabel,
    Keypoints,
    Line,
    Points,
    Polygon,
    Rectangle,
    RotatedBox,
)

CAT = (1.0, 2.0, 3.0, 4.0)
_SIDE = 17**0.5
SHIP = ((1.5 - _SIDE / 2, 2.5 - _SIDE / 2, _SIDE, _SIDE), math.degrees(math.atan2(1, 4)))


class Source(msgspec.Struct):
    """Files by name, and the samples that they are.

    Attributes:
        files: text by name; a name that is an image's is one of 9 x 9 pixels.
        samples: in order.
        path: what is read, below the folder; the folder itself if empty.
    """

    files: dict[str, str]
    samples: list[Sample]
    path: str = ""

    def write(self, folder: Path) -> Path:
        """Write the files, and return what is to be read."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in {".jpg", ".png"}:
                Image.new("RGB", (9, 9)).save(path)
            else:
                path.write_text(text, encoding="utf-8")
        return folder / self.path if self.path else folder


def dumped(value: Any) -> str:
    return json.dumps(value)


VIA_IMAGE = {
    "filename": "a.jpg", "size": 100, "file_attributes": {},
    "regions": [
        {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4},
         "region_attributes": {"label": "cat", "color": "red"}},
        {"shape_attributes": {"name": "polygon", "all_points_x": [0, 4, 4], "all_points_y": [0, 0, 4]},
         "region_attributes": {"kind": {"dog": True, "cat": False}}},
        {"shape_attributes": {"name": "point", "cx": 5, "cy": 6}, "region_attributes": {"label": "cat"}},
    ],
}  # fmt: skip
VIA_SAMPLES = [
    Sample(
        image="a.jpg",
        annotations=[
            Rectangle(label="cat", bbox=CAT, attributes={"color": [AttributeValue("red")]}),
            Polygon(label="dog", polygon=[(0, 0), (4, 0), (4, 4)]),
            Points(label="cat", points=[(5, 6)]),
        ],
    )
]
KITTI_NUMBERS = "0.00 0 -1.58 1.0 2.0 4.0 6.0 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
KITTI_METADATA = {
    "truncated": 0.0, "occluded": 0.0, "alpha": -1.58, "3d_height": 1.65, "3d_width": 1.67, "3d_length": 3.64,
    "3d_x": -0.65, "3d_y": 1.71, "3d_z": 46.7, "3d_rotation_y": -1.59,
}  # fmt: skip

SOURCES: dict[str, Source] = {
    "culane": Source(
        files={"driver/00000.lines.txt": "-20.5 500 15.4 490 50.0 480 \n\n1 2 3 4\n", "driver/1.lines.txt": ""},
        samples=[
            Sample(
                image="driver/00000.jpg",
                annotations=[
                    Line(label="lane", line=[(-20.5, 500), (15.4, 490), (50, 480)]),
                    Line(label="lane", line=[(1, 2), (3, 4)]),
                ],
            ),
            Sample(image="driver/1.jpg", annotations=[]),
        ],
    ),
    "tusimple": Source(
        files={
            "a.jsonl": dumped({"lanes": [[-2, 100, 110], [-2, -2, -2]], "h_samples": [240, 250, 260],
                              "raw_file": "clips/a.jpg"}) + "\n"
            + dumped({"lanes": [], "h_samples": [240], "raw_file": "clips/b.jpg"}),
        },
        samples=[
            Sample(image="clips/a.jpg", annotations=[Line(label="lane", line=[(100, 250), (110, 260)])]),
            Sample(image="clips/b.jpg", annotations=[]),
        ],
        path="a.jsonl",
    ),
    "openlane": Source(
        files={
            "segment/1.json": dumped({
                "extrinsic": [[1]], "file_path": "training/segment/1.jpg",
                "lane_lines": [{"category": 2, "uv": [[1.5, 2], [3, 4]], "track_id": 7, "attribute": 1}],
            }),
        },
        samples=[
            Sample(
                image="training/segment/1.jpg",
                annotations=[
                    Line(label="white-solid", line=[(1.5, 3), (2, 4)], metadata={"track_id": 7, "attribute": 1})
                ],
            )
        ],
    ),
    "datumaro": Source(
        files={
            "train.json": dumped({
                "info": {}, "categories": {
                    "label": {"labels": [{"name": "cat"}, {"name": "dog"}, {"name": "person"}, {"name": "nose", "parent": "person"}]},
                    "points": {"items": [{"label_id": 2, "labels": ["nose", "ear"], "joints": [[1, 2]]}]},
                },
                "items": [{
                    "id": "a", "image": {"path": "sub/a.jpg", "size": [80, 100]},
                    "annotations": [
                        {"id": 1, "type": "bbox", "label_id": 0, "bbox": [1, 2, 3, 4], "group": 3, "z_order": 0,
                         "attributes": {"occluded": False, "score": 0.5}},
                        {"id": 2, "type": "polygon", "label_id": 1, "points": [0, 0, 4, 0, 4, 4], "attributes": {}},
                        {"id": 3, "type": "polyline", "label_id": 1, "points": [0, 0, 4, 0]},
                        {"id": 4, "type": "points", "label_id": 1, "points": [5, 6], "visibility": [2]},
                        {"id": 5, "type": "bbox", "label_id": 0, "bbox": [1, 2, 3, 4], "attributes": {"rotation": 30.5}},
                        {"id": 6, "type": "label", "label_id": 1, "attributes": {"score": 0.25}},
                        {"id": 7, "type": "points", "label_id": 2, "points": [5, 6, 0, 0], "visibility": [1, 0]},
                        {"id": 8, "type": "skeleton", "label_id": 2, "elements": [
                            {"type": "points", "label_id": 3, "points": [7, 8], "visibility": [2]}]},
                    ],
                }],
            }),
        },
        samples=[
            Sample(
                image="sub/a.jpg",
                annotations=[
                    Rectangle(label="cat", bbox=CAT, confidence=0.5, metadata={"group": 3},
                              attributes={"occluded": [AttributeValue(False)]}),
                    Polygon(label="dog", polygon=[(0, 0), (4, 0), (4, 4)]),
                    Line(label="dog", line=[(0, 0), (4, 0)]),
                    Points(label="dog", points=[(5, 6)]),
                    RotatedBox(label="cat", bbox=CAT, rotation=30.5),
                    ImageLabel(label="dog", confidence=0.25),
                    Keypoints(label="person", keypoints=[(5, 6, 1), (0, 0, 0)]),
                    Keypoints(label="person", keypoints=[(7, 8, 2), (0, 0, 0)]),
                ],
                width=100,
                height=80,
                split="train",
            )
        ],
        path="train.json",
    ),
    "via": Source(files={"a.json": dumped({"a.jpg100": VIA_IMAGE})}, samples=VIA_SAMPLES, path="a.json"),
    "createml": Source(
        files={
            "a.json": dumped([
                {"image": "a.jpg", "annotations": [
                    {"label": "cat", "coordinates": {"x": 2.5, "y": 4, "width": 3, "height": 4}}]},
                {"image": "b.jpg", "annotations": []},
            ]),
        },
        samples=[
            Sample(image="a.jpg", annotations=[Rectangle(label="cat", bbox=CAT)]),
            Sample(image="b.jpg", annotations=[]),
        ],
        path="a.json",
    ),
    "open-images": Source(
        files={
            "boxes.csv": "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf\n"
            "0001,xclick,/m/01yrx,1,0.25,0.75,0.5,1,1,0\n0002,xclick,/m/x,1,0,1,0,1,0,1\n"
            "0001,xclick,/m/x,0.5,0,0.5,0,0.5,-1,0\n",
            "class-descriptions-boxable.csv": "/m/01yrx,Cat\n/m/unused,Unused\n",
        },
        samples=[
            Sample(
                image="0001.jpg",
                annotations=[
                    Rectangle(label="Cat", bbox=(0.25, 0.5, 0.5, 0.5), confidence=1.0, metadata={"IsOccluded": 1}),
                    Rectangle(label="/m/x", bbox=(0, 0, 0.5, 0.5), confidence=0.5),
                ],
                normalized=True,
            ),
            Sample(
                image="0002.jpg",
                annotations=[Rectangle(label="/m/x", bbox=(0, 0, 1, 1), confidence=1.0, metadata={"IsGroupOf": 1})],
                normalized=True,
            ),
        ],
        path="boxes.csv",
    ),
    "open-images-labels": Source(
        files={
            "labels.csv": "ImageID,Source,LabelName,Confidence\n0001,machine,/m/01yrx,0.5\n"
            "0002,verification,/m/x,1\n0001,verification,/m/y,0\n0001,machine,/m/x,0.25\n",
            "class-descriptions.csv": "/m/01yrx,Cat\n",
        },
        samples=[
            Sample(
                image="0001.jpg",
                annotations=[
                    ImageLabel(label="Cat", confidence=0.5), ImageLabel(label="/m/x", confidence=0.25),
                ],
            ),
            Sample(image="0002.jpg", annotations=[ImageLabel(label="/m/x", confidence=1.0)]),
        ],
        path="labels.csv",
    ),
    "dota": Source(
        files={
            "P0001.txt": "imagesource:GoogleEarth\ngsd:0.146\n1 2 4 2 4 6 1 6 plane 0\n"
            "0.0 0.0 4.0 1.0 3.0 5.0 -1.0 4.0 ship 1\n0 0 40 1 30 50 -1 4 ship\n",
        },
        samples=[
            Sample(
                image="P0001.png",
                annotations=[
                    RotatedBox(label="plane", bbox=CAT, rotation=0),
                    RotatedBox(label="ship", bbox=SHIP[0], rotation=SHIP[1], metadata={"difficult": 1}),
                    Polygon(label="ship", polygon=[(0, 0), (40, 1), (30, 50), (-1, 4)]),
                ],
            )
        ],
    ),
    "kitti": Source(
        files={"000000.txt": f"Car {KITTI_NUMBERS}\n", "000001.txt": f"Car {KITTI_NUMBERS} 0.75\n"},
        samples=[
            Sample(
                image=f"00000{number}.png",
                annotations=[Rectangle(label="Car", bbox=CAT, confidence=score, metadata=KITTI_METADATA)],
            )
            for number, score in ((0, None), (1, 0.75))
        ],
    ),
    "mot": Source(
        files={
            "gt/gt.txt": "1,7,1,2,3,4,1,1,0.5\n3,7,1,2,3,4,0,3,1\n",
            "seqinfo.ini": "[Sequence]\nname=x\nimDir=img1\nseqLength=3\nimWidth=1920\nimHeight=1080\nimExt=.png\n",
        },
        samples=[
            Sample(
                image=f"00000{frame}.png",
                annotations=annotations,  # type: ignore[arg-type]
                width=1920,
                height=1080,
            )
            for frame, annotations in (
                (1, [Rectangle(label="pedestrian", bbox=CAT, metadata={"track": 7, "visibility": 0.5})]),
                (2, []),
                (3, [Rectangle(label="car", bbox=CAT, metadata={"track": 7, "ignore": 1, "visibility": 1})]),
            )
        ],
    ),
    "classification": Source(
        files={"train/cat/a.jpg": "", "train/dog/a.jpg": "", "val/cat/b.png": ""},
        samples=[
            Sample(
                image=image,
                annotations=[ImageLabel(label=image.partition("/")[0])],
                width=9,
                height=9,
                split=split,
            )
            for image, split in (("cat/a.jpg", "train"), ("dog/a.jpg", "train"), ("cat/b.png", "validation"))
        ],
    ),
}  # fmt: skip
