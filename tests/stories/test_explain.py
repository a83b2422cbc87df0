"""`explain`: where a file comes from, what a control asks; and what is neither."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import cli, commit, put

CARD = "docs/governance/system-card.md"


@pytest.fixture
def documented(project: Path) -> Path:
    """A project whose lock names documents by a pattern, one of which is there."""
    lock = project / ".ai-factory/lock.json"
    row = {"component": "core", "controls": [], "mode": "100644", "ownership": "produced"}
    head = f'"paths": {{\n    "docs/governance/*.md": {json.dumps(row)},\n'
    lock.write_text(lock.read_text().replace('"paths": {\n', head, 1))
    put(project, {CARD: "# Card\n", "notes.md": "mine\n"})
    commit(project)
    return project


def test_what_a_run_writes_is_known_by_its_pattern(documented: Path) -> None:
    """Also a document that is not written yet; a line of one is the run's."""
    for name in (CARD, "docs/governance/none.md"):
        result = cli("explain", name, cwd=documented)
        said = "  ownership: produced (written by the project's own run)"
        assert (result.code, result.out.splitlines()[2]) == (0, said)
    assert "  line 1: the run's" in cli("explain", f"{CARD}:1", cwd=documented).out.splitlines()
    assert cli("explain", "docs/governance/deep/none.md", cwd=documented).code == 2


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("NOPE", "there is no file `NOPE`, and no such control"),
        ("docs/none.md", "there is no file `docs/none.md`, and no such control"),
        ("notes.md", "`notes.md` does not come from the factory: it is the team's own"),
        ("GOV-77", "there is no control `GOV-77`"),
        ("gov-77", "there is no control `GOV-77`"),
        (f"{CARD}:2", f"`{CARD}` has no line 2: it ends at 1"),
        ("ops/runbook.md:999", "`ops/runbook.md` has no line 999: it ends at "),
    ],
)
def test_what_is_neither_is_said(documented: Path, subject: str, message: str) -> None:
    result = cli("explain", subject, cwd=documented)
    assert (result.code, result.out) == (2, "")
    assert message in result.err.splitlines()[0]


def test_a_control_is_known_in_any_case(documented: Path) -> None:
    found = cli("explain", "gov-01", cwd=documented)
    assert (found.code, found.out) == (0, cli("explain", "GOV-01", cwd=documented).out)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii:strict", "utf-8"])
def test_a_terminal_that_cannot_show_a_letter_gets_it_escaped(documented: Path, encoding: str) -> None:
    """As JSON escapes it; a command never ends in that."""
    name = "docs/governance/\u00e9\u2192\U0001f600.md"
    command = [sys.executable, "-m", "ai_factory", "explain", name]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=documented, env=environment, capture_output=True, check=False)
    shown = {"utf-8": name.encode(), "latin-1": b"docs/governance/\xe9\\u2192\\ud83d\\ude00.md"}
    wanted = shown.get(encoding, b"docs/governance/\\u00e9\\u2192\\ud83d\\ude00.md")
    assert (done.returncode, done.stderr, done.stdout.splitlines()[0]) == (0, b"", wanted)


def test_a_line_is_led_back_to_its_template(tmp_path: Path) -> None:
    """Through loops, includes and answers; a line of the team's moves those below it."""
    template = "{% import 'parts.jinja' as parts %}# {{ title }}\n\n{% for one in 'ab' %}\n- {{ one }}\n{% endfor %}\n"
    put(
        tmp_path / "factory",
        {
            "blueprints/small.yaml": "summary: Small\ncomponents: [notes]\n",
            "templates/notes/component.yaml": "summary: Notes\n",
            "templates/notes/copier.yml": "title: { type: str, default: Notes, help: What about }\n",
            "templates/notes/parts.jinja": "{% macro end(word) %}\nby {{ word }}\n{% endmacro %}",
            "templates/notes/files/a.md.jinja": template + "{{ parts.end(title) }}\n{{ parts.end('x') | indent(2) }}\n",
            "templates/notes/files/b.md.jinja": "{% set all %}\n{{ title }}\n{% endset %}{{ all | length }}\n",
            "templates/notes/files/c.md": "one\ntwo\n",
        },
    )
    there = ["--factory", str(tmp_path / "factory"), "--defaults"]
    assert cli("new", "small", str(tmp_path / "made"), *there, cwd=tmp_path).code == 0
    made = tmp_path / "made"
    (made / "a.md").write_text("mine\n" + (made / "a.md").read_text())
    lines = (made / "a.md").read_text().splitlines()
    at = "the factory's, from templates/notes/files/a.md.jinja line"
    parts = "the factory's, from templates/notes/parts.jinja line"
    told = [_said_of(made, f"a.md:{number}") for number in range(1, len(lines) + 1)]
    assert list(zip(lines, told, strict=True)) == [
        ("mine", "the team's"),
        ("# Notes", f"{at} 1"),
        ("", f"{at} 2"),
        ("", f"{at} 3"),
        ("- a", f"{at} 4"),
        ("", f"{at} 3"),
        ("- b", f"{at} 4"),
        ("", f"{at} 5"),
        ("", f"{parts} 1"),
        ("by Notes", f"{parts} 2"),
        ("", f"{at} 6"),
        ("", f"{parts} 1"),
        ("  by x", f"{parts} 2"),
        ("", f"{at} 7"),
    ]
    assert _said_of(made, "b.md:1") == "the factory's"  # the template counts its own letters
    assert _said_of(made, "c.md:2") == "the factory's, from templates/notes/files/c.md line 2"


def _said_of(project: Path, subject: str) -> str:
    result = cli("explain", subject, cwd=project)
    (line,) = [row for row in result.out.splitlines() if row.startswith("  line ")]
    return line.partition(": ")[2]
