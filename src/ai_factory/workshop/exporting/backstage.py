"""A blueprint as a software template of Backstage, and the workflow that stamps what its form was told.

Backstage renders Nunjucks and Cookiecutter, and has no action for templates of this kind. So the form is Backstage's,
and its one step starts a workflow in the platform's own repository: nothing has to be added to Backstage, and nothing
runs in it. What a form cannot check (a validator is a Jinja expression), `ai-factory new` checks in the workflow.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, NamedTuple

from ai_factory import __version__, documents
from ai_factory.catalog import Component
from ai_factory.errors import UsageError
from ai_factory.factory import EMBEDDED, is_remote, open_factory
from ai_factory.lock import Origin
from ai_factory.project.target import Recipe
from ai_factory.questions import MISSING, Question
from ai_factory.tree import File, Tree
from ai_factory.workshop.exporting.questionnaire import taking
from ai_factory.workshop.exporting.repository import with_all
from ai_factory.workshop.opening import last_release
from ai_factory.workspace import Folder, unusable

TEMPLATE, WORKFLOW, README = "template.yaml", ".github/workflows/stamp.yml", "README.md"
PLATFORM = "example-org/templates"  # where the workflow lies: whoever takes the export writes their own
_REPOSITORY = "${{ (parameters.repoUrl | parseRepoUrl).owner }}/${{ (parameters.repoUrl | parseRepoUrl).repo }}"
_JSON = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


class Written(NamedTuple):
    """The files of a template for Backstage."""

    blueprint: str
    place: str
    paths: tuple[str, ...]
    version: str


def as_backstage(name: str, address: str, destination: str) -> Written:
    """Export a blueprint for Backstage: its newest release.

    Raises UsageError for a factory that a workflow elsewhere could not reach, and for a place that holds other files.
    """
    opened = open_factory(address)
    factory = last_release(opened) or opened
    origin = factory.origin
    if origin.kind != EMBEDDED and not is_remote(origin.url):
        raise UsageError(
            f"the factory `{address}` is a folder here, and the project is stamped by a workflow elsewhere",
            "name the factory by an address that the workflow can reach: `--factory https://…`",
        )
    tree = template(with_all(name, factory))
    _write(destination, tree)
    return Written(name, destination, tuple(tree), origin.version)


def _write(destination: str, tree: Tree) -> None:
    """Write the files, if none of them is there with other contents."""
    if os.path.lexists(destination) and not os.path.isdir(destination):
        raise UsageError(f"`{destination}` is a file", "name a folder")
    try:
        os.makedirs(destination, exist_ok=True)
    except OSError as error:
        raise unusable(destination, "write", error) from None
    disk = Folder(destination)
    for path, file in tree.items():
        if disk.read(path) not in (None, file):
            hint = "remove it, or name another folder"
            raise UsageError(f"`{destination}/{path}` is there already, and is another one", hint)
    for path, file in tree.items():
        disk.write(path, file)


def template(made: Recipe) -> dict[str, File]:
    """The form, the workflow, and what to do with both."""
    texts = {
        README: _readme(made),
        TEMPLATE: documents.write(form(made)).decode(),
        WORKFLOW: _workflow(made),
    }
    return {path: File(text.encode()) for path, text in texts.items()}


def form(made: Recipe) -> dict[str, Any]:
    """The `template.yaml`."""
    name, platform = made.blueprint.name, PLATFORM.replace("/", "&repo=")
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {
            "name": name,
            "title": name.replace("-", " ").capitalize(),
            "description": made.blueprint.summary,
            "tags": ["ai", "governance"],
        },
        "spec": {
            "type": "service",
            "parameters": _pages(made),
            "steps": [
                {
                    "id": "stamp",
                    "name": "Start the workflow that stamps the project",
                    "action": "github:actions:dispatch",
                    "input": {
                        "repoUrl": f"github.com?owner={platform}",
                        "workflowId": os.path.basename(WORKFLOW),
                        "branchOrTagName": "main",
                        "workflowInputs": {
                            "repository": _REPOSITORY,
                            "request": "${{ parameters | dump }}",
                        },
                    },
                }
            ],
            "output": {
                "links": [
                    {"title": "The workflow", "url": f"https://github.com/{PLATFORM}/actions/workflows/stamp.yml"},
                    {"title": "The project, when it is done", "url": f"https://github.com/{_REPOSITORY}"},
                ]
            },
        },
    }


def _pages(made: Recipe) -> list[dict[str, Any]]:
    """The pages of the form: where the project goes, what is asked always, what can be taken besides."""
    taken = taking(made.blueprint)
    core = [one for one in made.components if one.name not in taken]
    where = {
        "title": "Where",
        "required": ["repoUrl"],
        "properties": {
            "repoUrl": {
                "title": "Repository",
                "type": "string",
                "description": "It is made by the workflow, and must not be there yet",
                "ui:field": "RepoUrlPicker",
                "ui:options": {"allowedHosts": ["github.com"]},
            }
        },
    }
    pages = [where, {"title": "Answers", **_questions(core, made)}]
    if taken:
        parts = [one for one in made.components if one.name in taken]
        pages.append(
            {
                "title": "Optional parts",
                "properties": {taken[one.name]: _take(one) for one in parts},
                "dependencies": {
                    taken[one.name]: _choice(taken[one.name], one, made) for one in parts if one.questions
                },
            }
        )
    return pages


def _take(item: Component) -> dict[str, Any]:
    return {"title": item.name, "type": "boolean", "description": item.summary, "default": False}


def _choice(question: str, item: Component, made: Recipe) -> dict[str, Any]:
    """What is asked where a part is taken, and what where it is not."""
    told = _questions([item], made)
    told["properties"] = {question: {"const": True}, **told["properties"]}
    return {"oneOf": [{"properties": {question: {"const": False}}}, told]}


def _questions(components: list[Component], made: Recipe) -> dict[str, Any]:
    """The questions of components as a JSON Schema; one that follows from a yes or no is asked after it."""
    presets = made.blueprint.answers
    every = [one for item in components for one in item.questions if one.when is not False]
    asked = [one._replace(default=presets.get(one.key, one.default)) for one in every]
    flags = {one.key for one in asked if one.type == "bool" and one.when is True}
    after: dict[str, dict[str, Any]] = {}
    plain: dict[str, Any] = {}
    for one in asked:
        flag = _flag(one)
        if flag in flags:
            after.setdefault(flag, {})[one.key] = _property(one)
        else:
            plain[one.key] = _property(one)
    required = [one.key for one in asked if one.default is MISSING and one.key in plain]
    branches = {
        flag: {"oneOf": [{"properties": {flag: {"const": False}}}, {"properties": {flag: {"const": True}, **more}}]}
        for flag, more in after.items()
    }
    rest = {"required": required} if required else {}
    return {**rest, "properties": plain, **({"dependencies": branches} if branches else {})}


def _flag(one: Question) -> str:
    """The question of which a `when` is the bare answer; empty for any other condition."""
    found = re.fullmatch(r"(?:\{\{)?\s*(\w+)\s*(?:\}\})?", one.when) if isinstance(one.when, str) else None
    return found[1] if found else ""


def _property(one: Question) -> dict[str, Any]:
    """A question as a field of the form. What Jinja computes is left to `ai-factory new`, and said."""
    told: dict[str, Any] = {"title": one.key.replace("_", " ").capitalize()}
    computed = one.default is not MISSING and _templated(one.default)
    words = [one.help] if one.help and not _templated(one.help) else []
    words += ["(left empty, it follows from the other answers)"] if computed else []
    told |= {"description": " ".join(words)} if words else {}
    choices = one.choices if isinstance(one.choices, dict) else {str(value): value for value in one.choices or ()}
    values = {} if _templated(choices) else choices
    if one.multiselect:
        items = {"type": _JSON.get(one.type, "string"), **({"enum": list(values.values())} if values else {})}
        told |= {"type": "array", "items": items, "uniqueItems": True, "ui:widget": "checkboxes"}
    elif one.type in _JSON:
        told |= {"type": _JSON[one.type]}
        told |= {"enum": list(values.values()), "enumNames": list(values)} if values else {}
    else:
        told |= {"type": "string", "ui:widget": "textarea"}
    if one.default is not MISSING and not computed and (one.type in _JSON or one.multiselect):
        told["default"] = one.default
    return told


def _templated(value: Any) -> bool:
    return re.search(r"\{\{|\{%", json.dumps(value)) is not None


# ---- the workflow ---------------------------------------------------------------------------------

_SCRIPT = """\
import json
import os
import subprocess

