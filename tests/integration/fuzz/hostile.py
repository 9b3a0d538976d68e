"""Requests to every route, made of valid ones that were changed until they are not."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

STRINGS = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff",
    "\ufeff",
    "\U0010ffff",
    "é" * 300,
    "a" * 513,
    "a" * 70_000,
    "../../etc/passwd",
    "//",
    "%00",
    "%",
    "\r\nX: y",
    "'; --",
    '"',
    "\\",
    "null",
    "0",
    "-1",
    "000000000000000000000001",
    "0000000000000000ffffffff",
    "00000000ffffffffffffffff",
    "1-1",
    "9-99999999999999999999999",
    "yard",
    "detector",
]
QUERIES = [
    'label = "car"',
    'NOT label = "car"',
    'label = "a\x00b"',
    "NOT " * 40 + 'label = "car"',
    "NOT " * 400 + 'label = "car"',
    "(" * 200 + 'label = "car"' + ")" * 200,
    " AND ".join(['label = "car"'] * 60),
    " OR ".join(['label = "car"'] * 300),
    " AND ".join(['embedding.model = "m"'] * 40),
    'run = "detector" AND confidence > 1e999',
    "width > " + "9" * 400,
    'metadata.a = "\ud800"',
    "metadata. = 1",
    "count(car) >= 99999999999999999999",
    "=",
    "label",
    'label = "',
    "created > 2024-13-45",
    "created > 9999-12-31T23:59:60Z",
]
NUMBERS: list[Any] = [
    0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**40, 1e308, -0.0, 5e-324,
]  # fmt: skip
RAW_VALUES = [
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10", "01", "1.", ".5", "9" * 5_000,
    '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', "[" * 2_000, "{" * 2_000, "[" * 900 + "]" * 900,
    '{"a":' * 700 + "1" + "}" * 700, '{"a":1,"a":2}', "tru", "'a'", "/**/1",
]  # fmt: skip
RAW_MARK = "\uf8ff raw "
ENCODINGS = ["gzip", "zstd", "br", "identity", "", "gzip, gzip", "\xff"]


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    target: bytes
    headers: tuple[tuple[str, bytes], ...]
    body: bytes | None


class Mutator:
    """Makes calls of an OpenAPI document; the same seed makes the same ones."""

    def __init__(self, document: dict[str, Any], seed: int, known: list[str]) -> None:
        self._random = random.Random(seed)
        self._schemas = document["components"]["schemas"]
        self._known = known
        self._operations = [
            (method.upper(), path, described)
            for path, methods in sorted(document["paths"].items())
            for method, described in sorted(methods.items())
        ]

    def calls(self, count: int) -> Iterator[Call]:
        """Calls, each route in turn."""
        for number in range(count):
            yield self._call(*self._operations[number % len(self._operations)])

    def _call(self, method: str, path: str, described: dict[str, Any]) -> Call:
        target = re.sub(r"\{\w+\}", lambda _: self._segment(), path).encode()
        if self._chance(0.03):
            target = self._damaged(target)
        query = self._query(described.get("parameters", []))
        if query:
            target += b"?" + query
        target = b"/" + target.lstrip(b"/") if self._chance(0.9) else target
        # A request line ends at a blank or a line break; the server's parser is not what is tested.
        target = re.sub(rb"[\x00-\x20\x7f-\xff]", lambda found: b"%%%02X" % found[0][0], target)
        headers = [("Accept", b"*/*")]
        body = self._body(described.get("requestBody", {}).get("content", {}))
        if body is not None and self._chance(0.05):
            headers.append(("Content-Encoding", self._pick(ENCODINGS).encode("latin-1")))
        if self._chance(0.05):
            name = self._pick(
                ["Range", "If-None-Match", "Accept-Encoding", "X-Request-Id", "Cookie"]
            )
            text = self._pick(
                ["bytes=0-", "bytes=9-1,,", "bytes=-9999999999999999999", "*", "\xff=\xff;"]
            )
            headers.append((name, text.encode("latin-1")))
        if self._chance(0.01):
            method = self._pick(["PATCH", "OPTIONS", "HEAD", "DELETE", "PUT"])
        return Call(method, target, tuple(headers), body)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _pick(self, values: Any) -> Any:
        return self._random.choice(values)

    def _text(self) -> str:
        kind = self._random.random()
        if kind < 0.5:
            return str(self._pick(self._known))
        return str(self._pick(STRINGS if kind < 0.85 else QUERIES))

    def _segment(self) -> str:
        text = self._text()[:2_000]
        return quote(text.encode("utf-8", "surrogatepass"), safe="") or "1"

    def _query(self, parameters: list[dict[str, Any]]) -> bytes:
        pairs = []
        for parameter in parameters:
            if parameter["in"] != "query" or not (parameter["required"] or self._chance(0.4)):
                continue
            for _ in range(2 if self._chance(0.03) else 1):
                value = self._query_value(parameter)
                pairs.append(f"{parameter['name']}={value}".encode("latin-1", "ignore"))
        if self._chance(0.02):
            pairs.append(
                self._pick([b"a=b", b"=", b"%FF=%FF", b"a=%00", b"limit=%", b"run=a&" * 1_500])
            )
        return b"&".join(pairs)

    def _query_value(self, parameter: dict[str, Any]) -> str:
        schema = parameter["schema"]
        if parameter["name"] == "query" and self._chance(0.9):
            text = str(self._pick(QUERIES))
        elif schema.get("type") in {"integer", "number"} and self._chance(0.8):
            text = str(self._pick(NUMBERS))
        elif self._chance(0.6):
            value = self._value(schema, 0)
            text = value if isinstance(value, str) else json.dumps(value)
        else:
            text = self._text()
        return quote(text[:8_000].encode("utf-8", "surrogatepass"), safe="")

    def _body(self, content: dict[str, Any]) -> bytes | None:
        if not content:
            return None
        schema = next(iter(content.values()))["schema"]
        if "application/json" not in content:
            return self._lines()
        text = json.dumps(self._value(schema, 0))
        # What JSON cannot say is put where its mark stands.
        text = re.sub(f'"{json.dumps(RAW_MARK)[1:-1]}(\\d+)"', _raw_value, text)
        body = text.encode("utf-8", "surrogatepass")
        return self._damaged(body) if self._chance(0.04) else body

    def _lines(self) -> bytes:
        line = {
            "image": self._text(),
            "annotations": [{"label": self._text(), "bbox": [1, 2, 3, self._pick(NUMBERS)]}],
        }
        lines = json.dumps(line).encode() * self._pick([1, 1, 2])
        return self._damaged(lines) if self._chance(0.3) else lines

    def _damaged(self, data: bytes) -> bytes:
        at = self._random.randrange(len(data) + 1)
        piece = self._random.randbytes(self._random.randrange(4))
        return data[:at] + piece + data[at + self._random.randrange(3) :]

    def _value(self, schema: dict[str, Any], depth: int) -> Any:
        """A value that fits a schema, for the most part."""
        if self._chance(0.04):
            return self._any()
        while "$ref" in schema or "anyOf" in schema:
            name = schema.get("$ref", "").rpartition("/")[2]
            schema = self._schemas[name] if name else self._pick(schema["anyOf"])
        if "enum" in schema:
            return self._pick(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            items = schema.get("items") or {}
            return [self._value(items, depth + 1) for _ in range(self._few(depth))]
        return self._plain(kind)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        if "properties" in schema:
            required = schema.get("required", [])
            return {
                name: self._value(inner, depth + 1)
                for name, inner in schema["properties"].items()
                if self._chance(0.97 if name in required else 0.6)
            }
        values = schema.get("additionalProperties")
        values = values if isinstance(values, dict) else {}
        return {self._text(): self._value(values, depth + 1) for _ in range(self._few(depth))}

    def _plain(self, kind: Any) -> Any:
        if kind == "integer":
            return self._pick(NUMBERS if self._chance(0.3) else [0, 1, 2, 4, 5, 7, 10])
        if kind == "number":
            return self._pick([*NUMBERS, 0.5])
        if kind == "boolean":
            return self._chance(0.5)
        return self._text() if kind == "string" or self._chance(0.7) else self._any()

    def _few(self, depth: int) -> int:
        return self._random.randrange(1 if depth > 5 else 4)

    def _any(self) -> Any:
        kind = self._random.randrange(6)
        if kind == 0:
            return self._pick(NUMBERS)
        if kind == 1:
            return self._text()
        if kind == 2:
            return f"{RAW_MARK}{self._random.randrange(len(RAW_VALUES))}"
        return self._pick([None, True, [], {}, [[]], {"": None}, [None], {"$where": 1}])


def _raw_value(found: re.Match[str]) -> str:
    return RAW_VALUES[int(found[1])]
