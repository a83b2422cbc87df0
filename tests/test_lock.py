"""The lock: sorted, one path a line, read back as it was, and broken in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_factory import formats, lock
from ai_factory.errors import FactoryError, LockError
from ai_factory.lock import Entry, Lock, Origin
from tests.kit import refusal

A, B = "a" * 40, "b" * 40
LOCK = Lock(
    factory=Origin("git", "https://example.org/f.git", "v1.2.0", "c" * 40, "d" * 40),
    engine="0.1.0",
    answers={"package": "ünit", "list": [1, True, None], "b": '  "schema"'},
    components={"core": "1.0.0", "audit": "2.0.0"},
    base_file="e" * 64,
    paths={
        "src/b.py": Entry("core", "merged", "100755", A, "v1.2.0"),
        "a\n\udcff.py": Entry("audit", "managed", "100644", A, "v1.1.0", ("AUD-02", "AUD-01"), "open", B),
        "evidence/x.json": Entry("core", "produced"),
    },
    folders=("src/controls", "a"),
)
TEXT = """\
{
  "answers": {
    "b": "  \\"schema\\"",
    "list": [
      1,
      true,
      null
    ],
    "package": "ünit"
  },
  "base_file": "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
  "components": {
    "audit": "2.0.0",
    "core": "1.0.0"
  },
  "engine": "0.1.0",
  "factory": {
    "commit": "cccccccccccccccccccccccccccccccccccccccc",
    "kind": "git",
    "tree": "dddddddddddddddddddddddddddddddddddddddd",
    "url": "https://example.org/f.git",
    "version": "v1.2.0"
  },
  "folders": [
    "a",
    "src/controls"
  ],
  "paths": {
    "a\\n\udcff.py": {"base": "AAA", "base_version": "v1.1.0", "component": "audit", "controls": ["AUD-01", "AUD-02"], \
"mode": "100644", "ownership": "managed", "state": "open", "theirs": "BBB"},
    "evidence/x.json": {"component": "core", "controls": [], "mode": "100644", "ownership": "produced"},
    "src/b.py": {"base": "AAA", "base_version": "v1.2.0", "component": "core", "controls": [], "mode": "100755", \
"ownership": "merged"}
  },
  "schema": 1
}
""".replace("AAA", A).replace("BBB", B)


def test_a_lock_is_sorted_json_with_one_path_a_line() -> None:
    assert lock.write(LOCK).decode("utf-8", "surrogatepass") == TEXT


def test_a_lock_is_read_back_as_it_was() -> None:
    kept = {path: entry._replace(controls=tuple(sorted(entry.controls))) for path, entry in LOCK.paths.items()}
    assert lock.parse(lock.write(LOCK)) == LOCK._replace(paths=kept, folders=("a", "src/controls"))


def test_a_lock_without_paths_and_folders_is_read_back() -> None:
    empty = LOCK._replace(paths={}, folders=())
    assert lock.parse(lock.write(empty)) == empty


names = st.text('ab/\n"{é', min_size=1, max_size=8).filter(lambda path: "" not in path.split("/"))
entries = st.builds(
    Entry,
    st.text(max_size=5),
    st.sampled_from(["managed", "merged", "seeded"]),
    st.sampled_from(lock.MODES),
    st.just(A),
    st.text(max_size=5),
    st.just(()),
    st.sampled_from(["", *lock.STATES]),
    st.sampled_from(["", B]),
)


@given(
    st.dictionaries(names, entries, max_size=4), st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=3)
)
def test_any_lock_is_read_back_and_fits_its_format(paths: dict[str, Entry], answers: dict[str, str]) -> None:
    written = lock.write(LOCK._replace(paths=paths, answers=answers, folders=()))
    assert lock.parse(written) == LOCK._replace(paths=paths, answers=answers, folders=())
    data = json.loads(written)
    assert lock.parse(json.dumps(data).encode()) == lock.parse(written)
    assert list(data) == sorted(data)
    assert list(formats.problems(data["paths"], formats.LOCK["properties"]["paths"])) == [
        formats.Problem((path, "component"), "must not be empty") for path in sorted(paths) if not paths[path].component
    ]


ROW = '    "p": {"component": "core", "controls": [], "mode": "100644", "ownership": "produced"}'
ROWS = f'  "paths": {{\n{ROW}\n  }}'
SMALL = lock.write(LOCK._replace(paths={"p": Entry("core", "produced")})).decode()


@pytest.mark.parametrize(
    "laid_out",
    [
        lambda text: text.replace(ROWS, f'  "more": {{\n{ROWS}\n  }},\n  "paths": {{}}'),
        lambda text: text.replace(ROWS, f'  "more": {{\n{ROWS}\n  }},\n  "\\u0070aths": {{}}'),
        lambda text: text.replace(ROWS, f'  "\\u0070aths": {{}},\n{ROWS}'),
        lambda text: text.replace(ROWS, f'{ROWS},\n  "paths": {{}}'),
        lambda text: text.replace(ROWS, f'{ROWS},\n  "engine": "2"'),
        lambda text: text.replace(ROW, f"{ROW},\n{ROW}"),
        lambda text: text.replace(ROW, f"{ROW}, {ROW.replace('p', 'q', 1)}"),
        lambda text: text.replace(ROW, f"{ROW},\n"),
        lambda text: text.replace(ROW, f"{ROW}\n"),
        lambda text: text.replace(ROW, ROW.replace('[], "mode"', '[],\n "mode"')),
        lambda text: text.replace(ROW, f'{ROW},\n    "q": {{\n  }}'),
        lambda text: text.replace('"engine"', '"base_file"'),
        lambda text: text.replace('"schema": 1', '"schema": true'),
        lambda text: text.replace('"schema": 1\n}', '"schema": 1\n}}'),
        lambda text: text.replace('"schema": 1\n}', '"schema": 1\n'),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
    ],
)
def test_rows_read_line_by_line_say_what_the_whole_says(laid_out: Callable[[str], str]) -> None:
    content = laid_out(SMALL).encode()
    assert content != SMALL.encode()
    assert _said(lock.parse, content) == _said(lambda text: lock._whole(text, lock.LOCK), content)


def _said(read: Callable[[bytes], Lock], content: bytes) -> object:
    try:
        return read(content)
    except LockError as error:
        return error.message


def with_row(**changes: Any) -> dict[str, Any]:
    """The data of a lock whose one row is changed; None takes a field away."""
    data: dict[str, Any] = json.loads(lock.write(LOCK._replace(paths={"p": LOCK.paths["src/b.py"]})))
    row = {**data["paths"]["p"], **changes}
    data["paths"] = {"p": {key: value for key, value in row.items() if value is not None}}
    return data


def with_key(key: str, value: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(lock.write(LOCK))
    return {**data, key: value}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "not an object"),
        ({}, "schema None is unknown"),
        (with_key("schema", "1"), "schema '1' is unknown"),
        (with_key("schema", 0), "schema 0 is unknown"),
        ({"schema": 1}, "key: 'paths'"),
        (with_key("answers", []), "type: answers is no object"),
        (with_key("components", {"a": 1}), "type: a is no text"),
        (with_key("engine", 1), "type: engine is no text"),
        (with_key("folders", "src"), "type: folders is no list"),
        (with_key("folders", [1]), "type: folders is no text"),
        (with_key("folders", ["../x"]), "the path '../x' points outside its folder or into git's own"),
        (with_key("paths", {"/etc/passwd": {}}), "the path '/etc/passwd' points outside its folder or into git's own"),
        (with_key("paths", {".git/config": {}}), "the path '.git/config' points outside its folder or into git's own"),
        (with_key("paths", {"p": 1}), "type: p: 'int' object is not a mapping"),
        (
            with_key("factory", {**LOCK.factory._asdict(), "kind": "ftp"}),
            "value: factory kind is 'ftp', not one of embedded, folder, git",
        ),
        (with_row(ownership="owned"), "value: p: ownership is 'owned', not one of managed, merged, seeded, produced"),
        (with_row(mode="100600"), "value: p: mode is '100600', not one of 100644, 100755, 120000"),
        (with_row(state="closed"), "value: p: state is 'closed', not one of open, declined, local"),
        (with_row(base=1), "type: p: base is no text"),
        (with_row(base="HEAD"), "value: p: base is 'HEAD', no blob id"),
        (with_row(theirs=f"{'f' * 39}\n"), f"value: p: theirs is {'f' * 39 + chr(10)!r}, no blob id"),
        (with_row(controls="AUD-01"), "type: p: controls is no list"),
        (with_row(controls=[1]), "type: p: controls is no text"),
        (with_row(ownership=None), "type: p: Entry.__new__() missing 1 required positional argument: 'ownership'"),
        (with_row(more="x"), "type: p: Entry.__new__() got an unexpected keyword argument 'more'"),
    ],
)
def test_a_broken_lock_is_refused_with_what_is_wrong(data: object, reason: str) -> None:
    error = refusal(lambda: lock.parse(json.dumps(data).encode()))
    assert (type(error), error.message, error.hint) == (
        LockError,
        f"`.ai-factory/lock.json` is broken: {reason}",
        "bring it back with `git checkout -- .ai-factory/lock.json`",
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "line 1 is not JSON"),
        (b"{\n\n,", "line 3 is not JSON"),
        (b"\xff\xfe\x00", "line 1 is not JSON"),
        (b"[" * 1_000_000, "line 1 is not JSON"),
        (b'{"schema": 1, "x": ' + b'{"a": ' * 100_000, "line 1 is not JSON"),
        (b'{"schema": ' + b"1" * 5000 + b"}", "line 1 is not JSON"),
    ],
)
def test_what_is_no_json_is_refused(content: bytes, reason: str) -> None:
    assert refusal(lambda: lock.parse(content)).message == f"`.ai-factory/lock.json` is broken: {reason}"


def test_a_lock_that_could_not_be_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(lock.write(LOCK))
    monkeypatch.setattr(lock, "SIZE_LIMIT", size)
    assert lock.parse(lock.write(LOCK)).answers == LOCK.answers
    monkeypatch.setattr(lock, "SIZE_LIMIT", size - 1)
    assert refusal(lambda: lock.write(LOCK)).message == f"the lock would be larger than {size - 1} bytes"


def test_merge_markers_are_named() -> None:
    error = refusal(lambda: lock.parse(b"{\n<<<<<<< yours\n}", "here"))
    assert (type(error), error.message) == (LockError, "`here` holds merge markers: two branches both synced")


def test_a_newer_schema_names_the_command_that_upgrades_the_tool() -> None:
    error = refusal(lambda: lock.parse(b'{"schema": 2}'))
    assert (type(error), error.exit_code, error.message, error.hint) == (
        LockError,
        2,
        "`.ai-factory/lock.json` has schema 2, newer than the 1 that this ai-factory knows",
        "upgrade the tool: `pip install --upgrade ai-factory`",
    )


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_no_lock_makes_it_crash(content: bytes) -> None:
    with pytest.raises(FactoryError):
        lock.parse(content)
