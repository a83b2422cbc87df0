"""`promote`: what a team improved in a stamped file becomes a commit of the factory, on a branch of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import killing
from tests.kit import IDENTITY, cli, commit, git, put, small_factory, small_project, snapshot

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
{% raw -%}
PATTERN = "{{ x }}"
{%- endraw %}
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
        (
            f"{SERVED} (merged, component core) → {TEMPLATE}\n"
            "still renders, with every choice: small\n"
            f"branch `promote/small-thing-service-py` in {factory}: commit {new[:12]} on {before[1][:12]}\n"
            f"hint: `git -C {factory} show promote/small-thing-service-py` shows it; merge it, then release\n"
        ),
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
        "# Changelog\n\n## Unreleased\n\n"
        "- `src/{{ package }}/service.py`: as improved in `small-thing`.\n\n## 1.0.0\n\n- first"
    )
    assert git(factory, "diff", "--name-only", "HEAD", new) == f"templates/core/CHANGELOG.md\n{TEMPLATE}"


MAPPED: dict[
    str, tuple[list[tuple[str, str]], list[tuple[str, str]]]
] = {  # an edit of the service, and what becomes of its template
    "a value in the same line": (
        [('NAME = "small_thing"', 'NAME = "small_thing-api"')],
        [('NAME = "{{ package }}"', 'NAME = "{{ package }}-api"')],
    ),
    "a value in a new line": (
        [("LIMIT = 10\n", 'LIMIT = 10\nPREFIX = "small_thing."  # of small thing\n')],
        [("LIMIT = 10\n", 'LIMIT = 10\nPREFIX = "{{ package }}."  # of {{ use_case }}\n')],
    ),
    "a part of a longer word is no value": (
        [("LIMIT = 10\n", "LIMIT = 10\nsmall_things = 3\n")],
        [("LIMIT = 10\n", "LIMIT = 10\nsmall_things = 3\n")],
    ),
    "a short value stays text": ([("LIMIT = 10\n", "LIMIT = 3\n")], [("LIMIT = 10\n", "LIMIT = 3\n")]),
    "text like Jinja's": (
        [("LIMIT = 10\n", 'LIMIT = f"{{{NAME}}} {% x %} {# y #}"\n')],
        [("LIMIT = 10\n", "LIMIT = f\"{{ '{' }}{{ '{' }}{NAME}}} {{ '{' }}% x %} {{ '{' }}# y #}\"\n")],
    ),
    "a brace before a value": (
        [("LIMIT = 10\n", 'LIMIT = f"{small_thing}"\n')],
        [("LIMIT = 10\n", "LIMIT = f\"{{ '{' }}{{ package }}}\"\n")],
    ),
    "text in a condition": ([("AUDIT = True\n", "AUDIT = 'all'\n")], [("AUDIT = True\n", "AUDIT = 'all'\n")]),
    "raw text": ([('"{{ x }}"', '"{{ xyz }}"')], [('"{{ x }}"', '"{{ xyz }}"')]),
    "a line that goes": ([("RETRIES = 3\n", "")], [("RETRIES = {{ retries }}\n", "")]),
    "lines at the ends": (
        [('"""The service', '#!/usr/bin/env python\n"""The service'), ("END = 1\n", "END = 1\nMORE = 1\n")],
        [('"""The service', '#!/usr/bin/env python\n"""The service'), ("END = 1\n", "END = 1\nMORE = 1\n")],
    ),
    "no last newline": ([("END = 1\n", "END = 1")], [("END = 1\n", "END = 1")]),
    "after a loop that went round twice": (
        [('open("stdout")\n', 'open("stdout")\nclose()\n')],
        [("{%- endfor %}\n", "{%- endfor %}\nclose()\n")],
    ),
    "where two answers are the same, what stands near decides": (
        [('OWNER = "risk-analytics"', 'OWNER = ("risk-analytics", "risk-analytics")')],
        [('OWNER = "{{ owner_team }}"', 'OWNER = ("{{ owner_team }}", "{{ owner_team }}")')],
    ),
}


