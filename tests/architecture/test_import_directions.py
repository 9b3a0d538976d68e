"""Who imports whom: the table of `rooms.py`, held."""

from __future__ import annotations

import functools
import sys

import pytest

from tests.architecture.rooms import ROOMS as TABLE
from tests.architecture.rooms import STORE_PACKAGES, full
from tests.architecture.source import Import, imports_of, modules, path_of

ROOMS = {full(name): {full(each) for each in room.may_import} for name, room in TABLE.items()}

# Modules that are a room's face beside its __init__.
FACES = {
    "layernext.stack.api.access",
    "layernext.stack.api.admission",
    "layernext.stack.api.audit",
    "layernext.datalake.constants",  # where published scripts import from
    "layernext.stack.api.auth",
    "layernext.stack.api.browser",
    "layernext.stack.api.documents",
    "layernext.stack.api.error_map",
    "layernext.stack.api.messages",
    "layernext.stack.api.metrics",
    "layernext.stack.api.oidc",
    "layernext.stack.api.operation",
    "layernext.stack.api.services",
    "layernext.stack.api.signature",
    "layernext.stack.api.signed",
    "layernext.stack.api.tracing_switch",
    "layernext.wire.augmentations",
    "layernext.wire.native",
    "layernext.wire.paths",
    "layernext.wire.published",
}

STORE = "layernext.stack.store"
SEARCH = "layernext.stack.search"

# Outside libraries and the rooms they live in; those that are nowhere here may be used by any room.
LIBRARIES: dict[str, set[str]] = {
    "httpcore": {"layernext.client"},
    "httpx": {"layernext.client", "layernext.stack.api"},
    "stamina": set(),
    "typer": {"layernext.cli"},
    "rich": {"layernext.cli", "layernext.client"},
    "platformdirs": {"layernext.cli", "layernext.client"},
    "av": {"layernext.stack.media"},
    "PIL": {"layernext.cli", "layernext.formats", "layernext.stack.media"},
    "opentelemetry": {"layernext.stack.api"},
    "yaml": {"layernext.formats"},
    "pyarrow": {"layernext.formats", "layernext.model"},
    "pycocotools": {"layernext.evaluation"},
    "numpy": {
        "layernext.model",  # only to make an array of a mask
        "layernext.stack.jobs",
        "layernext.evaluation",
        "layernext.stack.media",
        "layernext.stack.search",
        "layernext.stack.store",
    },
    "matplotlib": {"layernext.evaluation"},
    "pandas": {"layernext.model"},
    "sqlalchemy": {"layernext.stack.search", "layernext.stack.store"},
    "alembic": {"layernext.stack.store"},
    "obstore": {"layernext.stack.objects"},
    "prometheus_client": {"layernext.stack.api"},
    # `layernext serve --engine dask://…`.
    "distributed": {"layernext.stack.jobs"},
    # The identity provider, which `layernext serve --oidc-issuer` asks.
    "authlib": {"layernext.stack.api"},
    "joserfc": {"layernext.stack.api"},
    "boto3": {"layernext.stack.objects"},
    "botocore": {"layernext.stack.objects"},
    "litestar": {"layernext.stack.api", "layernext.stack.app", "layernext.stack.web"},
    "anyio": {"layernext.stack.api", "layernext.stack.web"},
    "jinja2": {"layernext.stack.web"},
    "markupsafe": {"layernext.stack.web"},
    "uvicorn": {"layernext.stack.app", "layernext.stack.server"},
    "zstandard": {
        "layernext.formats",
        "layernext.client",
        "layernext.stack.api",
        "layernext.stack.backup",
        "layernext.stack.store",
    },
}
ANYWHERE = {"msgspec", "typing_extensions", "tomli", "tomllib"}

# Optional or slow to load: only inside the function that needs them.
LATE_ONLY = {
    ("layernext.model", "numpy"),
    ("layernext.evaluation", "pycocotools"),
    ("layernext.evaluation", "matplotlib"),
    ("layernext.formats", "PIL"),
    ("layernext.stack.objects", "boto3"),
    ("layernext.stack.objects", "botocore"),
    ("layernext.formats", "pyarrow"),
    ("layernext.client", "rich"),
    ("layernext.cli", "PIL"),
    ("layernext.model", "pandas"),
    ("layernext.model", "pyarrow"),
    ("layernext.stack.objects", "boto3"),
    ("layernext.stack.objects", "botocore"),
}


def room_of(target: str) -> str | None:
    """The innermost room that a module or name is in."""
    parts = target.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in ROOMS), None)


@functools.cache
def every_import() -> list[Import]:
    return [each for module in modules() for each in imports_of(module)]


def is_ours(each: Import) -> bool:
    return each.target.split(".")[0] == "layernext"


def test_rooms_import_only_whom_they_may():
    """Imports go one way, as the table says."""
    wrong = []
    for each in filter(is_ours, every_import()):
        here, there = room_of(each.module), room_of(each.target)
        assert here is not None
        if here == there or each.target == "layernext.__version__":
            continue
        if there not in ROOMS[here]:
            wrong.append(str(each))
    assert wrong == []


