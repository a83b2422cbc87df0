"""Which version a sync comes from and goes to: tags that move, a base that is gone, what cannot be rendered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit import cli, commit, git, put, rules
from tests.stories.scenarios.story import (
    BASE,
    BOTH,
    CLASH,
    MARKED,
    NEW,
    TEAM,
    Story,
    actions,
    clean,
    contents,
    file,
    lay,
    link,
    loud,
    marked,
    numbered,
    refused,
    stamped,
)

# without a base, git joins what is equal on both sides
MARKED_WHOLE = numbered(l3=marked("line 3\n", "the factory's\n")[:-1], l18=marked("the team's\n", "line 18\n")[:-1])
LOCK, ZIP = ".ai-factory/lock.json", ".ai-factory/base"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A project at v1.0.0 of a factory with tags, edited by the team; v2.0.0 is there."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": "1\n"}, tags=True)
    story.team({"f.txt": TEAM})
    story.release({"f.txt": NEW, "g.txt": "2\n"}, 2)
    return story


SECOND = {"f.txt": BOTH, "g.txt": "2\n"}


# ---- to which version ----------------------------------------------------------------------------


def test_the_newest_release_and_never_a_pre_release_unless_it_is_named(story: Story) -> None:
    """A pre-release is not taken, and nobody is behind it, unless it is named."""
    story.release({"f.txt": NEW, "g.txt": "3\n"}, 3)
    git(story.factory, "tag", "v4.0.0rc1")
    git(story.factory, "tag", "-d", "v3.0.0")
    clean(story, SECOND)
    assert cli("check", "--fail-on", "behind", cwd=story.project).code == 0
    assert story.sync("--to", "v4.0.0rc1").code == 0
    assert story.lock()["factory"]["version"] == "v4.0.0rc1"
    assert contents(story.project)["g.txt"] == file("3\n")
    commit(story.project)
    refused(story)  # the newest release lies before it


def test_being_behind_is_a_note_in_each_format(story: Story) -> None:
    """`check` says up to date or behind, plain and for machines; it fails on it only when asked to."""
    assert cli("status", cwd=story.project).code == 0  # looks at the factory: from then on its newest version is known
    text = "AF001 note: .ai-factory/lock.json is behind: v2.0.0 is there"
    assert cli("check", cwd=story.project).out.splitlines()[0] == text
    assert rules(story.project) == [("AF001", LOCK)]
    codes = {word: cli("check", "--fail-on", word, cwd=story.project).code for word in ("drift", "behind", "any")}
    assert codes == {"drift": 0, "behind": 1, "any": 1}
    clean(story, SECOND)
    assert cli("check", "--fail-on", "any", cwd=story.project).code == 0
    assert cli("check", cwd=story.project).out == "1 project (v2.0.0): as the factory promised\n"


def test_from_a_tag_to_a_branch_and_no_way_back(story: Story) -> None:
    """From a tag to the head of a branch that has none: the lock says which commit; an older release is a downgrade."""
    lay(story.factory / "templates/core/files", {"g.txt": "head\n"})
    head = commit(story.factory)
    assert story.sync("--to", "main").code == 0
    commit(story.project)
    assert contents(story.project) == {"f.txt": file(BOTH), "g.txt": file("head\n")}
    assert story.sync("--to", "main", "--json").data["nothing_to_do"]
    assert (story.lock()["factory"]["version"], story.lock()["factory"]["commit"]) == ("main", head)
    for reference in ("v2.0.0", "v1.0.0", f"{head}~1"):
        data = refused(story, "--to", reference)
        assert data["hint"] == "a sync never goes back: revert the commit of the sync instead"


def test_without_a_version_a_project_ahead_of_every_release_is_not_taken_back(story: Story) -> None:
    """A project at the head of a branch asks for the newest release, which is older: nothing goes back."""
    lay(story.factory / "templates/core/files", {"g.txt": "head\n"})
    commit(story.factory)
    assert story.sync("--to", "main").code == 0
    commit(story.project)
    assert refused(story)["hint"] == "name the version, branch or commit to go to: `ai-factory sync --to REF`"
    story.release({"f.txt": NEW, "g.txt": "3\n"}, 3)
    clean(story, {**SECOND, "g.txt": "3\n"})


def test_a_downgrade_is_refused(story: Story) -> None:
    """The version asked for lies before the project's: refused, with what to do instead."""
    clean(story, SECOND)
    assert refused(story, "--to", "v1.0.0")["hint"] == "a sync never goes back: revert the commit of the sync instead"