@pytest.mark.parametrize(("edits", "wanted"), MAPPED.values(), ids=MAPPED)
def test_edits_are_mapped(edits: list[tuple[str, str]], wanted: list[tuple[str, str]], project: Path) -> None:
    """What is on the branch gives the team's file, in the words of the template."""
    edit(project, SERVED, *edits)
    text = SERVICE
    for old, new in wanted:
        assert text.count(old) == 1
        text = text.replace(old, new)
    code, changed = promoted(project, SERVED)
    assert (code, changed[TEMPLATE]) == (0, text.strip())


NOT_MAPPED: dict[
    str, tuple[list[tuple[str, str]], tuple[str, ...]]
] = {  # an edit of the service, and why it is none of its template
    "inside a loop": (
        [('open("file")\n', 'open("file", "a")\n')],
        ("line 9: `{t}` line 11 gives 2 lines of the file",),
    ),
    "before or after a condition": (
        [("AUDIT = True\n", "AUDIT = True\nMORE = True\n")],
        ("line 8: `{t}` has tags in lines 9 to 9, and the lines could stand before or after them",),
    ),
    "a value that is another now": (
        [('NAME = "small_thing"', 'NAME = "loans"')],
        ("line 4: `{t}` line 4 has `{{{{ package }}}}` where the edit has something else than `small_thing`",),
    ),
}


@pytest.mark.parametrize(("edits", "why"), NOT_MAPPED.values(), ids=NOT_MAPPED)
def test_what_is_not_mapped_is_told_and_not_guessed(
    edits: list[tuple[str, str]], why: tuple[str, ...], project: Path, factory: Path
) -> None:
    edit(project, SERVED, *edits)
    done = cli("promote", SERVED, "--json", cwd=project)
    (row,) = done.data["files"]
    told = tuple(f"line {one['line']}: {one['why']}" for one in row["unmapped"])
    assert (done.code, row["outcome"], told) == (1, "refused", tuple(one.format(t=TEMPLATE) for one in why))
    assert git(factory, "branch", "--list", "promote/*") == ""


def test_a_second_project_syncs_to_what_the_first_improved(project: Path, factory: Path, tmp_path: Path) -> None:
    """The round trip: promoted, merged, released, and in another project under that one's own names."""
    other = tmp_path / "loans"
    answers = ("--data", "package=loans", "--data", "use_case=loans of all kinds")
    made = cli("new", "small", str(other), "--defaults", *answers, "--factory", str(factory), "--version", "v1.0.0")
    assert made.code == 0, made.err
    edit(project, SERVED, ("LIMIT = 10\n", 'LIMIT = 10\nPREFIX = "small_thing."\n'))
    (project / "settings.txt").chmod(0o755)
    edit(project, "settings.txt", ("setting 7\n", "setting seven of small_thing\n"))
    done = cli("promote", SERVED, "settings.txt", "--branch", "better", cwd=project)
    assert done.code == 0, done.out
    git(factory, "merge", "-q", "better")
    notes = (factory / "templates/core/CHANGELOG.md").read_text()
    put(factory, {"templates/core/CHANGELOG.md": notes.replace("Unreleased", "1.1.0")})
    commit(factory, "v1.1.0")
    git(factory, "tag", "v1.1.0")
    assert [cli("sync", "--commit", cwd=one).code for one in (project, other)] == [2, 0]
    assert 'PREFIX = "loans."\n' in (other / "src/loans/service.py").read_text()
    assert (other / "settings.txt").read_text().splitlines()[6] == "setting seven of small_thing"  # it is not rendered
    assert (other / "settings.txt").stat().st_mode & 0o111
    commit(project)
    assert cli("sync", "--commit", cwd=project).code == 0
    assert cli("status", "--json", cwd=project).data["paths"] == []


