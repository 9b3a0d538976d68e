"""Options of every command that takes annotations from files: names, labels, scores, invalid annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layernext.cli.output import counted, say, visible
from layernext.errors import ConfigurationError
from layernext.formats import LabelRules, Losses, Scores, SourceOptions, parse_mapping

SHOWN_PROBLEMS = 20

Names = Annotated[
    list[str] | None,
    typer.Option(
        "--names",
        metavar="NAMES",
        help="Class names in the order of their numbers, for sources without names: a file with a name "
        "in each line, or a list separated by commas.",
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        metavar="LABELS",
        help="Only annotations with these labels, in this order of classes: a file with a label in each "
        "line, or a list separated by commas.",
    ),
]
MapLabels = Annotated[
    list[str] | None,
    typer.Option("--map-labels", metavar="OLD=NEW", help="Rename a label; repeatable."),
]
IgnoreCase = Annotated[
    bool, typer.Option("--ignore-case", help="Treat labels that differ only in case as the same.")
]
ClassAgnostic = Annotated[
    bool, typer.Option("--class-agnostic", help="Ignore labels: everything is an object.")
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


def listed(values: list[str] | None) -> list[str] | None:
    """The names of an option: those of files, or separated by commas.

    Raises:
        ConfigurationError: there are none, or a file cannot be read.
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
        raise ConfigurationError(f"{', '.join(values)!r} names nothing")
    return names


def label_rules(
    labels: list[str] | None,
    map_labels: list[str] | None,
    ignore_case: bool,
    class_agnostic: bool,
) -> LabelRules:
    """The rules that the options describe.

    Raises:
        ConfigurationError: an option is not valid.
    """
    return LabelRules(
        labels=listed(labels),
        mapping=parse_mapping(map_labels or []),
        ignore_case=ignore_case,
        class_agnostic=class_agnostic,
    )


def source_options(
    rules: LabelRules,
    names: list[str] | None,
    scale_confidence: str | None,
    skip_invalid: bool,
) -> SourceOptions:
    """How annotations of files are taken.

    Raises:
        ConfigurationError: an option is not valid.
    """
    return SourceOptions(
        names=listed(names),
        scores=Scores.parse(scale_confidence),
        label_rules=None if rules.change_nothing else rules,
        skip_invalid=skip_invalid,
    )


def say_skipped(count: int, problems: list[str]) -> None:
    """Say on standard error which annotations were left out as they are not valid."""
    for problem in problems[:SHOWN_PROBLEMS]:
        say(f"skipped: {visible(problem)}")
    if count > SHOWN_PROBLEMS:
        say(f"skipped: … {count - SHOWN_PROBLEMS:,} more")
    if count:
        say(f"{counted(count, 'invalid annotation')} skipped")


def say_warnings(warnings: dict[str, tuple[int, str]]) -> None:
    """Say on standard error what is kept and looks wrong."""
    for what, (count, first) in warnings.items():
        often = "once, at" if count == 1 else f"{count:,} times, first at"
        say(f"warning: {visible(what)}, {often} {visible(first)}")


def say_losses(losses: Losses) -> None:
    """Say on standard error what was not read, what looks wrong, and what was skipped."""
    for what, (count, first) in losses.counts.items():
        often = "once, at" if count == 1 else f"{count:,} times, first at"
        say(f"not read: {visible(what)}, {often} {visible(first)}")
    say_warnings(losses.warnings)
    say_skipped(losses.problems.count, [str(problem) for problem in losses.problems.entries])
