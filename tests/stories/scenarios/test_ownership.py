"""Who owns a file decides what `check` says afterwards, never what a sync may destroy: the contract's two tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit import cli, commit, git, rules, snapshot
from tests.stories.scenarios.story import (
    BASE,
    BOTH,
    CLASH,
    MARKED,
    NEW,
    TEAM,
    Content,
    Story,
    actions,
    clean,
    contents,
    file,
    lay,
    loud,
    marked,
    numbered,
    ran,
    stamped,
)

Declared = dict[str, Any]
WORDS = ("managed", "merged", "seeded")


def each(content: Content) -> dict[str, Content]:
    """The same file under each ownership."""
    return {f"{word}/f.txt": content for word in WORDS}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A project with one file of each ownership, and one that it produces itself."""
    return stamped(tmp_path, each(BASE), ownership=OWNED, produces=["out/run.json"])


OWNED = {"managed/**": "managed", "seeded/**": "seeded"}
DECLARED: Declared = {"ownership": OWNED, "produces": ["out/run.json"]}
DRIFT = [("AF002", "managed/f.txt")]


# ---- the table of ownership ----------------------------------------------------------------------


def test_an_edit_that_the_new_version_is_silent_about(story: Story) -> None:
    """Each file is edited, and the next version changes none: a managed edit is drift before and after."""
    story.team({**each(TEAM), "out/run.json": "{}\n"})
    assert rules(story.project) == DRIFT
    story.release({**each(BASE), "new.txt": "n\n"}, 2, **DECLARED)
    data = clean(story, {**each(TEAM), "out/run.json": "{}\n", "new.txt": "n\n"}, found=DRIFT)
    assert [(row["rule"], row["path"]) for row in data["drift"]] == DRIFT


def test_an_edit_that_is_merged(story: Story) -> None:
    """Each file is edited and changed elsewhere: merged, and the kept edit of a managed file is still drift."""
    story.team(each(TEAM))
    story.release(each(NEW), 2, **DECLARED)
    clean(story, {**each(BOTH), "seeded/f.txt": TEAM}, found=DRIFT)


def test_an_edit_that_clashes(story: Story) -> None:
    """Each file is edited and changed in the same line: a conflict for managed and merged, nothing for seeded."""
    story.team(each(CLASH))
    story.release(each(NEW), 2, **DECLARED)
    loud(story, {**each(MARKED), "seeded/f.txt": CLASH}, {"managed/f.txt": "123", "merged/f.txt": "123"})
    assert cli("sync", "--take", "ours", "managed/f.txt", "merged/f.txt", cwd=story.project).code == 0
    assert (contents(story.project), rules(story.project)) == ({p: file(c) for p, c in each(CLASH).items()}, DRIFT)


def test_the_same_change_on_both_sides(story: Story) -> None:
    """The team made the change of the next version itself: it was drift, and is none any more."""
    story.team(each(NEW))
    assert rules(story.project) == DRIFT
    story.release(each(NEW), 2, **DECLARED)
    clean(story, each(NEW))


def test_a_deleted_file(story: Story) -> None:
    """Each file is deleted: none comes back; the managed one is missing until it is restored, and stays named."""
    story.team(dict.fromkeys(each(BASE)))
    assert rules(story.project) == [("AF003", "managed/f.txt")]
    story.release(each(NEW), 2, **DECLARED)
    data = clean(story, {}, found=[("AF003", "managed/f.txt")])
    assert actions(data) == {"managed/f.txt": "decline", "merged/f.txt": "decline"}
    assert story.states() == {"managed/f.txt": "declined", "merged/f.txt": "declined"}
    assert cli("restore", "managed/f.txt", cwd=story.project).code == 0
    commit(story.project)
    assert (contents(story.project), rules(story.project)) == ({"managed/f.txt": file(NEW)}, [])
    story.release({**each(NEW), "new.txt": "n\n"}, 3, **DECLARED)
    clean(story, {"managed/f.txt": NEW, "new.txt": "n\n"})
    assert story.states() == {"merged/f.txt": "declined"}


