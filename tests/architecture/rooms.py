"""The rooms of the package: what is in each, and whose faces it may import.

CONTRIBUTING.md and docs/decisions/0002-rooms.md show this table; `tools/generate_rooms_table.py` writes it there,
and `test_import_directions.py` holds the code to it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """A room of the package.

    Attributes:
        about: what is in it, for the table; empty for the parts that put others together.
        may_import: the rooms whose faces it may import, without ``layernext.``.
    """

    about: str
    may_import: tuple[str, ...] = ()


ROOMS: dict[str, Room] = {
    "errors": Room("every exception a user can catch"),
    "model": Room("annotations as typed structs, their checks", ("errors",)),
    "wire": Room("messages and codes of both protocols", ("model", "errors")),
    "formats": Room("reading and writing files, streamed", ("model", "errors")),
    "datalake": Room("where published scripts import constants from"),
    "version": Room("the version of the package"),
    "client": Room("the SDK", ("wire", "formats", "model", "errors", "version")),
    "evaluation": Room(
        "metrics on arrays, comparison of runs, figures", ("formats", "model", "errors")
    ),
    # The store answers in the records that both wires send, so it knows the messages.
    "stack.store": Room(
        "the database: tables, transactions, one package of statements for each noun",
        ("wire", "model", "errors"),
    ),
    "stack.search": Room(
        "the query language, and what it finds: items, tallies, vectors",
        ("stack.store", "model", "errors"),
    ),
    "stack.settings": Room("what an operator can set", ("errors",)),
    "stack.objects": Room("the files, in a folder or a bucket", ("errors",)),
    "stack.media": Room("decoding images and videos", ("wire", "model")),
    "stack.backup": Room("backups and the check", ("stack.objects", "stack.store", "errors")),
    "stack.jobs": Room(
        "work in the background",
        (
            "evaluation",
            "stack.media",
            "stack.objects",
            "stack.search",
            "stack.store",
            "formats",
            "model",
            "errors",
        ),
    ),
    "stack.api": Room(
        "speaks HTTP: both protocols",
        (
            "evaluation",
            "stack.jobs",
            "stack.objects",
            "stack.search",
            "stack.store",
            "stack.settings",
            "wire",
            "formats",
            "model",
            "errors",
        ),
    ),
    "stack.web": Room(
        "the pages",
        (
            "stack.api",
            "stack.objects",
            "stack.search",
            "stack.store",
            "stack.settings",
            "wire",
            "model",
            "errors",
        ),
    ),
    "stack.folder": Room(
        "the data folder, held by one stack", ("stack.settings", "stack.store", "errors")
    ),
    "stack.connections": Room("connections of the server"),
    "stack.memory": Room("giving freed memory back"),
    "stack.server": Room("the HTTP server", ("stack.api", "stack.connections", "stack.memory")),
    "stack.app": Room(
        "puts the stack together",
        (
            "stack.backup",
            "stack.connections",
            "stack.folder",
            "stack.server",
            "stack.web",
            "stack.api",
            "stack.jobs",
            "stack.objects",
            "stack.search",
            "stack.store",
            "stack.settings",
            "model",
            "errors",
        ),
    ),
    "stack": Room(""),
    "cli": Room(
        "the command line; imports the stack only inside the commands that start one",
        ("client", "evaluation", "formats", "model", "errors", "stack.app"),
    ),
    "__main__": Room("", ("cli",)),
    "": Room("", ("client", "datalake", "formats", "model", "errors")),
}

STORE_PACKAGES: dict[str, tuple[str, ...]] = {
    "schema": (),
    "access": (),
    "jobs": (),
    "removal": ("jobs",),
    "objects": (),
    "collections": ("access", "removal"),
    "labels": (),
    "annotations": ("access", "collections", "labels", "removal"),
    "files": ("access", "collections", "objects", "removal"),
    "datasets": ("access", "annotations", "collections", "files", "jobs", "objects", "removal"),
    "evaluations": (
        "access",
        "annotations",
        "collections",
        "datasets",
        "files",
        "jobs",
        "removal",
    ),
    "projects": ("access", "collections", "removal"),
    "backup": ("access", "files", "objects"),
}
"""The packages of `stack/store`, and the others that each may import; all may import the schema and the modules
beside the packages (`database`, `clock`, …)."""


def full(room: str) -> str:
    """The dotted name of a room."""
    return f"layernext.{room}" if room else "layernext"


def table() -> str:
    """The table of rooms for readers."""
    lines = ["| room | what is in it | may import |", "| --- | --- | --- |"]
    for name, room in ROOMS.items():
        if room.about:
            path = name.replace(".", "/") + (".py" if name in _MODULES else "/")
            allowed = ", ".join(each.replace(".", "/") for each in room.may_import)
            lines.append(f"| `{path}` | {room.about} | {allowed or 'nothing'} |")
    return "\n".join(lines)


_MODULES = {
    "errors",
    "stack.settings",
    "stack.folder",
    "stack.connections",
    "stack.memory",
    "stack.app",
}
