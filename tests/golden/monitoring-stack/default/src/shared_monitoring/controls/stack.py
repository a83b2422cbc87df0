"""Lets systems join the shared monitoring stack, and checks that none can disturb another.

A system brings `ops/targets.json` (where its metrics are, in the format of Prometheus' file service
discovery) and `ops/alerts*.yml` (its alert rules). Both are read as data and checked before they
lie in `stack/systems/`:

- all targets carry one `system`, a `team`, and no label that would redirect the scrape;
- each rule looks at series of its own system only, and says who acts, how badly, and where to read;
  it has no name of the stack's own alerts, and its texts ask for no other series.

Where `promtool` is installed it checks the rules as well: one that does not parse would keep
Prometheus from loading any.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .paths import Paths

SEVERITIES = ("critical", "warning")
LABELS = {"system", "team", "exporter"}  # of a target: any other could steer how it is scraped
GROUP = {"name", "rules"}
RULE = {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
FILE = re.compile(r"targets\.json|alerts[A-Za-z0-9_-]*\.yml")
TARGET = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?:(?P<port>[1-9]\d{0,4})")
# What a text may take from its alert. All else is refused: templates can ask for any series.
TAKEN = re.compile(r"\{\{\s*\$(labels\.\w+|value)(\s*\|\s*humanize\w*)?\s*\}\}")
FROM_SERIES = re.compile(r"\{\{\s*\$labels\.severity\s*\}\}")
# The age of a file is told by its exporter, which knows no system: rules join it by instance.
SHARED = "node_textfile_mtime_seconds"
STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`""")
MATCHER = re.compile(rf"(\w+)\s*(=~|!~|!=|=)\s*({STRING.pattern})")
MATCHERS = re.compile(rf"\s*(?:{MATCHER.pattern}\s*,\s*)*(?:{MATCHER.pattern}\s*)?")
WORDS = ("and", "or", "unless", "bool", "offset", "inf", "nan")


def folder(paths: Paths) -> Path:
    """Where the files of the systems lie."""
    return paths.root / "stack" / "systems"


def join(paths: Paths, project: Path, *, replace: bool = False) -> list[str]:
    """Take in the targets and rules of the project at that folder; what is wrong with them, if any.

    Nothing is written unless all is well. A system of that name that has joined is replaced only if
    the caller says so: it could be another one's.
    """
    brought = {"targets.json": project / "ops" / "targets.json"}
    brought |= {path.name: path for path in sorted((project / "ops").glob("alerts*.yml"))}
    texts = {name: _text(path) for name, path in brought.items() if path.is_file()}
    if "targets.json" not in texts:
        return [f"{project}: there is no ops/targets.json"]
    system, findings = _judged(texts, _own_alerts(paths))
    if findings or system is None:
        return findings
    if _files(paths, system) and not replace:
        return [f"{system}: a system of that name has joined; --replace puts this one in its place"]
    for old in _files(paths, system):
        old.unlink()
    for name, text in texts.items():
        (folder(paths) / f"{system}.{name}").write_text(text, "utf-8", newline="\n")
    write_list(paths)
    return []


def check(paths: Paths) -> list[str]:
    """What is wrong with the systems that have joined, each finding with its file."""
    findings = []
    named = re.compile(rf"({NAME.pattern})\.({FILE.pattern})")
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder(paths).iterdir()):
        if matched := named.fullmatch(path.name):
            found.setdefault(matched[1], {})[matched[2]] = _text(path)
        elif path.name not in ("README.md", "kustomization.yaml"):
            findings.append(f"{_shown(path.name)}: is no file of a system")
    for name, texts in found.items():
        system, wrong = _judged(texts, _own_alerts(paths))
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


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)


def _own_alerts(paths: Paths) -> set[str]:
    """The names of the stack's own alerts: Alertmanager routes and mutes by them."""
    file = paths.root / "stack" / "alerts-stack.yml"
    return {rule["alert"] for rule in _rules(_text(file))} if file.exists() else set()


def _judged(texts: Mapping[str, str], own: Collection[str]) -> tuple[str | None, list[str]]:
    """The system that speaks, and what is wrong with what it says; `own` names are the stack's."""
    if "targets.json" not in texts:
        return None, ["alerts: there are rules and no targets.json"]
    try:
        groups = json.loads(texts["targets.json"])
        system, findings = _targets(groups)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return None, [f"targets.json: cannot be read: {type(error).__name__}"]
    for name in sorted(texts.keys() - {"targets.json"}):
        if not FILE.fullmatch(name):
            findings.append(f"{_shown(name)}: a name has letters, digits, - and _ only")
            continue
        try:
            rules = _rules(texts[name])
        except (ValueError, yaml.YAMLError) as error:
            findings.append(f"{name}: cannot be read: {' '.join(str(error).split())}")
            continue
        wrong = [text for rule in rules for text in _rule(rule, system, own)]
        findings += [f"{name}: {text}" for text in wrong or _of_promtool(texts[name])]
    return system, findings


