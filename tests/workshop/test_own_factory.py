"""A firm's own factory, made, kept on the newest version of the one below, and released."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ai_factory.tree import File
from ai_factory.workshop.founding import scaffold
from ai_factory.workspace import Folder
from tests.kit import Result, cli, commit, first_release, git, put, snapshot, tree
from tests.shell import clean

LOWER = {
    "templates/core/component.yaml": "summary: What every project has\nevidences: { AUD-01: [README.md] }\n",
    "templates/core/CHANGELOG.md": "## 1.0.0\n\n- The first.\n",
    "templates/core/copier.yml": "package: { type: str, default: example, help: The name }\n",
    "templates/core/files/README.md.jinja": "# {{ package }}\n\nWhat it does.\n\nHow it runs.\n",
    "templates/core/files/run.sh": "echo one\necho two\necho three\n",
    "templates/extra/component.yaml": "summary: More\n",
    "templates/extra/CHANGELOG.md": "## 1.0.0\n\n- The first.\n",
    "templates/extra/files/extra.txt": "extra\n",
    "blueprints/small.yaml": "summary: Small\ncomponents: [core, extra]\n",
}


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    """The factory below, in a repository, released as v1.0.0."""
    return first_release(tmp_path / "lower", LOWER)


@pytest.fixture
def own(lower: Path) -> Path:
    """Our factory on top of it, with an extension of `core` that has a README of ours."""
    folder = lower.parent / "own"
    assert cli("factory", "new", "own", "--factory", str(lower), cwd=lower.parent).code == 0
    put(
        folder,
        {
            "factory.yaml": (folder / "factory.yaml").read_text() + "components: { core: extend }\n",
            "templates/core/component.yaml": "evidences: { AUD-02: [run.sh] }\n",
            "templates/core/CHANGELOG.md": "## Unreleased\n\n- Whom to call.\n",
            "templates/core/files/README.md.jinja": "# {{ package }}\n\nWhat it does.\n\nHow it runs. Whom to call.\n",
        },
    )
    commit(folder)
    return folder


def released(lower: Path, tag: str, files: dict[str, str]) -> None:
    put(lower, files)
    commit(lower)
    git(lower, "tag", tag)


def release(own: Path, *arguments: str) -> Result:
    return cli("factory", "release", "--no-sign", *arguments, cwd=own)


# ---- new --------------------------------------------------------------------------------------------


def test_new_says_what_its_commit_lacks(lower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `ai-factory new` does: a name that git does not know, and a signature that it would make."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name)
    git(tmp_path, "config", "--global", "commit.gpgSign", "yes")
    result = cli("factory", "new", "own", "--factory", str(lower), cwd=tmp_path)
    assert (result.code, result.err.splitlines()) == (
        0,
        [
            "committed as `ai-factory <noreply@invalid>`: git knows no name and address of yours",
            (
                "the commit is not signed, though your git signs commits (`commit.gpgsign`): "
                "`git -C own commit --amend --no-edit --gpg-sign`"
            ),
        ],
    )
    assert cli("factory", "new", "alone", "--no-git", "--factory", str(lower), cwd=tmp_path).err == ""


def test_new_makes_a_factory_that_stands_on_the_embedded_one(tmp_path: Path) -> None:
    result = cli("factory", "new", "own", cwd=tmp_path)
    own = tmp_path / "own"
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == "a factory on top of embedded 0.1.0, in a repository with one commit"
    assert git(own, "status", "--porcelain") == ""
    assert cli("factory", "lint", cwd=own).code == 0
    made = cli("new", "blank", "project", "--factory", "own", "--defaults", cwd=tmp_path)
    assert made.code == 0
    embedded = cli("new", "blank", "other", "--defaults", "--data", "use_case=project", cwd=tmp_path)
    assert embedded.code == 0
    different = subprocess.run(
        ["diff", "--recursive", "--brief", "--exclude=.git", "--exclude=.ai-factory", "project", "other"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert different.stdout == ""


def test_new_tells_machines_where_it_lies(lower: Path) -> None:
    result = cli("factory", "new", "own", "--factory", str(lower), "--json", cwd=lower.parent)
    upstream = json.loads(result.out)["upstream"]
    assert (upstream["factory"], upstream["version"]) == (str(lower), "v1.0.0")
    declared = (lower.parent / "own/factory.yaml").read_text()
    assert declared == (
        "# yaml-language-server: $schema=.schemas/factory.schema.json\n"
        f"summary: On top of {lower} v1.0.0\nupstream:\n  factory: {lower}\n  version: v1.0.0\n"
        f"  tree: {upstream['tree']}\n"
    )


def test_new_takes_no_folder_that_holds_something(tmp_path: Path) -> None:
    put(tmp_path, {"own/a.txt": "mine"})
    result = cli("factory", "new", "own", cwd=tmp_path)
    assert (result.code, result.err.splitlines()[0]) == (2, "error: `own` is not empty: it holds `a.txt`")
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["a.txt"]


def test_its_ci_is_one_that_the_hosts_accept(tmp_path: Path) -> None:
    for path, file in scaffold().items():
        put(tmp_path, {path: file.content.decode()})
    clean("check-jsonschema", "--builtin-schema", "vendor.github-workflows", tmp_path / ".github/workflows/factory.yml")
    clean("check-jsonschema", "--builtin-schema", "vendor.dependabot", tmp_path / ".github/dependabot.yml")
    gitlab = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    clean("check-jsonschema", *gitlab, tmp_path / ".gitlab-ci.yml")
    clean("zizmor", "--offline", "--no-config", "--pedantic", "--strict-collection", tmp_path)


# ---- update -------------------------------------------------------------------------------------------


def test_update_takes_in_the_next_version_and_merges(lower: Path, own: Path) -> None:
    changed = LOWER["templates/core/files/README.md.jinja"].replace("What it does.", "What it really does.")
    released(
        lower,
        "v1.1.0",
        {
            "templates/core/files/README.md.jinja": changed,
            "templates/core/CHANGELOG.md": "## 1.1.0\n\n- Really.\n\n## 1.0.0\n\n- The first.\n",
            "templates/new/component.yaml": "summary: New\n",
        },
    )
    result = cli("factory", "update", cwd=own)
    assert result.out.splitlines() == [
        f"{lower} v1.0.0 -> v1.1.0",
        "  core 1.0.0 -> 1.1.0",
        "  new: new v1.1.0",
        "merged with your changes: templates/core/files/README.md.jinja",
        "5 files written; look at them, `ai-factory factory lint`, commit",
    ]
    assert (own / "templates/core/files/README.md.jinja").read_text() == (
        "# {{ package }}\n\nWhat it really does.\n\nHow it runs. Whom to call.\n"
    )
    assert git(own, "diff", "--name-only").splitlines() == [
        "factory.yaml",
        "templates/core/files/README.md.jinja",
        "upstream/templates/core/CHANGELOG.md",
        "upstream/templates/core/files/README.md.jinja",
    ]
    commit(own)
    assert cli("factory", "update", cwd=own).out == f"it stands on the newest version already: {lower} v1.1.0\n"


def test_update_that_fails_leaves_all_as_it_was(lower: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released(lower, "v2.0.0", {"templates/extra/files/extra.txt": "more\n", "templates/extra/files/new.txt": "new\n"})
    before, write = snapshot(own), Folder.write

    def full(self: Folder, path: str, file: File) -> None:
        if path == "factory.yaml":
            raise OSError(28, "No space left on device", path)
        write(self, path, file)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", full)
        assert cli("factory", "update", cwd=own).code == 2
    assert {**snapshot(own), ".git/index": ()} == {**before, ".git/index": ()}
    assert cli("factory", "update", cwd=own).code == 0
    assert (own / "upstream/templates/extra/files/new.txt").read_text() == "new\n"


def test_update_that_conflicts_says_so_and_is_no_success(lower: Path, own: Path) -> None:
    changed = LOWER["templates/core/files/README.md.jinja"].replace("How it runs.", "How it really runs.")
    released(lower, "v1.1.0", {"templates/core/files/README.md.jinja": changed})
    planned = cli("factory", "update", "--plan", "--json", cwd=own)
    assert (planned.code, planned.data["conflicts"], planned.data["written"]) == (
        1,
        ["templates/core/files/README.md.jinja"],
        False,
    )
    assert git(own, "status", "--porcelain") == ""
    result = cli("factory", "update", cwd=own)
    assert (result.code, result.out.splitlines()[1]) == (
        1,
        "CONFLICT, markers in it: templates/core/files/README.md.jinja",
    )
    assert "<<<<<<< ours" in (own / "templates/core/files/README.md.jinja").read_text()


def test_what_a_conflict_has_left_is_neither_released_nor_stamped(lower: Path, own: Path) -> None:
    changed = LOWER["templates/core/files/README.md.jinja"].replace("How it runs.", "How it really runs.")
    released(lower, "v1.1.0", {"templates/core/files/README.md.jinja": changed})
    assert cli("factory", "update", cwd=own).code == 1
    commit(own)
    place = "templates/core/files/README.md.jinja:5"
    for verb in ("lint", "release"):
        told = cli("factory", verb, cwd=own)
        assert (told.code, told.out.splitlines()[0]) == (1, f"{place}: FL023 a conflict is not resolved")
    assert git(own, "tag") == ""
    made = cli("new", "small", "project", "--factory", "own", "--defaults", cwd=own.parent)
    assert (made.code, made.err.splitlines()[0]) == (
        2,
        "error: `templates/core/files/README.md.jinja` line 5: holds conflict markers",
    )
    assert not (own.parent / "project").exists()


def test_a_text_about_markers_is_released(own: Path) -> None:
    text = "{{ '<<<<<<<' }} ours\none\n=======\ntwo\n{{ '>>>>>>>' }} theirs\n"
    put(own, {"templates/core/files/merging.md.jinja": text})
    commit(own)
    assert release(own).code == 0
    assert cli("new", "small", "project", "--factory", "own", "--defaults", cwd=own.parent).code == 0
    assert (own.parent / "project/merging.md").read_text() == "<<<<<<< ours\none\n=======\ntwo\n>>>>>>> theirs\n"
    assert cli("check", cwd=own.parent / "project").code == 0


def test_update_says_what_does_not_fit_any_more(lower: Path, own: Path) -> None:
    put(own, {"templates/core/component.yaml": "without: { files: [run.sh] }\n"})
    commit(own)
    (lower / "templates/core/files/run.sh").rename(lower / "templates/core/files/start.sh")
    released(lower, "v2.0.0", {})
    result = cli("factory", "update", cwd=own)
    assert (result.code, result.out.splitlines()[1]) == (
        1,
        (
            "does not fit any more: `templates/core/component.yaml` line 1: there is no `run.sh` below; "
            "known are README.md.jinja, start.sh"
        ),
    )
    assert cli("factory", "lint", cwd=own).out.splitlines()[0] == (
        "templates/core/component.yaml:1: FL019 there is no `run.sh` below; known are README.md.jinja, start.sh"
    )


RENAMED = {
    "templates/core/component.yaml": LOWER["templates/core/component.yaml"]
    + "changes: [{ since: 1.1.0, rename: { run.sh: go.sh } }, { since: 1.2.0, rename: { go.sh: bin/go.sh } }]\n",
    "templates/core/CHANGELOG.md": "## 1.2.0\n\n- Moved.\n\n## 1.0.0\n\n- The first.\n",
    "templates/core/files/bin/go.sh.jinja": "echo {{ package }}\necho two\necho three\n",
}


def test_ours_follows_a_rename_below_with_its_change(lower: Path, own: Path) -> None:
    """Over several releases, also where the file has become a template."""
    put(own, {"templates/core/files/run.sh": "echo one\necho two\necho OURS\n"})
    commit(own)
    (lower / "templates/core/files/run.sh").unlink()
    released(lower, "v1.2.0", RENAMED)
    result = cli("factory", "update", cwd=own)
    old, new = "templates/core/files/run.sh", "templates/core/files/bin/go.sh.jinja"
    assert (result.code, result.out.splitlines()[2:4]) == (
        0,
        [f"merged with your changes: {new}", f"moved with the one below: {old} -> {new}"],
    )
    assert ((own / new).read_text(), (own / old).exists()) == ("echo {{ package }}\necho two\necho OURS\n", False)


@pytest.mark.parametrize("mine", [{}, {"templates/core/files/bin/go.sh.jinja": "mine\n"}])
def test_ours_in_place_of_nothing_any_more_is_told(mine: dict[str, str], lower: Path, own: Path) -> None:
    """Where the one below has gone undeclared, or something of ours is at its new place: nothing is overwritten."""
    put(own, {"templates/core/files/run.sh": "echo OURS\n", **mine})
    commit(own)
    (lower / "templates/core/files/run.sh").unlink()
    released(lower, "v1.2.0", RENAMED if mine else {})
    result = cli("factory", "update", "--json", cwd=own)
    assert (result.code, result.data["left"], result.data["followed"]) == (1, ["templates/core/files/run.sh"], {})
    assert (own / "templates/core/files/run.sh").read_text() == "echo OURS\n"
    assert all((own / path).read_text() == text for path, text in mine.items())


def test_a_blueprint_of_ours_that_answers_what_nobody_asks_does_not_fit(lower: Path, own: Path) -> None:
    declared = (own / "factory.yaml").read_text()
    put(own, {"factory.yaml": f"{declared}blueprints: {{ small: extend }}\n"})
    put(own, {"blueprints/small.yaml": "answers:\n  package: ours\n"})
    commit(own)
    put(lower, {"templates/core/files/README.md.jinja": "# It\n"})
    released(lower, "v1.1.0", {"templates/core/copier.yml": "name: { type: str, default: example, help: The name }\n"})
    result = cli("factory", "update", "--json", cwd=own)
    assert (result.code, result.data["misfit"]) == (1, "`blueprints/small.yaml` line 2: no component asks `package`")


REFUSED = {
    "uncommitted": ({"README.md": "mine\n"}, "error: `README.md` is not committed"),
    "edited": ({"upstream/templates/extra/files/extra.txt": "mine\n"}, "error: `upstream/` was edited: it is not"),
    "alone": (
        {"factory.yaml": "summary: Alone\n", "blueprints/a.yaml": "summary: A\ncomponents: [x]\n"},
        "error: the factory",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_update_refuses(name: str, own: Path) -> None:
    files, message = REFUSED[name]
    put(own, files)
    if name != "uncommitted":
        if name == "alone":
            git(own, "rm", "-rq", "templates")
        commit(own)
    result = cli("factory", "update", cwd=own)
    assert (result.code, result.err.startswith(message)) == (2, True), result.err


def test_update_does_not_go_back_unasked(lower: Path, own: Path) -> None:
    released(lower, "v1.1.0", {"templates/core/files/run.sh": "echo\n"})
    assert cli("factory", "update", cwd=own).code == 0
    commit(own)
    git(lower, "tag", "-d", "v1.1.0")
    result = cli("factory", "update", cwd=own)
    assert (result.code, result.err.splitlines()[0]) == (2, f"error: {lower} is v1.0.0 here, older than v1.1.0")
    assert cli("factory", "update", "--to", "v1.0.0", cwd=own).code == 0


# ---- release -------------------------------------------------------------------------------------------


def test_release_writes_versions_and_notes_and_tags(own: Path) -> None:
    result = release(own)
    today = (own / "CHANGELOG.md").read_text().partition(" - ")[2][:10]
    notes = (
        f"## 0.1.0 - {today}\n\nStands on {own.parent / 'lower'} v1.0.0.\n\n"
        "### core 1.0.0.post1 (before 1.0.0)\n\n- Whom to call.\n"
    )
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{notes}\nreleased v0.1.0; publish it:\n  git push --atomic origin HEAD v0.1.0\n"
    assert (own / "CHANGELOG.md").read_text().endswith(f"under `## Unreleased`.\n\n{notes}")
    assert (own / "templates/core/CHANGELOG.md").read_text() == f"## 1.0.0.post1 - {today}\n\n- Whom to call.\n"
    assert git(own, "log", "-1", "--format=%s %D").startswith("Release v0.1.0 HEAD -> ")
    told = git(own, "tag", "-l", "--format=%(contents)", "v0.1.0")
    assert told.strip() == "Release v0.1.0\n\n" + notes.partition("\n")[2].strip()
    assert git(own, "status", "--porcelain") == ""


@pytest.mark.parametrize("version", [(), ("2.0.0",)])
def test_a_release_that_has_all_but_its_tag_gets_that(own: Path, version: tuple[str, ...]) -> None:
    """Cut off after its commit, or tagged by nobody: the next one makes the same tag, and no second commit."""
    assert release(own, *version).code == 0
    tag = f"v{version[0]}" if version else "v0.1.0"
    head, told = git(own, "rev-parse", "HEAD"), git(own, "tag", "-l", "--format=%(contents)", tag)
    git(own, "tag", "-d", tag)
    planned = release(own, "--plan", "--json").data
    assert (planned["version"], planned["components"][0]["after"]) == (tag[1:], "1.0.0.post1")
    assert release(own).code == 0
    assert (git(own, "rev-parse", "HEAD"), git(own, "tag", "-l", "--format=%(contents)", tag)) == (head, told)
    assert git(own, "rev-parse", f"{tag}^{{commit}}") == head
    assert (own / "CHANGELOG.md").read_text().count(f"## {tag[1:]} - ") == 1


def test_a_release_that_a_hook_refuses_leaves_all_as_it_was(own: Path) -> None:
    put(own, {".git/hooks/pre-commit": "#!/bin/sh\ngrep -q 1.0.0.post1 templates/core/CHANGELOG.md && exit 1\n"})
    (own / ".git/hooks/pre-commit").chmod(0o755)
    before, head = tree(own), git(own, "rev-parse", "HEAD")
    assert release(own).err.startswith("error: nothing was released: git failed")
    assert (tree(own), git(own, "rev-parse", "HEAD"), git(own, "status", "--porcelain")) == (before, head, "")
    assert (git(own, "tag", "--list"), release(own, "--plan").code) == ("", 0)


def test_what_could_not_be_pushed_is_not_released(own: Path, tmp_path: Path) -> None:
    """On a branch that lacks what the server has, as far as was fetched, and on none."""
    git(tmp_path, "clone", "-q", "--bare", str(own), "server")
    git(own, "remote", "add", "origin", str(tmp_path / "server"))
    git(own, "push", "-q", "-u", "origin", "HEAD")
    git(tmp_path, "clone", "-q", "server", "colleague")
    put(tmp_path / "colleague", {"NOTES.md": "more\n"})
    commit(tmp_path / "colleague")
    git(tmp_path / "colleague", "push", "-q")
    git(own, "fetch", "-q")
    name = git(own, "branch", "--show-current")
    before = git(own, "for-each-ref")
    result = release(own)
    told = f"error: `{name}` lacks a commit of `origin/{name}`, and a push of it would be refused"
    assert (result.code, result.out, result.err) == (2, "", f"{told}\nhint: `git pull --rebase`, then again\n")
    assert release(own, "--plan").code == 0
    git(own, "checkout", "-q", "--detach")
    result = release(own)
    told = "error: no branch is checked out, and a push of this commit would have none to go to"
    assert (result.code, result.err) == (2, f"{told}\nhint: `git switch BRANCH`\n")
    assert (git(own, "for-each-ref"), git(own, "status", "--porcelain")) == (before, "")
    git(own, "checkout", "-q", name)
    git(own, "pull", "-q", "--rebase")
    assert release(own).code == 0
    git(own, "push", "-q", "--atomic", "origin", "HEAD", "v0.1.0")


def test_releases_are_numbered_by_what_they_change(own: Path) -> None:
    assert release(own, "1.0.0").code == 0
    assert release(own).err.splitlines()[0] == "error: nothing has changed since v1.0.0"
    core = "templates/core/CHANGELOG.md"
    put(own, {core: "## Unreleased\n\n- Louder.\n\n" + (own / core).read_text()})
    put(own, {"templates/core/files/run.sh": "echo ONE\n"})
    commit(own)
    assert release(own, "0.9.0", "--plan").err.splitlines()[0] == (
        "error: 0.9.0 is not newer than the last release, v1.0.0"
    )
    assert release(own, "next", "--plan").err.splitlines()[0] == "error: `next` is no version"
    planned = release(own, "--plan", "--json").data
    assert (planned["version"], planned["before"], planned["written"]) == ("1.0.1", "v1.0.0", False)
    assert planned["components"] == [
        {"name": "core", "before": "1.0.0.post1", "after": "1.0.0.post2", "notes": "- Louder."}
    ]
    put(own, {"templates/house/component.yaml": "summary: Ours\n", "templates/house/files/call.md": "call\n"})
    put(own, {"templates/house/CHANGELOG.md": "# House\n\n## Unreleased\n\n- Whom to call.\n"})
    put(own, {"blueprints/own.yaml": "summary: Own\ncomponents: [core, house]\n"})
    commit(own)
    assert [
        (one["name"], one["before"], one["after"]) for one in release(own, "--plan", "--json").data["components"]
    ] == [
        ("core", "1.0.0.post1", "1.0.0.post2"),
        ("house", "", "0.1.0"),
    ]
    assert release(own, "--plan", "--json").data["version"] == "1.1.0"


def test_a_component_without_a_changelog_has_the_version_of_the_release(own: Path) -> None:
    house = {"templates/house/component.yaml": "summary: Ours\n", "templates/house/files/call.md": "call\n"}
    put(own, {**house, "blueprints/own.yaml": "summary: Own\ncomponents: [core, house]\n"})
    commit(own)
    first = release(own, "--json").data
    assert [(one["name"], one["after"]) for one in first["components"]] == [
        ("core", "1.0.0.post1"),
        ("house", "v0.1.0"),
    ]
    put(own, {"templates/house/files/call.md": "ring\n"})
    commit(own)
    silent = release(own)
    assert (silent.code, silent.out.splitlines()[0]) == (
        1,
        "templates/house/CHANGELOG.md: FL022 `files/call.md` is not that of v0.1.0 any more",
    )
    put(own, {"templates/house/CHANGELOG.md": "# House\n\n## Unreleased\n\n- Ring.\n"})
    commit(own)
    second = release(own, "--json").data
    assert (second["tag"], second["components"]) == (
        "v0.1.1",
        [{"name": "house", "before": "v0.1.0", "after": "0.1.1", "notes": "- Ring."}],
    )


def test_a_changelog_that_is_gone_says_nothing(own: Path) -> None:
    core = {"templates/house/component.yaml": "summary: Ours\n", "templates/house/files/call.md": "call\n"}
    put(own, {**core, "templates/house/CHANGELOG.md": "## 1.0.0\n\n- Call.\n"})
    put(own, {"blueprints/own.yaml": "summary: Own\ncomponents: [house]\n"})
    commit(own)
    assert release(own).code == 0
    git(own, "rm", "-q", "templates/house/CHANGELOG.md")
    put(own, {"templates/house/files/call.md": "ring\n"})
    commit(own)
    refused = release(own)
    assert (refused.code, refused.out.splitlines()[0]) == (
        1,
        "templates/house/CHANGELOG.md: FL022 `files/call.md` is not that of 1.0.0 any more",
    )


def test_what_only_editors_read_is_no_change(own: Path) -> None:
    put(own, {"templates/house/component.yaml": "summary: Ours\n", "templates/house/CHANGELOG.md": "## 1.0.0\n"})
    put(own, {"templates/house/files/call.md": "call\n", "blueprints/own.yaml": "summary: O\ncomponents: [house]\n"})
    commit(own)
    assert release(own).code == 0
    assert "  + templates/house/component.yaml" in cli("factory", "editor", cwd=own).out.splitlines()
    assert cli("factory", "lint", cwd=own).code == 0
    commit(own)
    assert release(own, "--plan", "--json").data["components"] == []


def test_what_a_change_was_declared_for_is_the_version(own: Path) -> None:
    put(
        own,
        {
            "templates/house/component.yaml": "summary: Ours\nrequires: []\n",
            "templates/house/CHANGELOG.md": "## 1.2.0\n\n- Call.\n",
            "templates/house/files/call.md": "call\n",
            "blueprints/own.yaml": "summary: Own\ncomponents: [core, house]\n",
        },
    )
    commit(own)
    assert release(own).code == 0
    (own / "templates/house/files/call.md").rename(own / "templates/house/files/ring.md")
    commit(own)
    refused = release(own)
    assert (refused.code, refused.out.splitlines()[0], git(own, "tag").split()) == (
        1,
        "templates/house/CHANGELOG.md: FL022 `files/call.md` is not that of 1.2.0 any more",
        ["v0.1.0"],
    )
    changes = "changes: [{ since: 2.0.0, rename: { call.md: ring.md } }]\n"
    put(own, {"templates/house/component.yaml": f"summary: Ours\n{changes}"})
    put(own, {"templates/house/CHANGELOG.md": "## Unreleased\n\n- Ring.\n\n## 1.2.0\n\n- Call.\n"})
    commit(own)
    assert [one["after"] for one in release(own, "--json").data["components"]] == ["2.0.0"]


def test_a_weaker_control_stops_a_release_until_it_is_declared(own: Path) -> None:
    assert release(own).code == 0
    manifest, log = own / "templates/core/component.yaml", own / "templates/core/CHANGELOG.md"
    manifest.write_text("summary: Less\n")
    log.write_text("## Unreleased\n\n- Less.\n\n" + log.read_text())
    commit(own)
    refused = release(own)
    assert (refused.code, refused.out.splitlines()[0]) == (
        1,
        "templates/core/component.yaml: FL021 AUD-02 had the evidence `run.sh` in v0.1.0, and no change declares it",
    )
    manifest.write_text("summary: Less\nchanges: [{ since: 1.0.0.post2, weakens: [AUD-02] }]\n")
    commit(own)
    assert release(own).code == 0
    assert git(own, "tag").split() == ["v0.1.0", "v0.1.1"]


def test_a_map_that_no_gate_could_read_is_not_released(tmp_path: Path) -> None:
    """On top of the embedded one: an overlay, and a document in place of one below; what is below alone is not told."""
    assert cli("factory", "new", "own", cwd=tmp_path).code == 0
    own = tmp_path / "own"
    declared = (own / "factory.yaml").read_text()
    put(
        own, {"controls/controls.yaml": "x: 1\n", "factory.yaml": f"{declared}controls: {{ controls.yaml: replace }}\n"}
    )
    commit(own)
    broken = release(own)
    assert (broken.code, broken.out.splitlines()[0], git(own, "tag")) == (
        1,
        "controls/controls.yaml:1: FL027 `as_of` is missing",
        "",
    )
    git(own, "rm", "-q", "controls/controls.yaml")
    put(own, {"controls/overlay.yaml": "controls:\n  AUD-01: { tier: none }\n", "factory.yaml": declared})
    told = {line.split()[1] for line in cli("factory", "lint", cwd=own).out.partition("\n\n")[0].splitlines()}
    assert told == {"FL027"}


def test_a_release_that_cannot_be_signed_is_none(own: Path) -> None:
    git(own, "config", "user.signingkey", "nowhere")
    git(own, "config", "gpg.format", "ssh")
    before = git(own, "rev-parse", "HEAD")
    result = cli("factory", "release", cwd=own)
    assert (result.code, result.err.startswith("error: nothing was released: git did not sign the tag: error: ")) == (
        2,
        True,
    )
    assert "--no-sign" in result.err
    assert (git(own, "rev-parse", "HEAD"), git(own, "tag"), git(own, "status", "--porcelain")) == (before, "", "")


def test_a_signed_release_is_one_that_projects_can_verify(own: Path) -> None:
    key = own.parent / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    git(own, "config", "user.signingkey", f"{key}.pub")
    git(own, "config", "gpg.format", "ssh")
    assert cli("factory", "release", cwd=own).code == 0
    allowed = own.parent / "allowed"
    allowed.write_text(f"lead@example.org {(own.parent / 'key.pub').read_text()}")
    made = cli(
        *("new", "small", "project", "--defaults", "--factory", str(own), "--version", "v0.1.0"),
        *("--allowed-signers", str(allowed)),
        cwd=own.parent,
    )
    assert (made.code, (own.parent / "project/README.md").read_text().splitlines()[-1]) == (
        0,
        "How it runs. Whom to call.",
    )


def test_nothing_is_said_that_a_terminal_would_obey(lower: Path, own: Path) -> None:
    released(lower, "v1.1.0", {"templates/core/CHANGELOG.md": "## 1.1.0\n\n- \x1b[31m::error::x\n\n## 1.0.0\n"})
    assert cli("factory", "update", cwd=own).code == 0
    commit(own)
    assert "\x1b" not in release(own).out
