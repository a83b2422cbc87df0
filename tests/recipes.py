"""What pages and pipelines tell a code host to run, run here as the host would: steps of GitHub, jobs of GitLab."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests import golden, markdown
from tests.shell import Done, Shell

HOW_TO = golden.ROOT / "docs" / "how-to"
_EXPRESSION = re.compile(r"\$\{\{ ([\w.-]+) \}\}")
_INPUT = re.compile(r"\$\[\[ inputs\.(\w+) \]\]")
_ALSO_AFTER_FAILURE = re.compile(r"\$\{\{ (always\(\)|!cancelled\(\)).* \}\}")


def named(page: str, path: str) -> str:
    """The block of a how-to whose first line says that it is the file of that path, without that line."""
    text = (HOW_TO / f"{page}.md").read_text("utf-8")
    (found,) = [block for block in markdown.blocks(text) if block.lines and block.lines[0] == f"# {path}"]
    return "\n".join(found.lines[1:]) + "\n"


def written(page: str, path: str, folder: Path) -> Path:
    """That block as a file in the folder."""
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(named(page, path), "utf-8")
    return place


# ---- GitHub --------------------------------------------------------------------------------------


class Ran(NamedTuple):
    """How the steps ended, what they printed, the outputs of each, and the actions of others that were not run."""

    code: int
    text: str
    outputs: Mapping[str, str]
    skipped: tuple[str, ...]


def inputs_of(action: Mapping[str, Any], **given: str) -> dict[str, str]:
    """`inputs.NAME` of an action, as given or else by default; a name that it does not know is refused."""
    names = {name.replace("-", "_"): name for name in action["inputs"]}
    assert names.keys() >= given.keys()
    return {f"inputs.{name}": given.get(key, action["inputs"][name].get("default", "")) for key, name in names.items()}


def run_steps(
    shell: Shell, temp: Path, steps: Sequence[Mapping[str, Any]], known: Mapping[str, str], **env: str
) -> Ran:
    """Run the scripts in their order with bash as a runner does; after a failure, only what asks for it.

    Actions of others are passed over. An expression is put in under `env` alone: in a script it could be run.
    """
    temp.mkdir(parents=True, exist_ok=True)
    values, skipped, text, code = dict(known), [], "", 0
    runner = {"GITHUB_ACTIONS": "true", "CI": "true", "RUNNER_TEMP": str(temp), **env}
    for number, step in enumerate(steps):
        if code and not _ALSO_AFTER_FAILURE.fullmatch(step.get("if", "")):
            continue
        if "uses" in step:
            skipped.append(step["uses"].partition("@")[0])
            continue
        assert "${{" not in step["run"]
        output = temp / f"output-{number}"
        output.write_text("")
        given = {name: _put_in(told, values) for name, told in step.get("env", {}).items()}
        done = _script(shell, temp, step["run"], {**runner, "GITHUB_OUTPUT": str(output), **given})
        text, code = text + done.text, code or done.code
        rows = (line.partition("=") for line in output.read_text().splitlines())
        values |= {f"steps.{step.get('id', number)}.outputs.{name}": value for name, _, value in rows}
    return Ran(code, text, {name: value for name, value in values.items() if name not in known}, tuple(skipped))


def _put_in(text: str, values: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda found: values[found[1]], text)


def _script(shell: Shell, temp: Path, script: str, env: Mapping[str, str]) -> Done:
    place = temp / "script.sh"
    place.write_text(script, "utf-8")
    assignments = " ".join(shlex.quote(f"{name}={value}") for name, value in env.items())
    return shell.run(f"env {assignments} bash --noprofile --norc -eo pipefail {shlex.quote(str(place))}")


# ---- GitLab --------------------------------------------------------------------------------------


def component(text: str, **given: str) -> dict[str, Any]:
    """The jobs of a component with the inputs put in; as GitLab does, one that its pattern does not fit is refused."""
    head, body = text.split("\n---\n")
    declared = yaml.safe_load(head)["spec"]["inputs"]
    assert declared.keys() >= given.keys()
    values = {name: given.get(name, rules.get("default")) for name, rules in declared.items()}
    for name, rules in declared.items():
        if not re.search(rules.get("regex", ""), str(values[name]), re.ASCII) or values[name] is None:
            raise ValueError(name)
    return dict(yaml.safe_load(_INPUT.sub(lambda found: values[found[1]], body)))


def run_job(shell: Shell, temp: Path, job: Mapping[str, Any], **variables: str) -> Done:
    """Run the script of a job as GitLab's runner does: its lines in one shell, which the first failure ends."""
    temp.mkdir(parents=True, exist_ok=True)
    script = "\n".join([job["script"]] if isinstance(job["script"], str) else job["script"])
    told = {"CI": "true", "GITLAB_CI": "true", **job.get("variables", {}), **variables}
    return _script(shell, temp, script, told)