QUESTIONS = {questions}
OPTIONAL = {optional}
request = json.loads(os.environ["REQUEST"])
taken = [name for name in OPTIONAL if request.get("with_" + name.replace("-", "_"))]
asked = QUESTIONS + [key for name in taken for key in OPTIONAL[name]]
answers = {{key: request[key] for key in asked if request.get(key) not in (None, "")}}
with open("answers.json", "w", encoding="utf-8") as stream:
    json.dump(answers, stream)
options = ["--defaults", "--answers", "answers.json", *("--with=" + name for name in taken)]
subprocess.run({command} + options, check=True)
"""

_WORKFLOW = """\
# Generated by `ai-factory blueprint export {name} --as backstage`: stamps what the form in template.yaml was told.
name: Stamp {name}
on:
  workflow_dispatch:
    inputs:
      repository: {{ description: "OWNER/NAME of the repository to make", required: true, type: string }}
      request: {{ description: What the form was told as JSON, required: true, type: string }}
permissions: {{}}
concurrency: {{ group: "stamp-${{{{ inputs.repository }}}}", cancel-in-progress: false }}
jobs:
  stamp:
    name: Stamp
    runs-on: ubuntu-24.04
    timeout-minutes: 15
    steps:
      - name: Install ai-factory
        env:
          # pinned, such as {pin}, from where you keep it: a variable of this repository
          INSTALL: ${{{{ vars.AI_FACTORY_INSTALL }}}}
        run: |
          test -n "$INSTALL" || {{ echo 'set the variable AI_FACTORY_INSTALL, such as {pin}' >&2; exit 2; }}
          python3 -m venv .venv
          # shellcheck disable=SC2086 # it may hold options of pip
          .venv/bin/pip install --quiet $INSTALL
          echo "$PWD/.venv/bin" >> "$GITHUB_PATH"
      - name: Stamp
        env:
          REQUEST: ${{{{ inputs.request }}}}
        shell: python
        run: |
{script}
      - name: Make the repository
        env:
          REPOSITORY: ${{{{ inputs.repository }}}}
          # of an app or a robot that may make repositories and push workflows: a secret of this repository
          GH_TOKEN: ${{{{ secrets.STAMP_TOKEN }}}}
        run: |
          gh auth setup-git
          gh repo create "$REPOSITORY" --private --source project --push
