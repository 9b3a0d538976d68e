"""What an evaluation says of tracks: whether objects keep their ids from frame to frame."""

from __future__ import annotations

from msgspec import field

from layernext.model.collection import Record
from layernext.model.display import counted
from layernext.model.reports import first_rows
from layernext.model.tables import Table

TRACKING_ALPHAS = tuple(step * 5 / 100 for step in range(1, 20))
"""IoU thresholds of HOTA, .05 to .95 in steps of .05."""

TRACKING_SCORES = (
    "HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA",
    "MOTA", "MOTP", "IDF1", "IDP", "IDR",
)  # fmt: skip
"""Names of the scores, in the order in which they are shown."""

TRACKING_COUNTS = (
    "truths", "annotations", "true_positives", "false_positives", "missed", "id_switches",
    "fragmentations", "truth_tracks", "run_tracks", "mostly_tracked", "partly_tracked", "mostly_lost",
)  # fmt: skip


class TrackScores(Record, frozen=True, kw_only=True):
    """The numbers of tracks, of all sequences and labels or of some.

    Attributes:
        sequence: which; None for all.
        label: which; None for all.
        scores: HOTA, DetA, AssA, DetRe, DetPr, AssRe, AssPr and LocA, averaged over `TRACKING_ALPHAS`; MOTA, MOTP, IDF1,
            IDP and IDR at the match threshold. None where undefined.
        counts: at the match threshold: truths, annotations, true_positives, false_positives, missed, id_switches,
            fragmentations; truth_tracks, of which mostly_tracked (over 80 % of their frames), partly_tracked and mostly_lost
            (under 20 %); run_tracks.
    """

    sequence: str | None
    label: str | None
    scores: dict[str, float | None]
    counts: dict[str, int]


class TrackingCurve(Record, frozen=True, kw_only=True):
    """HOTA and its parts over the IoU threshold, of all sequences and labels; None where undefined.

    Attributes:
        alpha: `TRACKING_ALPHAS`.
        hota, det_a, ass_a, loc_a: at each.
    """

    alpha: list[float]
    hota: list[float | None]
    det_a: list[float | None]
    ass_a: list[float | None]
    loc_a: list[float | None]


class Tracking(Record, frozen=True, kw_only=True):
    """How well a run tracks, compared with the tracks of a ground truth.

    Annotations are matched within a label. Numbers of several labels or sequences are computed from their sums, as
    TrackEval's "detection averaged" ones.

    Attributes:
        overall: of all sequences and labels.
        labels: of each label, by name.
        sequences: of each sequence, by name.
        parts: of each label in each sequence.
        curve: of all.
        truths_without_track, annotations_without_track: left out.
        images_without_frame: images with tracks, left out because their names have no number.
    """

    overall: TrackScores
    labels: list[TrackScores]
    sequences: list[TrackScores]
    parts: list[TrackScores] = field(default_factory=list)
    curve: TrackingCurve
    truths_without_track: int = 0
    annotations_without_track: int = 0
    images_without_frame: int = 0


def tracking_table(tracking: Tracking | None) -> Table:
    """A row for all, then for each label, each sequence, and each label in each sequence."""
    columns = ["sequence", "label", *TRACKING_SCORES, *TRACKING_COUNTS]
    if tracking is None:
        return Table(columns=columns, rows=[])
    entries = [tracking.overall, *tracking.labels, *tracking.sequences, *tracking.parts]
    rows = [
        {"sequence": entry.sequence, "label": entry.label, **entry.scores, **entry.counts}
        for entry in entries
    ]
    return Table(columns=columns, rows=rows)


def _name(name: str | None) -> str:
    """A sequence or label as a table shows it."""
    return "(all)" if name is None else name or "(unnamed)"


def tracking_notes(tracking: Tracking) -> list[str]:
    """What was left out, in sentences."""
    notes = (
        (tracking.truths_without_track, "truth", "without a track left out"),
        (tracking.annotations_without_track, "annotation", "without a track left out"),
        (tracking.images_without_frame, "image", "with tracks left out, whose names have no number"),
    )  # fmt: skip
    return [f"{counted(count, noun)} {rest}" for count, noun, rest in notes if count]


def tracking_markdown(tracking: Tracking | None) -> str:
    """The numbers of tracks as Markdown; empty without any."""
    if tracking is None:
        return ""
    whole = tracking_table(tracking)
    scores, counts = (
        Table(
            columns=["sequence", "label", *names],
            rows=[
                {name: _name(row[name]) for name in ("sequence", "label")}
                | {name: row[name] for name in names}
                for row in whole.rows
            ],
        )
        for names in (TRACKING_SCORES, TRACKING_COUNTS)
    )
    notes = "".join(f"\n{note}\n" for note in tracking_notes(tracking))
    return f"{first_rows(scores)}\n{first_rows(counts)}{notes}"
