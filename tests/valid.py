"""Reads our output as those read it for whom it is made: by the published schema, and back into rules and paths."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import xmlschema
from jsonschema import Draft4Validator, Draft202012Validator
from markdown_it import MarkdownIt

SCHEMAS = Path(__file__).parent / "schemas"
COMMAND = re.compile(r"::(error|warning|notice) ([^\n]*?)::([^\n]*)")
ESCAPES = {"%25": "%", "%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ","}
NOTE = "note"  # what is about no file, and no finding
OUTCOMES = ("failure", "error", "skipped", "system-out")


class Told(NamedTuple):
    """What a reader of a document knows of one finding: its rule, where it is, and how grave in the format's words."""

    rule: str
    path: str
    grade: str
    line: int = 0


def read(name: str, text: str) -> list[Told]:
    """The findings of a document. Fails where it is not valid."""
    return [one for one in READERS[name](text) if one.rule != NOTE]


def notes(name: str, text: str) -> int:
    """How many notes a document of a code host holds, each in a place of its own."""
    return sum(one.rule == NOTE for one in READERS[name](text))


def schema(name: str) -> Any:
    """A JSON Schema of ours."""
    return json.loads((SCHEMAS / name).read_text("utf-8"))


@cache
def _sarif_validator() -> Draft4Validator:
    return Draft4Validator(schema("sarif-2.1.0-rtm.5.json"))


@cache
def _junit_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")


def _json(text: str) -> Iterator[Told]:
    data = json.loads(text)
    for project in data.get("projects", [data]):
        yield from map(_row, project.get("findings", []))


def _row(row: Mapping[str, Any]) -> Told:
    return Told(row["rule"], row["path"], row["level"], row["line"] or 0)


def _jsonl(text: str) -> Iterator[Told]:
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["type"] for row in rows].index("summary") == len(rows) - 1
    return (_row(row) for row in rows if row["type"] == "finding")


def _sarif(text: str) -> Iterator[Told]:
    data = json.loads(text)
    _sarif_validator().validate(data)
    (run,) = data["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        uri = place["artifactLocation"]["uri"]
        assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri), uri
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        grade = "suppressed" if "suppressions" in result else result["level"]
        yield Told(result["ruleId"], unquote(uri, errors="surrogateescape"), grade, place["region"]["startLine"])


def _github(text: str) -> Iterator[Told]:
    for line in text.splitlines():
        if found := COMMAND.fullmatch(line):
            named = dict(part.split("=", 1) for part in found[2].split(","))
            values = {
                key: re.sub("%(?:25|0D|0A|3A|2C)", lambda one: ESCAPES[one[0]], part) for key, part in named.items()
            }
            whole = NOTE if found[1] == "notice" else "error"
            rule = values["title"].partition(" ")[0] if "file" in values else whole
            yield Told(rule, values.get("file", ""), found[1], int(values.get("line", "0")))
        else:
            assert not line.lstrip().startswith("::"), line


def _unescaped(text: str) -> str:
    return re.sub("|".join(ESCAPES), lambda found: ESCAPES[found[0]], text)


def _gitlab(text: str) -> Iterator[Told]:
    data = json.loads(text)
    Draft202012Validator(schema("gitlab-code-quality.json")).validate(data)
    assert len({row["fingerprint"] for row in data}) == len(data)
    for row in data:
        place = row["location"]
        yield Told(row["check_name"], place["path"], row["severity"], place["lines"]["begin"])


def _junit(text: str) -> Iterator[Told]:
    _junit_schema().validate(text)
    root = ET.fromstring(text)  # noqa: S314 - our own output
    for suite in root:
        cases = suite.findall("testcase")
        counted = {name: sum(case.find(name) is not None for case in cases) for name in OUTCOMES[:3]}
        said = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert said == [str(len(cases)), *(str(counted[name]) for name in OUTCOMES[:3])]
        for case in cases:
            rule = (case.get("classname") or "").removeprefix("ai-factory.")
            outcome = next((name for name in OUTCOMES if case.find(name) is not None), "passed")
            yield Told(rule, (case.get("name") or "").rpartition(": ")[0], outcome)


def _markdown(text: str) -> Iterator[Told]:
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    assert not {"html_block", "html_inline"} & {token.type for token in tokens}
    cells = [after for before, after in pairwise(tokens) if before.type == "td_open"]
    rows = [cells[number : number + 5] for number in range(0, len(cells), 5)]
    for row in rows:
        rule, grade = row[0].content.split()
        code = next(child for child in row[1].children or () if child.type == "code_inline")
        yield Told(rule, code.content, grade)


READERS: Mapping[str, Callable[[str], Iterator[Told]]] = {
    "json": _json,
    "jsonl": _jsonl,
    "sarif": _sarif,
    "github": _github,
    "gitlab": _gitlab,
    "junit": _junit,
    "markdown": _markdown,
}
