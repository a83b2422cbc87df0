"""Reports at their limits: what is kept, in which order, and that the rest is told."""

from __future__ import annotations

import json

import pytest

from ai_factory.check import Finding, Waiver
from ai_factory.errors import UsageError
from ai_factory.report import github, gitlab, markdown, sarif
from ai_factory.report.findings import Checked
from ai_factory.report.formats import FORMATS, Own, document, failed, is_ours
from ai_factory.report.rows import Report, ranked
from tests import valid

WAIVER = Waiver("AF002", "r", "a", "b", "2999-12-31", path="w")
WHOLE = Finding("AF002", "a.py", "was edited", "core", ("AUD-01", "AUD-02"), "mend it", 7, "team", WAIVER)


def report(*findings: Finding, code: int = 1) -> Report:
    return Report("check", (Checked(".", "1", findings),), code)


def many(rule: str, number: int) -> list[Finding]:
    return [Finding(rule, f"{rule}/{place:05}", "m") for place in range(number)]


def test_the_gravest_come_first_and_of_these_those_that_weaken_most() -> None:
    findings = (
        Finding("AF010", "f", "m", waiver=WAIVER),
        Finding("AF011", "a", "m"),
        Finding("AF002", "b", "m"),
        Finding("AF002", "z", "m", controls=("A-01", "A-02")),
        Finding("AF003", "y", "m", controls=("A-01",)),
        Finding("AF005", "x", "m"),
    )
    assert [row.path for row in ranked(report(*findings))] == ["x", "z", "y", "b", "a", "f"]


@pytest.mark.parametrize(
    ("numbers", "last"),
    [
        ((10, 10, 10), None),
        ((11, 0, 0), "1 more finding not annotated here: GitHub shows 10 of a kind in a step"),
        ((12, 11, 13), "6 more findings not annotated here: GitHub shows 10 of a kind in a step"),
    ],
)
def test_no_more_annotations_than_github_shows(numbers: tuple[int, int, int], last: str | None) -> None:
    findings = [
        item for rule, number in zip(("AF002", "AF011", "AF001"), numbers, strict=True) for item in many(rule, number)
    ]
    lines = github.document(report(*findings)).splitlines()
    told = valid.read("github", "\n".join(lines))
    kinds = [one.grade for one in told]
    assert [kinds.count(kind) for kind in ("error", "warning", "notice")] == [min(10, number) for number in numbers]
    assert lines[len(told) :] == ([last] if last else [])


def test_an_annotation_says_all_there_is() -> None:
    assert github.document(report(WHOLE)) == (
        "::error file=a.py,line=7,title=AF002 managed file edited::a.py was edited%0Aweakens AUD-01, AUD-02"
        "%0Acomponent core%0Aowner: team%0Awaiver until 2999-12-31%0Ahint: mend it"
    )


def test_a_note_is_a_notice_where_nothing_else_is_found() -> None:
    assert github.document(report(code=0)) == ""
    assert github.document(report(code=0)._replace(notes=("a note",))) == "::notice title=ai-factory::a note"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_a_note_once(name: str) -> None:
    """However many projects and findings there are; a code host has a place of its own for it."""
    several = Report("check", (Checked("a", "1", ()), Checked("b", "1", (WHOLE, WHOLE))), 1, notes=("a note",))
    text = document(name, several, Own())
    assert text.count("a note") == 1
    if name in ("github", "gitlab"):
        assert valid.notes(name, text) == 1


@pytest.mark.parametrize("name", ["markdown", "gitlab", "github"])
@pytest.mark.parametrize("size", [20, 5000])
def test_notes_leave_room_and_are_counted(name: str, size: int) -> None:
    """A baseline can be healed of thousands of findings at once; and findings are told all the same."""
    notes = tuple(f"{number} {'x' * size}" for number in range(2000))
    text = document(name, report(*many("AF002", 300))._replace(notes=notes), Own())
    assert len(valid.read(name, text)) == {"markdown": 300, "gitlab": 300, "github": 10}[name]
    limit = {"markdown": markdown.COMMENT, "gitlab": (300 + gitlab.NOTES) * 1000 + 100 * size, "github": 100_000}[name]
    assert len(text.encode()) <= limit
    assert "more notes not " in text


def test_errors_leave_room_too() -> None:
    errors = tuple(UsageError("x" * 5000) for _ in range(50))
    text = markdown.document(report(*many("AF002", 30))._replace(errors=errors))
    assert (len(text.encode()) <= markdown.COMMENT, len(valid.read("markdown", text))) == (True, 30)
    assert "48 more errors not shown here: this page holds no more." in text.splitlines()


