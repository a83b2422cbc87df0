"""Answers over versions: renamed, split, mapped, removed, new; never reset, never lost, and secrets never stored."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kit import cli, commit, git, put, rules
from tests.stories.scenarios.story import (
    BASE,
    BOTH,
    NEW,
    TEAM,
    Story,
    clean,
    contents,
    file,
    numbered,
    refused,
    stamped,
)

PROJECT = ".ai-factory/project.yaml"


def shows(*keys: str) -> dict[str, Any]:
    """A file that shows the answers of these names."""
    return {"answers.txt.jinja": "".join(f"{key}={{{{ {key} }}}}\n" for key in keys)}


def shown(story: Story) -> str:
    return (story.project / "answers.txt").read_text()


def agrees(story: Story) -> bool:
    """Whether each answer in project.yaml is the one that the lock says was applied, and no sync wants another."""
    applied = story.lock()["answers"]
    return all(applied[key] == value for key, value in story.answered().items())


# ---- declared changes ----------------------------------------------------------------------------


def test_a_question_is_renamed(tmp_path: Path) -> None:
    """A question is renamed: the answer that the team gave is under its new name, not reset to the default."""
    old = {"sink": {"default": "file", "help": "Where to?"}}
    story = stamped(tmp_path, shows("sink"), "--data", "sink=postgres", questions=old)
    new = {"audit_sink": {"default": "file", "help": "Where to?"}}
    changes = [{"since": "2.0.0", "answer": {"rename": {"sink": "audit_sink"}}}]
    story.release(shows("audit_sink"), 2, questions=new, changes=changes)
    clean(story, {"answers.txt": "audit_sink=postgres\n"})
    assert (story.answered(), agrees(story)) == ({"audit_sink": "postgres"}, True)


def test_a_question_is_renamed_and_nobody_said_so(tmp_path: Path) -> None:
    """A question is renamed without a declaration: that is refused by name, instead of resetting the answer."""
    story = stamped(tmp_path, shows("sink"), "--data", "sink=postgres", questions={"sink": "file"})
    story.release(shows("audit_sink"), 2, questions={"audit_sink": "file"})
    data = refused(story)
    assert data["answers"] == {"sink": "no component asks it; asked are audit_sink"}
    assert data["hint"] == "answer with `ai-factory sync --data KEY=VALUE`, or in `.ai-factory/project.yaml`"


MAPS: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {  # declared, the old answer, the new ones
    "renamed and mapped": ({"rename": {"a": "b"}, "map": {"none": "off"}}, "none", {"b": "off"}),
    "renamed, no rule for the value": ({"rename": {"a": "b"}, "map": {"none": "off"}}, "low", {"b": "low"}),
    "to another type": ({"rename": {"a": "b"}, "map": {"none": []}}, "none", {"b": []}),
    "mapped under its name": ({"map": {"a": {"none": "off"}}}, "none", {"a": "off"}),
    "mapped once, not on and on": ({"map": {"a": {"x": "y", "y": "z"}}}, "x", {"a": "y"}),
    "a truth": ({"map": {"a": {"true": "full"}}}, True, {"a": "full"}),
    "a number": ({"map": {"a": {"3": "three"}}}, 3, {"a": "three"}),
    "an item of a list": ({"map": {"a": {"pg": "postgres"}}}, ["file", "pg"], {"a": ["file", "postgres"]}),
    "an item that becomes several": ({"map": {"a": {"all": ["x", "y"]}}}, ["all", "z"], {"a": ["x", "y", "z"]}),
    "an item that goes": ({"map": {"a": {"none": []}}}, ["none"], {"a": []}),
    "split": (
        {"split": {"a": {"eu-west": {"area": "eu", "zone": "west"}, "us": {"area": "us"}}}},
        "eu-west",
        {"area": "eu", "zone": "west"},
    ),
    "split, and one keeps the name": (
        {"split": {"a": {"eu-west": {"a": "eu", "b": 1}}}},
        "eu-west",
        {"a": "eu", "b": 1},
    ),
    "removed": ({"remove": ["a"]}, "x", {}),
    "renamed and split": ({"rename": {"a": "b"}, "split": {"b": {"x": {"c": 1, "d": 2}}}}, "x", {"c": 1, "d": 2}),
}


@pytest.mark.parametrize("case", MAPS)
def test_an_answer_goes_through_what_is_declared(tmp_path: Path, case: str) -> None:
    """Renamed, mapped, split, removed: the answer that the team gave is what the declaration makes of it, once."""
    declared, value, expected = MAPS[case]
    yaml: dict[str, Any] = {"type": "yaml", "default": "a default"}
    put(tmp_path, {"answers.yaml": f"a: {json.dumps(value)}\n"})
    story = stamped(tmp_path, shows("a"), "--answers", str(tmp_path / "answers.yaml"), questions={"a": yaml})
    keys = sorted({"a", "area", "zone", *expected}) if "split" in declared else sorted({"a", *expected})
    changes = [{"since": "2.0.0", "answer": declared}]
    story.release(shows(*keys), 2, questions=dict.fromkeys(keys, yaml), changes=changes)
    everything = {**dict.fromkeys(keys, "a default"), **expected}
    clean(story, {"answers.txt": "".join(f"{key}={everything[key]}\n" for key in keys)})
    assert (story.answered(), story.lock()["answers"]) == (expected, everything)


def test_names_change_places(tmp_path: Path) -> None:
    """Two questions change their names for each other: so do the answers."""
    asked = {"first": "x", "second": "y"}
    story = stamped(tmp_path, shows(*asked), "--data", "first=1", "--data", "second=2", questions=asked)
    changes = [{"since": "2.0.0", "answer": {"rename": {"first": "second", "second": "first"}}}]
    story.release(shows(*asked), 2, questions=asked, changes=changes)
    clean(story, {"answers.txt": "first=2\nsecond=1\n"})
    assert story.answered() == {"first": "2", "second": "1"}


SPLIT = [{"since": "2.0.0", "answer": {"split": {"region": {"eu-west": {"area": "eu", "zone": "west"}}}}}]


def test_a_split_that_has_no_rule_for_the_value(tmp_path: Path) -> None:
    """No rule splits the team's answer: that is said with file and value, and no default is taken for it."""
    story = stamped(tmp_path, shows("region"), "--data", "region=mars", questions={"region": "eu-west"})
    asked = {"area": "eu", "zone": "west"}
    story.release(shows(*asked), 2, questions=asked, changes=SPLIT)
    why = "`.ai-factory/project.yaml` says `region: mars`, and core 2.0.0 has no rule that splits this value"
    assert refused(story)["answers"] == {"area": why, "zone": why}
    assert refused(story, "--data", "area=sol")["answers"] == {"zone": why}
    clean(story, {"answers.txt": "area=sol\nzone=4\n"}, "--data", "area=sol", "--data", "zone=4")
    assert story.answered() == {"area": "sol", "zone": "4"}


