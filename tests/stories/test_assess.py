"""`assess`: answers in plain words become facts, and facts say what applies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ai_factory import documents
from tests.approving import assessed
from tests.kit import cli, converse, git, put, snapshot

ROOT = Path(__file__).parent.parent.parent
USES = [
    row["use"] for row in documents.load((ROOT / "controls/assessment.yaml").read_bytes(), "assessment.yaml")["screen"]
]
CLEAN = {"answered_by": "a@example.org", "reviewed_by": "b@example.org", "answers": dict.fromkeys(USES, False)}
DAY = ("--as-of", "2026-11-26")


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day on which these stories are told."""
    monkeypatch.setattr("ai_factory.cli.assess.today", lambda: DAY[1])


def system(name: str, **change: Any) -> dict[str, Any]:
    """The facts of an archetype, some of them changed."""
    return {**documents.load((ROOT / f"tests/archetypes/{name}.yaml").read_bytes(), name), **change}


def answers(folder: Path, facts: dict[str, Any], screen: dict[str, Any] | None = None) -> str:
    """A file of answers beside the project."""
    place = folder / "answers.yaml"
    place.write_bytes(documents.write({"facts": facts, "schema": 1, "screen": screen or CLEAN}))
    return str(place)


def test_answers_of_a_file_become_facts_and_a_record(project: Path, tmp_path: Path) -> None:
    """Both are written, as the archetype's record has it, and nothing else."""
    given = answers(tmp_path, system("internal-code-assistant"))
    result = cli("assess", "--answers", given, *DAY, cwd=project)
    assert (result.code, result.err) == (0, "")
    golden = (ROOT / "tests/archetypes/internal-code-assistant.json").read_text("utf-8")
    assert (project / "governance/applicability.json").read_text("utf-8") == golden
    written = documents.load((project / "governance/facts.yaml").read_bytes(), "facts")
    assert written == {"schema": 1, "facts": system("internal-code-assistant"), "screen": CLEAN}
    assert git(project, "status", "--porcelain", "-uall").split() == [
        "??",
        "governance/applicability.json",
        "??",
        "governance/facts.yaml",
    ]
    assert result.out.splitlines()[0] == (
        "tier: low, 5 points (affects 1, genai 1, interacts_with_people 1, synthetic_content 1, third_party_model 1)"
    )
    assert "controls on 2026-11-26: 14 required now" in result.out


def test_clocks_and_periods_are_counted(project: Path, tmp_path: Path) -> None:
    """A line each: what runs or is asked on the day, and what will."""
    given = answers(tmp_path, system("eu-retail-credit", jurisdictions=["EU", "US"]))
    lines = cli("assess", "--answers", given, *DAY, "--dry-run", cwd=project).out.splitlines()
    assert [line for line in lines if "clock" in line or "kept" in line] == [
        "3 clocks for incidents (EU-DORA, EU-GDPR, US-ECOA); later: EU-AIA from 2027-12-02",
        "6 rows on how long records are kept; law in force asks for decision events 762 days, decision payloads 762 days, stored cases 762 days",
    ]
    given = answers(tmp_path, system("internal-code-assistant", jurisdictions=["SG"], sector="other"))
    lines = cli("assess", "--answers", given, *DAY, "--dry-run", cwd=project).out.splitlines()
    assert [line for line in lines if "clock" in line or "kept" in line] == [
        "1 clock for incidents (SG: ask legal)",
        "0 rows on how long records are kept; law in force asks for no least time",
    ]


def test_a_second_time_changes_no_byte(project: Path, tmp_path: Path) -> None:
    given = answers(tmp_path, system("eu-retail-credit"))
    cli("assess", "--answers", given, *DAY, cwd=project)
    before = snapshot(project)
    result = cli("assess", *DAY, "--json", cwd=project)
    assert (result.code, result.data["written"], result.data["changed"]) == (0, [], [])
    assert snapshot(project) == before


def test_one_answer_changes_one_line_and_keeps_what_people_wrote(project: Path, tmp_path: Path) -> None:
    """Comments and order of the file stay; what follows is said: a tier, and controls that change."""
    cli("assess", "--answers", answers(tmp_path, system("internal-code-assistant")), *DAY, cwd=project)
    file = project / "governance/facts.yaml"
    text = file.read_text("utf-8").replace("sector: banking", "sector: banking # retail only")
    file.write_text(text, "utf-8")
    result = cli("assess", "--data", "effect=significant", "--data", "critical_function=yes", *DAY, cwd=project)
    changed = text.replace("effect: none", "effect: significant").replace(
        "critical_function: false", "critical_function: true"
    )
    assert file.read_text("utf-8") == changed
    assert result.out.startswith("tier: medium")
    assert "  GOV-06 is now: required now (Separated sign-off with expiry)\n" in result.out