def test_a_bound_is_kept(story: Story) -> None:
    """project.yaml bounds the version: a newer release outside the bound is not taken."""
    manifest = story.project / ".ai-factory/project.yaml"
    manifest.write_text(manifest.read_text() + 'version: "<3"\n')
    commit(story.project)
    story.release({"f.txt": BASE, "g.txt": "3\n"}, 3)
    assert rules(story.project) == [("AF001", LOCK)]
    clean(story, SECOND)  # and nothing outside the bound counts as being behind
    manifest.write_text(manifest.read_text().replace('"<3"', "no bound"))
    commit(story.project)
    assert rules(story.project) == [("AF001", LOCK)]
    refused(story)


def test_a_folder_with_uncommitted_changes_is_usable_and_says_so(tmp_path: Path) -> None:
    """A factory in a folder is taken as it stands, uncommitted changes included, and the version says so."""
    story = stamped(tmp_path, {"f.txt": BASE})
    git(story.factory, "init", "-q")
    commit(story.factory)
    git(story.factory, "tag", "v1.0.0")
    lay(story.factory / "templates/core/files", {"f.txt": NEW})
    clean(story, {"f.txt": NEW})
    assert story.lock()["factory"]["version"] == "v1.0.0-dirty"


# ---- tags and history ----------------------------------------------------------------------------


def test_the_tag_of_the_projects_version_was_deleted(story: Story) -> None:
    """The tag that the project came from is gone: the sync to the next one does not miss it."""
    git(story.factory, "tag", "-d", "v1.0.0")
    clean(story, SECOND)


def test_the_tag_of_the_projects_version_moved(story: Story) -> None:
    """The tag that the project came from names another commit now: the sync to the next one is not misled by it."""
    git(story.factory, "tag", "-f", "v1.0.0", "v2.0.0")
    clean(story, SECOND)


def test_a_tag_that_moved_is_no_version_to_go_to(story: Story) -> None:
    """The project's own version was moved to a fix: that is an error which names both commits, not a silent update."""
    git(story.factory, "tag", "-d", "v2.0.0")
    old = story.lock()["factory"]["commit"]
    git(story.factory, "tag", "-f", "v1.0.0", "main")
    data = refused(story)
    assert data["message"] == (
        f"the tag `v1.0.0` of the factory has moved: it was {old[:12]}, "
        f"and is {git(story.factory, 'rev-parse', 'main')[:12]}"
    )


def squash(repository: Path) -> None:
    """All that the repository holds as one commit; what lay before is collected."""
    git(repository, "checkout", "-q", "--orphan", "squashed")
    commit(repository, "all in one")
    for reference in git(repository, "for-each-ref", "--format=%(refname)").splitlines():
        if reference != "refs/heads/squashed":
            git(repository, "update-ref", "-d", reference)
    git(repository, "reflog", "expire", "--expire=now", "--all")
    git(repository, "gc", "-q", "--prune=now")


def test_the_factorys_history_was_rewritten(story: Story) -> None:
    """The factory was squashed and its old commits collected: the sync is the same, for the base is in the project."""
    squash(story.factory)
    git(story.factory, "tag", "v2.0.0")
    clean(story, SECOND)


def test_a_squashed_project_syncs_like_any_other(story: Story) -> None:
    """The project's own history was squashed and collected: nothing in it is needed."""
    squash(story.project)
    clean(story, SECOND)


# ---- the base ------------------------------------------------------------------------------------


def spoil_missing(project: Path) -> None:
    (project / ZIP).unlink()


def spoil_other(project: Path) -> None:
    (project / ZIP).write_bytes(b"PK no zip")


def spoil_lock(project: Path) -> None:
    text = (project / LOCK).read_text()
    digest = json.loads(text)["base_file"]
    (project / LOCK).write_text(text.replace(digest, "0" * 64))


SPOILS: list[Callable[[Path], None]] = [spoil_missing, spoil_other, spoil_lock]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_base_that_is_missing_or_not_the_locks(story: Story, spoil: Callable[[Path], None]) -> None:
    """The base is gone or another than the lock names: it is found among git's own objects, and the sync says so."""
    spoil(story.project)
    commit(story.project)
    assert cli("check", cwd=story.project).code == 2
    data = clean(story, SECOND)
    assert "were found among the repository's own objects" in data["notes"][0]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_base_that_is_nowhere(story: Story, spoil: Callable[[Path], None]) -> None:
    """Base and history are gone, as in a shallow clone: what was edited is a conflict, never overwritten."""
    spoil(story.project)
    commit(story.project)
    squash(story.project)
    loud(story, {"f.txt": MARKED_WHOLE, "g.txt": "2\n"}, {"f.txt": "23"})
    assert cli("sync", "--take", "ours", "f.txt", cwd=story.project).code == 0
    assert contents(story.project)["f.txt"] == file(TEAM)
    assert cli("check", cwd=story.project).code == 0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param('{"schema": 99}', id="newer"),
        pytest.param("<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n", id="with markers"),
    ],
)
def test_a_lock_that_cannot_be_read(story: Story, text: str) -> None:
    """The lock is broken, newer than the tool, or holds markers: exit code 2 with what mends it, nothing written."""
    put(story.project, {LOCK: text})
    commit(story.project)
    before = contents(story.project)
    result = story.sync("--json")
    assert (result.code, result.data["rule"], contents(story.project)) == (2, "AF005", before)
    assert result.data["hint"]
    assert cli("check", cwd=story.project).code == 2