def test_a_plan_shows_what_would_be_committed_and_writes_nothing(project: Path, factory: Path) -> None:
    edit(project, SERVED, ("LIMIT = 10\n", "LIMIT = 20\n"))
    before = snapshot(factory), git(factory, "for-each-ref")
    done = cli("promote", SERVED, "--plan", cwd=project)
    assert (done.code, (snapshot(factory), git(factory, "for-each-ref"))) == (0, before)
    head = git(factory, "rev-parse", "HEAD")
    assert done.out.splitlines() == [
        f"{SERVED} (merged, component core) → {TEMPLATE}",
        "still renders, with every choice: small",
        "",
        "--- a/templates/core/CHANGELOG.md",
        "+++ b/templates/core/CHANGELOG.md",
        "@@ -1,4 +1,8 @@",
        " # Changelog",
        "+",
        "+## Unreleased",
        "+",
        "+- `src/{{ package }}/service.py`: as improved in `small-thing`.",
        " ",
        " ## 1.0.0",
        " ",
        f"--- a/{TEMPLATE}",
        f"+++ b/{TEMPLATE}",
        "@@ -11,7 +11,7 @@",
        ' open("{{ sink }}")',
        " {%- endfor %}",
        " ",
        "-LIMIT = 10",
        "+LIMIT = 20",
        " {% raw -%}",
        ' PATTERN = "{{ x }}"',
        " {%- endraw %}",
        "",
        f"a branch `promote/small-thing-service-py` in {factory} would begin at {head[:12]}; nothing was written",
    ]


def test_what_is_mapped_is_promoted_and_the_rest_is_told(project: Path, factory: Path) -> None:
    """A file whose edits are not all mapped is left out whole; the exit code is 1."""
    edit(project, SERVED, ("LIMIT = 10\n", "LIMIT = 20\n"), ('open("file")\n', 'open("file", "a")\n'))
    edit(project, "settings.txt", ("setting 7\n", "setting seven\n"))
    done = cli("promote", SERVED, "settings.txt", "ops/runbook.md", "--branch", "some", cwd=project)
    head, new = (git(factory, "rev-parse", name) for name in ("HEAD", "some"))
    assert (done.code, done.out.splitlines()) == (
        1,
        [
            f"{SERVED} (merged, component core): not promoted: not every edit is one of the template",
            f"  line 9: `{TEMPLATE}` line 11 gives 2 lines of the file",
            '    - open("file")',
            '    + open("file", "a")',
            "  1 of 2 edits could not be mapped",
            "settings.txt (merged, component core) → templates/core/files/settings.txt",
            "ops/runbook.md: as the factory stamped it",
            "still renders, with every choice: small",
            f"branch `some` in {factory}: commit {new[:12]} on {head[:12]}",
            f"hint: `git -C {factory} show some` shows it; merge it, then release",
        ],
    )
    assert git(factory, "diff", "--name-only", head, new).split("\n") == [
        "templates/core/CHANGELOG.md",
        "templates/core/files/settings.txt",
    ]


def test_line_endings_and_bytes_stay_what_they_are(project: Path, factory: Path) -> None:
    """Lines of a file in CRLF are mapped to a template in LF, and those of a template in CRLF stay in it."""
    whole: dict[str, str | bytes] = {
        "templates/core/files/crlf.txt.jinja": "a {{ package }}\r\nb\r\n",
        "templates/core/files/dot.bin": b"\0\1\2",
    }
    put(factory, whole)
    commit(factory, "v1.1")
    git(factory, "tag", "v1.1.0")
    assert cli("sync", "--commit", cwd=project).code == 0
    text = edit(project, SERVED, ("LIMIT = 10\n", "LIMIT = 20\n"))
    put(project, {SERVED: text.replace("\n", "\r\n"), "crlf.txt": "a small_thing\nb small_thing\n", "dot.bin": b"\0\3"})
    done = cli("promote", SERVED, "crlf.txt", "dot.bin", "--branch", "bytes", cwd=project)
    assert done.code == 0, done.out
    git(factory, "checkout", "-q", "bytes")
    names = (TEMPLATE, *whole)
    assert [(factory / name).read_bytes() for name in names] == [
        SERVICE.replace("LIMIT = 10", "LIMIT = 20").encode(),
        b"a {{ package }}\r\nb {{ package }}\r\n",
        b"\0\3",
    ]