def test_ten_releases_at_once_are_as_ten_one_by_one(tmp_path: Path) -> None:
    """Ten releases each change the answer: one sync over all of them ends as ten syncs do, comments included."""
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"rename": {"q1": "q2"}}, {"q2": "x"}),
        ({"map": {"q2": {"a": "b"}}}, {"q2": "x"}),
        ({"rename": {"q2": "q4"}, "map": {"b": "c"}}, {"q4": "x"}),
        ({"map": {"q4": {"a": "wrong", "c": "d-e"}}}, {"q4": "x"}),
        ({"split": {"q4": {"d-e": {"q5": "d", "r5": "e"}}}}, {"q5": "x", "r5": "x"}),
        ({"rename": {"q5": "r5", "r5": "q5"}}, {"q5": "x", "r5": "x"}),
        ({"remove": ["old"]}, {"q5": "x", "r5": "x"}),
        ({"rename": {"q5": "q9"}}, {"q9": "x", "r5": "x"}),
        ({"map": {"q9": {"e": "f"}, "r5": {"d": "g"}}}, {"q9": "x", "r5": "x"}),
        ({"rename": {"r5": "r9"}}, {"q9": "x", "r9": "x"}),
    ]
    first = {"q1": "x", "old": "x", "other": "x"}
    told = ["--data", "q1=a", "--data", "old=o", "--data", "other=kept"]
    ends = []
    for name, stops in (("by one", range(2, 12)), ("at once", (11,))):
        folder = tmp_path / name
        folder.mkdir()
        story = stamped(folder, shows(*first), *told, questions=first)
        written = (story.project / PROJECT).read_text()
        story.team({PROJECT: written.replace("  q1: a\n", "  # the first\n  q1: a   # chosen in March\n")})
        for version in stops:
            asked: dict[str, Any] = {**steps[version - 2][1], **({"old": "x"} if version < 8 else {}), "other": "x"}
            changes = [{"since": f"{n}.0.0", "answer": step} for n, (step, _) in enumerate(steps[: version - 1], 2)]
            story.release(shows(*sorted(asked)), version, questions=asked, changes=changes)
            assert story.sync().code == 0
            commit(story.project)
        ends.append((shown(story), story.answered(), story.lock()["answers"]))
        text = (story.project / PROJECT).read_text()
        assert ("# the first\n" in text, "# chosen in March\n" in text) == (True, True)
    assert ends[0] == ends[1]
    assert ends[0][0] == "other=kept\nq9=f\nr9=g\n"


