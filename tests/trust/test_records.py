"""Lock, base, project.yaml and waivers are input from strangers: a pull request may hold any of them."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ai_factory import base, lock
from ai_factory.errors import LockError
from tests.kit import cli, commit, git, put, refusal, snapshot

LOCK, BASE, PROJECT = ".ai-factory/lock.json", ".ai-factory/base", ".ai-factory/project.yaml"
COMMANDS = (
    ["check"],
    ["status"],
    ["diff"],
    ["sync", "--plan"],
    ["sync"],
    ["restore", "--all"],
    ["explain", "ops/old.md"],
)
READERS = ("check", "sync", "restore")


def rewritten(project: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the lock as somebody would in a pull request."""
    data = json.loads((project / LOCK).read_text())
    change(data)
    put(project, {LOCK: json.dumps(data)})
    commit(project)


def rebased(project: Path, content: bytes) -> None:
    """Put another base there, with the lock that goes with it."""
    put(project, {BASE: content})
    rewritten(project, lambda data: data.update(base_file=hashlib.sha256(content).hexdigest()))


def refusals(project: Path) -> list[str]:
    """What every command says: each exits with 2, and nothing changes, here or beside the project."""
    before = snapshot(project.parent)
    results = [cli(*command, cwd=project) for command in COMMANDS]
    assert ([result.code for result in results], snapshot(project.parent)) == ([2] * len(COMMANDS), before)
    return [(result.out + result.err).splitlines()[0] for result in results]


# ---- lock ----------------------------------------------------------------------------------------

ROW: Mapping[str, Any] = {
    "component": "core",
    "ownership": "managed",
    "mode": "100644",
    "base": "a" * 40,
    "controls": [],
}


@pytest.mark.parametrize(
    "path",
    ["../outside", "/etc/passwd", ".git/config", "a/../../b", ".GIT/hooks/x", "git~1/x", "a\\b", "a//b", "", "a\0b"],
)
def test_a_path_in_the_lock_stays_in_the_project(path: str, project: Path) -> None:
    rewritten(project, lambda data: data["paths"].update({path: ROW}))
    assert all("points outside its folder or into git's own" in line for line in refusals(project))


@pytest.mark.parametrize("folder", ["..", "/", "../outside", ".git", "a/../.."])
def test_a_folder_in_the_lock_stays_in_the_project(folder: str, project: Path) -> None:
    rewritten(project, lambda data: data.update(folders=[folder]))
    assert all("points outside its folder or into git's own" in line for line in refusals(project))


def test_a_managed_folder_that_became_a_link_is_not_searched(project: Path) -> None:
    """The names of files outside would be told as unexpected ones."""
    put(project.parent, {"outside/secret name": ""})
    (project / "linked").symlink_to("../outside")
    (project / "deep").mkdir()
    (project / "deep/linked").symlink_to("../..")
    rewritten(project, lambda data: data.update(folders=["linked", "deep/linked"]))
    assert "secret name" not in cli("check", "--json", cwd=project).out
    rewritten(project, lambda data: data.update(folders=["linked/outside"]))
    result = cli("check", cwd=project)
    assert (result.code, "lies outside the project: a folder above it is a link" in result.out) == (2, True)


ODD: Mapping[str, str] = {
    "commit that is an option": '"commit": "--upload-pack=touch pwned"',
    "commit that is a name": '"commit": "HEAD"',
    "tree that is no id": '"tree": "x"',
    "kind": '"kind": "ftp"',
    "password": '"url": "https://user:secret@git.example.org/f.git"',
    "token": '"url": "https://secret@git.example.org/f.git"',
    "secret in a query": '"url": "https://git.example.org/f.git?private_token=secret"',
    "line break": '"url": "https://git.example.org/f\\n.git"',
    "escape": '"url": "https://git.example.org/\\u001b[31m"',
    "long version": '"version": "' + "9" * 5000 + '"',
}


