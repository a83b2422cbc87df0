"""The documentation says what is: generated pages are current, links lead somewhere, commands work as shown."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator

from ai_factory import documents, formats
from ai_factory.cli.app import application
from ai_factory.cli.check_options import parser as check_parser
from ai_factory.tree import File
from tests import golden, markdown
from tests.shell import BIN, Shell, agrees, normalized

ROOT = golden.ROOT
REFERENCE = ROOT / "docs" / "reference"
SKIPPED = {".venv", ".git", "golden", "files", "node_modules", ".work", ".pytest_cache", ".ruff_cache", "source"}
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


@pytest.fixture(scope="module")
def built() -> Mapping[str, Any]:
    """The names of the script that writes docs/reference/."""
    return runpy.run_path(str(ROOT / "docs" / "build_reference.py"))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Every page of this repository that people read here: docs, README and its like, component READMEs."""
    found = [path for path in ROOT.rglob("*.md") if not SKIPPED & set(path.relative_to(ROOT).parts)]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in found}


# ---- generated pages -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(built: Mapping[str, Any]) -> dict[str, str]:
    """The reference, generated."""
    return dict(built["pages"]())


def test_reference_is_current(made: dict[str, str]) -> None:
    """What is committed under docs/reference/ is what the code, the components and docs/source/ give."""
    stale = golden.differences(golden.read(REFERENCE), {path: File(text.encode()) for path, text in made.items()})
    assert not stale, f"docs/reference/ is stale\n{stale}\n`make docs` writes it anew"


def test_reference_is_the_same_twice(built: Mapping[str, Any], made: dict[str, str]) -> None:
    """Generating again gives the same bytes."""
    assert built["pages"]() == made


def test_every_hand_written_part_is_used(built: Mapping[str, Any]) -> None:
    """Each place-holder of docs/source/ is known, and nothing is generated for none."""
    used = {
        name
        for path in (ROOT / "docs" / "source").glob("*.md")
        for name in re.findall(r"<!-- ([a-z-]+) -->", path.read_text("utf-8"))
    }
    assert used == set(built["generated"]())


def test_every_rule_says_what_to_do() -> None:
    """In a sentence without a full stop, as tables and code hosts show it."""
    from ai_factory.check import RULES

    assert [name for name, rule in RULES.items() if not rule.help or rule.help.endswith(".")] == []


# ---- schemas -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", formats.FORMATS)
def test_schema_is_valid(name: str) -> None:
    """Each published schema is a valid one of its dialect, with a name and a title."""
    schema = json.loads((REFERENCE / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$schema"]
    assert (schema["$id"], bool(schema["title"])) == (f"urn:ai-factory:schema:{name}", True)


def _published(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((REFERENCE / "schemas" / f"{name}.schema.json").read_text("utf-8")))


def _problems(name: str, data: Any) -> list[str]:
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in _published(name).iter_errors(data)]


def test_our_own_files_meet_the_schemas(project: Path) -> None:
    """What we ship and what we write is what the published schemas describe."""
    wanted = {
        "component": [*ROOT.glob("templates/*/component.yaml")],
        "questions": [*ROOT.glob("templates/*/copier.yml")],
        "blueprint": [*ROOT.glob("blueprints/*.yaml")],
        "project": [project / ".ai-factory" / "project.yaml"],
        "lock": [project / ".ai-factory" / "lock.json"],
    }
    found = {
        str(path): problems
        for name, paths in wanted.items()
        for path in paths
        if (problems := _problems(name, documents.load(path.read_bytes(), str(path))))
    }
    assert found == {}
    assert all(wanted.values())


BAD: list[tuple[str, Any]] = [
    ("component", {}),
    ("component", {"summary": ""}),
    ("component", {"summary": "x", "requires": ["Not a name"]}),
    ("component", {"summary": "x", "ownership": {"a": "owned"}}),
    ("component", {"summary": "x", "contributes": {"unknown": []}}),
    ("component", {"summary": "x", "contributes": {"dependencies": [{"value": "a"}]}}),
    ("component", {"summary": "x", "evidences": {"not a control": ["a"]}}),
    ("component", {"summary": "x", "changes": [{"rename": {"a": "b"}}]}),
    ("component", {"summary": "x", "more": 1}),
    ("blueprint", {"summary": "x", "components": []}),
    ("blueprint", {"summary": "x"}),
    ("questions", {"_tasks": ["true"]}),
    ("questions", {"a": {"type": "secret"}}),
    ("questions", {"_subdirectory": "template"}),
    ("project", {"factory": "embedded"}),
    ("project", {"factory": "embedded", "blueprint": "x", "hold": {"until": "soon"}}),
    ("lock", {"schema": 2}),
    ("waivers", [{"rule": "AF2"}]),
    ("waivers", {}),
]


@pytest.mark.parametrize(("name", "data"), BAD)
def test_the_schemas_refuse_what_the_program_refuses(name: str, data: Any) -> None:
    """An editor that completes with the schema, and the program, agree on what is wrong."""
    assert (bool(_problems(name, data)), any(True for _ in formats.problems(data, formats.FORMATS[name]))) == (
        True,
        True,
    )


# ---- links and commands --------------------------------------------------------------------------


def test_links_lead_somewhere(pages: dict[str, str]) -> None:
    """No relative link of any page is dead, headings included."""
    known = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if ".venv" not in path.parts]
    assert markdown.dead_links(pages, known) == []