"""


def _workflow(made: Recipe) -> str:
    origin = made.factory.origin
    keys = {item.name: [one.key for one in item.questions if one.when is not False] for item in made.components}
    optional = {name: keys[name] for name in made.blueprint.optional}
    script = _SCRIPT.format(
        questions=json.dumps([key for name in made.blueprint.components for key in keys[name]]),
        optional=json.dumps(optional),
        command=json.dumps(["ai-factory", "new", made.blueprint.name, "project", *_source(origin)]),
    )
    return _WORKFLOW.format(
        name=made.blueprint.name,
        pin=f"ai-factory=={__version__}",
        script="\n".join(f"          {line}".rstrip() for line in script.splitlines()),
    )


def _source(origin: Origin) -> list[str]:
    return [] if origin.kind == EMBEDDED else ["--factory", origin.url, "--version", origin.version]


_README = """\
# {name} in Backstage

Generated by `ai-factory blueprint export {name} --as backstage` from {source}.

| file | is |
|---|---|
| `template.yaml` | the form: each question of the blueprint as a field, and one step |
| `.github/workflows/stamp.yml` | what the step starts: `ai-factory new`, then a private repository of the result |

Backstage has no action that renders these templates, and needs none: the step `github:actions:dispatch` of its
module for GitHub starts the workflow.

1. Put both files into a repository of the platform team, and write its name in place of `{platform}` in
   `template.yaml`.
2. Give that repository the variable `AI_FACTORY_INSTALL`, such as `ai-factory=={tool}`, and the secret
   `STAMP_TOKEN`: a token that may make repositories and push workflows.
3. Register `template.yaml` in Backstage's catalogue. The projects have a `catalog-info.yaml`, which its discovery
   finds.

A form cannot check everything that a question does: what it lets through is checked when the project is stamped,
and the workflow then says which answer is wrong. A question that only some answers bring up is asked always, unless
it follows from a yes or no; where it does not apply, its answer is ignored.
"""


def _readme(made: Recipe) -> str:
    origin = made.factory.origin
    source = f"ai-factory {origin.version}" if origin.kind == EMBEDDED else f"<{origin.url}> at `{origin.version}`"
    return _README.format(name=made.blueprint.name, source=source, platform=PLATFORM, tool=__version__)