def test_a_seeded_file_is_mapped_too(project: Path) -> None:
    """Its base is in no project, and is rendered again: the lock knows its id."""
    edit(project, "src/small_thing/main.py", ('NAME = "small thing"\n', 'NAME = "small thing"\nMORE = 1\n'))
    code, changed = promoted(project, "src/small_thing/main.py")
    template = "templates/core/files/src/{{ package }}/main.py.jinja"
    assert (code, changed[template]) == (0, 'NAME = "{{ use_case }}"\nMORE = 1')


def test_a_factory_that_moved_on_takes_the_edit_where_it_can(project: Path, factory: Path) -> None:
    """On its newest commit where git merges both; else on the commit that the project was stamped from."""
    put(factory, {TEMPLATE: SERVICE.replace("END = 1", "END = 'new'")})
    moved = commit(factory, "moved on")
    edit(project, SERVED, ("LIMIT = 10\n", "LIMIT = 20\n"))
    assert cli("promote", SERVED, "--branch", "one", cwd=project).code == 0
    assert git(factory, "rev-parse", "one^") == moved
    assert git(factory, "show", f"one:{TEMPLATE}") + "\n" == SERVICE.replace("END = 1", "END = 'new'").replace(
        "10", "20"
    )
    edit(project, SERVED, ("END = 1\n", "END = 'mine'\n"))
    done = cli("promote", SERVED, "--branch", "two", cwd=project)
    assert (done.code, git(factory, "rev-parse", "two^")) == (0, git(factory, "rev-parse", "v1.0.0"))
    assert (
        "the factory has changed the same lines since: the branch begins where the project was stamped from" in done.out
    )


def test_an_edit_that_other_answers_cannot_render_is_refused(project: Path, factory: Path) -> None:
    """Proven with the project's answers alone, it would break the next project."""
    more = (
        "kind: {type: str, help: Which, choices: [alpha, beta], default: alpha}\n"
        "titles: {type: yaml, help: How they are called, default: {alpha: first-title}}\n"
    )
    text = "{% if kind == 'alpha' %}\nTITLE = \"{{ titles[kind] }}\"\n{% endif %}\nLIMIT = 10\n"
    put(factory, {"templates/core/copier.yml": QUESTIONS + more, TEMPLATE: text})
    commit(factory, "v1.1")
    git(factory, "tag", "v1.1.0")
    assert cli("sync", "--commit", cwd=project).code == 0
    edit(project, SERVED, ("LIMIT = 10\n", 'LIMIT = 10\nNAME = "first-title"\n'))
    done = cli("promote", SERVED, cwd=project)
    assert (done.code, done.out.splitlines()) == (
        1,
        [
            (
                f"{SERVED} (merged, component core): not promoted: with other answers it does not render: "
                "'dict object' has no attribute 'beta': a component sees its own answers and those of the components "
                "it requires"
            ),
            "  `first-title` became `{{ titles[kind] }}`",
            "nothing to promote",
        ],
    )


REFUSED = {
    ("promote",): "error: name the files that were improved\nhint: `ai-factory diff` shows what the team edited\n",
    ("promote", "own.py"): (
        "error: `own.py` does not come from the factory: it is the team's own\n"
        "hint: make it a component: `ai-factory promote --component NAME own.py`\n"
    ),
    ("promote", "none.py"): (
        "error: there is no file `none.py`\nhint: `ai-factory status` lists what the team edited\n"
    ),
    ("promote", "evidence/run.json"): (
        "error: `evidence/run.json` is written by the project's own run\nhint: promote what writes it\n"
    ),
    ("promote", "settings.txt", "--into", "."): (
        "error: `{project}` is no factory: it has no `templates/`\n"
        "hint: a factory has `templates/NAME/component.yaml` and `blueprints/NAME.yaml`; "
        "a template of Copier or Cookiecutter has `copier.yml` or `cookiecutter.json`\n"
    ),
    ("promote", "settings.txt", "--branch", "a..b"): (
        "error: `a..b` is no name of a branch\nhint: name another with `--branch`\n"
    ),
    ("promote", "settings.txt", "--branch", "main", "--plan"): (
        "error: there is a branch `main` already\nhint: name another with `--branch`\n"
    ),
    ("promote", "settings.txt", "--branch", "main/x", "--plan"): (
        "error: the branch `main` is in the way of `main/x`\nhint: name another with `--branch`\n"
    ),
    ("promote", "settings.txt", "--branch", "main"): (
        "error: there is a branch `main` already\nhint: name another with `--branch`\n"
    ),
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: tuple[str, ...], project: Path, factory: Path) -> None:
    put(project, {"own.py": "\n", "evidence/run.json": "{}\n"})
    edit(project, "settings.txt", ("setting 7\n", "setting seven\n"))
    before = snapshot(factory), git(factory, "for-each-ref")
    done = cli(*arguments, cwd=project)
    assert (done.code, done.out, done.err) == (2, "", REFUSED[arguments].format(project=project))
    assert (snapshot(factory), git(factory, "for-each-ref")) == before