def test_a_dead_link_is_seen() -> None:
    """The link test can fail: a missing file, a missing heading, a link out of a folder."""
    page = "# One two\n[a](b.md) [c](#one-two) [d](#three) [e](../x.md#y) `[f](g)`\n```\n[h](i)\n```\n[j](https://k)\n"
    assert markdown.dead_links({"d/a.md": page}, ["d/a.md"]) == ["d/a.md: b.md", "d/a.md: #three", "d/a.md: ../x.md#y"]


def test_commands_on_pages_exist(pages: dict[str, str]) -> None:
    """Every `ai-factory …`, in a console block or in a sentence, names a command and options that there are."""
    commands = [
        (page, command)
        for page, text in sorted(pages.items())
        for command in [*(step.command for step in markdown.steps(text)), *markdown.code(text, "ai-factory ")]
    ]
    assert [f"{page}: {problem}" for page, command in commands for problem in _unknown(command)] == []


def _unknown(command: str) -> list[str]:
    found: list[str] = []
    for part in re.split(r"&&|\|\||;|\|", command):
        words = shlex.split(part, comments=True)
        if words[:1] == ["ai-factory"]:
            found += _unknown_words(words[1:])
    return found


@cache
def _commands() -> Any:
    return typer.main.get_command(application())


def _unknown_words(words: list[str]) -> list[str]:
    here = _commands()
    while words and getattr(here, "commands", None):
        if words[0] in here.commands:
            here, words = here.commands[words[0]], words[1:]
        elif words[0].startswith("-"):
            break
        else:
            return [f"there is no command `{words[0]}`"]
    known = {option for item in here.params for option in item.opts} | {"--help"}
    if here.name == "check":
        known |= {option for action in check_parser()._actions for option in action.option_strings}
    options = {word.partition("=")[0] for word in words if word.startswith("-") and word != "--"}
    return [f"`{here.name}` has no option `{option}`" for option in sorted(options - known)]


def test_an_unknown_command_is_seen() -> None:
    """The command test can fail: a command, a subcommand and an option that are none."""
    commands = [
        "ai-factory nonsense",
        "cd x && ai-factory blueprint make",
        "ai-factory check --quick | cat",
        "ls --quick",
    ]
    assert [_unknown(command) for command in commands] == [
        ["there is no command `nonsense`"],
        ["there is no command `make`"],
        ["`check` has no option `--quick`"],
        [],
    ]


# ---- pages that are run --------------------------------------------------------------------------