@pytest.mark.parametrize("name", ODD)
def test_a_value_of_the_lock_is_what_it_should_be(name: str, project: Path) -> None:
    key, _, value = ODD[name].partition(": ")
    rewritten(project, lambda data: data["factory"].update({json.loads(key): json.loads(value)}))
    lines = refusals(project)
    assert (
        all(" is broken: " in line for line in lines),
        any("secret@" in line or "=secret" in line for line in lines),
    ) == (
        True,
        False,
    )
    assert not (project / "pwned").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 10**6, "line 1 is not JSON"),
        (b'{"schema": 1, "schema": 1}', "the key 'schema' stands twice"),
        (b'{"schema": 1, "paths": {"a": {"mode": "x", "mode": "y"}}}', "the key 'mode' stands twice"),
        (b'{"schema": 1, "answers": {"a": NaN}}', "NaN is no number to other readers"),
        (b'{"schema": 1, "answers": {"a": -Infinity}}', "-Infinity is no number to other readers"),
        (b" " * (lock.SIZE_LIMIT + 1), f"larger than {lock.SIZE_LIMIT} bytes"),
        (b'{"schema": 1, "answers": ' + b'{"a": ' * 900 + b"1" + b"}" * 901, "key: 'paths'"),
    ],
    ids=range(7),
)
def test_a_lock_that_two_readers_may_read_differently_is_none(content: bytes, reason: str) -> None:
    assert refusal(lambda: lock.parse(content)).message == f"`{LOCK}` is broken: {reason}"


def test_a_path_that_no_disk_can_hold_is_told(project: Path) -> None:
    place = project / LOCK
    place.write_text(place.read_text().replace('"paths": {\n', '"paths": {\n    "\\ud800x": {"component": "a"},\n', 1))
    result = cli("check", cwd=project)
    assert (result.code, "no disk can hold" in result.out) == (2, True)


def test_a_giant_lock_is_told_and_not_parsed(project: Path) -> None:
    with (project / LOCK).open("wb") as stream:
        stream.truncate(100 * 2**20)
    result = cli("check", cwd=project)
    assert (result.code, "is larger than" in result.out) == (2, True)


def test_no_row_of_the_lock_makes_a_sync_touch_what_is_the_teams(project: Path) -> None:
    """A row for a file that the factory does not know makes it the factory's to delete: that needs its very content."""
    put(project, {"mine.txt": "the team's\n"})
    rewritten(project, lambda data: data["paths"].update({"mine.txt": {**ROW, "base_version": "v1.0.0"}}))
    assert cli("sync", cwd=project).code == 1
    assert (project / "mine.txt").read_text() == "the team's\n"


# ---- base ----------------------------------------------------------------------------------------


def zipped(
    rows: list[tuple[str, bytes]], *, sizes: int | None = None, once: bool = False, comment: bytes = b""
) -> bytes:
    """A zip by hand: with wrong `sizes`, or with every entry pointing at the first one's content."""
    out, directory = bytearray(), bytearray()
    for number, (name, content) in enumerate(rows):
        raw, size = name.encode(), len(content) if sizes is None else sizes
        fixed = struct.pack("<HHHHIIIHH", 0x800, 0, 0, 33, zlib.crc32(content), size, size, len(raw), 0)
        offset = 0 if once else len(out)
        if not once or number == 0:
            out += b"PK\3\4" + struct.pack("<H", 20) + fixed + raw + content
        central = struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, offset)
        directory += b"PK\1\2" + struct.pack("<BBH", 20, 3, 20) + fixed + central + raw
    end = struct.pack("<HHHHIIH", 0, 0, len(rows) % 2**16, len(rows) % 2**16, len(directory), len(out), len(comment))
    return bytes(out + directory) + b"PK\5\6" + end + comment


def deflated() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo("a", base.EPOCH)
        info.external_attr, info.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
        archive.writestr(info, b"0" * 10**8)
    return buffer.getvalue()


def test_the_zip_by_hand_is_one() -> None:
    """Without this, the tests below would prove nothing."""
    assert {path: file.content for path, file in base.read(zipped([("a", b"1"), ("b", b"2")])).files.items()} == {
        "a": b"1",
        "b": b"2",
    }