def test_a_conflict_that_nobody_decided_is_not_promoted(project: Path, factory: Path) -> None:
    """Nor are the marks that somebody left of one."""
    edit(project, "settings.txt", ("setting 7\n", "setting 7\n>>>>>>> factory\n"))
    done = cli("promote", "settings.txt", cwd=project)
    assert (done.code, done.out.splitlines()) == (
        1,
        ["settings.txt (merged, component core): not promoted: line 8 is a conflict marker", "nothing to promote"],
    )
    assert git(factory, "branch", "--list", "promote/*") == ""


def test_a_secret_is_not_promoted(project: Path, factory: Path) -> None:
    edit(project, "settings.txt", ("setting 7\n", "url: https://user:hunter2hunter2@example.org\n"))
    done = cli("promote", "settings.txt", cwd=project)
    assert (done.code, done.out.splitlines()[0]) == (
        1,
        "settings.txt (merged, component core): not promoted: line 7 holds what looks like a password in an address",
    )
    assert git(factory, "branch", "--list", "promote/*") == ""


def test_cut_off_the_factory_is_as_before_or_has_the_whole_branch(project: Path, factory: Path) -> None:
    """Killed at any moment: no branch, or one with its commit; the next run goes on as if nothing had been."""
    edit(project, "settings.txt", ("setting 7\n", "setting seven\n"))
    arguments = ("promote", "settings.txt", "--branch", "cut")
    before = snapshot(factory)
    seconds = killing.duration(project, ("promote", "settings.txt", "--branch", "timed"))
    for part in (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0):
        killing.kill(project, arguments, seconds * part)
        assert (snapshot(factory), git(factory, "fsck", "--no-dangling")) == (before, "")
        if git(factory, "branch", "--list", "cut"):
            assert git(factory, "rev-parse", "cut^{tree}") == git(factory, "rev-parse", "timed^{tree}")
            git(factory, "branch", "-q", "-D", "cut")
    assert cli(*arguments, cwd=project).code == 0


def test_one_edit_of_a_file_is_promoted_alone(project: Path) -> None:
    """By a line of the team's file: other edits of it stay the project's own."""
    edit(project, SERVED, ("LIMIT = 10\n", "LIMIT = 20\n"), ("END = 1\n", "OURS = 1\n"))
    lines = (project / SERVED).read_text().splitlines()
    code, changed = promoted(project, f"{SERVED}:{lines.index('LIMIT = 20') + 1}")
    assert (code, changed[TEMPLATE]) == (0, SERVICE.replace("LIMIT = 10", "LIMIT = 20").strip())
    done = cli("promote", f"{SERVED}:1", cwd=project)
    assert (done.code, done.err) == (
        2,
        f"error: line 1 of `{SERVED}` was not edited\nhint: `ai-factory diff {SERVED}` shows what was\n",
    )


def test_what_the_factory_has_is_not_promoted_again(project: Path, factory: Path) -> None:
    edit(project, "settings.txt", ("setting 7\n", "setting seven\n"))
    assert cli("promote", "settings.txt", "--branch", "one", cwd=project).code == 0
    git(factory, "merge", "-q", "one")
    done = cli("promote", "settings.txt", "--branch", "two", cwd=project)
    assert (done.code, done.out.splitlines()[1:]) == (0, ["the factory has all of it already", "nothing to promote"])
    assert git(factory, "branch", "--list", "two") == ""