def test_readme_opens_with_the_two_commands() -> None:
    """The README's first block is the two commands that a fresh machine needs; its second shows what the first does."""
    commands = [[step.command for step in markdown.steps_of(block)] for block in _consoles("README.md")]
    assert commands[0] == ["make demo", "make test"]
    assert [re.sub(r" (credit-line|-|src/).*", "", command) for command in commands[1]] == [
        "ai-factory new tabular-decision",
        "cd",
        "make run",
        "make test",
        "ai-factory check",
        "echo '# a quick fix' >>",
        "ai-factory check",
        "ai-factory restore",
        "ai-factory check",
    ]


def _consoles(page: str) -> list[markdown.Block]:
    text = (ROOT / page).read_text("utf-8")
    return [block for block in markdown.blocks(text) if block.word == "console"]


@pytest.mark.product
def test_readme_quick_start(tmp_path: Path) -> None:
    """`make demo` prints what the README shows: the same commands, the same output; `make test` is what runs this."""
    # the environment is the one that runs this test: `make` must not think of making it anew
    done = Shell(ROOT, tmp_path / "home").run("make --no-print-directory -o .venv/.installed demo 2>/dev/null", 900)
    assert done.code == 0, done.text
    shown, printed = _dense("\n".join(_consoles("README.md")[1].lines)), _dense(done.text)
    assert agrees(shown, printed), golden.differences(_as_tree(shown), _as_tree(printed))


def _dense(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.strip())


@pytest.mark.product
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial(path: Path, tmp_path: Path) -> None:
    """Following a tutorial from a fresh folder works, command by command, and prints what it shows."""
    shell = Shell(_folder(tmp_path / "work"), tmp_path / "home")
    steps = markdown.followed(path.read_text("utf-8"))
    assert steps
    for step in steps:
        _follow(shell, step, path.name)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _follow(shell: Shell, step: markdown.Step, page: str) -> None:
    done = shell.run(step.command, timeout=900)
    where = f"{page} line {step.line}: `{step.command}`"
    expected = 1 if re.search(r"^AF\d{3} error", step.shown, re.MULTILINE) else 0
    assert done.code == expected, f"{where} ended with {done.code}:\n{done.text}"
    if step.shown.strip():
        assert agrees(step.shown, done.text), (
            f"{where} printed something else than the page shows\n"
            + golden.differences(_as_tree(step.shown), _as_tree(done.text))
        )


def _as_tree(text: str) -> dict[str, File]:
    return {"output": File(("\n".join(normalized(text)) + "\n").encode())}


def test_the_executor_sees_a_difference(tmp_path: Path) -> None:
    """The executor keeps folder and environment, compares outputs, and forgives what differs from run to run."""
    text = """\
Some prose.

   ```console
   $ mkdir a && cd a && export X=one
   $ echo "$X in $(basename "$PWD")"
   one in a
   $ printf 'commit 0123abc\\nmore\\nmore\\nin 3.2 s, /tmp/somewhere/else/a\\n'
   commit fedcba9
   ...
   in 12 ms, /home/me/a
   $ echo two \\
   lines
   two lines
   $ echo wrong
   right
   ```

```yaml
$ not: a command
```

```python
# notes/one.py
one = "$1"
```

```diff
--- a/notes/one.py
+++ b/notes/one.py
@@ -1 +1,2 @@
 one = "$1"
+two = 2
```

```console
$ cat notes/one.py
one = "$1"
two = 2
```
"""
    steps = markdown.followed(text)
    assert steps[0].command == "mkdir a && cd a && export X=one"
    assert [step.line for step in steps] == [4, 5, 7, 11, 14, 23, 28, 36]
    assert markdown.steps(text) == [*steps[:5], steps[7]]
    shell = Shell(_folder(tmp_path / "work"), tmp_path / "home")
    outcomes = [agrees(step.shown, shell.must(step.command)) for step in steps]
    assert outcomes == [True, True, True, True, False, True, True, True]
    assert shell.run("exit 3").code == 3


def test_commands_take_the_checkout(tmp_path: Path) -> None:
    """`ai-factory` in a console block is this checkout's."""
    shell = Shell(_folder(tmp_path / "work"), tmp_path / "home")
    assert shell.must("command -v ai-factory").strip() == str(BIN / "ai-factory")
