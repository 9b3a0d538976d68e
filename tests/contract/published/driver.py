"""Runs calls of a published client, unchanged, in its own environment; a line of JSON for each result.

    python driver.py layernext.LayerNextClient KEY SECRET URL steps.json

A step is ``[name, method, arguments, options]``; a text ``${name.key}`` in it stands for a part of an earlier
result. The clients' waits of half a minute are cut short: what they wait for is done at once here.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

REAL_SLEEP = time.sleep
time.sleep = lambda seconds: REAL_SLEEP(min(seconds, 0.2))


def main() -> None:
    """Do what the arguments say."""
    place, key, secret, url, path = sys.argv[1:]
    module, _, name = place.rpartition(".")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        client = getattr(importlib.import_module(module), name)(key, secret, url)
    results: dict[str, Any] = {}
    steps = json.loads(Path(path).read_text())
    for step, method, arguments, options in steps:
        answer: dict[str, Any] = {"step": step, "method": method}
        with contextlib.redirect_stdout(said):
            try:
                result = getattr(client, method)(
                    *filled(arguments, results), **filled(options, results)
                )
                results[step] = result
                answer["result"] = result
            except BaseException as error:  # noqa: BLE001 - 1.x ends the process on some
                answer["error"] = f"{type(error).__name__}: {error}"
        answer["said"] = said.getvalue()[-2000:]
        said.seek(0)
        said.truncate()
        # On a line of its own: a thread of the client may have begun one.
        sys.__stdout__.write("\n" + json.dumps(answer, default=str) + "\n")


def filled(value: Any, results: dict[str, Any]) -> Any:
    """A value with the parts of earlier results put in."""
    if isinstance(value, dict):
        return {key: filled(each, results) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, results) for each in value]
    found = re.fullmatch(r"\$\{(.+)\}", value) if isinstance(value, str) else None
    if not found:
        return value
    step, *keys = found.group(1).split(".")
    result = results[step]
    for key in keys:
        result = result[int(key)] if isinstance(result, list) else result[key]
    return result


if __name__ == "__main__":
    main()
