"""Whether the installed package is whole: the published clients have its import name, `layernext`.

Whichever is installed last overwrites files of the other, and removing either removes files that both
have. Uses the standard library alone, so that it runs where the package itself does not.
"""

from __future__ import annotations

import importlib.metadata
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

PACKAGE = "layernext-sdk"
REINSTALL = "pip install --force-reinstall --no-deps ."
SOURCE = "(in the folder with the source; for a wheel, its path replaces the dot)"


def others() -> list[importlib.metadata.Distribution]:
    """Other installed distributions with the import name `layernext`."""
    by_name = {
        distribution.metadata["Name"]: distribution
        for name in (PACKAGE, "layernext", "layernext-beta")
        for distribution in importlib.metadata.distributions(name=name)
    }
    return [distribution for name, distribution in sorted(by_name.items()) if name != PACKAGE]


def damaged_files() -> list[str]:
    """Modules of this package that are missing, or are another package's."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    damaged = []
    for file in files:
        if file.suffix != ".py" or file.parts[0] != "layernext":
            continue
        path = Path(str(file.locate()))
        if not path.is_file():
            damaged.append(str(file))
        elif file.hash is not None and file.hash.mode == "sha256":
            digest = urlsafe_b64encode(sha256(path.read_bytes()).digest()).decode().rstrip("=")
            if digest != file.hash.value:
                damaged.append(str(file))
    return damaged


def find_problem() -> str | None:
    """What is wrong with the installation and the command that repairs it; None if nothing is."""
    shadowing, damaged = others(), damaged_files()
    if not shadowing and not damaged:
        return None
    repair = REINSTALL
    sentences = []
    if shadowing:
        names = " and ".join(
            f"{distribution.metadata['Name']} {distribution.version}" for distribution in shadowing
        )
        packages = " ".join(str(distribution.metadata["Name"]) for distribution in shadowing)
        repair = f"pip uninstall -y {packages} && {REINSTALL}"
        sentences.append(f"{names} has the same import name and overwrites files of {PACKAGE}")
    if damaged:
        sentences.append(f"{damaged[0]} is missing or another package's")
    return f"{'; '.join(sentences)}; repair: {repair} {SOURCE}"
