"""Writes docs/sdk.md from the docstrings of every name that `layernext` exports.

    python tools/generate_sdk_reference.py            write the file
    python tools/generate_sdk_reference.py --check    only say whether it is up to date

Reads the source without running it, so that the page is the same under every Python.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from client_source import call_of, groups, name_lists, public_methods

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "layernext"
TARGET = ROOT / "docs" / "sdk.md"

INTRODUCTION = """\
# SDK reference

<!-- Written by tools/generate_sdk_reference.py from the docstrings; do not edit. -->

Everything here is exported by `layernext`. [Getting started](getting-started.md) shows how it is
used; [errors.md](errors.md) explains the errors.
"""

GROUPS = """\
## Calls in groups

Calls are grouped by noun, and each group is an attribute of the client. `AsyncLayerNextClient` has the same
groups and calls; its calls are awaited.
"""

NAMES = {
    "PublishedNames": """\
## Names of the published clients

Scripts for the published clients find their methods on the client itself. Most are other names for calls in
groups, with the same arguments:
""",
    "EarlierNames": """\
## Earlier names

Deprecated: older versions had these calls on the client itself. They still work, with the same
arguments, and do not warn.
""",
}

# What belongs together, in reading order; a name that is nowhere here goes to the last.
CHAPTERS: dict[str, list[str]] = {
    "Clients": ["LayerNextClient", "AsyncLayerNextClient", "RunLogger", "validate_file", "convert"],
    "Reports": [
        "Answer", "UploadReport", "DownloadReport", "RemoveReport", "FileSummary", "FileUploadReport",
        "FileDownloadReport", "FailedFile", "IgnoredFile", "UploadStatus", "FileUrl",
        "MetadataReport", "TrashReport", "PurgeReport", "EmbeddingReport", "VersionReport", "ProjectReport", "CreatedCollection", "CreatedLabel",
        "Done", "ConversionReport",
    ],
    "Annotations": [
        "ImageAnnotations", "Rectangle", "Polygon", "Line", "Points", "AttributeValue",
        "Mask", "RunLengths", "RotatedBox", "ImageLabel", "Keypoints", "Skeleton", "SemanticMask",
        "Annotation", "Geometry", "Mode",
    ],
    "What a stack holds": [
        "Collection", "Item", "FileRecord", "ModelRun", "Label", "LabelAttribute", "Job",
        "AuditEntry", "User", "Grant",
        "LabelGroup", "DatasetVersion", "MetadataNames", "DatasetDiff", "Project", "Task", "Embedding", "SimilarImage",
        "LabelClass", "RunStatistics", "Histogram", "Export",
    ],
    "Evaluations": [
        "Evaluation", "EvaluationSettings", "AreaRange", "LabelScores", "Curve", "ConfusionMatrix",
        "Calibration", "CalibrationBin", "ErrorKinds", "ErrorKind", "SliceScores", "ImageTally",
        "StoredEvaluation", "EvaluationInfo", "StoredTally", "StoredMatches",
    ],
    "Constants of the published clients": [
        "MediaType", "ItemType", "ObjectType", "JobType", "JobStatus", "AnnotationShapeType",
        "AnnotationUploadType", "SortField", "SortFieldName", "SortOrder",
    ],
    "Errors": [],
}  # fmt: skip

# The twin has the same calls; saying them all again would help nobody.
WITHOUT_METHODS = {"AsyncLayerNextClient"}

_SECTION = re.compile(r"^(Args|Returns|Raises|Attributes|Yields):$")
_EXAMPLE = re.compile(r"^(Example|Examples):$")
_ENTRY = re.compile(r"^(?:    )?(?P<names>[*\w]+(?:, [*\w]+)*): (?P<text>.*)$")

_NAMES = r"[*\w]+(?:, [*\w]+)*"
_BROKEN_NAMES = re.compile(rf"^(    {_NAMES}),\n +(?={_NAMES}: )", re.MULTILINE)
"""A list of arguments that is broken between two lines, before its colon."""

Definition = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign


def exported() -> list[str]:
    """The names in `layernext.__all__`, without the version."""
    for node in ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return [name for name in names if not name.startswith("__")]
    raise LookupError("layernext/__init__.py has no __all__")


def definitions() -> dict[str, tuple[Definition, str | None, list[Definition]]]:
    """Every exported name: its node, its words, its module."""
    found: dict[str, tuple[Definition, str | None, list[Definition]]] = {}
    for name in exported():
        body = ast.parse(_origin("layernext", name).read_text(encoding="utf-8")).body
        module = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        for node, following in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                found[name] = (node, ast.get_docstring(node), list(module))
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if ast.unparse(target) == name:
                    found[name] = (node, _string(following), [])
    return found


def _origin(module: str, name: str) -> Path:
    """The file that defines a name of a module, which may import it from another one."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name and node.module.startswith("layernext"):
                    return _origin(node.module, alias.name)
    return path


