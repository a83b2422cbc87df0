"""What the hosts publish of their interfaces: requests and answers are held against it, and samples made from it.

The descriptions lie in `tests/schemas`, whose README says where each comes from. A name that a description does not
know is a complaint too, which JSON Schema alone would let pass.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[1] / "schemas"
_TEXTS = {"date-time": "2026-01-02T03:04:05Z", "uri": "https://example.org/", "email": "user@example.org"}


class Published:
    """What one host publishes."""

    def __init__(self, kind: str) -> None:
        document = json.loads((SCHEMAS / f"{kind}.json").read_text("utf-8"))
        self._schemas: Mapping[str, Any] = document["$defs"]
        self._operations = {
            (name.partition(" ")[0], re.compile(_pattern(name.partition(" ")[2]))): operation
            for name, operation in document["operations"].items()
        }

    def complaints(
        self, verb: str, path: str, query: Mapping[str, str], body: Any, status: int, answer: Any
    ) -> list[str]:
        """What is wrong with a request, and with the answer to it if that is a success."""
        found = [each for (word, way), each in self._operations.items() if word == verb and way.fullmatch(path)]
        if len(found) != 1:
            return [f"{verb} {path}: {'no' if not found else 'more than one'} such operation is published"]
        here = found[0]
        wrong = [f"the query has no `{name}`" for name in query.keys() - here["query"].keys()]
        for name in query.keys() & here["query"].keys():
            wrong += self._wrong(_of_text(here["query"][name]), query[name])
        if (body is None) != (here["body"] is None):
            wrong.append("there is a body where none is asked for, or none where one is")
        elif body is not None:
            wrong += [f"body: {text}" for text in self._wrong(here["body"], body)]
        if 200 <= status < 300:
            wrong += self._wrong_answer(here, status, answer)
        return [f"{verb} {path}: {text}" for text in wrong]

    def sample(self, name: str) -> Any:
        """The smallest value that a schema of that name allows."""
        return copy.deepcopy(self._sampled(name))

    def _wrong_answer(self, here: Mapping[str, Any], status: int, answer: Any) -> list[str]:
        if not here["answers"]:
            return []  # a success without content, or one that is not described
        if str(status) not in here["answers"]:
            return [f"{status} is no published answer"]
        return [f"answer: {text}" for text in self._wrong(here["answers"][str(status)], answer)]

    def _wrong(self, schema: Any, data: Any) -> list[str]:
        whole = {**schema, "$defs": self._schemas}
        wrong = [f"{error.json_path}: {error.message[:300]}" for error in Draft202012Validator(whole).iter_errors(data)]
        return wrong or list(self._strange(schema, data, "$"))

    def _strange(self, schema: Any, data: Any, where: str) -> Iterator[str]:
        """The names in the data that the schema does not know."""
        branches = list(self._branches(schema))
        if isinstance(data, dict) and (known := self._fields(branches)):
            yield from (f"{where} has no `{name}`" for name in data.keys() - known.keys())
            for name in data.keys() & known.keys():
                yield from self._strange(known[name], data[name], f"{where}.{name}")
        for item in data if isinstance(data, list) else []:
            for branch in branches:
                yield from self._strange(branch.get("items", {}), item, f"{where}[]")

    def _branches(self, schema: Any) -> Iterator[Mapping[str, Any]]:
        """The schema, and all that it refers to, joins or chooses from."""
        if "$ref" in schema:
            yield from self._branches(self._schemas[schema["$ref"].removeprefix("#/$defs/")])
        for key in ("anyOf", "oneOf", "allOf"):
            for inner in schema.get(key, ()):
                yield from self._branches(inner)
        yield schema

    def _fields(self, branches: list[Mapping[str, Any]]) -> dict[str, Any]:
        open_ended = any(branch.get("additionalProperties") for branch in branches)
        known = {name: field for branch in branches for name, field in branch.get("properties", {}).items()}
        return {} if open_ended else known

    @cache  # noqa: B019 - there is one of these a kind, as long as the tests run
    def _sampled(self, name: str) -> Any:
        return self._smallest(self._schemas[name])

    def _smallest(self, schema: Mapping[str, Any]) -> Any:
        if "$ref" in schema:
            return self.sample(schema["$ref"].removeprefix("#/$defs/"))
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return None if {"type": "null"} in choices else self._smallest(choices[0])
        if "allOf" in schema:
            return {key: value for part in schema["allOf"] for key, value in self._smallest(part).items()}
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        return self._of_type(schema, schema.get("type", "object"))

    def _of_type(self, schema: Mapping[str, Any], kind: str) -> Any:
        if kind == "object":
            fields = schema.get("properties", {})
            return {name: self._smallest(fields[name]) for name in schema.get("required", ()) if name in fields}
        if kind == "string" and "pattern" in schema:
            return "0" * 40  # the only pattern there is: a commit
        if kind == "string":
            return _TEXTS.get(schema.get("format", ""), "x")
        return {"array": [], "boolean": False, "integer": 1, "number": 1}[kind]


@cache
def published(kind: str) -> Published:
    """What that kind of host publishes."""
    return Published(kind)


def _pattern(path: str) -> str:
    """The pattern of a path; a part in braces is one part of it, the name of a project on GitLab included."""
    return re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))


def _of_text(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a value that stands in a query, where everything is text."""
    return (
        {"pattern": r"^\d+$"} if schema.get("type") == "integer" else {k: schema[k] for k in ("enum",) if k in schema}
    )
