"""Output is input for other machines: what strangers named forges no line, no link, no order, in any format."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ai_factory.report import markdown
from ai_factory.report.formats import FORMATS
from ai_factory.report.plain import plain
from tests import valid
from tests.kit import IDENTITY, LINES, Result, cli, commit, git, put, small_factory, small_project

NAMES = (
    *("new\nline", "::error file=x::pwned", "##[error]pwned", "=1+1", "@everyone", "\x1b[31mred", "\x9b31mred"),
    *(
        "a``b`c",
        "<img src=x onerror=y>",
        "|pipe|",
        "\u202egnp.exe",
        "[x](https:||evil.invalid)",
        "&#64;team",
        "#1 !2 $3",
    ),
    *("-rf", "--option=x", "'; touch pwned; '", "$(touch pwned)", "\u2028line", "\x85line", "\x7f", " ::set-env x::y"),
)
TEXT = "::error::x\n ##[error] @team fixes #1 \x1b[2J <b>bold</b> https://evil.invalid [a](b) `c`\n"


@pytest.fixture(scope="module")
def _pattern_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of which every file has a hostile name and text; both sides changed each: all are in every output."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**IDENTITY, "AI_FACTORY_CACHE": str(folder / "cache")}.items():
            patch.setenv(name, value)
        factory = small_factory(folder / "factory")
        controls = "templates/core/files/src/{{ package }}/controls"
        put(factory, {f"{controls}/{name}": f"{number}\n{LINES}{TEXT}" for number, name in enumerate(NAMES)})
        put(factory, {"templates/core/component.yaml": RULES, "templates/core/CHANGELOG.md": "## 8.0.0\n\n- first\n"})
        commit(factory)
        git(factory, "tag", "v8.0.0")
        project = small_project(folder / "p", factory, version="v8.0.0")
        _edit(project)
        put(factory, {f"{controls}/{name}": f"{number}\n{LINES}theirs {TEXT}" for number, name in enumerate(NAMES)})
        changes = f"changes: [{{since: 9.0.0, manual: '{SUMMARY}'}}]\n"
        put(factory, {"templates/core/component.yaml": RULES + changes})
        put(factory, {"templates/core/CHANGELOG.md": f"## 9.0.0\n\n- {SUMMARY}\n\n## 8.0.0\n\n- first\n"})
        commit(factory)
        git(factory, "tag", "v9.0.0")
    return project


def _edit(project: Path) -> None:
    for number, name in enumerate(NAMES):
        place = project / "src/p/controls" / name
        place.write_text(place.read_text().replace("line 2\n", f"ours {TEXT}") if number % 4 != 1 else "")
    (project / "src/p/controls" / NAMES[0]).unlink()
    commit(project)


@pytest.fixture
def hostile(_pattern_project: Path, tmp_path: Path) -> Path:
    """The test's own copy of the hostile project."""
    return shutil.copytree(_pattern_project, tmp_path / "p", symlinks=True)


@pytest.fixture
def factory(_pattern_project: Path) -> Path:
    """The hostile factory, for reading."""
    return _pattern_project.parent / "factory"


SUMMARY = "@team fixes #1, !2, <b>x</b> [a](javascript:x) &#64;team ::error::x `c` $x$ ~~s~~ *b*"
RULES = f"""\
summary: '{SUMMARY}'
ownership: {{'src/{{{{ package }}}}/controls/**': managed}}
evidences: {{AUD-01: ['src/{{{{ package }}}}/controls/**']}}
"""
LOOKS = (
    ["check"],
    ["status"],
    ["diff"],
    ["diff", "--incoming"],
    ["sync", "--plan"],
    ["explain", f"src/p/controls/{NAMES[1]}"],
    ["explain", "src/p/controls/none"],
    ["restore", "src/p/controls/none\n::error::x"],
    ["component", "show", "none\n::error::x"],
    ["sync", "--to", "v\n::error::x\x1b[31m"],
    ["check", "no\n::error::such"],
)