def test_a_dry_run_writes_nothing(project: Path, tmp_path: Path) -> None:
    before = snapshot(project)
    given = answers(tmp_path, system("eu-retail-credit"))
    result = cli("assess", "--answers", given, *DAY, "--dry-run", "--json", cwd=project)
    assert (result.code, result.data["written"]) == (0, [])
    assert result.data["record"]["tier"]["inherent"] == "high"
    assert result.data["one_answer_away"] == [{"fact": "autonomy", "value": "full", "tier": "critical"}]
    assert snapshot(project) == before


def test_what_is_not_answered_is_listed_whole(project: Path) -> None:
    """Facts and screen, exit 2, before anything is written; a question that does not arise is none of them."""
    before = snapshot(project)
    result = cli("assess", cwd=project)
    listed = [line for line in result.err.splitlines() if line.startswith("  `")]
    assert (result.code, len(listed)) == (2, 36)
    assert "  `screen: makes images of child abuse`: is not answered" in listed
    result = cli("assess", "--data", "jurisdictions=SG", cwd=project)
    assert "phi" not in result.err
    assert "significant_data_fiduciary" not in result.err
    assert "`sector`: is not answered" in result.err
    assert snapshot(project) == before


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("schema: 1\nfacts:\n  colour: red\n", "`colour`: is no fact of this map (`{0}` line 3)"),
        (
            "schema: 1\nfacts:\n  effect: huge\n",
            "`effect`: huge is none of none, minor, significant, legal_or_similar (`{0}` line 3)",
        ),
        ("effect: 3\n", "`effect`: is a word, not 3 (`{0}` line 1)"),
        ("persons_per_year: -1\n", "`persons_per_year`: is a number, not -1 (`{0}` line 1)"),
        ("genai: maybe\n", "`genai`: is yes or no (true, false), not maybe (`{0}` line 1)"),
    ],
)
def test_an_odd_fact_is_named_with_its_line(project: Path, tmp_path: Path, facts: str, message: str) -> None:
    given = tmp_path / "a.yaml"
    given.write_text(facts, "utf-8")
    result = cli("assess", "--answers", str(given), cwd=project)
    assert result.code == 2
    assert "  " + message.format(given) in result.err.splitlines()


def test_a_number_that_no_reader_takes_is_not_written(project: Path, tmp_path: Path) -> None:
    cli("assess", "--answers", answers(tmp_path, system("eu-retail-credit")), *DAY, cwd=project)
    before = snapshot(project)
    result = cli("assess", "--data", f"persons_per_year={2**63}", cwd=project)
    assert (result.code, result.err.splitlines()[1]) == (2, f"  `persons_per_year`: is a number, not {2**63}")
    assert snapshot(project) == before


def test_answers_that_contradict_each_other_stop(project: Path, tmp_path: Path) -> None:
    """The line of the first of them is named, and nothing is overwritten."""
    cli("assess", "--answers", answers(tmp_path, system("eu-retail-credit")), *DAY, cwd=project)
    before = snapshot(project)
    result = cli("assess", "--data", "personal_data=none", cwd=project)
    line = (project / "governance/facts.yaml").read_text("utf-8").partition("profiling:")[0].count("\n") + 1
    message = "`profiling` is yes and `personal_data` is none: whoever is judged is a person, on whom there is data"
    assert (result.code, result.err.splitlines()[0]) == (2, f"error: `governance/facts.yaml` line {line}: {message}")
    assert snapshot(project) == before


def test_a_prohibited_use_stops(project: Path, tmp_path: Path) -> None:
    """Whatever else was answered: exit 1, nothing written."""
    before = snapshot(project)
    yes = {**CLEAN, "answers": {**CLEAN["answers"], USES[2]: True}}  # type: ignore[dict-item]
    result = cli("assess", "--answers", answers(tmp_path, system("eu-retail-credit"), yes), cwd=project)
    assert result.code == 1
    assert result.out.splitlines() == [
        "this use may be prohibited: stop, and ask legal",
        f"  it {USES[2]} (Art. 5(1)(c) EU AI Act, from 2025-02-02; corroborated)",
    ]
    assert snapshot(project) == before


