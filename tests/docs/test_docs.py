"""The pages say what is so: their code runs, their links lead somewhere, and nothing is left out.

A page is run from top to bottom, as a reader would, in a folder that holds the three sample files
and, as `stack`, the data folder of the stack that runs. Python blocks of a page share their names.
Of a block for the shell the `layernext` commands are run; where a ``console`` block shows output,
each shown line must come, in that order, with ``…`` for whatever differs from day to day.
`<!-- not run -->` on the line before a block leaves it out; a reason may stand in it.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import layernext
from tests.support.stack_process import COMMAND, StackProcess, running_stack

ROOT = Path(__file__).parents[2]
PACKAGE = Path(layernext.__file__).parent
SAMPLES = PACKAGE / "cli" / "samples"
GENERATED = {"cli.md", "sdk.md"}
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
EVERY_PAGE = sorted(
    {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")}
)
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
COMMAND_SECONDS = 600

NOT_RUN = re.compile(r"<!-- not run\b.*-->")
SHELLS = {"console", "bash", "sh", "shell"}
# These run until they are stopped; that they take the options shown is all that is tested here.
ENDLESS = {"serve", "demo"}

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<language>\w*) *$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(?P<text>.+?) *$")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    is_run: bool


def blocks_of(page: Path) -> list[Block]:
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        start = number
        number += 1
        if not fence:
            continue
        indent, ticks = len(fence["indent"]), fence["ticks"]
        while number < len(lines) and lines[number].strip() != ticks:
            number += 1
        text = "\n".join(line[indent:] for line in lines[start + 1 : number]) + "\n"
        before = next((line for line in reversed(lines[:start]) if line.strip()), "")
        found.append(
            Block(page, start + 1, fence["language"], text, not NOT_RUN.fullmatch(before.strip()))
        )
        number += 1
    return found


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# -- what is written runs ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running_stack(tmp_path_factory.mktemp("docs") / "stack") as running:
        yield running


@pytest.fixture
def folder(stack: StackProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader stands: the samples and the stack's data at hand, the key in the shell."""
    for sample in SAMPLES.glob("*.json"):
        shutil.copy(sample, tmp_path)
    (tmp_path / "stack").symlink_to(stack.folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAYERNEXT_API_KEY", stack.api_key)
    monkeypatch.setenv("LAYERNEXT_SECRET", stack.secret)
    monkeypatch.setenv("LAYERNEXT_URL", stack.url)
    # Processes that are started in another folder still find this checkout.
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
    monkeypatch.setenv("COLUMNS", "1000")
    return tmp_path


def with_real_values(text: str, stack: StackProcess) -> str:
    """The text with this test's stack where a page can only show a placeholder."""
    for shown, real in (
        ("'xxxxxxxxxx'", repr(stack.api_key)),
        ("'xxxxxxxxxxx'", repr(stack.secret)),
        ("https://api.xxxx.layernext.ai", stack.url),
        ("/home/bob/mydata/", ""),
        ("http://127.0.0.1:8750", stack.url),
    ):
        text = text.replace(shown, real)
    return text


def run_python(block: Block, text: str, names: dict[str, object]) -> None:
    # Line breaks in front, so that a traceback names the page's own line.
    code = compile("\n" * block.line + text, str(block.page), "exec")
    exec(code, names)


def commands_of(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command of a block for the shell, with the output that is shown below it."""
    text = block.text.replace("\\\n", " ")
    command, shown = "", []
    for line in text.splitlines():
        is_command = line.startswith("$ ") if block.language == "console" else bool(line.strip())
        if is_command:
            if command:
                yield command, shown
            command, shown = line.removeprefix("$ ").strip(), []
        elif line.strip():
            shown.append(line)
    if command:
        yield command, shown


def run_command(block: Block, text: str, shown: list[str]) -> None:
    words = shlex.split(text, comments=True)
    if not words or words[0] != "layernext":
        return
    name = next((word for word in words[1:] if not word.startswith("-")), "")
    if name in ENDLESS:
        words, shown = [*words, "--help"], []
    done = subprocess.run(
        [*COMMAND, *words[1:]],
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    place = f"{named(block.page)}:{block.line}: {text}"
    # A page may show an error; one that nobody foresaw (1) or a wrong command line (2) is none.
    is_fine = done.returncode == 0 or (shown and done.returncode in range(3, 11))
    assert is_fine, f"{place}\nends with {done.returncode}\n{done.stderr}"
    missing = first_missing(shown, done.stdout + done.stderr)
    assert missing is None, f"{place}\nshows {missing!r}, but it says\n{done.stdout}{done.stderr}"


def first_missing(shown: list[str], said: str) -> str | None:
    """The first shown line that does not come behind the ones before it; widths do not matter."""
    lines = [" ".join(line.split()) for line in said.splitlines()]
    position = 0
    for line in shown:
        plain = " ".join(line.split())
        pattern = re.compile(".*".join(map(re.escape, plain.split("…"))))
        while position < len(lines) and not pattern.fullmatch(lines[position]):
            position += 1
        if position == len(lines) and plain != "…":
            return line
        position += plain != "…"
    return None


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in GENERATED], ids=lambda page: page.name
)
def test_blocks_of_a_page_run(page: Path, stack: StackProcess, folder: Path) -> None:
    """Every Python block and every command of a page does what the page says."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(page):
        if not block.is_run:
            continue
        if block.language == "python":
            run_python(block, with_real_values(block.text, stack), names)
        elif block.language in SHELLS:
            for command, shown in commands_of(block):
                run_command(block, with_real_values(command, stack), shown)
    for value in names.values():
        if isinstance(value, layernext.LayerNextClient):
            value.close()
        elif isinstance(value, layernext.AsyncLayerNextClient):
            asyncio.run(value.close())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(example: Path, folder: Path) -> None:
    """Each example ends with 0, a second time, too, and says nothing on standard error."""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, str(example)],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout


def test_every_example_is_documented() -> None:
    """The pages name each example, so that it is found."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [example.name for example in EXAMPLES if example.name not in text] == []


# -- links -------------------------------------------------------------------------------------


def anchors_of(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    lines = page.read_text(encoding="utf-8").splitlines()
    inside, anchors = False, set()
    for line in lines:
        if _FENCE.match(line) or line.strip().startswith("```"):
            inside = not inside
        heading = _HEADING.match(line)
        if heading and not inside:
            text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower()
            anchors.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return anchors


def broken_links(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    for block in blocks_of(page):
        text = text.replace(block.text, "")
    for found in _LINK.finditer(text):
        target = found["target"] or found["image"]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        is_here = there.exists() and ROOT in [there, *there.parents]
        if is_here and anchor and there.suffix == ".md":
            is_here = anchor in anchors_of(there)
        if not is_here:
            yield target


@pytest.mark.parametrize("page", EVERY_PAGE, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file of the checkout, and a heading that the file has."""
    assert list(broken_links(page)) == []


def test_every_page_is_found_from_the_index() -> None:
    """`docs/index.md` links to every page and every decision."""
    index = ROOT / "docs" / "index.md"
    linked = {
        (index.parent / found["target"].partition("#")[0]).resolve()
        for found in _LINK.finditer(index.read_text(encoding="utf-8"))
        if found["target"]
    }
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")} - {index.resolve()}
    assert sorted(map(str, pages - linked)) == []


# -- nothing is left out -----------------------------------------------------------------------


def test_every_error_is_documented() -> None:
    """`docs/errors.md` says of each exception when it comes."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    raised = [
        name
        for name in layernext.__all__
        if inspect.isclass(kind := getattr(layernext, name)) and issubclass(kind, Exception)
    ]
    assert [name for name in raised if f"`{name}`" not in text] == []


def test_every_setting_is_documented() -> None:
    """`docs/stack.md` names each setting of the stack."""
    from layernext.stack.app import Settings

    text = (ROOT / "docs" / "stack.md").read_text(encoding="utf-8")
    assert [name for name in Settings.__struct_fields__ if f"`{name}`" not in text] == []


def test_every_route_is_documented(stack: StackProcess) -> None:
    """`docs/protocol.md` has each path of the stack's own description."""
    import httpx

    paths = httpx.get(f"{stack.url}/api/openapi.json").json()["paths"]
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert [path for path in paths if f"`{path}`" not in text] == []


# -- the reader of blocks itself ---------------------------------------------------------------


def test_shown_output_is_compared() -> None:
    """A shown line that the command did not say is found; spaces and `…` are not."""
    said = "model run a in b: 1 annotation\n193 bytes in 1 request, 0.05 s\n"
    assert (
        first_missing(["model  run a in b: 1 annotation", "… bytes in 1 request, … s"], said)
        is None
    )
    assert first_missing(["193 bytes in 1 request, 0.05 s", "model run a…"], said) == "model run a…"
    assert first_missing(["2 annotations"], said) == "2 annotations"


def test_block_that_is_not_to_be_run_is_left_out(tmp_path: Path) -> None:
    """Only the mark right before a block counts."""
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: why -->\n```python\n1 / 0\n```\n\ntext\n\n```sh\nls\n```\n")
    assert [(block.language, block.is_run) for block in blocks_of(page)] == [
        ("python", False),
        ("sh", True),
    ]
