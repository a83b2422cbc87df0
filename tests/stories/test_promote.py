"""`promote`: what a team improved in a stamped file becomes a commit of the factory, on a branch of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.kit import cli, commit, git, put, small_factory, snapshot, tree

SERVICE = """\
\"\"\"The service of {{ use_case }}.\"\"\"
import {{ package }}.api

NAME = "{{ package }}"
OWNER = "{{ owner_team }}"
RETRIES = {{ retries }}
{%- if audited %}
AUDIT = True
{%- endif %}
{% for sink in sinks %}
open("{{ sink }}")
{%- endfor %}

LIMIT = 10
PATTERN = {% raw %}"{{ x }}"{% endraw %}
END = 1
"""
QUESTIONS = """\
_subdirectory: files
use_case: {type: str, help: What it is for, default: small thing}
package: {type: str, help: Name of the package, default: "{{ use_case | replace(' ', '_') }}"}
owner_team: {type: str, help: Who owns it, default: risk-analytics}
second_team: {type: str, help: Who looks at it, default: risk-analytics}
retries: {type: int, help: How often, default: 3}
audited: {type: bool, help: Is it audited?, default: true}
sinks: {type: yaml, help: Where to, default: [file, stdout]}
"""
TEMPLATE = "templates/core/files/src/{{ package }}/service.py.jinja"
SERVED = "src/small_thing/service.py"


@pytest.fixture(scope="module")
def _pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A factory whose service has a condition, a loop and raw text, released as v1.0.0."""
    folder = small_factory(tmp_path_factory.mktemp("pattern") / "factory", tags=False)
    put(folder, {"templates/core/copier.yml": QUESTIONS, TEMPLATE: SERVICE})
    git(folder.parent, "init", "-q", "-b", "main", str(folder))
    commit(folder, "v1")
    git(folder, "tag", "v1.0.0")
    return folder


def edit(project: Path, path: str, *changes: tuple[str, str]) -> str:
    """The file, with each text in place of another one that stands there once."""
    place = project / path
    text = place.read_bytes().decode()
    for old, new in changes:
        assert text.count(old) == 1, (old, text)
        text = text.replace(old, new)
    place.write_bytes(text.encode())
    return text


def promoted(project: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    """What `promote` ends with, and the files of the factory that its commit changes, as they are in it."""
    factory = project.parent / "factory"
    done = cli("promote", *arguments, "--json", cwd=project)
    changed = done.data["changed"] if done.code < 2 else []
    return done.code, {one["path"]: git(factory, "show", f"{done.data['commit']}:{one['path']}") for one in changed}


def test_an_edit_becomes_a_commit_on_a_branch(project: Path, factory: Path) -> None:
    edit(project, SERVED, ("LIMIT = 10\n", "LIMIT = 20  # as the regulator asks\n"), ("END = 1\n", "END = 2\n"))
    before = snapshot(factory), git(factory, "rev-parse", "HEAD")
    done = cli("promote", SERVED, cwd=project)
    new = git(factory, "rev-parse", "promote/small-thing-service-py")
    assert (done.code, done.out, done.err) == (
        0,
        f"{SERVED} (merged, component core) → {TEMPLATE}\n"
        "still renders, with every choice: small\n"
        f"branch `promote/small-thing-service-py` in {factory}: commit {new[:12]} on {before[1][:12]}\n"
        f"hint: `git -C {factory} show promote/small-thing-service-py` shows it; merge it, then release\n",
        "",
    )
    assert (snapshot(factory), git(factory, "rev-parse", "HEAD")) == before
    assert git(factory, "log", "-1", "--format=%an <%ae>%n%P%n%B", new).split("\n") == [
        "Test <test@example.org>",
        before[1],
        "Promote what small-thing improved in core",
        "",
        "Stamped from v1.0.0.",
        "",
        f"{SERVED}: {TEMPLATE}",
    ]
    assert git(factory, "show", f"{new}:{TEMPLATE}") + "\n" == SERVICE.replace(
        "LIMIT = 10\n", "LIMIT = 20  # as the regulator asks\n"
    ).replace("END = 1", "END = 2")
    assert git(factory, "show", f"{new}:templates/core/CHANGELOG.md") == (
        f"# Changelog\n\n## Unreleased\n\n- `{SERVED}`: as improved in `small-thing`.\n\n## 1.0.0\n\n- first"
    )
    assert git(factory, "diff", "--name-only", "HEAD", new) == f"templates/core/CHANGELOG.md\n{TEMPLATE}"