def test_a_deleted_managed_file_that_is_waived(story: Story) -> None:
    """The deletion of a managed file is waived until a date: `check` notes it, a sync changes nothing about it."""
    waiver = "rule: AF003, path: managed/f.txt, reason: not needed, owner: o@x, approver: a@x, until: 2099-01-01"
    story.team({"managed/f.txt": None, ".ai-factory/waivers.yaml": f"- {{{waiver}}}\n"})
    assert (rules(story.project), cli("check", cwd=story.project).code) == ([("AF010", "managed/f.txt")], 0)
    story.release(each(NEW), 2, **DECLARED)
    tree = {path: content for path, content in each(NEW).items() if path == "merged/f.txt"}
    clean(story, {**tree, "seeded/f.txt": BASE}, found=[("AF010", "managed/f.txt")])


def test_a_changed_mode(story: Story) -> None:
    """The team makes files executable: a promise about mode is drift when it is broken, and the bit stays."""
    story.team(each(ran(BASE)))
    assert rules(story.project) == DRIFT
    story.release({**each(BASE), "new.txt": "n\n"}, 2, **DECLARED)
    clean(story, {**each(ran(BASE)), "new.txt": "n\n"}, found=DRIFT)


def test_what_the_project_produces_is_never_touched(story: Story) -> None:
    """A file that the project's run writes: never drift, never touched, and the factory may begin or end to name it."""
    story.team({"out/run.json": "{}\n"})
    story.release(each(BASE), 2, ownership=OWNED, produces=["out/run.json", "merged/out.json"])
    clean(story, {**each(BASE), "out/run.json": "{}\n"})
    story.team({"out/run.json": None, "merged/out.json": "[]\n"})
    story.release(each(BASE), 3, ownership=OWNED)
    clean(story, {**each(BASE), "merged/out.json": "[]\n"})


def test_what_the_project_produces_becomes_the_factorys(story: Story) -> None:
    """The factory stamps what the project's own run had written: another content is kept, and a person decides."""
    story.team({"out/run.json": "{}\n"})
    story.release({**each(BASE), "out/run.json": "[]\n"}, 2, ownership=OWNED)
    tree = {**each(BASE), "out/run.json": "{}\n", "out/run.json.incoming": "[]\n"}
    loud(story, tree, {"out/run.json": ""})


# ---- seeded files --------------------------------------------------------------------------------


def test_a_seeded_file_is_written_once(tmp_path: Path) -> None:
    """A file that is written once: edited or deleted here, changed, renamed or dropped there, it is the team's."""
    names = ("edited", "deleted", "untouched", "renamed", "dropped")
    owned: Declared = {"ownership": {"*.txt": "seeded"}}
    story = stamped(tmp_path, {f"{name}.txt": BASE for name in names}, **owned)
    story.team({"edited.txt": CLASH, "deleted.txt": None, "renamed.txt": TEAM})
    changes = [{"since": "2.0.0", "rename": {"renamed.txt": "other.txt"}}]
    files = {**{f"{name}.txt": NEW for name in names[:3]}, "other.txt": NEW}
    story.release(files, 2, **owned, changes=changes)
    mine = {"edited.txt": CLASH, "untouched.txt": BASE, "renamed.txt": TEAM, "dropped.txt": BASE}
    clean(story, mine)
    clean(story, mine)
    story.release(files, 3, **owned, changes=changes)
    clean(story, mine)


def test_a_seeded_path_with_answers_in_a_subfolder(tmp_path: Path) -> None:
    """A rule holds an answer and is anchored at the project, which lies in a subfolder: it holds there alone."""
    git(tmp_path, "init", "-q", "mono")
    files = {"src/{{ package }}/main.py": BASE, "docs/src/{{ package }}/main.py": BASE}
    told: Declared = {
        "ownership": {"src/{{ package }}/*.py": "seeded"},
        "questions": {"package": {"default": "claims"}},
    }
    story = stamped(tmp_path, files, name="mono/team/a", **told)
    story.team({"src/claims/main.py": CLASH, "docs/src/claims/main.py": TEAM})
    story.release(dict.fromkeys(files, NEW), 2, **told)
    clean(story, {"src/claims/main.py": CLASH, "docs/src/claims/main.py": BOTH})


