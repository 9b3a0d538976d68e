"""What became of each method of each published package, as the contract tests last saw it.

docs/compatibility.md is written from the record, so that it can be checked without running anything.
``LAYERNEXT_RECORD=1 python3 dev.py test tests/contract/published`` writes it again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

PATH = Path(__file__).with_name("recorded.json")
RECORDED: dict[str, dict[str, str]] = json.loads(PATH.read_text(encoding="utf-8"))


def record(version: str, outcomes: dict[str, str]) -> None:
    """Keep the outcomes of a version, where that is asked for."""
    if not os.environ.get("LAYERNEXT_RECORD"):
        return
    RECORDED[version] = dict(sorted(outcomes.items()))
    PATH.write_text(json.dumps(RECORDED, indent=1) + "\n", encoding="utf-8")