def _string(node: ast.stmt | None) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value)
    return None


def document() -> str:
    """The whole page."""
    defined, names = definitions(), exported()
    assigned = {name for chapter in CHAPTERS.values() for name in chapter}
    parts = [INTRODUCTION]
    for title, listed in CHAPTERS.items():
        parts.append(f"## {title}\n")
        for name in listed or [name for name in names if name not in assigned]:
            if name in names:
                parts += _entry(name, *defined[name])
        if title == "Clients":
            parts += _groups()
            parts += _other_names()
    return "\n".join(parts).rstrip() + "\n"


def _groups() -> Iterator[str]:
    """The chapter about the client's groups."""
    yield GROUPS
    for group in groups():
        name = f"client.{group.attribute}"
        yield f"### `{name}`\n"
        yield _markdown(ast.get_docstring(group.node) or "")
        for method in group.methods:
            yield f"#### `{name}.{method.name}`\n"
            yield f"```python\n{_call(method.name, method)}\n```\n"
            yield _markdown(ast.get_docstring(method) or "")


def _other_names() -> Iterator[str]:
    """The tables of other names for calls, each followed by the methods that are not a group's call."""
    attributes = {group.node.name: group.attribute for group in groups()}
    for node in name_lists():
        yield NAMES[node.name]
        yield "| name | call |\n| --- | --- |"
        rows = []
        for member in node.body:
            call = call_of(member) if isinstance(member, ast.Assign) else None
            if isinstance(member, ast.Assign) and call is not None:
                name = ast.unparse(member.targets[0])
                rows.append(f"| `{name}` | `client.{attributes[call[0]]}.{call[1]}` |")
        yield "\n".join(sorted(rows)) + "\n"
        for method in public_methods(node):
            yield f"#### `LayerNextClient.{method.name}`\n"
            yield f"```python\n{_call(method.name, method)}\n```\n"
            yield _markdown(ast.get_docstring(method) or "")


def _entry(
    name: str, node: Definition, words: str | None, module: list[Definition]
) -> Iterator[str]:
    yield f"### `{name}`\n"
    yield f"```python\n{_head(node)}\n```\n"
    yield _markdown(words or "")
    if isinstance(node, ast.ClassDef) and name not in WITHOUT_METHODS:
        for method in _methods(node, module):
            aliases = _aliases(node, method.name)
            also = f"Also available as `{'`, `'.join(aliases)}`.\n" if aliases else ""
            yield f"#### `{name}.{method.name}`\n"
            if _has(method, "property"):
                yield _markdown(ast.get_docstring(method) or "")
                continue
            yield f"```python\n{_call(method.name, method)}\n```\n"
            yield _markdown(ast.get_docstring(method) or "")
            yield from filter(None, [also])


def _methods(node: ast.ClassDef, module: list[Definition]) -> Iterator[ast.FunctionDef]:
    """Public methods; those of a private base in the same module first."""
    bases = {ast.unparse(base) for base in node.bases}
    for other in module:
        if isinstance(other, ast.ClassDef) and other.name in bases and other.name[0] == "_":
            yield from _methods(other, module)
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
            yield each


