"""What components declare about their past: applied once, in order of version, over any jump."""

from __future__ import annotations

from typing import Any

import pytest

from ai_factory import documents, evolve
from ai_factory.catalog import Change, Component
from ai_factory.errors import AnswersError, AuthorError
from ai_factory.evolve import Evolved, Pending
from ai_factory.merge import Declared
from tests.kit import component, refusal


def made(version: str, *changes: dict[str, Any], name: str = "core") -> Component:
    data = {"summary": "s", "changes": list(changes)}
    return component(name, {"component.yaml": documents.write(data).decode()})._replace(version=version)


def change(since: str = "1", **fields: Any) -> Pending:
    return Pending(
        "core",
        Change(
            **{"rename": {}, "remove": (), "answer": {}, "manual": "", "impact": "review", **fields, "since": since}
        ),
    )


@pytest.mark.parametrize(
    ("before", "now", "applied"),
    [
        ("0.9", "2.0", ["1.0", "1.5", "2.0"]),
        ("1.0", "2.0", ["1.5", "2.0"]),
        ("1.2", "1.9", ["1.5"]),
        ("2.0", "3.0", ["3.0"]),
        ("3.0", "3.0", []),
        ("v1.5", "10.0", ["2.0", "3.0"]),
        ("tree-abc", "2.0", ["1.0", "1.5", "2.0", "3.0"]),  # no number: applying one twice does nothing
        ("1.0", "nonsense", ["1.0", "1.5", "2.0", "3.0"]),
    ],
)
def test_the_changes_between_two_versions_are_pending_oldest_first(before: str, now: str, applied: list[str]) -> None:
    core = made("1", *({"since": since} for since in ("3.0", "1.0", "2.0", "1.5")))._replace(version=now)
    assert [item.change.since for item in evolve.pending([core], {"core": before})] == applied


def test_a_component_that_is_new_to_the_project_has_no_past() -> None:
    assert evolve.pending([made("2.0", {"since": "1.0"})], {"other": "0.1"}) == []


def test_the_changes_of_all_components_stand_in_one_order() -> None:
    components = [made("3", {"since": "3"}, {"since": "1"}, name="a"), made("3", {"since": "2"}, name="b")]
    found = [(item.component, item.change.since) for item in evolve.pending(components, {"a": "0", "b": "0"})]
    assert found == [("a", "1"), ("b", "2"), ("a", "3")]


@pytest.mark.parametrize(
    ("given", "changes", "result"),
    [
        ({"a": 1}, [{"rename": {"a": "b"}}], {"b": 1}),
        ({"a": 1}, [{"rename": {"a": "b"}}, {"rename": {"b": "c"}}], {"c": 1}),
        ({"a": 1, "b": 2}, [{"rename": {"a": "b"}}], {"b": 2}),  # the new name was already given
        ({"a": "none"}, [{"rename": {"a": "b"}, "map": {"none": []}}], {"b": []}),
        ({"a": True}, [{"rename": {"a": "b"}, "map": {"true": "yes"}}], {"b": "yes"}),
        ({"a": "1", "b": "2"}, [{"rename": {"a": "b", "b": "a"}}], {"a": "2", "b": "1"}),
        ({"a": 1, "b": 2}, [{"rename": {"a": "c", "b": "c"}}], {"c": 1}),  # the first that was given
        ({"a": 1, "z": 2}, [{"remove": ["a", "q"]}], {"z": 2}),
        ({"a": 1}, [{"rename": {"x": "y"}}, {}], {"a": 1}),
        ({"a": "none", "b": "none"}, [{"map": {"a": {"none": []}}}], {"a": [], "b": "none"}),
        ({"a": ["x", "y"]}, [{"map": {"a": {"x": ["u", "v"], "y": "w"}}}], {"a": ["u", "v", "w"]}),
        ({"a": ["x"]}, [{"map": {"a": {'["x"]': "only x"}}}], {"a": "only x"}),
        ({"a": "x", "d": 9}, [{"split": {"a": {"x": {"c": 1, "d": 2}}}}], {"c": 1, "d": 9}),  # `d` was given
        ({"a": "x"}, [{"split": {"a": {"x": {"a": "y", "b": 1}}}}, {"split": {"a": {"y": {}}}}], {"b": 1}),
        ({"a": "y", "b": 1}, [{"split": {"a": {"x": {"a": "y", "b": 1}}}}], {"a": "y", "b": 1}),  # split already
        ({"a": "x"}, [{"split": {"q": {"x": {"b": 1}}}}], {"a": "x"}),
    ],
)
def test_answers_go_through_renames_maps_and_removals(given: Any, changes: list[Any], result: Any) -> None:
    before = dict(given)
    assert evolve.answers(given, [change(answer=row) for row in changes]) == result
    assert given == before