def _of_promtool(text: str) -> list[str]:
    """What Prometheus' own tool says of rules, where it is installed."""
    if not (tool := shutil.which("promtool")):
        return []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yml"
        file.write_text(text, "utf-8")
        done = subprocess.run(
            [tool, "check", "rules", str(file)], capture_output=True, text=True, check=False
        )
    said = (done.stderr.strip() or done.stdout.strip()).replace(str(file), "").splitlines()
    return [f"promtool refuses it: {said[-1].strip(' :') if said else ''}"] * (done.returncode != 0)


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
        if not _is_text(group["labels"]) or not isinstance(group["targets"], list):
            findings.append("targets.json: targets are a list, and labels have a text each")
        wrong = [str(name) for name in group["targets"] if not _is_target(str(name))]
        findings += [f"targets.json: {name} is not of the form host:port" for name in wrong]
    return system, findings


def _is_target(name: str) -> bool:
    found = TARGET.fullmatch(name)
    return found is not None and int(found["port"]) < 2**16


def _rules(text: str) -> list[Mapping[str, Any]]:
    """The rules of a file; ValueError says in words what else it holds."""
    if "\ufffd" in text:
        raise ValueError("it is no UTF-8")
    content = yaml.safe_load(text)
    if not _holds(content, {"groups"}) or not isinstance(content["groups"], list):
        raise ValueError("a file has a list of groups, and nothing else")
    rules: list[Mapping[str, Any]] = []
    for group in content["groups"]:
        if not _holds(group, GROUP) or not isinstance(group["rules"], list):
            raise ValueError("a group has a name and a list of rules, and nothing else")
        rules += group["rules"]
    if not all(isinstance(rule, dict) for rule in rules):
        raise ValueError("a rule is no text, but has keys and values")
    return rules


def _holds(found: object, keys: set[str]) -> bool:
    return isinstance(found, dict) and found.keys() == keys


def _rule(rule: Mapping[str, Any], system: str, own: Collection[str]) -> Iterator[str]:
    """What is wrong with one rule, in the system's name."""
    name = rule.get("alert")
    if not name or not isinstance(name, str):
        yield f"{rule.get('record', 'a rule')}: only alerts, no recorded series"
        return
    if name in own:
        yield f"{name}: is the name of an alert of the stack itself"
    if unknown := sorted(map(str, rule.keys() - RULE)):
        yield f"{name}: keys that no rule has: {', '.join(unknown)}"
    labels, notes = rule.get("labels") or {}, rule.get("annotations") or {}
    if not (_is_text(labels) and _is_text(notes)):
        yield f"{name}: labels and annotations are names with a text each"
        return
    yield from _texts(name, labels, notes, system)
    if not isinstance(rule.get("expr"), str):
        yield f"{name}: has no text as its expr"
    elif "#" in _bare(rule["expr"]):
        yield f"{name}: has a comment in its expr: put it above the rule"
    elif foreign := sorted(set(_foreign(rule["expr"], system))):
        yield f"{name}: looks beyond its own system: {', '.join(foreign)}"


def _is_text(found: object) -> bool:
    parts = [*found.keys(), *found.values()] if isinstance(found, dict) else [None]
    return all(isinstance(part, str) for part in parts)


def _texts(
    name: str, labels: Mapping[str, str], notes: Mapping[str, str], system: str
) -> Iterator[str]:
    severity = labels.get("severity", "")
    if severity not in SEVERITIES and not FROM_SERIES.fullmatch(severity):
        yield f"{name}: severity is one of {', '.join(SEVERITIES)}"
    missing = [key for key in ("owner",) if not labels.get(key)]
    missing += [key for key in ("summary", "runbook") if not notes.get(key)]
    if missing:
        yield f"{name}: says no {', '.join(missing)}"
    if labels.get("system", system) != system:
        yield f"{name}: speaks for the system {labels['system']}"
    for text in (*labels.values(), *notes.values()):
        if "{{" in TAKEN.sub("", text):
            yield f"{name}: a text takes labels and the value of its alert only: {text}"


def _bare(expression: str) -> str:
    """The expression with its strings blanked: a brace or a # in a string is none."""
    return STRING.sub(lambda found: "_" * len(found[0]), expression)


def _foreign(expression: str, system: str) -> Iterator[str]:
    """Selectors that do not name the system by an equality, and metrics without a selector."""
    bare = _bare(expression)
    for found in re.finditer(r"([\w:]*)\s*\{([^}]*)\}", bare):
        plain = MATCHERS.fullmatch(expression, found.start(2), found.end(2))
        matchers = MATCHER.findall(expression, found.start(2), found.end(2)) if plain else []
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
    joining.add_argument("--replace", action="store_true", help="also one that has joined before")
    commands.add_parser("check", help="check all systems that have joined")
    options = parser.parse_args(arguments)
    paths = Paths.here()
    if options.command == "join":
        findings = join(paths, options.project, replace=options.replace)
    else:
        findings = check(paths)
    for finding in findings:
        print(finding, file=sys.stderr)
    if not findings:
        names = [path.name.partition(".")[0] for path in _files(paths) if path.suffix == ".json"]
        write_list(paths)
        print(f"{len(names)} systems: {', '.join(names) or 'none has joined'}")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
