"""As much of JSON Schema as manifest.schema.json uses; a keyword that isn't known here is an error, never passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
_KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "type", "const", "enum", "pattern", "minimum", "required",
    "properties", "additionalProperties", "items",
}  # fmt: skip


def problems(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], where: str = "manifest") -> Iterator[str]:
    """Give a sentence for each way in which `value` isn't what the schema says."""
    assert set(schema) <= _KNOWN, set(schema) - _KNOWN
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{where} is no {kind}"
        return
    yield from _of_a_value(value, schema, where)
    if kind == "array":
        for number, item in enumerate(value):
            yield from problems(item, schema["items"], root, f"{where}[{number}]")
    if kind == "object":
        yield from (f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value)
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
            if inner is False:
                yield f"{where}.{name} is unknown"
            else:
                yield from problems(item, inner, root, f"{where}.{name}")


def _of_a_value(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if "const" in schema and value != schema["const"]:
        yield f"{where} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where} does not match {schema['pattern']}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{where} is below {schema['minimum']}"