def both(result: Result) -> list[str]:
    return (result.out + result.err).split("\n")


def orders(lines: list[str]) -> list[str]:
    """The lines that a terminal or a build server would take for more than text."""
    return [
        line
        for line in lines
        if not line.replace("\t", "").isprintable() or line.strip().startswith("::") or "##[" in line
    ]


@pytest.mark.parametrize("command", LOOKS, ids=lambda command: repr(command[:2]))
def test_no_text_forges_a_line_and_json_is_one_ascii_document(command: list[str], hostile: Path) -> None:
    text, machine = cli(*command, cwd=hostile), cli(*command, "--json", cwd=hostile)
    assert (len(both(text)) > 1, orders(both(text))) == (True, [])
    assert (machine.err, machine.out.isascii(), machine.data["schema"][:11]) == ("", True, "ai-factory/")


def test_json_gives_every_name_back_as_it_is(hostile: Path) -> None:
    found = {finding["path"] for finding in cli("check", "--json", cwd=hostile).data["projects"][0]["findings"]}
    assert {f"src/p/controls/{name}" for name in NAMES} <= found


MORE_NAMES = (
    *("]]>", "a,b:c%0A::error::x", "<script>alert(1)<\u2215script>", "\\|x|", "a`|`b", "{0}](x)", "\udcff\udcfe"),
)
SHOWN = 10 + len(MORE_NAMES) + 1  # annotations: ten errors of many, these as warnings, and that the project is behind


def _with_more(project: Path) -> list[str]:
    """Every file of a hostile name: edited, missing, or beside the factory's; all their paths."""
    for name in MORE_NAMES:
        put(project, {f"src/p/controls/{name}": "x"})
    return [finding["path"] for finding in cli("check", "--json", cwd=project).data["projects"][0]["findings"]]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "text"])
def test_names_of_strangers_come_through_every_format(name: str, hostile: Path) -> None:
    """Each document is valid, every name is told, and none is more than text to a terminal, a runner or a forge."""
    paths = _with_more(hostile)
    result = cli("check", "--format", name, cwd=hostile)
    told = valid.read(name, result.out)
    lines = [line for line in result.out.split("\n") if not (name == "github" and valid.COMMAND.fullmatch(line))]
    assert (result.err, orders([line.replace("\u200b", "") for line in lines])) == ("", [])
    assert len(told) == (SHOWN if name == "github" else len(paths))
    readers: dict[str, Callable[[str], str]]
    readers = {"json": str, "jsonl": str, "sarif": str, "github": _printable, "gitlab": _written}
    shown = [readers.get(name, plain)(path) for path in paths]
    assert set(map(one_line, (one.path for one in told))) <= set(map(one_line, shown))
    if name not in ("github", "markdown"):
        assert sorted(map(one_line, (one.path for one in told))) == sorted(map(one_line, shown))


def _printable(path: str) -> str:
    """As an annotation names a file: what no line may hold is spelled out, but for line ends."""
    kept = (char if char.isprintable() or char in "\r\n" else char.encode("unicode_escape").decode() for char in path)
    return "".join(kept)


