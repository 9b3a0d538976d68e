"""The stack's description of itself: what routes read and answer, and a page to read it on.

Bulk bodies are taken raw, so their description is written here instead of being derived.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    RequestBody,
    Schema,
    SecurityScheme,
)

from layernext import __version__
from layernext.stack.api.error_map import ErrorEnvelope
from layernext.wire.native import NDJSON, DownloadLine

_REASONS = {
    400: "The request is not one that this route reads.",
    401: "No credentials, or wrong ones.",
    403: "The key's role does not permit this.",
    404: "There is no such thing.",
    409: "The request contradicts what the stack has.",
    413: "Larger than the stack accepts.",
    415: "An encoding that the stack does not read.",
    503: "The stack cannot serve at the moment.",
    422: "The data breaks a rule; `details` says where.",
}


def errors(*statuses: int) -> dict[int, ResponseSpec]:
    """The error answers of a route."""
    return {
        status: ResponseSpec(ErrorEnvelope, generate_examples=False, description=_REASONS[status])
        for status in statuses
    }


def json_body(message: type[msgspec.Struct]) -> type[Operation]:
    """An operation whose JSON body is `message`."""
    (schema,), definitions = msgspec.json.schema_components(
        [message], ref_template="#/components/schemas/{name}"
    )
    name = schema["$ref"].rsplit("/", 1)[1]
    plain = _inlined(definitions[name], definitions)

    @dataclass
    class JsonBody(Operation):
        request_body: RequestBody | None = field(
            default_factory=lambda: RequestBody(
                content={"application/json": OpenAPIMediaType(schema=_as_schema(plain))},
                required=True,
            )
        )

    return JsonBody


def ndjson_body() -> type[Operation]:
    """An operation whose body is a batch: lines of JSON, one image each."""
    text = (
        'One image a line: `{"image": "a.jpg", "annotations": [...]}`, in the form (v1 or v2) '
        "that the upload was opened for."
    )

    @dataclass
    class NdjsonBody(Operation):
        request_body: RequestBody | None = field(
            default_factory=lambda: RequestBody(
                content={NDJSON: OpenAPIMediaType(schema=Schema(type="string"))},  # type: ignore[arg-type]
                description=text,
                required=True,
            )
        )

    return NdjsonBody


def ndjson_answer() -> type[Operation]:
    """An operation that answers a stream of `DownloadLine`."""
    schema = msgspec.json.schema(DownloadLine)

    @dataclass
    class NdjsonAnswer(Operation):
        def __post_init__(self) -> None:
            if self.responses:
                self.responses["200"] = OpenAPIResponse(
                    description=f"Lines of JSON, each `{json.dumps(schema['$ref'])}`: see protocol.",
                    content={NDJSON: OpenAPIMediaType(schema=Schema(type="string"))},  # type: ignore[arg-type]
                )

    return NdjsonAnswer


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
        return {key: _inlined(value, definitions) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(value, definitions) for value in schema]
    return schema


class _PlainSchema(Schema):
    """A schema that is JSON already."""

    def __init__(self, plain: dict[str, Any]) -> None:
        super().__init__()
        self.plain = plain

    def to_schema(self) -> dict[str, Any]:
        """The schema."""
        return self.plain

    def __hash__(self) -> int:
        return hash(json.dumps(self.plain, sort_keys=True))


def _as_schema(plain: dict[str, Any]) -> Schema:
    return _PlainSchema(plain)


class _Page(OpenAPIRenderPlugin):
    """The description as one HTML page that needs nothing from elsewhere."""

    def render(
        self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]
    ) -> bytes:
        parts = []
        for path, methods in sorted(openapi_schema["paths"].items()):
            for method, operation in methods.items():
                parts.append(_section(path, method, operation))
        info = openapi_schema["info"]
        return _HTML.format(
            title=html.escape(f"{info['title']} {info['version']}"),
            intro=html.escape(info.get("description", "")),
            body="\n".join(parts),
        ).encode()


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{html.escape(p['name'])}</code></td><td>{p['in']}</td>"
        f"<td>{'yes' if p.get('required') else 'no'}</td>"
        f"<td>{html.escape(p.get('description', ''))}</td></tr>"
        for p in operation.get("parameters", [])
    )
    table = (
        "<table><tr><th>Parameter</th><th>In</th><th>Required</th><th>Meaning</th></tr>"
        f"{parameters}</table>"
        if parameters
        else ""
    )
    bodies = operation.get("requestBody", {}).get("content", {})
    body = "".join(
        f"<p>Body: <code>{html.escape(kind)}</code></p>"
        f"<pre>{html.escape(json.dumps(media.get('schema', {}), indent=2))}</pre>"
        for kind, media in bodies.items()
    )
    answers = "".join(
        f"<li><b>{status}</b> {html.escape(answer.get('description', ''))}</li>"
        for status, answer in sorted(operation.get("responses", {}).items())
    )
    return (
        f"<section><h2><span class='{method}'>{method.upper()}</span> "
        f"<code>{html.escape(path)}</code></h2>"
        f"<p><b>{html.escape(operation.get('summary') or '')}</b></p>"
        f"<p>{html.escape(operation.get('description') or '')}</p>"
        f"{table}{body}<ul>{answers}</ul></section>"
    )


_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }}
section {{ border-top: 1px solid #8886; padding: .5rem 0; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.1rem; }} h2 span {{ display: inline-block; min-width: 4.5rem; }}
pre {{ background: #8882; padding: .75rem; overflow: auto; max-height: 20rem; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .2rem .6rem; text-align: left; }}
</style></head><body>
<h1>{title}</h1><p>{intro}</p>
<p>The same for programs: <a href="/api/openapi.json">/api/openapi.json</a></p>
{body}
</body></html>
"""


def config() -> OpenAPIConfig:
    """How the description is made and where it is served."""
    return OpenAPIConfig(
        title="LayerNext stack",
        version=__version__,
        description=(
            "Every request carries an API key and its secret as Basic authentication. "
            "Routes under /api are the native protocol; routes under /datalake are the published "
            "one, which docs/protocol.md describes."
        ),
        path="/api",
        render_plugins=[JsonRenderPlugin(path="/openapi.json"), _Page(path="/docs")],
        components=Components(
            security_schemes={"basic": SecurityScheme(type="http", scheme="basic")}
        ),
        security=[{"basic": []}],
        use_handler_docstrings=True,
    )