BOMBS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "compressed": (deflated, "its entries are compressed"),
    "too many entries": (lambda: zipped([(f"{n:07}", b"") for n in range(10**5)]), "it lists too much"),
    "overlapping": (lambda: zipped([(name, b"x" * 10**6) for name in "abcdefgh"], once=True), "its entries overlap"),
    "sizes that lie": (lambda: zipped([("a", b"x")], sizes=2**31), "its entries overlap"),
    "a comment": (lambda: zipped([("a", b"x")], comment=b"PK"), "it does not end as a base does"),
    "twice": (lambda: zipped([("a", b"x"), ("a", b"y")]), "it names a path twice"),
    "traversal": (
        lambda: zipped([("../../etc/passwd", b"x")]),
        "the path '../../etc/passwd' points outside its folder",
    ),
    "absolute": (lambda: zipped([("/etc/passwd", b"x")]), "the path '/etc/passwd' points outside its folder"),
    "traversal in theirs": (
        lambda: zipped([("theirs/../x", b"x")]),
        "the path 'theirs/../x' points outside its folder",
    ),
    "git": (lambda: zipped([(".git/hooks/x", b"x")]), "the path '.git/hooks/x' points outside its folder"),
    "nothing": (lambda: b"", "File is not a zip file"),
    "a tail": (lambda: zipped([("a", b"x")]) + b"x", "it does not end as a base does"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_base_that_is_no_base_is_refused_before_it_is_unpacked(name: str) -> None:
    make, reason = BOMBS[name]
    error = refusal(lambda: base.read(make()))
    assert (type(error), error.message.startswith(f"`{BASE}` is broken: {reason}")) == (LockError, True)


@pytest.mark.parametrize("name", ["compressed", "overlapping", "traversal", "git"])
def test_a_hostile_base_changes_nothing(name: str, project: Path) -> None:
    """It is as good as none: what was edited is a conflict, and `restore` refuses."""
    put(project, {"ops/runbook.md": "edited\n", "src/small_thing/controls/audit.py": "edited\n"})
    rebased(project, BOMBS[name][0]())
    before = snapshot(project.parent)
    codes = [
        cli(*command, cwd=project).code for command in (["check"], ["restore", "--all"], ["diff"], ["sync", "--plan"])
    ]
    assert (codes, snapshot(project.parent)) == ([1, 2, 2, 1], before)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../outside", ".git/hooks", "a/../../.."])
@pytest.mark.parametrize("name", ["src/small_thing/controls/audit.py", "theirs/src/small_thing/controls/audit.py"])
def test_a_link_in_the_base_stays_in_the_project(target: str, name: str, project: Path) -> None:
    """`restore` and a taken side would write it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name, base.EPOCH)
        info.external_attr = 0o120000 << 16
        archive.writestr(info, target)
    put(project, {"src/small_thing/controls/audit.py": "edited\n"})
    rebased(project, buffer.getvalue())
    for command in (["restore", "--all"], ["diff"]):
        assert cli(*command, cwd=project).code == 2
    assert not (project / "src/small_thing/controls/audit.py").is_symlink()


def test_a_base_that_is_not_the_locks_is_told(project: Path) -> None:
    put(project, {BASE: zipped([("a", b"x")])})
    commit(project)
    found = cli("check", "--json", cwd=project).data["projects"][0]["findings"]
    assert [(item["rule"], item["message"]) for item in found if item["path"] == BASE] == [
        ("AF005", "is not the one that the lock names")
    ]


def test_restore_takes_from_the_base_only_what_the_lock_knows(project: Path) -> None:
    put(project, {"mine.txt": "the team's\n", "src/small_thing/controls/audit.py": "edited\n"})
    content = base.read((project / BASE).read_bytes())
    rebased(project, zipped([(path, file.content) for path, file in content.files.items()] + [("mine.txt", b"evil\n")]))
    assert cli("restore", "--all", cwd=project).code == 0
    assert cli("restore", "--force", "mine.txt", cwd=project).code == 2
    assert (project / "mine.txt").read_text() == "the team's\n"


# ---- project.yaml and waivers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "factory: https://user:secret@git.example.org/f.git",
        "factory: https://secret@git.example.org/f.git",
        "factory: ssh://git:secret@git.example.org/f.git",
        "factory: https://git.example.org/f.git?private_token=secret",
        "factory: ext::sh -c 'touch pwned'",
        "factory: --upload-pack=touch pwned",
        "factory: ssh://-oProxyCommand=touch pwned/x",
        "factory: !!python/object/apply:os.system ['touch pwned']",
        "version: --upload-pack=touch pwned",
        "version: main",
        "version: '===1; touch pwned'",
        "blueprint: ../../small",
        'blueprint: "small\\n"',
        "with: [../nice]",
        "answers: {package: ../../x}",
        "answers: {package: .git}",
        "hold: {until: 9999-99-99, reason: x}",
    ],
)  # fmt: skip
def test_project_yaml_names_no_option_secret_or_place_outside(line: str, project: Path) -> None:
    key = line.partition(":")[0]
    kept = [row for row in (project / PROJECT).read_text().splitlines() if not row.startswith((key, " "))]
    put(project, {PROJECT: "\n".join([*(row for row in kept if row != "answers:"), line]) + "\n"})
    commit(project)
    before = snapshot(project.parent)
    for command in (["sync"], ["status"]):
        result = cli(*command, cwd=project)
        assert (result.code in (2, 4), snapshot(project.parent), "secret" in result.err) == (True, before, False)


@pytest.mark.parametrize("key", ["rename", "remove"])
@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", ".git/config", "a/../../b", "{{ package }}/../../b"])
def test_a_declared_change_reaches_nothing_outside(key: str, path: str, project: Path, factory: Path) -> None:
    put(project.parent, {"outside": "not ours\n"})
    change = f"{{since: 3.0.0, rename: {{ops/old.md: '{path}', '{path}': ops/x.md}}}}"
    change = change if key == "rename" else f"{{since: 3.0.0, remove: ['{path}']}}"
    put(factory, {"templates/core/component.yaml": f"summary: x\nchanges: [{change}]\n"})
    put(factory, {"templates/core/CHANGELOG.md": "## 3.0.0\n\n- x\n"})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    config = (project / ".git/config").read_bytes()
    cli("sync", cwd=project)
    assert ((project.parent / "outside").read_text(), (project / ".git/config").read_bytes()) == ("not ours\n", config)


@pytest.mark.parametrize(
    "change",
    [
        "remove: [mine.txt]",
        "rename: {mine.txt: ops/taken.md}",
        "rename: {ops/old.md: mine.txt}",
        "move_keys: {mine.json: {a: b}}",
    ],
)
def test_a_declared_change_touches_no_file_of_the_teams_own(change: str, project: Path, factory: Path) -> None:
    """What the lock does not know is not the factory's to move, whatever a release declares."""
    mine = {"mine.txt": "the team's\n", "mine.json": '{"a": 1}\n'}
    put(project, mine)
    commit(project)
    put(factory, {"templates/core/component.yaml": f"summary: x\nchanges: [{{since: 3.0.0, {change}}}]\n"})
    put(factory, {"templates/core/CHANGELOG.md": "## 3.0.0\n\n- x\n", "templates/core/files/ops/taken.md": "x\n"})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    cli("sync", cwd=project)
    assert {path: (project / path).read_text() for path in mine} == mine


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("!!python/object/apply:os.system ['touch pwned']\n", "could not determine a constructor"),
        ("- &a {rule: AF002, rule: AF003}\n", "found duplicate key"),
        ("- {rule: AF002, path: ../x, until: 2027-01-01}\n", "is missing"),
    ],
)
def test_a_broken_waiver_waives_nothing(text: str, reason: str, project: Path) -> None:
    put(project, {"src/small_thing/controls/audit.py": "edited\n", ".ai-factory/waivers.yaml": text})
    result = cli("check", cwd=project)
    assert (result.code, reason in result.out, (project / "pwned").exists()) == (2, True, False)


def test_a_waiver_covers_its_own_path_and_no_pattern(project: Path) -> None:
    rows = "".join(
        f"- {{rule: AF002, path: '{path}', reason: r, owner: a, approver: b, until: 9999-01-01}}\n"
        for path in (
            "**",
            "src/**",
            "../small-thing/src/small_thing/controls/audit.py",
            "./src/small_thing/controls/audit.py",
        )
    )
    put(project, {"src/small_thing/controls/audit.py": "edited\n", ".ai-factory/waivers.yaml": rows})
    assert cli("check", cwd=project).code == 1


def test_a_name_that_no_disk_takes_stops_a_sync_before_anything_is_written(project: Path, factory: Path) -> None:
    put(factory, {"templates/core/files/ops/{{ use_case }}{{ use_case }}.md": "x\n"})
    commit(factory)
    git(factory, "tag", "v3.0.0")
    before = snapshot(project)
    result = cli("sync", "--to", "v3.0.0", "--data", f"use_case={'a' * 200}", cwd=project)
    assert (result.code, snapshot(project)) == (2, before)