def test_the_comments_of_project_yaml_stay(tmp_path: Path) -> None:
    """Answers are renamed, split and removed: every comment in project.yaml, its order and its quotes stay."""
    asked = {"sink": "f", "region": "eu-west", "gone": "g", "package": "p"}
    told = [part for key in asked for part in ("--data", f"{key}={'eu-west' if key == 'region' else key}")]
    story = stamped(tmp_path, shows(*asked), *told, questions=asked)
    before = (story.project / PROJECT).read_text()
    head = before[: before.index("answers:")]
    story.team(
        {
            PROJECT: f"# ours\n{head}answers:\n  # where we log to\n  sink:  'sink'  # agreed\n  # near the users\n"
            "  region: eu-west\n  # not needed much longer\n  gone: gone  # soon\n  # as in the repository\n"
            '  package: "package"\n# the end\n'
        }
    )
    answer = {"rename": {"sink": "audit_sink"}, "remove": ["gone"], **SPLIT[0]["answer"]}  # type: ignore[dict-item]
    new = {"audit_sink": "f", "area": "eu", "zone": "w", "package": "p"}
    story.release(shows(*new), 2, questions=new, changes=[{"since": "2.0.0", "answer": answer}])
    clean(story, {"answers.txt": "audit_sink=sink\narea=eu\nzone=west\npackage=package\n"})
    assert (story.project / PROJECT).read_text() == (
        f"# ours\n{head}answers:\n  # where we log to\n  audit_sink:  'sink'  # agreed\n  # near the users\n"
        "  area: eu\n  # not needed much longer\n  # as in the repository\n"
        '  package: "package"\n  zone: west\n# the end\n'
    )


def test_a_component_without_a_version_changes_an_answer_once(tmp_path: Path) -> None:
    """Nothing tells whether a change was made already: it is refused where making it twice would do harm."""
    story = stamped(tmp_path, shows("level"), "--data", "level=1", questions={"level": "1"})
    (story.factory / "templates/core/CHANGELOG.md").unlink()
    assert story.sync().code == 0
    commit(story.project)
    for table, expected in (({"1": "low"}, "low"), ({"low": "lower", "lower": "lowest"}, "")):
        changes = [{"since": "2.0.0", "answer": {"map": {"level": table}}}]
        story.release(shows("level"), 2, questions={"level": "1"}, changes=changes)
        (story.factory / "templates/core/CHANGELOG.md").unlink()
        if expected:
            clean(story, {"answers.txt": f"level={expected}\n"})
        else:
            assert refused(story)["kind"] == "author"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"map": {"none": []}}, id="a map that names no answer"),
        pytest.param({"split": {"a": {"x": "y"}}}, id="a split into nothing"),
        pytest.param({"split": {"a": {"x": {"not a name": 1}}}}, id="a split into what is no name"),
        pytest.param({"renamed": {"a": "b"}}, id="an unknown word"),
    ],
)
def test_a_malformed_declaration_is_the_authors(tmp_path: Path, answer: dict[str, Any]) -> None:
    """A declaration means nothing: the author is told file and line, and no answer is touched."""
    story = stamped(tmp_path, shows("a"), "--data", "a=1", questions={"a": "x"})
    story.release(shows("a"), 2, questions={"a": "x"}, changes=[{"since": "2.0.0", "answer": answer}])
    data = refused(story)
    assert (data["kind"], data["message"].split(":")[0].rsplit(" ", 2)[0]) == (
        "author",
        "`templates/core/component.yaml`",
    )


# ---- new questions -------------------------------------------------------------------------------