def _aliases(node: ast.ClassDef, name: str) -> list[str]:
    return [
        ast.unparse(each.targets[0])
        for each in node.body
        if isinstance(each, ast.Assign) and ast.unparse(each.value) == name
    ]


def _head(node: Definition) -> str:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return ast.unparse(node)
    if isinstance(node, ast.FunctionDef):
        return _call(node.name, node)
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _call(node.name, each)
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    lines = [ast.unparse(each) for each in fields if "ClassVar" not in ast.unparse(each.annotation)]
    bases = ", ".join(ast.unparse(base) for base in node.bases if ast.unparse(base)[0] != "_")
    title = f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    return "\n    ".join([title, *(lines or ["..."])])


def _call(name: str, node: ast.FunctionDef) -> str:
    """How it is called, an argument a line when it is long."""
    wanted = node.args
    positional = wanted.posonlyargs + wanted.args
    defaults = [None] * (len(positional) - len(wanted.defaults)) + list(wanted.defaults)
    arguments = [_argument(each, value) for each, value in zip(positional, defaults, strict=True)]
    arguments = [each for each in arguments if each not in {"self", "cls"}]
    if wanted.vararg:
        arguments.append(f"*{_argument(wanted.vararg, None)}")
    elif wanted.kwonlyargs:
        arguments.append("*")
    pairs = zip(wanted.kwonlyargs, wanted.kw_defaults, strict=True)
    arguments += [_argument(each, value) for each, value in pairs]
    if wanted.kwarg:
        arguments.append(f"**{_argument(wanted.kwarg, None)}")
    returns = ast.unparse(node.returns).replace("builtins.", "") if node.returns else ""
    answer = f" -> {returns}" if returns and name[0].islower() else ""
    line = f"{name}({', '.join(arguments)}){answer}"
    longest = 88
    if len(line) <= longest:
        return line
    return "\n    ".join([f"{name}(", *(f"{each}," for each in arguments)]) + f"\n){answer}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    text = argument.arg
    if argument.annotation:
        text += f": {ast.unparse(argument.annotation).replace('builtins.', '')}"
    if default is not None:
        text += f" = {ast.unparse(default)}" if argument.annotation else f"={ast.unparse(default)}"
    return text


def _has(node: ast.FunctionDef, decorator: str) -> bool:
    return any(ast.unparse(each) == decorator for each in node.decorator_list)


def _markdown(words: str) -> str:
    """A docstring in Google's form as Markdown: sections as lists, examples as code."""
    lines: list[str] = []
    section = ""
    for line in _BROKEN_NAMES.sub(r"\1, ", words.expandtabs()).splitlines():
        if _SECTION.match(line):
            section = line
            lines += ["", f"**{line}**" if line != "Args:" else "**Arguments:**", ""]
        elif _EXAMPLE.match(line):
            section = "Example:"
            lines += ["", "```pycon"]
        elif section == "Example:" and (line.startswith("    ") or not line):
            if line:
                lines.append(re.sub(r"\s*# doctest:.*", "", line[4:]))
        elif section and line.startswith("    "):
            entry = _ENTRY.match(line[4:]) if not line.startswith("        ") else None
            if entry:
                names = "`, `".join(entry["names"].split(", "))
                lines.append(f"- `{names}`: {entry['text']}")
            else:
                is_more = bool(lines) and lines[-1].startswith(("- ", "  "))
                lines.append(f"  {line.strip()}" if is_more else line.strip())
        else:
            if section == "Example:":
                lines.append("```")
            section = "" if line else section
            lines.append(line.replace("::", ":") if line.endswith("::") else line)
    if section == "Example:":
        lines.append("```")
    text = re.sub(r"(?<!`)``(?!`)", "`", "\n".join(lines))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main() -> int:
    """Write or check; the exit code."""
    text = document()
    if "--check" in sys.argv:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print("docs/sdk.md is not up to date; run: python3 dev.py docs", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
