"""The OpenAPI document as one page to read: no script, nothing from elsewhere.

A stack with pages shows it in the frame that they all have, one without as it is here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

_CODE = re.compile(r"`([^`]*)`")
_EMPHASIS = re.compile(r"\*([^*]+)\*")

STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; overflow: auto; border-radius: .4rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; }
summary code { overflow-wrap: anywhere; }
.method { display: inline-block; min-width: 4.5em; font-weight: 700; }
.title { float: right; opacity: .75; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-top: 1px solid var(--line); }
"""


def render_page(document: dict[str, Any], body: str) -> str:
    """The page.

    Args:
        document: an OpenAPI document.
        body: of it, from `render_body`.
    """
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            body,
            "</body></html>",
        ]
    )


def render_body(document: dict[str, Any], document_path: str) -> str:
    """What the page says, for a page of another frame; nothing in it is markup of somebody else."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    return "".join(
        [
            f"<h1>{title}</h1>{_text(info['description'])}",
            f'<p>For programs: <a href="{escape(document_path)}">{escape(document_path)}</a></p>',
            *_sections(document["paths"]),
            "<h2>Messages</h2>",
            *_schemas(document["components"]["schemas"]),
        ]
    )


def _sections(paths: dict[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in paths.items():
        for method, operation in methods.items():
            if method != "head":
                by_tag.setdefault(operation["tags"][0], []).append(
                    _operation(path, method, operation)
                )
    for tag in sorted(by_tag, key=lambda tag: (tag == "Published protocol", tag)):
        yield f"<h2>{escape(tag)}</h2>"
        yield from by_tag[tag]


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<details id="{escape(operation["operationId"])}"><summary>',
        f'<span class="title">{escape(operation["summary"])}</span>',
        f'<span class="method">{escape(method.upper())}</span><code>{escape(path)}</code></summary>',
        _text(operation["description"]),
    ]
    parameters = operation.get("parameters")
    if parameters:
        parts.append("<table><tr><th>Parameter</th><th>In</th><th>Type</th><th>Meaning</th></tr>")
        for parameter in parameters:
            need = ", required" if parameter["required"] else ""
            parts.append(
                f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{parameter['in']}{need}</td>"
                f"<td><code>{escape(json.dumps(parameter['schema']))}</code></td>"
                f"<td>{_inline(parameter['description'])}</td></tr>"
            )
        parts.append("</table>")
    body = operation.get("requestBody")
    if body:
        parts.append(f"<h3>Body</h3>{_text(body.get('description', ''))}{_content(body)}")
    parts.append("<h3>Answers</h3><table>")
    for status, response in operation["responses"].items():
        parts.append(
            f"<tr><td>{escape(status)}</td><td>{_inline(response['description'])}</td>"
            f"<td>{_content(response)}</td></tr>"
        )
    parts.append("</table></details>")
    return "".join(parts)


def _content(holder: dict[str, Any]) -> str:
    return "".join(
        f"<p><code>{escape(media)}</code> {_schema(entry['schema'])}</p>"
        for media, entry in holder.get("content", {}).items()
    )


def _schema(schema: dict[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    return f"<code>{escape(json.dumps(schema))}</code>"


def _schemas(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        text = escape(json.dumps(schema, indent=2, ensure_ascii=False))
        yield (
            f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
            f"<pre>{text}</pre></details>"
        )


def _text(text: str) -> str:
    return "".join(f"<p>{_inline(block)}</p>" for block in text.strip().split("\n\n") if block)


def _inline(text: str) -> str:
    """Text with `code` and *emphasis*."""
    return _EMPHASIS.sub(r"<em>\1</em>", _CODE.sub(r"<code>\1</code>", escape(text)))