def test_a_new_question_with_a_default_takes_it_and_says_so(tmp_path: Path) -> None:
    """A new question has a default, and another default changes: both are taken silently, and stand in the plan."""
    story = stamped(tmp_path, shows("kept", "level"), "--data", "kept=mine", questions={"kept": "k", "level": "low"})
    asked = {"kept": "other", "level": "high", "mode": {"default": "{{ level }}-x"}}
    story.release(shows(*asked), 2, questions=asked)
    text = story.sync("--plan").out.splitlines()
    assert [line for line in text if line.startswith("answer:")] == [
        "answer: level: low → high (the new default)",
        "answer: mode is new: high-x (the new default)",
    ]
    assert "- `level`: `low` → `high` (the new default)\n" in story.sync("--plan", "--markdown").out
    data = clean(story, {"answers.txt": "kept=mine\nlevel=high\nmode=high-x\n"})
    assert data["answers"] == [
        {"key": "level", "from": "low", "to": "high", "default": True},
        {"key": "mode", "from": None, "to": "high-x", "default": True},
    ]
    assert story.answered() == {"kept": "mine"}


def test_a_new_required_answer_is_listed_before_anything_is_written(tmp_path: Path) -> None:
    """New questions have no default and nobody can be asked: all of them in JSON, exit code 2, nothing written."""
    story = stamped(tmp_path, {"f.txt": BASE}, tags=True)
    story.team({"f.txt": TEAM})
    asked = {"owner": {"type": "str", "help": "Who answers for it?"}, "count": {"type": "int"}, "mode": "m"}
    story.release({"f.txt": NEW, **shows(*asked)}, 2, questions=asked)
    data = refused(story)
    assert data["answers"] == {"owner": "has no default: Who answers for it?", "count": "has no default"}
    assert (
        data["hint"] == "answer with `ai-factory sync --to v2.0.0 --data KEY=VALUE`, or in `.ai-factory/project.yaml`"
    )
    plan = story.sync("--plan", "--json")
    assert (plan.code, plan.data["answers"]) == (2, data["answers"])
    assert cli("status", "--json", cwd=story.project).code == 2
    assert refused(story, "--to", "v2.0.0", "--data", "owner=me", "--data", "count=x")["answers"] == {
        "count": "'x' is no int: invalid literal for int() with base 10: 'x'"
    }
    answers = ["--to", "v2.0.0", "--data", "owner=me", "--data", "count=3"]
    clean(story, {"f.txt": BOTH, "answers.txt": "owner=me\ncount=3\nmode=m\n"}, *answers)
    assert (story.answered(), agrees(story)) == ({"owner": "me", "count": 3}, True)


def test_a_required_answer_can_be_written_into_project_yaml(tmp_path: Path) -> None:
    """The team answers a new question in project.yaml beforehand: the sync takes it from there."""
    story = stamped(tmp_path, {"f.txt": "f\n"})
    written = (story.project / PROJECT).read_text()
    story.team({PROJECT: f"{written}answers:\n  owner: me   # until May\n"})
    story.release({"f.txt": "f\n", **shows("owner")}, 2, questions={"owner": {"type": "str"}})
    clean(story, {"f.txt": "f\n", "answers.txt": "owner=me\n"})
    assert (story.project / PROJECT).read_text() == f"{written}answers:\n  owner: me   # until May\n"


@pytest.mark.parametrize("declared", [True, False])
def test_a_question_is_removed(tmp_path: Path, declared: bool) -> None:
    """A question is dropped: where that is declared the answer goes, else it is named and nothing is done."""
    story = stamped(tmp_path, shows("a", "b"), "--data", "a=1", "--data", "b=2", questions={"a": "x", "b": "x"})
    changes = [{"since": "2.0.0", "answer": {"remove": ["b"]}}]
    story.release(shows("a"), 2, questions={"a": "x"}, **({"changes": changes} if declared else {}))
    if declared:
        data = clean(story, {"answers.txt": "a=1\n"})
        assert story.answered() == {"a": "1"}
        assert [(row["key"], row["from"], row["to"]) for row in data["answers"]] == [("b", "2", None)]
    else:
        assert refused(story)["answers"] == {"b": "no component asks it; asked are a"}


# ---- answering anew ------------------------------------------------------------------------------