# ---- what is rendered ----------------------------------------------------------------------------


def test_the_old_version_cannot_be_rendered_any_more(story: Story) -> None:
    """The old version needs something that this tool refuses: nobody renders it, so the sync is as any other."""
    git(story.factory, "checkout", "-q", "v1.0.0")
    put(story.factory, {"templates/core/copier.yml": "_jinja_extensions: [gone.Extension]\n"})
    commit(story.factory)
    git(story.factory, "tag", "-f", "v1.0.0")
    git(story.factory, "checkout", "-q", "main")
    clean(story, SECOND)


def test_the_tool_renders_otherwise_than_the_one_that_stamped(tmp_path: Path) -> None:
    """Another version of the tool gives other bytes for the same template: the new form comes, edits stay."""
    story = stamped(tmp_path, {"f.txt": numbered(l9="old form"), "g.txt": "old form\n"})
    story.team({"f.txt": numbered(l9="old form", l18="the team's")})
    lock = story.lock()
    put(story.project, {LOCK: json.dumps({**lock, "engine": "0.0.1"})})
    commit(story.project)
    # the same release, rendered anew: only what the tool makes of it differs
    story.release({"f.txt": numbered(l9="new form"), "g.txt": "new form\n"}, 1)
    clean(story, {"f.txt": numbered(l9="new form", l18="the team's"), "g.txt": "new form\n"})


@pytest.mark.parametrize("text", ["{{ range(9) | random }}\n", "{{ now() }}\n", "{{ undefined }}\n", "{% bad %}\n"])
def test_a_template_that_gives_other_bytes_each_time_is_refused(tmp_path: Path, text: str) -> None:
    """A template with chance, a clock or an error in it: the sync says where, and writes nothing."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": "1\n"})
    story.release({"f.txt": NEW, "g.txt.jinja": text}, 2)
    assert "templates/core/files/g.txt.jinja" in refused(story)["message"]


def test_two_components_that_own_one_file_are_refused(tmp_path: Path) -> None:
    """Two templates own `pyproject.toml`: neither overwrites the other, the sync names both."""
    story = stamped(tmp_path, {"pyproject.toml": "a = 1\n"})
    also = {"templates/other/component.yaml": "summary: o\n", "templates/other/files/pyproject.toml": "b = 1\n"}
    story.release({"pyproject.toml": "a = 1\n"}, 2, blueprint={"components": ["core", "other"]}, also=also)
    assert refused(story)["message"] == "the components `core` and `other` both own `pyproject.toml`"


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"link": link("../../outside")}, id="a link that leaves"),
        pytest.param({"d": link("/etc"), "e": "e\n"}, id="an absolute link"),
        pytest.param({"A.txt": "1\n", "a.txt": "2\n"}, id="names that differ in case"),
        pytest.param({"d/git~1/x": "x\n"}, id="git's own"),
        pytest.param({".ai-factory/lock.json": "{}\n"}, id="our own"),
        pytest.param({".gitignore": "*.log\n", "run.log": "x\n"}, id="a file that its own ignore lines hide"),
    ],
)
def test_a_version_that_may_not_be_written(tmp_path: Path, files: dict[str, str]) -> None:
    """The next version points outside, or gives what no project may hold: the project stays as it is."""
    story = stamped(tmp_path, {"f.txt": BASE})
    story.release({"f.txt": NEW, **files}, 2)
    refused(story)


def test_nothing_is_written_by_a_plan(story: Story) -> None:
    """`--plan` in each format tells all that would happen, and leaves every byte, ref and object as it is."""
    objects = git(story.project, "count-objects", "-v")
    before = contents(story.project), git(story.project, "status", "--porcelain"), story.lock()
    data = story.sync("--plan", "--json").data
    assert (actions(data), data["applied"]) == ({"f.txt": "merge", "g.txt": "change"}, False)
    assert story.sync("--plan").code == 0
    assert story.sync("--plan", "--markdown").code == 0
    assert (contents(story.project), git(story.project, "status", "--porcelain"), story.lock()) == before
    assert git(story.project, "count-objects", "-v") == objects


def test_a_plan_foresees_the_conflicts_of_the_sync(story: Story) -> None:
    """What `--plan` says is what happens then, conflicts and exit code included."""
    story.team({"f.txt": CLASH})
    plan = story.sync("--plan", "--json")
    data = loud(story, {"f.txt": MARKED, "g.txt": "2\n"}, {"f.txt": "123"})
    assert (plan.code, {**plan.data, "applied": True}) == (1, data)