def _written(path: str) -> str:
    """As an issue of GitLab names a file: what nobody would see is spelled out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in path)


def one_line(path: str) -> str:
    """XML and Markdown fold white space."""
    return " ".join(path.split())


def test_an_annotation_is_one_command_whatever_a_name_holds(hostile: Path) -> None:
    """A runner finds exactly as many as there are, and each names its file and line."""
    _with_more(hostile)
    lines = cli("check", "--format", "github", cwd=hostile).out.splitlines()
    commands = [line for line in lines if line.startswith("::")]
    for line in commands:
        properties = line.split("::")[1].partition(" ")[2]
        assert [part.partition("=")[0] for part in properties.split(",")] == ["file", "line", "title"]
    assert (len(commands), len(lines)) == (SHOWN, SHOWN + 1)
    assert lines[-1].endswith("not annotated here: GitHub shows 10 of a kind in a step")


def test_a_table_mentions_nobody_and_keeps_its_cells(hostile: Path) -> None:
    _with_more(hostile)
    text = cli("check", "--format", "markdown", cwd=hostile).out
    assert {token.type for token in tokens(text)} <= PLAIN_MARKUP | LISTS | TABLES
    assert calls(text) == []
    rows = [line for line in text.splitlines() if line.startswith("| AF")]
    cells = [token for token in tokens(text) if token.type == "td_open"]
    assert len(cells) == 5 * len(rows)


def test_reasons_and_people_of_strangers_are_text(hostile: Path) -> None:
    """What a waiver says stands in every format."""
    path = f"src/p/controls/{NAMES[5]}"
    row = {"rule": "AF002", "path": path, "reason": TEXT, "owner": "@a<b>", "approver": "]]>|", "until": "2999-12-31"}
    put(hostile, {".ai-factory/waivers.yaml": json.dumps([row])})
    for name in valid.READERS:
        result = cli("check", "--format", name, cwd=hostile)
        valid.read(name, result.out)
        lines = [line for line in result.out.split("\n") if not (name == "github" and valid.COMMAND.fullmatch(line))]
        assert (name, result.err, orders([line.replace("\u200b", "") for line in lines])) == (name, "", [])
    assert calls(cli("check", "--format", "markdown", cwd=hostile).out) == []


def test_a_sync_and_a_stamping_tell_nothing_that_is_more_than_text(hostile: Path, factory: Path) -> None:
    results = [
        cli("sync", cwd=hostile),
        cli("sync", "--take", "theirs", f"src/p/controls/{NAMES[1]}", cwd=hostile),
        cli("sync", "--abort", cwd=hostile),
        cli("restore", "--all", cwd=hostile),
        cli("new", "small", str(hostile.parent / "q\n::error::x"), "--defaults", "--factory", str(factory)),
        cli("component", "list", "--factory", str(factory)),
        cli("component", "show", "core", "--factory", str(factory)),
    ]
    assert [result.code for result in results] == [1, 1, 0, 0, 0, 0, 0]
    assert [orders(both(result)) for result in results] == [[]] * 7


def test_hints_with_odd_names_can_be_pasted_into_a_shell(hostile: Path) -> None:
    """Each is one command, and none runs what a name holds."""
    hints = [line for line in cli("check", cwd=hostile).out.splitlines() if "`ai-factory restore" in line]
    shown = [name for name in NAMES if name.isprintable()]
    assert len(hints) == len(NAMES)
    for hint in hints:
        command = hint.partition("`ai-factory ")[2].partition("` puts")[0]
        printed = subprocess.run(
            ["sh", "-c", f"printf '%s\\n' {command}"], cwd=hostile, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert printed[0] == "restore"
        if "\\" not in hint:
            assert printed[1].removeprefix("src/p/controls/") in shown
    assert not (hostile / "pwned").exists()


# ---- Markdown ------------------------------------------------------------------------------------


def tokens(text: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text):
        yield token
        yield from token.children or ()


PLAIN_MARKUP = {"text", "softbreak", "inline", "code_inline", "fence"}
LISTS = {
    f"{kind}_{end}"
    for kind in ("bullet_list", "list_item", "paragraph", "heading", "blockquote", "strong")
    for end in ("open", "close")
}
TABLES = {f"{kind}_{end}" for kind in ("table", "thead", "tbody", "tr", "th", "td") for end in ("open", "close")}
CALLS = re.compile(r"[@#!$%&~]\w|\bGH-\d")


def calls(text: str) -> list[str]:
    """What a forge would make of the text that is left when the markup is gone: mentions and references."""
    return [found for token in tokens(text) if token.type == "text" for found in CALLS.findall(token.content)]


def test_a_plan_in_markdown_mentions_nobody_and_holds_no_markup_of_strangers(hostile: Path) -> None:
    text = cli("sync", "--plan", "--markdown", cwd=hostile).out
    assert {token.type for token in tokens(text)} <= PLAIN_MARKUP | LISTS
    assert (calls(text), orders(text.replace("\u200b", "").split("\n"))) == ([], [])
    code = [token.content for token in tokens(text) if token.type == "code_inline"]
    assert {plain(f"src/p/controls/{name}") for name in NAMES} <= set(code)


hostile_text = st.text("`*_[]()<>!@#$%&~^|\\-+=1.: \n\tab:/\u200b", max_size=30)


@given(hostile_text)
def test_any_text_comes_through_markdown_as_text(text: str) -> None:
    shown = markdown.literal(text)
    found = [token for token in tokens(f"- {shown}\n") if token.type not in LISTS | {"inline"}]
    assert {token.type for token in found} <= {"text"}
    assert "".join(token.content for token in found).replace("\u200b", "") == plain(text).strip().replace("\u200b", "")
    assert calls(f"- {shown}\n") == []


@given(hostile_text)
def test_any_text_comes_through_markdown_as_code(text: str) -> None:
    found = [token for token in tokens(f"- {markdown.code(text)}\n") if token.type not in LISTS | {"inline"}]
    assert [(token.type, token.content) for token in found] == ([("code_inline", plain(text))] if text else [])


# ---- terminals -----------------------------------------------------------------------------------

ASK = """\
import sys
from ai_factory.__main__ import main
sys.argv = ["ai-factory", "new", "small", "p", "--factory", sys.argv[1]]
main()
"""


def test_a_question_moves_no_cursor(tmp_path: Path) -> None:
    factory = small_factory(tmp_path / "factory", tags=False)
    questions = (
        'use_case: {help: "\\e[2Jhelp\\n::x::", default: x}\n'
        'other: {default: "\\e]0;x"}\n'
        'package: {default: p, choices: [p, "\\e[33mq"]}\n'
    )
    put(factory, {"templates/core/copier.yml": f"_subdirectory: files\n{questions}"})
    shown = _on_a_terminal([sys.executable, "-c", ASK, str(factory)], tmp_path, b"\n\n\n")
    sequences = (b"\x1b[2J", b"\x1b]0;x", b"\x1b[33mq")
    assert [sequence in shown for sequence in sequences] == [False] * 3
    assert [sequence.replace(b"\x1b", b"\\x1b") in shown for sequence in sequences] == [True] * 3
    assert rb"\x3a:x::" in shown


def _on_a_terminal(command: list[str], folder: Path, typed: bytes) -> bytes:
    """What a command shows on a terminal on which somebody types this."""
    leader, follower = pty.openpty()
    with subprocess.Popen(command, cwd=folder, stdin=follower, stdout=follower, stderr=follower) as process:
        os.close(follower)
        os.write(leader, typed)
        shown = b""
        while True:
            try:
                shown += (read := os.read(leader, 4096))
            except OSError:
                break
            if not read:
                break
        process.wait(60)
    os.close(leader)
    return shown


def test_an_incoming_file_is_spelled_out_on_a_terminal_and_exact_elsewhere(hostile: Path) -> None:
    cli("sync", cwd=hostile)
    path = f"src/p/controls/{NAMES[1]}"
    command = [sys.executable, "-m", "ai_factory", "sync", "--show", "theirs", path]
    exact = subprocess.run(command, cwd=hostile, capture_output=True, check=True).stdout
    assert exact == f"1\n{LINES}theirs {TEXT}".encode()
    assert b"\x1b" not in _on_a_terminal(command, hostile, b"")


def test_errors_for_machines_are_json_too(tmp_path: Path) -> None:
    result = cli("status", "no\n::such", "--json", cwd=tmp_path)
    assert (result.code, result.out.isascii(), json.loads(result.out)["message"]) == (
        2,
        True,
        "there is no `no\n::such`",
    )