def test_a_commit_of_nobody_is_refused(project: Path, factory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(project, "settings.txt", ("setting 7\n", "setting seven\n"))
    for name in IDENTITY:
        monkeypatch.delenv(name)
    done = cli("promote", "settings.txt", cwd=project)
    assert (done.code, done.err) == (
        2,
        (
            "error: git does not know whose the commit would be\n"
            "hint: `git config --global user.name NAME`, and `user.email`\n"
        ),
    )
    assert git(factory, "branch", "--list", "promote/*") == ""


def test_a_factory_that_is_a_folder_as_it_stands(factory: Path, tmp_path: Path) -> None:
    """Such a project has no commit on record: what is checked out counts, where it stamps what the lock says."""
    other = tmp_path / "other"
    assert cli("new", "small", str(other), "--defaults", "--factory", str(factory)).code == 0
    edit(other, "settings.txt", ("setting 7\n", "setting seven\n"))
    assert cli("promote", "settings.txt", cwd=other).code == 0
    put(factory, {"templates/core/files/settings.txt": "new\n"})
    commit(factory)
    git(factory, "tag", "-d", "v1.0.0")
    done = cli("promote", "settings.txt", "--branch", "two", cwd=other)
    head = git(factory, "rev-parse", "HEAD")[:12]
    assert (done.code, done.out.splitlines()[0]) == (
        1,
        (
            f"settings.txt (merged, component core): not promoted: the factory at {head} stamps it otherwise than the "
            "project has it on record: sync first"
        ),
    )


def test_a_bare_repository_takes_it_too(project: Path, factory: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(factory), "bare.git")
    edit(project, "settings.txt", ("setting 7\n", "setting seven\n"))
    assert cli("promote", "settings.txt", "--into", str(tmp_path / "bare.git"), "--branch", "b", cwd=project).code == 0
    assert git(tmp_path / "bare.git", "rev-parse", "b^") == git(factory, "rev-parse", "HEAD")


def test_an_edit_of_an_included_template(project: Path, factory: Path) -> None:
    """It is made where the line is from; where another file would change with it, it is refused."""
    put(
        factory, {TEMPLATE: "one\n{% include 'part.txt' %}two\n", "templates/core/part.txt": "of {{ package }}\nlast\n"}
    )
    commit(factory)
    git(factory, "tag", "v1.1.0")
    assert cli("sync", "--commit", cwd=project).code == 0
    edit(project, SERVED, ("last\n", "last of small_thing\n"))
    code, changed = promoted(project, SERVED, "--branch", "one")
    assert (code, changed["templates/core/part.txt"]) == (0, "of {{ package }}\nlast of {{ package }}")
    put(factory, {"templates/core/files/more.txt.jinja": "{% include 'part.txt' %}"})
    commit(factory)
    git(factory, "tag", "v1.2.0")
    commit(project)
    assert cli("sync", "--commit", cwd=project).code == 0
    done = cli("promote", SERVED, cwd=project)
    assert (done.code, done.out.splitlines()[0]) == (
        1,
        (
            f"{SERVED} (merged, component core): not promoted: `more.txt` would change too: both are from "
            "`templates/core/part.txt`"
        ),
    )


def test_the_name_of_a_folder_forges_no_release(factory: Path, tmp_path: Path) -> None:
    """A heading in a changelog is a version: what a project is called makes none."""
    odd = small_project(tmp_path / "x\n\n## 9.9.9\n\n`y", factory)
    edit(odd, "settings.txt", ("setting 7\n", "setting seven\n"))
    assert cli("promote", "settings.txt", "--branch", "odd", cwd=odd).code == 0
    assert git(factory, "show", "odd:templates/core/CHANGELOG.md").split("\n")[2:6] == [
        "## Unreleased",
        "",
        "- `settings.txt`: as improved in `x--## 9.9.9---y`.",
        "",
    ]


ROUND_ONCE = {  # an edit of what a loop wrote for its only item, and why it is not mapped (empty: it is)
    "its text": (('open("file")\n', 'open("file", "a")\n'), ""),
    "its value": (
        ('open("file")\n', 'open("else")\n'),
        "line 9: `{t}` line 11 has `{{{{ sink }}}}` where the edit has something else than `file`",
    ),
    "more lines": (
        ('open("file")\n', 'x = 1\nopen("file", "a")\n'),
        "line 9: `{t}` has tags in lines 12 to 12, and the lines could stand before or after them",
    ),
    "all of it": (('open("file")\n', ""), "line 9: `{t}` line 11 is in a loop, and was taken out for one round of it"),
    "after it": (
        ('open("file")\n', 'open("file")\nclose()\n'),
        "line 10: `{t}` has tags in lines 12 to 12, and the lines could stand before or after them",
    ),
    "within it": (("\nopen(", "\n\nx = 1\nopen("), "line 9: it is in a loop of `{t}`, at line 11"),
}


@pytest.mark.parametrize(("change", "why"), ROUND_ONCE.values(), ids=ROUND_ONCE)
def test_a_loop_that_went_round_once_is_a_loop(
    change: tuple[str, str], why: str, factory: Path, tmp_path: Path
) -> None:
    """What a template writes for each item is not guessed from the one that this project has."""
    project = small_project(tmp_path / "small-thing", factory, "--data", "sinks=[file]")
    edit(project, SERVED, change)
    done = cli("promote", SERVED, "--json", cwd=project)
    (row,) = done.data["files"]
    told = [f"line {one['line']}: {one['why']}" for one in row["unmapped"]]
    assert (done.code, told) == ((1, [why.format(t=TEMPLATE)]) if why else (0, []))


ODD = "one {# c #}\n{%- if audited %}\ntwo\n{%- endif %}\nthree {{\n  package }}\nfour\n"
ODD_ONES: dict[str, tuple[tuple[str, str], str | tuple[str, str]]] = {  # an edit; why not, or that of the template
    "beside a comment": (("one \n", "1 \n"), ("one ", "1 ")),
    "within a condition": (("two\n", "2\n"), ("two\n", "2\n")),
    "more lines within a condition": (
        ("two\n", "2\n3\n"),
        "line 2: `{t}` has tags in lines 2 to 2, and the lines could stand before or after them",
    ),
    "over a tag": (("one \ntwo\n", "1\n"), "line 1: `{t}` has tags between the lines that were replaced"),
    "over a tag, line by line": (
        ("one \ntwo\n", "1 \n2\n"),
        ("one {# c #}\n{%- if audited %}\ntwo", "1 {# c #}\n{%- if audited %}\n2"),
    ),
    "over several lines": (("three", "3"), "line 3: in `{t}` line 5, code runs over the end of the line"),
    "a value far from its code": (("four\n", "small_thing\n4\n"), ("four\n", "{{ package }}\n4\n")),
}


@pytest.mark.parametrize(("change", "wanted"), ODD_ONES.values(), ids=ODD_ONES)
def test_edits_beside_code(
    change: tuple[str, str], wanted: str | tuple[str, str], project: Path, factory: Path
) -> None:
    put(factory, {TEMPLATE: ODD})
    commit(factory)
    git(factory, "tag", "v1.1.0")
    assert cli("sync", "--commit", cwd=project).code == 0
    edit(project, SERVED, change)
    done = cli("promote", SERVED, "--json", cwd=project)
    told = [f"line {one['line']}: {one['why']}" for one in done.data["files"][0]["unmapped"]]
    if isinstance(wanted, str):
        assert (done.code, told) == (1, [wanted.format(t=TEMPLATE)])
    else:
        assert (done.code, told) == (0, [])
        assert git(factory, "show", f"{done.data['commit']}:{TEMPLATE}") == ODD.replace(*wanted).strip()


def test_a_file_that_was_empty(project: Path, factory: Path) -> None:
    put(factory, {TEMPLATE: ""})
    commit(factory)
    git(factory, "tag", "v1.1.0")
    assert cli("sync", "--commit", cwd=project).code == 0
    put(project, {SERVED: "NAME = 'small_thing'\n"})
    code, changed = promoted(project, SERVED)
    assert (code, changed[TEMPLATE]) == (0, "NAME = '{{ package }}'")
