"""The options of `evaluate` and `compare`, of files and in a stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from layernext.cli.evaluation_report import (
    show_comparison,
    show_evaluation,
    show_images,
    write_report,
)
from layernext.cli.option_groups import OptionGroup
from layernext.cli.options import AsJson, Instances, Quiet
from layernext.cli.output import print_json
from layernext.cli.source_options import (
    ClassOptions,
    MatchNames,
    Names,
    ScaleConfidence,
    SkipInvalid,
    listed,
    source_options,
)
from layernext.formats import Scores
from layernext.model import (
    Comparison,
    EvaluatedGeometry,
    Evaluation,
    ImageTally,
    Protocol,
    StoredTally,
)

FileGeometry = Annotated[
    EvaluatedGeometry | None,
    typer.Option(
        "--geometry",
        help="Geometry to evaluate. Default: that of the first annotation in the ground truth.",
    ),
]
StackGeometry = Annotated[
    EvaluatedGeometry, typer.Option("--geometry", help="Geometry to evaluate.")
]
TruthFile = Annotated[
    Path, typer.Argument(help="File or folder of the ground truth, in any supported format.")
]
GroundTruthName = Annotated[
    str, typer.Option("--truth", help="Ground truth to measure against, by name.")
]

Slices = Annotated[
    list[str] | None,
    typer.Option("--slice", help="Attribute to break down by, or * for all; repeatable."),
]
Tracks = Annotated[
    bool, typer.Option("--tracking", help="Also measure tracks: HOTA, MOTA and IDF1.")
]
Worst = Annotated[int, typer.Option("--worst", min=0, help="Number of worst images to list.")]


@dataclass(frozen=True)
class Measures(OptionGroup):
    """How to measure."""

    protocol: Annotated[
        Protocol | None,
        typer.Option("--protocol", help="Evaluation protocol. Default: the geometry's own."),
    ] = None
    confidence: Annotated[
        float | None,
        typer.Option(
            "--confidence",
            help="Minimum confidence for precision, recall and F1. Default: that of the best F1.",
        ),
    ] = None
    match: Annotated[
        float | None,
        typer.Option(
            "--match", help="Minimum IoU, or maximum distance, of a match. Default: IoU 0.5."
        ),
    ] = None

    max_annotations: Annotated[
        int | None,
        typer.Option(
            "--max-annotations",
            min=1,
            help="Maximum annotations of a label in an image that count, best first. Default: the protocol's own, 100 for COCO.",
        ),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """These as fields of `EvaluationSettings`."""
        limit = self.max_annotations
        return {
            "protocol": self.protocol,
            "confidence": self.confidence,
            "match_threshold": self.match,
            # Recall is also given at COCO's lower limits.
            "max_annotations": (
                () if limit is None else (*(lower for lower in (1, 10) if lower < limit), limit)
            ),
        }


@dataclass(frozen=True)
class Intervals(OptionGroup):
    """How to compare: what is listed, and how sure a difference is."""

    images: Annotated[
        int, typer.Option("--images", min=0, help="Number of most different images to list.")
    ] = 10
    resamples: Annotated[
        int,
        typer.Option(
            "--resamples", min=0, help="Number of resamples for the intervals; 0 for none."
        ),
    ] = 1000
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the resampling.")] = 0
    level: Annotated[float, typer.Option("--level", help="Confidence level of the intervals.")] = (
        0.95
    )

    def arguments(self) -> dict[str, Any]:
        """These as arguments of a comparison."""
        return {
            "image_limit": self.images,
            "resamples": self.resamples,
            "seed": self.seed,
            "level": self.level,
        }


@dataclass(frozen=True)
class Report(OptionGroup):
    """What to write, and where."""

    panel = "Output"

    figures: Annotated[
        Path | None, typer.Option("--figures", help="Folder to draw figures into, as PNG.")
    ] = None
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="File to write a report into, as Markdown.")
    ] = None
    quiet: Quiet = False
    as_json: AsJson = False

    def give_evaluation(
        self, result: Evaluation, tallies: Sequence[ImageTally | StoredTally], worst: int
    ) -> None:
        """Write and print an evaluation, and the tallies of its worst images if there are to be some."""
        write_report(result, self.figures, self.markdown)
        if self.as_json:
            print_json(result.to_dict() | ({"worst": tallies} if worst else {}))
            return
        show_evaluation(result)
        if worst:
            show_images(tallies)

    def give_comparison(self, comparison: Comparison) -> None:
        """Write and print a comparison."""
        write_report(comparison, self.figures, self.markdown)
        if self.as_json:
            print_json(comparison.to_dict())
        else:
            show_comparison(comparison)


@dataclass(frozen=True)
class EvaluatedFiles(OptionGroup):
    """How to read the files of a ground truth and of its runs."""

    panel = "Files"

    truth_format: Annotated[
        str | None,
        typer.Option(
            "--truth-format",
            help="Format of the ground truth; see `layernext convert`. Detected by default.",
        ),
    ] = None
    run_format: Annotated[
        str | None,
        typer.Option("--run-format", help="Format of the model run. Detected by default."),
    ] = None
    instances: Instances = None
    image_size: Annotated[
        tuple[float, float] | None,
        typer.Option("--image-size", help="Width and height of the images, if all are the same."),
    ] = None
    match_names: MatchNames = False
    names: Names = None
    scale_confidence: ScaleConfidence = None
    skip_invalid: SkipInvalid = False
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, help="Worker processes. Default: one per core."),
    ] = None

    def arguments(self, labels: ClassOptions, image_folder: Path | None) -> dict[str, Any]:
        """These as arguments of an evaluation of files.

        Raises:
            ConfigurationError: an option is not valid.
        """
        return {
            "truth_format": self.truth_format,
            "run_format": self.run_format,
            "images": image_folder,
            "instances": self.instances,
            "source_options": source_options(
                labels.rules(),
                listed(self.names),
                Scores.parse(self.scale_confidence),
                self.skip_invalid,
                self.match_names,
            ),
        }
