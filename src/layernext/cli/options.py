"""Arguments and options that mean the same in several commands, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not prompt.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Maximum number of entries to list.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing target.")]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Fail if the format cannot hold all data, instead of listing losses."
    ),
]
Query = Annotated[
    str, typer.Option("--query", help="Only files that match the query; see docs/queries.md.")
]
TargetFormat = Annotated[
    str,
    typer.Option("--to", help="Format to write, such as coco or yolo; see `layernext convert`."),
]
Instances = Annotated[
    Path | None,
    typer.Option("--instances", help="For coco-results: the COCO file that defines the ids."),
]
FileGeometry = Annotated[
    Literal["rectangle", "polygon", "line"] | None,
    typer.Option("--geometry", help="Geometry of a form v1 file; detected by default."),
]
ImageFolder = Annotated[
    Path | None,
    typer.Option("--images", help="Folder with the images, if the file lacks their sizes."),
]
GroundTruthOrModelRun = Annotated[
    bool | None,
    typer.Option(
        "--ground-truth/--model-run",
        help="Which one, if a ground truth and a model run have this name.",
        show_default=False,
    ),
]
Split = Annotated[
    Literal["train", "validation", "test"] | None,
    typer.Option("--split", help="Only this split. Default: all."),
]
FileType = Annotated[
    Literal["image", "video", "other"], typer.Option("--type", "-t", help="Type of the files.")
]

CollectionName = Annotated[str, typer.Argument(help="Collection, by name or id.")]
AnyCollection = Annotated[
    str | None, typer.Argument(help="Collection, by name or id. Default: all.")
]
RunName = Annotated[str, typer.Argument(help="Model run or ground truth, by name.")]
VersionId = Annotated[str, typer.Argument(help="Id of a dataset version.")]
Target = Annotated[Path, typer.Argument(help="File or folder to write.")]