def test_what_becomes_seeded(tmp_path: Path) -> None:
    """Files become the team's own: nothing is touched, the promise ends, and the base is dropped."""
    before: Declared = {"ownership": {"managed/**": "managed"}}
    story = stamped(tmp_path, {"managed/a.txt": BASE, "managed/b.txt": BASE, "c.txt": BASE}, **before)
    story.team({"managed/b.txt": CLASH, "c.txt": TEAM})
    after: Declared = {"ownership": {"**": "seeded"}}
    files = {"managed/a.txt": NEW, "managed/b.txt": NEW, "c.txt": NEW}
    story.release(files, 2, **after)
    mine = {"managed/a.txt": BASE, "managed/b.txt": CLASH, "c.txt": TEAM}
    clean(story, mine)
    # and then the factory stops to know of them
    story.release({"d.txt": "d\n"}, 3)
    clean(story, {**mine, "d.txt": "d\n"})
    assert list(story.lock()["paths"]) == ["d.txt"]


def test_what_was_seeded_becomes_the_factorys(tmp_path: Path) -> None:
    """Seeded files become managed and merged: updated where nobody had edited them, else a conflict."""
    names = [f"{word}/{state}.txt" for word in ("managed", "merged") for state in ("untouched", "edited", "deleted")]
    story = stamped(tmp_path, dict.fromkeys(names, "1\n"), ownership={"**": "seeded"})
    mine = {name: "mine\n" if "edited" in name else None for name in names if "untouched" not in name}
    story.team(mine)
    story.release(dict.fromkeys(names, "2\n"), 2, ownership={"managed/**": "managed"})
    edited = marked("mine\n", "2\n")
    tree = {f"{word}/untouched.txt": "2\n" for word in ("managed", "merged")}
    tree |= {f"{word}/edited.txt": edited for word in ("managed", "merged")}
    stages = {"managed/edited.txt": "23", "merged/edited.txt": "23"}
    loud(story, tree, stages, found=[("AF003", "managed/deleted.txt")])


# ---- components that come and go -----------------------------------------------------------------

EXTRA = {
    "templates/extra/component.yaml": "summary: e\nownership: {managed.txt: managed}\n",
    "templates/extra/files/managed.txt": "m\n",
    "templates/extra/files/merged.txt": BASE,
}
TAKES: Declared = {"blueprint": {"components": ["core", "extra"]}, "also": EXTRA}
OFFERS: Declared = {"blueprint": {"components": ["core"], "optional": ["extra"]}, "also": EXTRA}


def take(story: Story, line: str) -> None:
    """A line in project.yaml, in place of an earlier one."""
    manifest = story.project / ".ai-factory/project.yaml"
    kept = [row for row in manifest.read_text().splitlines() if not row.startswith(("with:", "without:"))]
    manifest.write_text("\n".join([*kept, line]) + "\n")
    commit(story.project)


def test_an_optional_component_is_taken_dropped_and_taken_again(tmp_path: Path) -> None:
    """An optional component comes with its files, goes and leaves them to the team, and comes back to what is there."""
    story = stamped(tmp_path, {"f.txt": "f\n"}, **OFFERS)
    take(story, "with: [extra]")
    clean(story, {"f.txt": "f\n", "managed.txt": "m\n", "merged.txt": BASE})
    story.team({"managed.txt": "mine\n", "merged.txt": TEAM})
    take(story, "without: []")
    mine: dict[str, Content] = {"f.txt": "f\n", "managed.txt": "mine\n", "merged.txt": TEAM}
    assert actions(clean(story, mine)) == {"managed.txt": "forget", "merged.txt": "forget"}
    take(story, "with: [extra]")
    # nothing tells any more what the team's edits descend from: a person decides, and their lines are all there
    after = {
        **mine,
        "managed.txt": marked("mine\n", "m\n"),
        "merged.txt": BASE.replace("line 18\n", marked("the team's\n", "line 18\n")),
    }
    loud(story, after, {"managed.txt": "23", "merged.txt": "23"})