@pytest.fixture
def tagged(tmp_path: Path) -> Story:
    """A project at v1.0.0 of a factory with tags, edited by the team; v2.0.0 is there."""
    files = {"f.txt.jinja": numbered(l3="level {{ level }}"), **shows("level")}
    story = stamped(tmp_path, files, tags=True, questions={"level": "low"})
    story.team({"f.txt": numbered(l3="level low", l18="the team's")})
    story.release({**files, "new.txt": "n\n"}, 2, questions={"level": "low", "mode": "m"})
    return story


ANSWERED = {"f.txt": numbered(l3="level high", l18="the team's"), "answers.txt": "level=high\n"}


@pytest.mark.parametrize("tag", ["there", "moved", "gone"])
def test_an_answer_alone_changes_no_version(tagged: Story, tag: str) -> None:
    """`sync --data` answers anew at the version that the project has, edits kept, whatever became of its tag."""
    if tag == "moved":
        git(tagged.factory, "tag", "-f", "v1.0.0", "v2.0.0")
    elif tag == "gone":
        git(tagged.factory, "tag", "-d", "v1.0.0")
    before = tagged.lock()["factory"]
    result = tagged.sync("--data", "level=high", "--json")
    assert result.code == 0, result.out
    assert contents(tagged.project) == {path: file(text) for path, text in ANSWERED.items()}
    assert (tagged.lock()["factory"], tagged.answered(), agrees(tagged)) == (before, {"level": "high"}, True)
    commit(tagged.project)
    assert tagged.sync("--data", "level=high", "--json").data["nothing_to_do"]
    clean(tagged, {**ANSWERED, "new.txt": "n\n"})
    assert tagged.lock()["factory"]["version"] == "v2.0.0"


def test_an_answer_together_with_a_version(tagged: Story) -> None:
    """`sync --to VERSION --data` takes the answer along to that version, its new questions included."""
    assert refused(tagged, "--data", "mode=x")["answers"] == {"mode": "no component asks it; asked are level"}
    answers = ["--to", "v2.0.0", "--data", "level=high", "--data", "mode=x"]
    clean(tagged, {**ANSWERED, "new.txt": "n\n"}, *answers)
    assert tagged.answered() == {"level": "high", "mode": "x"}


def test_an_answer_when_the_projects_version_is_no_more(tagged: Story) -> None:
    """The commit that the project came from was collected: the answer needs a version, and nothing is guessed."""
    git(tagged.factory, "checkout", "-q", "--orphan", "squashed")
    commit(tagged.factory)
    for name in ("refs/heads/main", "refs/tags/v1.0.0", "refs/tags/v2.0.0"):
        git(tagged.factory, "update-ref", "-d", name)
    git(tagged.factory, "tag", "v2.0.0")
    git(tagged.factory, "reflog", "expire", "--expire=now", "--all")
    git(tagged.factory, "gc", "-q", "--prune=now")
    data = refused(tagged, "--data", "level=high")
    assert data["hint"] == "answer together with a version: `ai-factory sync --to VERSION --data KEY=VALUE`"
    clean(tagged, {**ANSWERED, "new.txt": "n\n"}, "--to", "v2.0.0", "--data", "level=high")


def test_an_answer_given_on_the_command_line_has_the_type_of_its_question(tmp_path: Path) -> None:
    """`--data` gives text: project.yaml and lock both hold the number, the truth and the list that it means."""
    asked: dict[str, Any] = {
        "count": 1,
        "flag": False,
        "sinks": {"type": "str", "multiselect": True, "choices": ["a", "b"], "default": []},
        "name": "x",
        "hidden": {"default": "h", "when": "{{ flag }}"},
    }
    told = ["--data", "count=2", "--data", "flag=yes", "--data", "sinks=a, b", "--data", "name=3"]
    story = stamped(tmp_path, shows("count", "flag", "sinks", "name"), *told, questions=asked)
    typed = {"count": 2, "flag": True, "sinks": ["a", "b"], "name": "3"}
    assert (story.answered(), agrees(story)) == (typed, True)
    clean(
        story, {"answers.txt": "count=2\nflag=False\nsinks=['b']\nname=3\n"}, "--data", "flag=no", "--data", "sinks=b"
    )
    assert (story.answered(), agrees(story)) == ({**typed, "flag": False, "sinks": ["b"]}, True)


