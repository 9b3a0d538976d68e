"""Options of every command that takes annotations from files: names, labels, scores, invalid annotations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from layernext.cli.option_groups import OptionGroup
from layernext.cli.options import ImageFolder, Instances
from layernext.cli.output import counted, say, visible
from layernext.errors import ConfigurationError
from layernext.formats import LabelRules, Losses, Scores, SourceOptions, parse_mapping

SHOWN_PROBLEMS = 20

Names = Annotated[
    list[str] | None,
    typer.Option(
        "--names",
        metavar="NAMES",
        help="Class names in the order of their numbers, for sources without names: a file with one name "
        "per line, or a list separated by commas.",
    ),
]
ScaleConfidence = Annotated[
    str | None,
    typer.Option(
        "--scale-confidence",
        metavar="SCALE",
        help="Divide scores by this number, such as 100 for percent; or sigmoid for logits.",
    ),
]
SkipInvalid = Annotated[
    bool,
    typer.Option("--skip-invalid", help="Leave out annotations that are not valid, and list them."),
]


MatchNames = Annotated[
    bool,
    typer.Option(
        "--match-names",
        help="Match images whose names differ in folders, extensions, or prefixes that tools add.",
    ),
]


@dataclass(frozen=True)
class SourceFile(OptionGroup):
    """How to read a file of annotations."""

    source_format: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Format of the file; see `layernext convert`. Detected by default.",
        ),
    ] = None
    images: ImageFolder = None
    instances: Instances = None
    names: Names = None
    scale_confidence: ScaleConfidence = None
    video: Annotated[
        str | None,
        typer.Option(
            "--video",
            metavar="NAME",
            help="Video in the collection whose frames the images are: names them NAME#frame=0, and so on.",
        ),
    ] = None

    @property
    def class_names(self) -> list[str] | None:
        """Class names in the order of their numbers.

        Raises:
            ConfigurationError: there are none, or their file cannot be read.
        """
        return listed(self.names)

    @property
    def scores(self) -> Scores:
        """How scores become confidences.

        Raises:
            ConfigurationError: it is not a scale.
        """
        return Scores.parse(self.scale_confidence)


@dataclass(frozen=True)
class LabelOptions(OptionGroup):
    """Which labels to take, and under which names."""

    panel = "Labels"

    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels",
            metavar="LABELS",
            help="Only annotations with these labels, in this order of classes: a file with one label "
            "per line, or a list separated by commas.",
        ),
    ] = None
    map_labels: Annotated[
        list[str] | None,
        typer.Option("--map-labels", metavar="OLD=NEW", help="Rename a label; repeatable."),
    ] = None
    ignore_case: Annotated[
        bool,
        typer.Option("--ignore-case", help="Treat labels that differ only in case as the same."),
    ] = False

    def rules(self, *, class_agnostic: bool = False) -> LabelRules:
        """The rules for labels.

        Raises:
            ConfigurationError: an option is not valid.
        """
        return LabelRules(
            labels=listed(self.labels),
            mapping=parse_mapping(self.map_labels or []),
            ignore_case=self.ignore_case,
            class_agnostic=class_agnostic,
        )


@dataclass(frozen=True)
class ClassOptions(LabelOptions):
    """Which labels to take, under which names, or all as one class."""

    class_agnostic: Annotated[
        bool, typer.Option("--class-agnostic", help="Ignore labels: everything is an object.")
    ] = False

    def rules(self, *, class_agnostic: bool = False) -> LabelRules:
        """The rules for labels.

        Raises:
            ConfigurationError: an option is not valid.
        """
        return super().rules(class_agnostic=class_agnostic or self.class_agnostic)


def listed(values: list[str] | None) -> list[str] | None:
    """The names in the values of an option: lines of a file, or separated by commas.

    Raises:
        ConfigurationError: there are no names, or a file cannot be read.
    """
    if values is None:
        return None
    names: list[str] = []
    for value in values:
        if Path(value).is_file():
            try:
                lines = Path(value).read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"{value} cannot be read as a list of names") from error
            names += [line.strip() for line in lines if line.strip()]
        else:
            names += [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        raise ConfigurationError(f"{', '.join(values)!r} contains no names")
    return names


def source_options(
    rules: LabelRules,
    names: list[str] | None,
    scores: Scores,
    skip_invalid: bool,
    match_names: bool,
    video: str | None = None,
) -> SourceOptions:
    """How to take the annotations of a file."""
    return SourceOptions(
        names=names,
        scores=scores,
        label_rules=None if rules.change_nothing else rules,
        skip_invalid=skip_invalid,
        match_names=match_names,
        video=video,
    )


def say_skipped(count: int, problems: list[str]) -> None:
    """Print on standard error which annotations were skipped because they are not valid."""
    for problem in problems[:SHOWN_PROBLEMS]:
        say(f"skipped: {visible(problem)}")
    if count > SHOWN_PROBLEMS:
        say(f"skipped: … {count - SHOWN_PROBLEMS:,} more")
    if count:
        say(f"{counted(count, 'invalid annotation')} skipped")


def say_warnings(warnings: dict[str, tuple[int, str]]) -> None:
    """Print on standard error what is valid but looks wrong."""
    for what, (count, first) in warnings.items():
        often = "once, at" if count == 1 else f"{count:,} times, first at"
        say(f"warning: {visible(what)}, {often} {visible(first)}")


def say_losses(losses: Losses) -> None:
    """Print on standard error what was not read, what looks wrong, and what was skipped."""
    for what, (count, first) in losses.counts.items():
        often = "once, at" if count == 1 else f"{count:,} times, first at"
        say(f"not read: {visible(what)}, {often} {visible(first)}")
    say_warnings(losses.warnings)
    say_skipped(losses.problems.count, [str(problem) for problem in losses.problems.entries])