def test_a_component_that_the_team_leaves_out(tmp_path: Path) -> None:
    """The team leaves a component out: its files are the team's from now on, edited or not, and never promised."""
    story = stamped(tmp_path, {"f.txt": "f\n"}, **TAKES)
    story.team({"managed.txt": "mine\n"})
    take(story, "without: [extra]")
    mine: dict[str, Content] = {"f.txt": "f\n", "managed.txt": "mine\n", "merged.txt": BASE}
    clean(story, mine)
    story.release({"f.txt": "2\n"}, 2, **TAKES)
    clean(story, {**mine, "f.txt": "2\n"})


def test_a_component_that_the_blueprint_drops_or_adds(tmp_path: Path) -> None:
    """The blueprint of the next version has another list of components: what it drops stays, what it adds comes."""
    story = stamped(tmp_path, {"f.txt": "f\n"}, **TAKES)
    story.team({"merged.txt": TEAM})
    other = {"templates/other/component.yaml": "summary: o\n", "templates/other/files/other.txt": "o\n"}
    story.release({"f.txt": "f\n"}, 2, blueprint={"components": ["core", "other"]}, also=other)
    data = clean(story, {"f.txt": "f\n", "managed.txt": "m\n", "merged.txt": TEAM, "other.txt": "o\n"})
    assert [(row["name"], bool(row["from"]), bool(row["to"])) for row in data["components"]] == [
        ("core", True, True),
        ("extra", True, False),
        ("other", False, True),
    ]


# ---- what git does not track here ----------------------------------------------------------------


@pytest.mark.parametrize("word", ["managed", "merged", "seeded"])
def test_a_file_that_git_ignores_here_keeps_its_local_content(tmp_path: Path, word: str) -> None:
    """The team ignores and edits `.env`: never overwritten, each new proposal lies beside it, `check` skips it."""
    owned: Declared = {"ownership": {".env": word}}
    story = stamped(tmp_path, {".env": "A=1\n", "f.txt": "f\n"}, **owned)
    lay(story.project, {".gitignore": ".env\n"})
    git(story.project, "rm", "-q", "--cached", ".env")
    commit(story.project)
    lay(story.project, {".env": "A=secret\n"})
    mine: dict[str, Content] = {".env": "A=secret\n", ".gitignore": ".env\n", "f.txt": "f\n"}
    for version in (2, 3):
        proposal = f"A=1\nB={version}\n"
        story.release({".env": proposal, "f.txt": "f\n"}, version, **owned)
        data = clean(story, {**mine, ".env.incoming": proposal})
        assert actions(data) == {".env": "keep"}
        assert story.states() == {".env": "local"}
        assert rules(story.project) == []
    git(tmp_path, "clone", "-q", str(story.project), "clone")
    assert rules(tmp_path / "clone") == []


def test_a_new_file_that_git_ignores_here(tmp_path: Path) -> None:
    """The factory brings a file that the team's own ignore lines hide: written for use, not put under git's eyes."""
    story = stamped(tmp_path, {"f.txt": "f\n"})
    story.team({".gitignore": "*.local\n"})
    story.release({"f.txt": "f\n", "run.local": "new\n"}, 2)
    saved = snapshot(story.project)
    assert story.sync("--commit", "--json").code == 0
    git(story.project, "reset", "-q", "--hard", "HEAD^")
    (story.project / "run.local").unlink()
    assert snapshot(story.project).keys() == saved.keys()
    clean(story, {"f.txt": "f\n", ".gitignore": "*.local\n", "run.local": "new\n"})
    assert git(story.project, "ls-files", "run.local") == ""
    assert story.states() == {"run.local": "local"}
    git(tmp_path, "clone", "-q", str(story.project), "clone")
    assert (rules(tmp_path / "clone"), cli("sync", cwd=tmp_path / "clone").code) == ([], 0)


