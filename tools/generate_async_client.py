"""Writes `AsyncLayerNextClient` from `LayerNextClient`: the same calls, each run in a thread.

    python tools/generate_async_client.py            write the file
    python tools/generate_async_client.py --check    fail if it is not up to date

The work behind the calls is decoding, compression and the disk as much as the network, and would
hold up an event loop; so there is one implementation, and the twin hands each call to a thread.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / "src" / "layernext" / "client"

HEAD = '''"""The client for asyncio. Generated from client.py by tools/generate_async_client.py.

Each call runs in a thread, so the event loop stays free; the work is that of `LayerNextClient`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Literal

import httpx

from layernext.client.bridge import AsyncRunLogger, as_async_iterator, as_iterable, in_thread
from layernext.client.client import LayerNextClient
from layernext.client.progress import ProgressChoice
from layernext.client.reports import DownloadReport, RemoveReport, UploadReport
from layernext.client.sources import Item, Validate
from layernext.client.transport import DEFAULT_RETRY_FOR_S, DEFAULT_TIMEOUT_S
from layernext.formats import DEFAULT_PROBLEM_LIMIT, FileSummary
from layernext.model import Collection, ImageAnnotations, Job, Label, ModelRun


class AsyncLayerNextClient:
    """`LayerNextClient` for asyncio: the same calls with the same arguments, to be awaited.

    `iter_annotations` gives an asynchronous iterator, `model_run` an asynchronous context manager,
    and `upload_modelrun` takes asynchronous iterables, too. A call that is cancelled ends
    at the next image; what an upload has sent by then is stored.
    """

    def __init__(
        self,
        api_key: str,
        secret: str,
        layernext_url: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retry_for_s: float = DEFAULT_RETRY_FOR_S,
        protocol: Literal["published"] | None = None,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        self._client = LayerNextClient(
            api_key,
            secret,
            layernext_url,
            timeout_s=timeout_s,
            retry_for_s=retry_for_s,
            protocol=protocol,
            http=http,
        )

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    async def __aenter__(self) -> AsyncLayerNextClient:
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()
'''


def generate() -> str:
    """The text of async_client.py."""
    tree = ast.parse((CLIENT / "client.py").read_text(encoding="utf-8"))
    (client,) = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "LayerNextClient"
    ]
    parts = [HEAD]
    for node in client.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            parts.append(_method(node))
        elif isinstance(node, ast.Assign):
            parts.append(f"    {ast.unparse(node)}\n")
    text = "\n".join(parts)
    command = [sys.executable, "-m", "ruff"]
    for arguments in (["check", "-q", "--fix", "--select", "I,F401"], ["format", "-q"]):
        done = subprocess.run(
            [*command, *arguments, "--stdin-filename", str(CLIENT / "async_client.py"), "-"],
            input=text, capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        text = done.stdout
    return text


def _method(node: ast.FunctionDef) -> str:
    is_static = any(ast.unparse(d) == "staticmethod" for d in node.decorator_list)
    arguments = node.args
    if not is_static:
        arguments.args = arguments.args[1:]
    positional = [argument.arg for argument in arguments.args]
    keywords = [argument.arg for argument in arguments.kwonlyargs]
    passed = ", ".join([*positional, *(f"{name}={name}" for name in keywords)])
    returns = ast.unparse(node.returns) if node.returns else "None"
    docstring = ast.get_docstring(node, clean=False)
    summary = (docstring or "").strip().split("\n\n")[0].replace("\n        ", " ")
    document = f'        """{summary}\n\n        See `LayerNextClient.{node.name}`.\n        """\n'
    call = f"self._client.{node.name}"
    if node.name == "model_run":
        signature = f"self, {ast.unparse(arguments)}"
        return (
            f"    def {node.name}({signature}) -> AsyncRunLogger:\n{document}"
            f"        return AsyncRunLogger({call}({passed}))\n"
        )
    if returns.startswith("Iterator["):
        signature = f"self, {ast.unparse(arguments)}"
        return (
            f"    def {node.name}({signature}) -> Async{returns}:\n{document}"
            f"        return as_async_iterator({call}({passed}))\n"
        )
    before = ""
    text = ast.unparse(arguments)
    if "Iterable[Item]" in text:
        text = text.replace("Iterable[Item]", "Iterable[Item] | AsyncIterable[Item]")
        before = "        source = as_iterable(source, asyncio.get_running_loop())\n"
    signature = f"self, {text}" if text else "self"
    given = f"{call}, {passed}" if passed else call
    return (
        f"    async def {node.name}({signature}) -> {returns}:\n{document}{before}"
        f"        return await in_thread({given})\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    target = CLIENT / "async_client.py"
    text = generate()
    if options.check:
        if target.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{target.name} is not up to date; run this without --check")
    else:
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
