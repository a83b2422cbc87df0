"""Lets systems join the shared monitoring stack, and checks that none can disturb another.

A system brings `ops/targets.json` (where its metrics are, in the format of Prometheus' file service
discovery) and `ops/alerts*.yml` (its alert rules). Both are read as data and checked before they
lie in `stack/systems/`:

- all targets carry one `system`, a `team`, and no label that would redirect the scrape;
- each rule looks at series of its own system only, and says who acts, how badly, and where to read.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .paths import Paths

SEVERITIES = ("critical", "warning")
LABELS = {"system", "team", "exporter"}  # of a target: any other could steer how it is scraped
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
TARGET = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?:\d{1,5}")
# The age of a file is told by its exporter, which knows no system: rules join it by instance.
SHARED = "node_textfile_mtime_seconds"
STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`""")
MATCHER = re.compile(rf"(\w+)\s*(=~|!~|!=|=)\s*({STRING.pattern})")
WORDS = ("and", "or", "unless", "bool", "offset", "inf", "nan")


def folder(paths: Paths) -> Path:
    """Where the files of the systems lie."""
    return paths.root / "stack" / "systems"


def join(paths: Paths, project: Path) -> list[str]:
    """Take in the targets and rules of the project at that folder; what is wrong with them, if any.

    Nothing is written unless all is well. Files that the system brought before are replaced.
    """
    brought = {"targets.json": project / "ops" / "targets.json"}
    brought |= {path.name: path for path in sorted((project / "ops").glob("alerts*.yml"))}
    texts = {name: path.read_text("utf-8") for name, path in brought.items() if path.is_file()}
    if "targets.json" not in texts:
        return [f"{project}: there is no ops/targets.json"]
    system, findings = _judged(texts)
    if findings or system is None:
        return findings
    for old in _files(paths, system):
        old.unlink()
    for name, text in texts.items():
        (folder(paths) / f"{system}.{name}").write_text(text, "utf-8", newline="\n")
    write_list(paths)
    return []


def check(paths: Paths) -> list[str]:
    """What is wrong with the systems that have joined, each finding with its file."""
    findings = []
    named = re.compile(r"(\w+)\.(targets\.json|alerts[\w-]*\.yml)")
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder(paths).iterdir()):
        if matched := named.fullmatch(path.name):
            found.setdefault(matched[1], {})[matched[2]] = path.read_text("utf-8")
        elif path.name not in ("README.md", "kustomization.yaml"):
            findings.append(f"{path.name}: is no file of a system")
    for name, texts in found.items():
        system, wrong = _judged(texts)
        findings += [f"{name}.{finding}" for finding in wrong]
        if system not in (None, name):
            findings.append(f"{name}.targets.json: is of the system {system}")
    return findings


def write_list(paths: Paths) -> Path:
    """Name the files of all systems for Kubernetes: `kustomization.yaml` beside them."""
    files = [path.name for path in _files(paths)]
    place = folder(paths) / "kustomization.yaml"
    head = place.read_text("utf-8").partition("    files:")[0]
    lines = "\n".join(f"      - {name}" for name in files)
    place.write_text(f"{head}    files:{f'{chr(10)}{lines}' if files else ' []'}\n", "utf-8")
    return place


def _files(paths: Paths, system: str = "*") -> list[Path]:
    patterns = (f"{system}.targets.json", f"{system}.alerts*.yml")
    return sorted(path for pattern in patterns for path in folder(paths).glob(pattern))