def test_computed_and_conditional_answers_follow_what_they_come_from(tmp_path: Path) -> None:
    """A computed value is not stored as given and follows the answers before it; a conditional one its condition."""
    asked: dict[str, Any] = {
        "name": "one",
        "slug": {"default": "{{ name }}-x", "when": False},
        "deep": {"default": "plain", "when": "{{ name == 'one' }}"},
    }
    story = stamped(tmp_path, shows(*asked), "--data", "deep=mine", questions=asked)
    assert shown(story) == "name=one\nslug=one-x\ndeep=mine\n"
    clean(story, {"answers.txt": "name=two\nslug=two-x\ndeep=plain\n"}, "--data", "name=two")
    assert story.answered() == {"deep": "mine", "name": "two"}
    clean(story, {"answers.txt": "name=one\nslug=one-x\ndeep=mine\n"}, "--data", "name=one")
    assert rules(story.project) == []


def test_answers_beyond_ascii_come_through(tmp_path: Path) -> None:
    """An answer holds letters beyond ASCII, quotes and signs of YAML: it is the same everywhere, after a sync too."""
    value = "Größe: „日本“ #1 'x' \"y\" {z} 🎉"
    story = stamped(tmp_path, shows("name"), "--data", f"name={value}", questions={"name": "x"})
    assert (story.answered(), agrees(story), shown(story)) == ({"name": value}, True, f"name={value}\n")
    story.release(
        shows("title"), 2, questions={"title": "x"}, changes=[{"since": "2", "answer": {"rename": {"name": "title"}}}]
    )
    clean(story, {"answers.txt": f"title={value}\n"})
    other = value.replace("Größe", "Maß")
    clean(story, {"answers.txt": f"title={other}\n"}, "--data", f"title={other}")
    assert (story.answered(), agrees(story)) == ({"title": other}, True)


# ---- secrets, prompts ----------------------------------------------------------------------------


def test_a_question_for_a_secret_is_refused(tmp_path: Path) -> None:
    """The next version asks for a secret, which would be stored: refused with file and line."""
    story = stamped(tmp_path, {"f.txt": "f\n"})
    story.release({"f.txt": "f\n"}, 2, questions={"token": {"type": "str", "secret": True, "default": ""}})
    data = refused(story)
    assert (data["kind"], data["message"].split(":")[0]) == ("author", "`templates/core/copier.yml` line 3")


def test_nothing_of_an_environment_variable_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A component names a secret variable, and it is set: its value reaches no file of the project."""
    canary = "c4n4ry-of-a-secret"
    monkeypatch.setenv("API_TOKEN", canary)
    told: dict[str, Any] = {"contributes": {"environment": {"API_TOKEN": {"help": "the token", "secret": True}}}}
    files = {
        ".env.example.jinja": "{% for name, item in _contributions.environment.items() %}"
        "{{ name }}={{ item.default | default('') }}\n{% endfor %}"
    }
    story = stamped(tmp_path, files, **told)
    story.release({**files, "f.txt": "f\n"}, 2, **told)
    clean(story, {".env.example": "API_TOKEN=\n", "f.txt": "f\n"})
    holding = [place for place in story.project.rglob("*") if place.is_file() and canary.encode() in place.read_bytes()]
    assert holding == []
    for text in ("{{ env('API_TOKEN') }}", "{{ environ.API_TOKEN }}", "{{ _env }}"):
        story.release({**files, "g.txt.jinja": text}, 3, **told)
        refused(story)


@pytest.mark.parametrize("stop", ["a key", "the end of input"])
def test_an_interrupt_at_a_prompt_leaves_nothing_behind(tmp_path: Path, stop: str) -> None:
    """Somebody stops at a question: nothing of the project is there, and the exit code says so."""
    story = stamped(tmp_path, {"f.txt": "f\n"})
    story.release({"f.txt": "f\n"}, 2, questions={"name": {"type": "str", "help": "What is it called?"}})
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "ai_factory", "new", "small", "made", "--factory", str(story.factory)]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=follower, stdout=follower, stderr=follower, start_new_session=True
    )
    os.close(follower)
    said = ""
    while not said.rstrip().endswith("name:") and select.select([leader], [], [], 60)[0]:
        said += os.read(leader, 4096).decode()
    if stop == "a key":
        process.send_signal(signal.SIGINT)
    else:
        os.write(leader, b"\x04")
    assert process.wait(timeout=60) == 130
    os.close(leader)
    assert not (tmp_path / "made").exists()
