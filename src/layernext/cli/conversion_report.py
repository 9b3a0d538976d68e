"""What a conversion wrote, and what the target format could not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layernext.cli.output import counted, print_json, tell, visible
from layernext.cli.source_options import say_skipped, say_warnings

if TYPE_CHECKING:
    from layernext.formats import ConversionReport


def show_conversion(report: ConversionReport, as_json: bool) -> None:
    """Print what was written and what was lost."""
    if as_json:
        print_json(report.to_dict())
        return
    images = counted(report.images, "image")
    tell(f"{images} with {counted(report.annotations, 'annotation')} in {report.path}")
    tell_losses(report.losses, "not kept")
    say_warnings(report.warnings)
    say_skipped(report.skipped, report.problems)


def tell_losses(losses: dict[str, tuple[int, str]], what_became: str) -> None:
    """Print a line for each kind of loss, with its first location."""
    for what, (count, first) in losses.items():
        often = "once, at" if count == 1 else f"{count:,} times, first at"
        tell(f"{what_became}: {visible(what)}, {often} {visible(first)}")