def test_a_file_that_is_ignored_and_un_ignored_again(tmp_path: Path) -> None:
    """A file is git-ignored in one version and tracked again in the next: the team's content survives both."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": "g\n"})
    lay(story.project, {".gitignore": "f.txt\n", "f.txt": TEAM})
    git(story.project, "rm", "-q", "--cached", "f.txt")
    commit(story.project)
    story.release({"f.txt": NEW, "g.txt": "g\n"}, 2)
    clean(story, {"f.txt": TEAM, "f.txt.incoming": NEW, "g.txt": "g\n", ".gitignore": "f.txt\n"})
    # tracked again, with the proposal taken in by hand
    story.team({".gitignore": None, "f.txt": BOTH, "f.txt.incoming": None})
    story.release({"f.txt": numbered(l3="the factory's", l9="third"), "g.txt": "g\n"}, 3)
    # what its lines descend from is not known any more: the conflict holds them all
    assert story.sync("--json").data["conflicts"] == ["f.txt"]
    text = contents(story.project)["f.txt"].content.decode()
    assert {"the team's", "the factory's", "third"} <= set(text.splitlines())


def test_a_version_that_ignores_one_of_its_own_files(tmp_path: Path) -> None:
    """The next version ignores a file and drops it, the one after stamps it again: nothing of the team's is lost."""
    story = stamped(tmp_path, {"f.txt": BASE, ".gitignore": "*.log\n"})
    story.team({"f.txt": TEAM})
    story.release({".gitignore": "*.log\nf.txt\n"}, 2)
    loud(story, {"f.txt": TEAM, ".gitignore": "*.log\nf.txt\n"}, {"f.txt": ""})
    assert cli("sync", "--take", "ours", "f.txt", cwd=story.project).code == 0
    commit(story.project)
    story.release({"f.txt": NEW, ".gitignore": "*.log\n"}, 3)
    both = numbered(l3=marked("line 3\n", "the factory's\n")[:-1], l18=marked("the team's\n", "line 18\n")[:-1])
    loud(story, {"f.txt": both, ".gitignore": "*.log\n"}, {"f.txt": "23"})


# ---- drift that the new version is silent about --------------------------------------------------


def test_drift_is_told_by_every_sync_in_every_format_with_what_heals_it(tmp_path: Path) -> None:
    """Managed files were edited, deleted or made executable, and the new version is silent: each sync says so anew."""
    owned: Declared = {"ownership": {"m/**": "managed"}, "evidences": {"AUD-01": ["m/**"]}}
    files: dict[str, Content] = {"m/edited it.txt": BASE, "m/gone.txt": BASE, "m/mode.txt": BASE, "merged.txt": BASE}
    story = stamped(tmp_path, files, **owned)
    story.team({"m/edited it.txt": CLASH, "m/gone.txt": None, "m/mode.txt": ran(BASE), "merged.txt": CLASH})
    found = [("AF002", "m/edited it.txt"), ("AF003", "m/gone.txt"), ("AF002", "m/mode.txt")]
    assert told_drift(story) == found  # also with nothing to do
    story.release({**files, "new.txt": "n\n"}, 2, **owned)
    assert told_drift(story) == found
    text = story.sync("--plan").out.splitlines()
    at = text.index("drift: m/edited it.txt was edited, and this sync leaves it so")
    assert text[at : at + 6] == [
        "drift: m/edited it.txt was edited, and this sync leaves it so",
        "      hint: `ai-factory restore 'm/edited it.txt'`",
        "drift: m/gone.txt is missing, and this sync leaves it so",
        "      hint: `ai-factory restore m/gone.txt`",
        "drift: m/mode.txt has mode 100755, not 100644, and this sync leaves it so",
        "      hint: `ai-factory restore m/mode.txt`",
    ]
    markdown = story.sync("--plan", "--markdown").out
    assert markdown[markdown.index("## Drift that stays") :] == (
        "## Drift that stays\n\n"
        "- `m/edited it.txt` was edited: `ai-factory restore 'm/edited it.txt'`\n"
        "- `m/gone.txt` is missing: `ai-factory restore m/gone.txt`\n"
        "- `m/mode.txt` has mode 100755, not 100644: `ai-factory restore m/mode.txt`\n"
    )
    assert story.sync().code == 0
    commit(story.project)
    assert rules(story.project) == found
    # the commands heal it
    assert cli("restore", "m/edited it.txt", "m/gone.txt", "m/mode.txt", cwd=story.project).code == 0
    commit(story.project)
    assert (told_drift(story), rules(story.project)) == ([], [])


def told_drift(story: Story) -> list[tuple[str, str]]:
    rows = story.sync("--plan", "--json").data["drift"]
    assert all(row["controls"] == ["AUD-01"] for row in rows)
    return [(row["rule"], row["path"]) for row in rows]