THEIRS = {  # what people have written, and looks a little like a report
    "text": [
        "we had\n3 projects: limits, fraud and cards\nlast year\n",
        "error: to err is human\n",
        "gate passed: tier\n",
        "2 projects: 1 error; failed\nso we wrote:\n",
    ],
    "json": ['{"schema": "ai-factory/baseline/1", "findings": []}', '{"schema": "ai-factory/assessment/1"}'],
    "jsonl": ['{"type": "error", "line": 1}\n', '{"type": "summary", "schema": "other"}\n'],
    "sarif": ['{"$schema": "https://x/sarif.json", "runs": [{"tool": {"driver": {"name": "other"}}}]}'],
    "github": ["::error file=a.py,line=1::no\n", "::notice ::x\n"],
    "gitlab": ['[{"type": "issue", "check_name": "error", "location": {"path": "a.py"}}]', "[1]"],
    "junit": ['<?xml version="1.0"?>\n<testsuites name="pytest tests">'],
    "markdown": ["### ai-factory roadmap\n", "# notes\n### ai-factory check: passed\n"],
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_people_write_is_no_report_of_ours(name: str) -> None:
    assert [text for text in THEIRS[name] if is_ours(name, text)] == []


@pytest.mark.parametrize("name", FORMATS)
def test_every_report_is_known_again(name: str) -> None:
    """With findings or without, with notes, and where there was no result."""
    error = UsageError("no `x`", "try `z`")
    several = (
        *(report(*(Finding(rule, "p", "m") for rule in ("AF002", "AF005", "AF011")), code=code) for code in (0, 1, 2)),
        report(code=0)._replace(notes=("a note",)),
        report(WHOLE)._replace(projects=(Checked("a", "1", ()), Checked("b", "1", (WHOLE,)))),
        *(failed(command, error) for command in ("check", "gate")),
    )
    assert [document(name, one, Own()) for one in several if not is_ours(name, document(name, one, Own()))] == []


def test_a_log_holds_no_more_results_than_github_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out is of the least weight, and a notification says how much it is."""
    assert (sarif.RESULTS, sarif.TAGS) == (25_000, 20)
    monkeypatch.setattr(sarif, "RESULTS", 3)
    text = sarif.document(report(*many("AF011", 3), *many("AF002", 2)))
    assert [one.rule for one in valid.read("sarif", text)] == ["AF002", "AF002", "AF011"]
    (told,) = json.loads(text)["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert told == {
        "level": "warning",
        "message": {"text": "2 findings of the least weight left out: a file holds 3"},
    }


def test_a_result_has_no_more_tags_than_github_takes() -> None:
    controls = tuple(f"AUD-{number:02}" for number in range(30))
    text = sarif.document(report(WHOLE._replace(controls=controls)))
    (result,) = json.loads(text)["runs"][0]["results"]
    assert (result["properties"]["tags"], controls[-1] in result["message"]["text"]) == (list(controls[:20]), True)


def test_a_result_says_all_there_is() -> None:
    (result,) = json.loads(sarif.document(report(WHOLE)))["runs"][0]["results"]
    assert result["message"]["text"] == (
        "a.py was edited; weakens AUD-01, AUD-02; component core; owner: team; waiver until 2999-12-31; hint: mend it"
    )
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "a.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 7},
            }
        }
    ]


def test_nothing_in_a_result_is_a_link_or_a_placeholder() -> None:
    """A viewer of SARIF makes a link of `[text](address)`, and puts an argument in the place of `{0}`."""
    text = sarif.document(report(Finding("AF011", "[x](https://evil.invalid){0}", "m")))
    (result,) = json.loads(text)["runs"][0]["results"]
    assert result["message"]["text"] == "[x] (https://evil.invalid){{0}} m"


def test_a_comment_is_cut_to_what_a_forge_takes() -> None:
    text = markdown.document(report(*many("AF002", 3000)))
    shown = len(valid.read("markdown", text))
    assert 59_000 < len(text.encode()) <= markdown.COMMENT
    assert f"{3000 - shown} more findings not shown here: this page holds no more." in text.splitlines()
    assert text.splitlines()[-1] == "1 project: 3000 errors"


@pytest.mark.parametrize("limit", [0, 300, 400, 1000])
def test_a_page_that_holds_no_row_has_no_table(limit: int) -> None:
    text = markdown.document(report(*many("AF002", 3)), limit)
    assert ("|---|" in text) is bool(valid.read("markdown", text))
    assert text.startswith("### ai-factory check: failed\n")


def test_fingerprints_are_of_their_own_also_where_two_findings_are_alike() -> None:
    twice = [Finding("AF007", "facts.yaml", "m", controls=("GOV-01",))] * 2
    other = Finding("AF007", "facts.yaml", "m", controls=("GOV-02",))
    data = json.loads(gitlab.document(report(*twice, other)))
    assert len({row["fingerprint"] for row in data}) == 3
    assert [row["fingerprint"] for row in json.loads(gitlab.document(report(twice[0], other)))] == [
        data[0]["fingerprint"],
        data[2]["fingerprint"],
    ]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "text"])
def test_an_error_is_a_valid_document_with_its_hint(name: str) -> None:
    error = UsageError("no `x`\n::error::y", "try `z`", ("one more",))
    text = document(name, failed("gate", error), Own())
    valid.read(name, text)
    assert ("try `z`" in text, "one more" in text, "\n::error::y" in text) == (True, True, False)


def test_addresses_and_references_in_markdown_are_text() -> None:
    """A forge makes links of bare addresses and of issues by their number."""
    shown = markdown.literal("http://a.b https://c www.d.e GH-12 #12")
    assert shown == "http:\u200b//a.b https:\u200b//c www\u200b.d.e GH-\u200b12 \\#\u200b12"


def test_a_path_for_gitlab_is_spelled_out() -> None:
    """Control characters, marks that turn text, and bytes that are not UTF-8."""
    found = Report("check", (Checked("p", "v", (Finding("AF002", "a\n\u202eb\udcff", "was edited"),)),), 1)
    (issue,) = json.loads(gitlab.document(found))
    assert issue["location"]["path"] == "a\\n\\u202eb\\udcff"