def test_each_given_answer_is_found_again_under_its_new_name() -> None:
    changes = [
        change(answer={"rename": {"a": "b", "x": "y"}}),
        change(answer={"split": {"b": {"1": {"c": "l", "d": "r"}}}, "remove": ["z"]}),
        change(answer={"rename": {"c": "e"}}),
    ]
    found = evolve.evolved({"a": 1, "x": 2, "z": 3, "q": 4}, changes)
    assert found == Evolved({"e": "l", "d": "r", "y": 2, "q": 4}, {"a": "e", "x": "y", "q": "q"})


def test_a_split_without_a_rule_names_the_answers_that_nobody_gave() -> None:
    changes = [change("2", answer={"split": {"a": {"x": {"c": 1, "d": 2}, "y": {"e": 3}}}})]
    error = refusal(lambda: evolve.evolved({"a": True, "d": 4}, changes, {"c": 5}))
    why = "`.ai-factory/project.yaml` says `a: true`, and core 2 has no rule that splits this value"
    assert (type(error), getattr(error, "problems", {})) == (AnswersError, {"e": why})
    assert evolve.evolved({"a": True, "d": 4}, changes, {"c": 5, "e": 6}).answers == {"c": 5, "d": 4, "e": 6}


@pytest.mark.parametrize(
    ("answer", "endless"),
    [
        ({"rename": {"a": "b"}}, False),
        ({"rename": {"a": "b", "b": "a"}}, True),
        ({"rename": {"a": "b"}, "map": {"x": "y", "y": "z"}}, False),  # the old name is gone the second time
        ({"map": {"a": {"x": "y"}}}, False),
        ({"map": {"a": {"x": "y", "y": "z"}}}, True),
        ({"map": {"a": {"x": ["x", "y"]}}}, True),
        ({"map": {"q": {"x": "y", "y": "z"}}}, False),  # nobody gave it
        ({"split": {"a": {"x": {"b": 1}}}}, False),
        ({"split": {"a": {"x": {"a": "y"}, "y": {"a": "z"}}}}, True),
        ({"remove": ["a"]}, False),
    ],
)
def test_without_versions_only_what_can_be_done_twice_is_done(answer: Any, endless: bool) -> None:
    item = change(answer=answer)._replace(ordered=False)
    if endless:
        error = refusal(lambda: evolve.answers({"a": "x"}, [item]))
        assert (type(error), error.message) == (
            AuthorError,
            "the component `core` has no version number: each sync would change `a` again",
        )
    else:
        once = evolve.answers({"a": "x"}, [item])
        assert evolve.answers(once, [item]) == once


def was(_component: str, text: str) -> str:
    """The path as the project spelled it."""
    return text.replace("{{ package }}", "old")


def is_now(_component: str, text: str) -> str:
    """The path as the project will spell it."""
    return text.replace("{{ package }}", "new")


def test_a_chain_of_renamed_paths_is_one_rename() -> None:
    changes = [change(rename={"a": "b", "x": "y"}), change(rename={"b": "c"}), change(rename={"q": "r"})]
    assert evolve.paths(changes, was, was) == Declared({"a": "c", "x": "y", "q": "r"})


def test_paths_are_spelled_with_the_answers_before_and_after() -> None:
    """Each file under the name that the lock has; also where an answer changes at the same time."""
    changes = [
        change(rename={"{{ package }}/a": "{{ package }}/b"}, move_keys={"{{ package }}/x.toml": {"a": "b"}}),
        change(rename={"{{ package }}/b": "{{ package }}/c", "{{ package }}/x.toml": "y.toml"}),
        change(move_keys={"y.toml": {"b": "c", "d.e": "f"}}, remove=("{{ package }}/c", "{{ package }}/z")),
    ]
    assert evolve.paths(changes, was, is_now) == Declared(
        {"old/x.toml": "y.toml"},
        frozenset({"old/a", "old/z"}),
        {"old/x.toml": (("a", "b"), ("b", "c"), ("d.e", "f"))},
    )


def test_manual_steps_stand_in_order() -> None:
    assert evolve.manual([change("1", manual="first"), change("2"), change("3", manual="last")]) == (
        "core 1: first",
        "core 3: last",
    )