def _judged(texts: Mapping[str, str]) -> tuple[str | None, list[str]]:
    """The system that speaks, and what is wrong with what it says."""
    if "targets.json" not in texts:
        return None, ["alerts: there are rules and no targets.json"]
    try:
        groups = json.loads(texts["targets.json"])
        system, findings = _targets(groups)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return None, [f"targets.json: cannot be read: {type(error).__name__}"]
    for name in sorted(texts.keys() - {"targets.json"}):
        try:
            rules = list(_rules(yaml.safe_load(texts[name])))
        except (KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            findings.append(f"{name}: cannot be read: {type(error).__name__}")
            continue
        findings += [f"{name}: {text}" for rule in rules for text in _rule(rule, system)]
    return system, findings


def _targets(groups: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    systems = {str(group["labels"]["system"]) for group in groups}
    if len(systems) != 1 or not NAME.fullmatch(system := systems.pop()):
        return "", ["targets.json: all targets are of one system, named in lower case"]
    findings = []
    for group in groups:
        if group.keys() != {"targets", "labels"} or not group["targets"]:
            findings.append("targets.json: each entry has targets and labels, and nothing else")
        if unknown := group["labels"].keys() - LABELS:
            named = ", ".join(sorted(unknown))
            findings.append(f"targets.json: labels that no target sets: {named}")
        if not group["labels"].get("team"):
            findings.append("targets.json: no team that is told when a target is down")
        wrong = [str(name) for name in group["targets"] if not TARGET.fullmatch(str(name))]
        findings += [f"targets.json: {name} is not of the form host:port" for name in wrong]
    return system, findings


def _rules(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for group in content["groups"]:
        yield from group["rules"]


def _rule(rule: Mapping[str, Any], system: str) -> Iterator[str]:
    """What is wrong with one rule, in the system's name."""
    name = rule.get("alert")
    if not name:
        yield f"{rule.get('record', 'a rule')}: only alerts, no recorded series"
        return
    labels, notes = rule.get("labels") or {}, rule.get("annotations") or {}
    if labels.get("severity") not in SEVERITIES and "$labels.severity" not in str(labels):
        yield f"{name}: severity is one of {', '.join(SEVERITIES)}"
    missing = [key for key in ("owner",) if not labels.get(key)]
    missing += [key for key in ("summary", "runbook") if not notes.get(key)]
    if missing:
        yield f"{name}: says no {', '.join(missing)}"
    if labels.get("system", system) != system:
        yield f"{name}: speaks for the system {labels['system']}"
    if foreign := sorted(set(_foreign(str(rule["expr"]), system))):
        yield f"{name}: looks beyond its own system: {', '.join(foreign)}"


def _foreign(expression: str, system: str) -> Iterator[str]:
    """Selectors that do not name the system by an equality, and metrics without a selector."""
    bare = STRING.sub(lambda found: "_" * len(found[0]), expression)  # a brace in a string is none
    for found in re.finditer(r"([\w:]*)\s*\{([^}]*)\}", bare):
        matchers = MATCHER.findall(expression, found.start(2), found.end(2))
        equal = {(name, value[1:-1]) for name, operator, value in matchers if operator == "="}
        shared = found[1] == SHARED or ("__name__", SHARED) in equal
        if not shared and ("system", system) not in equal:
            yield expression[found.start() : found.end()]
    rest = re.sub(r"[\w:]*\s*\{[^}]*\}|\[[^\]]*\]", " ", bare)
    rest = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", rest)
    for found in re.finditer(r"(?<![\w:])([A-Za-z_:][\w:]*)\s*(\()?", rest):
        quoted = set(found[1]) == {"_"}
        if not found[2] and not quoted and found[1].lower() not in WORDS:
            yield found[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """`join FOLDER` or `check`: 0, or 1 after naming what is wrong."""
    parser = argparse.ArgumentParser(prog="stack", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    joining = commands.add_parser("join", help="take in the targets and rules of a system")
    joining.add_argument("project", type=Path, help="the folder of its project")
    commands.add_parser("check", help="check all systems that have joined")
    options = parser.parse_args(arguments)
    paths = Paths.here()
    findings = join(paths, options.project) if options.command == "join" else check(paths)
    for finding in findings:
        print(finding, file=sys.stderr)
    if not findings:
        names = [path.name.partition(".")[0] for path in _files(paths) if path.suffix == ".json"]
        write_list(paths)
        print(f"{len(names)} systems: {', '.join(names) or 'none has joined'}")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