def test_rooms_use_faces_only():
    """No room reaches into another's inside."""
    wrong = []
    known = set(modules())
    for each in filter(is_ours, every_import()):
        here, there = room_of(each.module), room_of(each.target)
        # `stack.app` puts the stack's parts together: it is inside. So is what searches the tables.
        if here in {there, "layernext.stack.app"} or (here, there) == (SEARCH, STORE):
            continue
        module = each.target if each.target in known else each.target.rpartition(".")[0]
        if module not in {there, *FACES, "layernext"}:
            wrong.append(str(each))
    assert wrong == []


def test_cli_starts_the_stack_inside_a_command():
    """The command line loads the stack only where it starts it, so that it works without it."""
    stack = [
        each
        for each in every_import()
        if each.module.startswith("layernext.cli") and each.target.startswith("layernext.stack")
    ]
    assert stack
    assert [str(each) for each in stack if not each.is_late] == []


def test_cli_evaluates_inside_a_command():
    """The command line loads the metrics, and numpy with them, only where it evaluates."""
    here = ("layernext.cli", "layernext.evaluation")
    found = [
        each
        for each in every_import()
        if room_of(each.module) == here[0] and room_of(each.target) == here[1]
    ]
    assert [str(each) for each in found if not each.is_late] == []


def test_outside_libraries_live_in_their_rooms():
    """A library is used where its room is, and nowhere else."""
    wrong = []
    for each in every_import():
        library = each.target.split(".")[0]
        if library in sys.stdlib_module_names or library in ANYWHERE or is_ours(each):
            continue
        room = room_of(each.module)
        assert room is not None
        is_late = each.is_late or each.is_for_types
        is_late_where_it_must = (room, library) not in LATE_ONLY or is_late
        if room not in LIBRARIES.get(library, set()) or not is_late_where_it_must:
            wrong.append(str(each))
    assert wrong == []


def module_of(target: str, known: set[str]) -> str:
    """The module that a target is, or that it is a name in."""
    return target if target in known else target.rpartition(".")[0]


def package_of(module: str, known: set[str]) -> str:
    """What a module belongs to: its package, or itself if it stands beside packages."""
    package = module if path_of(module).name == "__init__.py" else module.rpartition(".")[0]
    inside = (other for other in known if other.startswith(f"{package}."))
    has_packages = any(path_of(other).name == "__init__.py" for other in inside)
    return module if has_packages else package


def test_no_module_imports_itself_in_a_circle():
    """A cycle means that a noun is in the wrong room; one of type-only imports, too."""
    known = set(modules())
    graph: dict[str, set[str]] = {name: set() for name in known}
    for each in filter(is_ours, every_import()):
        target = module_of(each.target, known)
        if target != each.module:
            graph[each.module].add(target)
    assert find_circle(graph) is None


def test_no_package_imports_itself_in_a_circle():
    """Likewise for packages: each is above or below another, type-only imports included."""
    known = set(modules())
    packages = {name: package_of(name, known) for name in known}
    graph: dict[str, set[str]] = {}
    for each in filter(is_ours, every_import()):
        here, there = packages[each.module], packages[module_of(each.target, known)]
        # The client's modules beside its packages and these refer to each other.
        if here != there and room_of(each.module) != "layernext.client":
            graph.setdefault(here, set()).add(there)
    assert find_circle(graph) is None


def test_packages_of_the_store_import_only_whom_they_may():
    """The packages of the store, by the table; every one of them is in it."""
    folder = path_of(STORE).parent
    packages = {path.parent.name for path in folder.glob("*/__init__.py")} - {"migrations"}
    assert packages == set(STORE_PACKAGES)
    wrong = []
    for each in filter(is_ours, every_import()):
        here, there = (
            target.removeprefix(f"{STORE}.").partition(".")[0]
            for target in (each.module, each.target)
        )
        if not each.module.startswith(f"{STORE}.") or here not in packages:
            continue
        is_inside = each.target.startswith(f"{STORE}.")
        if is_inside and there in packages and there not in {here, "schema", *STORE_PACKAGES[here]}:
            wrong.append(str(each))
    assert wrong == []


def find_circle(graph: dict[str, set[str]]) -> list[str] | None:
    """Some modules that import each other in a circle, or None."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for following in sorted(graph.get(name, ())):
            found = visit(following, [*path, name])
            if found:
                return found
        done.add(name)
        return None

    return next((found for name in sorted(graph) if (found := visit(name, []))), None)


@pytest.mark.parametrize(
    ("graph", "circle"),
    [
        pytest.param({"a": {"b"}, "b": {"c"}, "c": set()}, None, id="line"),
        pytest.param({"a": {"b"}, "b": {"a"}}, ["a", "b", "a"], id="circle"),
    ],
)
def test_circles_are_found(graph, circle):
    """The search for circles finds one where there is one."""
    assert find_circle(graph) == circle