def test_the_screen_needs_no_project(tmp_path: Path) -> None:
    """Before `new`: ten answers, and a yes is exit 1."""
    given = answers(tmp_path, {})
    assert cli("assess", "--screen", "--answers", given, cwd=tmp_path).code == 0
    yes = {"answers": {**dict.fromkeys(USES, False), USES[9]: True}}
    result = cli("assess", "--screen", "--answers", answers(tmp_path, {}, yes), "--json", cwd=tmp_path)
    assert result.code == 1
    assert [one["use"] for one in result.data["prohibited"]] == [USES[9]]
    assert cli("assess", "--screen", cwd=tmp_path).code == 2


@pytest.mark.parametrize("text", ["- a\n", "facts: [1]\n", "facts: {a: 1\n", "schema: 2\nfacts: {}\n"])
def test_a_facts_file_that_is_none_is_refused(project: Path, text: str) -> None:
    """With file and line; it stays as it is."""
    put(project, {"governance/facts.yaml": text})
    result = cli("assess", cwd=project)
    assert result.code == 2
    assert result.err.startswith("error: `governance/facts.yaml` line ")
    assert (project / "governance/facts.yaml").read_text("utf-8") == text


@pytest.mark.parametrize("day", ["2026-13-01", "yesterday", "20261126x"])
def test_a_date_that_is_none(project: Path, day: str) -> None:
    result = cli("assess", "--as-of", day, cwd=project)
    assert (result.code, result.err.splitlines()[0]) == (2, f"error: `{day}` is no date")


@pytest.mark.parametrize("day", ["2019-01-01", "9999-12-31", "2026-11-25"])
def test_a_record_is_of_the_day_on_which_it_is_made(project: Path, tmp_path: Path, day: str) -> None:
    """It would be judged by its own day for ever; other days are for looking."""
    given = ("--answers", answers(tmp_path, system("eu-retail-credit")), "--as-of", day)
    before = snapshot(project)
    result = cli("assess", *given, cwd=project)
    said = [f"error: what applies on {day} is to be looked at, not put on record", "hint: add `--dry-run`"]
    assert (result.code, result.out, result.err.splitlines()) == (2, "", said)
    assert cli("assess", *given, "--dry-run", cwd=project).code == 0
    assert snapshot(project) == before


def test_on_a_terminal_every_question_says_what_it_sets_and_why(project: Path) -> None:
    """The screen first; an answer that is none is asked for again; what does not arise is not asked."""
    said = converse(
        [sys.executable, "-m", "ai_factory", "assess"],
        project,
        [
            *["n\n"] * 10,
            "internal_productivity\n",
            "nowhere\n",  # no line of business
            "8\n",
            "SG\n",
            "1, 2\n",
            "employees\n",
            "none\n",
            "200\n",
            "easy\n",
            "advisory\n",
            "none\n",
            *["n\n"] * 11,
            "nist_ai_rmf\n",
        ],
        prompt=":",
    )
    facts = documents.load((project / "governance/facts.yaml").read_bytes(), "facts")["facts"]
    assert "What does the system decide, or help people to decide?" in said
    assert "Sets `roles` and `third_party_deployers`." in said
    assert "nowhere is none of banking" in said
    assert "HIPAA" not in said
    assert (facts["sector"], facts["jurisdictions"], facts["roles"]) == ("other", ["SG"], ["provider", "deployer"])
    assert (facts["third_party_deployers"], facts["phi"], facts["frameworks_adopted"]) == (
        False,
        False,
        ["nist_ai_rmf"],
    )
    record = json.loads((project / "governance/applicability.json").read_text("utf-8"))
    assert record["tier"]["inherent"] == "low"


def test_answers_that_are_not_shown_are_counted(project: Path, tmp_path: Path) -> None:
    """Five single answers that would raise the tier are shown; how many more there are is said."""
    assessed(project, tmp_path)
    words = ("assess", "--answers", str(tmp_path / "answers.yaml"), *DAY)
    number = len(cli(*words, "--json", cwd=project).data["one_answer_away"])
    lines = cli(*words, cwd=project).out.splitlines()
    assert (number > 6, sum("one answer away" in line for line in lines)) == (True, 5)
    assert f"  {number - 5} more answers would raise it alone: `ai-factory assess --json` lists them" in lines
