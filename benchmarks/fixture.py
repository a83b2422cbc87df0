"""One made-up template of 96 files in three versions, written for each tool; the same bytes on every machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

FILES, RENDERED, FOLDERS = 96, 46, 28
CHANGED = {"v1": (), "v2": range(12), "v3": range(20)}  # each has one new line near its head
RENAMED = range(40, 43)  # in v3, as are these
DELETED = range(50, 52)
ADDED = range(FILES, FILES + 5)
EDITED = (*range(5), *range(60, 65))  # by the team, near the end: five in changed files, five elsewhere
NEWS = "This line is new since the first version."
RELEASES = {"v1": "0.1.0", "v2": "0.2.0", "v3": "0.3.0"}
EDIT = "This line was added by the team."
SECTIONS = ("purpose", "input", "output", "limits", "owner", "review")
ANSWERS: Mapping[str, object] = {"name": "demo", "team": "risk", "parts": "north,east,south,west", "strict": "yes"}


class Item(NamedTuple):
    """A file of the template: its text, and whether it is rendered."""

    text: str
    rendered: bool


def items(version: str) -> dict[str, Item]:
    """The files of a version by their path in a project; `<<name>>` stands for an answer."""
    numbers = [n for n in (*range(FILES), *ADDED) if n not in DELETED] if version == "v3" else range(FILES)
    return {path(number, version): _item(number, version) for number in numbers}


def path(number: int, version: str) -> str:
    """Where a file lies; every second one, up to RENDERED of them, is rendered."""
    folder = f"area{number % FOLDERS // 7}/part{number % FOLDERS % 7}"
    stem = "moved" if version == "v3" and number in RENAMED else "item"
    return f"{folder}/{stem}{number:03}.{'md' if _rendered(number) else 'txt'}"


def _rendered(number: int) -> bool:
    return number % 2 == 0 and number < 2 * RENDERED


def _item(number: int, version: str) -> Item:
    head = [f"# Item {number}", ""] + ([NEWS, ""] if number in CHANGED[version] else [])
    body = [f"{10 * n + number}: {SECTIONS[n % 6]} of item {number}, {'word ' * (3 + n % 5)}{n}" for n in range(30)]
    return Item("\n".join([*head, *(_LOGIC if _rendered(number) else ()), *body, ""]), _rendered(number))


_LOGIC = (
    "Made for <<name>> by <<team>>.",
    "{% for part in <<parts>>.split(',') %}",
    "- {{ loop.index }}: {{ part | upper }} of <<name>>",
    "{% endfor %}",
    "{% if <<strict>> == 'yes' %}Strict mode is on for <<team>>.{% else %}Strict mode is off.{% endif %}",
)


def _with_answers(text: str, prefix: str = "") -> str:
    """The placeholders as Jinja: printed where they stand alone, bare inside a statement."""
    for name in ANSWERS:
        text = text.replace(f"in <<{name}>>", f"in {prefix}{name}").replace(f"if <<{name}>>", f"if {prefix}{name}")
        text = text.replace(f"<<{name}>>", "{{ " + prefix + name + " }}")
    return text


def _suffixed(version: str, folder: str) -> dict[str, str]:
    return {
        f"{folder}/{where}{'.jinja' if item.rendered else ''}": _with_answers(item.text)
        for where, item in items(version).items()
    }


def _questions(subdirectory: str) -> str:
    asked = "".join(f"{key}:\n  type: str\n  help: {key}\n  default: '{value}'\n" for key, value in ANSWERS.items())
    return f"_subdirectory: {subdirectory}\n{asked}"


def copier(version: str) -> dict[str, str]:
    """The template for Copier."""
    answers = {"template/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}"}
    return {"copier.yml": _questions("template"), **answers, **_suffixed(version, "template")}


def cookiecutter(version: str) -> dict[str, str]:
    """The template for Cookiecutter and cruft; what is not rendered is only copied, as elsewhere."""
    root = "{{cookiecutter.name}}"
    files = {f"{root}/{where}": _with_answers(item.text, "cookiecutter.") for where, item in items(version).items()}
    return {"cookiecutter.json": json.dumps({**ANSWERS, "_copy_without_render": ["*.txt"]}), **files}


def factory(version: str, parts: int = 1) -> dict[str, str]:
    """A factory for ai-factory with one blueprint; a third of its files are managed.

    Its files belong to one component, or are dealt out to three of them by their folder.
    """
    names = [f"app{number}" for number in range(parts)]
    files = {"blueprints/app.yaml": f"summary: A made-up application\ncomponents: [{', '.join(names)}]\n"}
    for number, name in enumerate(names):
        files |= _component(name, version, [f"area{area}/" for area in range(4) if area % parts == number], number == 0)
    return files


def three(version: str) -> dict[str, str]:
    """The same factory, its files in three components."""
    return factory(version, 3)


def _component(name: str, version: str, areas: list[str], first: bool) -> dict[str, str]:
    folder = f"templates/{name}"
    moved = [n for n in RENAMED if version == "v3" and path(n, "v1").startswith(tuple(areas))]
    renames = "".join(f"      {path(n, 'v1')}: {path(n, 'v3')}\n" for n in moved)
    changes = f"changes:\n  - since: 0.3.0\n    rename:\n{renames}" if renames else ""
    ownership = "ownership:\n  area0/**: managed\n" if first else "requires: [app0]\n"
    questions = {f"{folder}/copier.yml": _questions("files")} if first else {}
    stamped = _suffixed(version, f"{folder}/files")
    return {
        f"{folder}/component.yaml": f"summary: Made-up files\n{ownership}{changes}",
        f"{folder}/README.md": f"# {name}\n",
        f"{folder}/CHANGELOG.md": f"# Changelog\n\n## {RELEASES[version]}\n\n- made up\n",
        **questions,
        **{
            where: text
            for where, text in stamped.items()
            if where.removeprefix(f"{folder}/files/").startswith(tuple(areas))
        },
    }


FORMATS = {"copier": copier, "cookiecutter": cookiecutter, "factory": factory, "three": three}


def write_repository(folder: Path, name: str, env: Mapping[str, str]) -> None:
    """A git repository with the template `name` at the tags v1, v2 and v3."""
    folder.mkdir(parents=True)
    git(folder, env, "init", "--quiet", "--initial-branch=main")
    for version in RELEASES:
        git(folder, env, "rm", "-r", "--quiet", "--ignore-unmatch", ".")
        for where, text in FORMATS[name](version).items():
            (folder / where).parent.mkdir(parents=True, exist_ok=True)
            (folder / where).write_text(text)
        commit(folder, env, version)
        git(folder, env, "tag", version)


def edit(project: Path, env: Mapping[str, str], version: str = "v1") -> None:
    """The ten edits of a team, committed."""
    for number in EDITED:
        with (project / path(number, version)).open("a") as file:
            file.write(f"{EDIT}\n")
    commit(project, env, "edits")


def stamped(folder: Path) -> list[str]:
    """What a new project at v3 should hold and does not; cookiecutter and cruft put it one folder deeper."""
    inner = folder / str(ANSWERS["name"])
    project = inner if inner.is_dir() else folder
    text = {where: (project / where).read_text() for where in items("v3") if (project / where).exists()}
    wrong = [f"{where} is missing" for where in items("v3") if where not in text]
    wrong += [f"{where} is not rendered" for where in text if "{{" in text[where]]
    return wrong + [
        f"{where} lost its loop" for where in text if where.endswith("md") and "4: WEST of demo" not in text[where]
    ]


def updated(project: Path, version: str) -> list[str]:
    """What an update from v1 to a version should have done and has not; empty when all went well."""
    wanted = items(version)
    gone = {path(n, "v1") for n in (*RENAMED, *DELETED)} - wanted.keys()
    text = {where: (project / where).read_text() for where in wanted if (project / where).exists()}
    wrong = [f"{where} is missing" for where in wanted if where not in text]
    wrong += [f"{where} is still there" for where in sorted(gone) if (project / where).exists()]
    wrong += [
        f"{path(n, version)} lacks the news" for n in CHANGED[version] if NEWS not in text.get(path(n, version), "")
    ]
    wrong += [f"{path(n, version)} lost its edit" for n in EDITED if EDIT not in text.get(path(n, version), "")]
    return wrong


def rolled_out(folder: Path, version: str) -> list[str]:
    """What is wrong after an update of many projects: each has to have it, on a branch where it was ours to bring."""
    wrong: list[str] = []
    for place in sorted((folder / "projects").iterdir()):
        if (place / ".git").exists():
            wrong += updated(place, version)
        elif not list(place.glob("refs/heads/ai-factory/*")):
            wrong.append(f"{place.name} has no branch")
    return wrong


def commit(folder: Path, env: Mapping[str, str], message: str) -> None:
    """Everything in the folder as one commit."""
    git(folder, env, "add", "--all")
    git(folder, env, "commit", "--quiet", "--message", message)


def git(folder: Path, env: Mapping[str, str], *words: str) -> None:
    """One git command that must succeed."""
    subprocess.run(["git", *words], cwd=folder, env=env, check=True, capture_output=True)
