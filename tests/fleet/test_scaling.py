"""The sponsor's one page: what it says, that its pictures are sound, and that nothing in it is fetched or runs."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ai_factory.fleet.looking import Unread
from ai_factory.fleet.scaling import measures
from ai_factory.fleet.scaling.decisions import Decision, decisions
from ai_factory.fleet.scaling.laws import Amendment, Lead
from ai_factory.fleet.scaling.measured import Drift, Governance
from ai_factory.fleet.scaling.measures import Measures, Point, Trend
from ai_factory.fleet.scaling.samples import Sample, Value
from ai_factory.fleet.scaling.story import Story
from ai_factory.report import scaling
from ai_factory.report.pictures import Bar, Dot, bars, curve
from tests import kit
from tests.fleet import history
from tests.fleet.test_measures import HOSTILE, fleet, on, one

EDITED = Drift("a", "audit", "managed", ("AUD-01",), "edited")


def several(*numbers: int | None) -> Measures:
    """Systems that were stamped ten days after each other, and were in production after so many days."""
    stories = [
        Story(on(10 * at), production=on(10 * at + days) if days else 0, touches=(on(10 * at + 1),))
        for at, days in enumerate(numbers)
    ]
    return Measures(tuple(one(f"s{at}", story, behind=Value(at % 2)) for at, story in enumerate(stories)))


# ---- formulas ------------------------------------------------------------------------------------


def points(*numbers: float | None) -> list[Point]:
    return [Point(at, f"s{at}", Value(number)) for at, number in enumerate(numbers, 1)]


@pytest.mark.parametrize(
    ("numbers", "halves"),
    [
        ((9, 7, 5, 3), (1, 4, 7, 3)),
        ((None, 9, None, 5, 1), (2, 5, 9, 1)),
        ((5,), None),
        ((None, None), None),
    ],
)
def test_a_trend_compares_both_halves(
    numbers: tuple[float | None, ...], halves: tuple[int, int, float, float] | None
) -> None:
    """By the nearest rank; systems without a number do not count, and of an odd count the middle is in neither."""
    known = points(*numbers)
    wanted = Trend(known[halves[0] - 1], known[halves[1] - 1], *halves[2:]) if halves else None
    assert measures.trend(known) == wanted


def test_what_needs_a_decision_is_named_with_its_systems() -> None:
    """In production without an approval comes first; what is of nobody is left out."""
    rows = (
        one("b", Story(on(0), production=on(9)), "", governance=Governance()),
        one("a", Story(on(0)), drift=(EDITED,), conflicts=1, behind=Value(2)),
        one("c", Story(on(0), cut=True)),
    )
    lead = Lead(Amendment("f", "v2", on(3), "", ("a",)), Sample(1, 2, 2, {"does not cover it yet": 3}))
    found = decisions(Measures(rows, (Unread("d", "", "gone", "permission"),), (lead,)), 2)
    assert [(row.what, row.projects) for row in found] == [
        ("in production without an approval", ("b",)),
        ("a managed file drifted, and nobody answers for it", ("a",)),
        ("a conflict of an update is open", ("a",)),
        ("no tier is on record", ("b",)),
        ("the newest release is not applied", ("a",)),
        ("could not be read", ("d",)),
        ("a clone without its history", ("c",)),
        ("the change of law of v2 is not covered by 3 of those it concerns", ()),
        ("edits that many teams made in the same way: 2", ()),
    ]
    assert decisions(Measures((one("a", Story(on(0))),)), 0) == []
    assert isinstance(found[0], Decision)


# ---- pictures ------------------------------------------------------------------------------------


def parsed(picture: str) -> ET.Element:
    """The picture as XML. Fails where it is none."""
    return ET.fromstring(picture)  # noqa: S314 - our own output


def drawn(picture: str) -> list[tuple[str, str]]:
    """The parts of a picture, each with its text."""
    return [(part.tag.rpartition("}")[2], part.text or "") for part in parsed(picture).iter()]


def test_bars_are_as_long_as_their_numbers() -> None:
    picture = bars("Tiers", [Bar("low", 2), Bar("a<b>&" + "x" * 40, 1)])
    wide = [float(part.attrib["width"]) for part in parsed(picture).iter() if part.tag.endswith("rect")]
    assert wide[0] == 2 * wide[1]
    assert drawn(picture)[1:3] == [("title", "Tiers"), ("desc", f"low: 2; a<b>&{'x' * 40}: 1")]
    assert [text for tag, text in drawn(picture) if tag == "text"] == ["low", "2", f"a<b>&{'x' * 18}…", "1"]


def test_a_curve_has_a_dot_for_each_number_that_is_known() -> None:
    """The highest at the top, zero at the bottom; the words say each."""
    found = parsed(curve("Time", [Dot(1, 8), Dot(2, None), Dot(3, 0)], "days"))
    dots = [(part.attrib["cx"], part.attrib["cy"]) for part in found.iter() if part.tag.endswith("circle")]
    assert dots == [("34.0", "16.0"), ("330.0", "128.0")]
    assert found[1].text == "days, 1: 8; 3: 0"
    assert parsed(curve("One", [Dot(1, 5)], "days")).attrib["role"] == "img"


def test_nothing_known_gives_no_picture() -> None:
    assert (bars("t", []), curve("t", [], "d"), curve("t", [Dot(1, None)], "d")) == ("", "", "")


# ---- the page ------------------------------------------------------------------------------------


def test_the_page_says_whether_it_scales() -> None:
    found = several(40, 30, 20, 10, None)
    assert scaling.markdown(scaling.page(found, 1, "2026-06-01")) == (Path(__file__).parent / "scaling.md").read_text()


class Reader(HTMLParser):
    """The elements of a page, which all have to be closed in their order, and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "rect", "circle", "polyline", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


PARTS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "section", "ul", "li", "span", "code", "main"),
    *("details", "summary", "table", "thead", "tbody", "tr", "th", "td"),
    *("svg", "desc", "text", "rect", "circle", "polyline", "path"),
}


def hostile() -> Measures:
    """Systems, components, controls and tiers of names that want to be more than names."""
    drift = Drift(HOSTILE, HOSTILE, "managed", (HOSTILE, "</svg><script>x</script>"), "edited")
    row = one(HOSTILE, Story(on(0), production=on(3)), owner=HOSTILE, drift=(drift,), version=HOSTILE, factory=HOSTILE)
    lead = Lead(Amendment(HOSTILE, HOSTILE, on(1), HOSTILE, (HOSTILE,)), Sample(0, None, None, {HOSTILE: 1}))
    return Measures((row, row._replace(key="https://x" * 900)), (Unread(HOSTILE, "", HOSTILE, "bug"),), (lead,))


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    """Its policy forbids all but its own style, by its digest; no attribute leads anywhere; names stay text."""
    text = scaling.html(scaling.page(hostile(), 0, "2026-06-01"))
    reader = read(text)
    assert {tag for tag, _ in reader.found} <= PARTS
    for _, given in reader.found:
        assert not {"src", "href", "style", "action"} & given.keys()
        assert not any(name.startswith("on") for name in given)
    style = text.partition("<style>")[2].partition("</style>")[0]
    seal = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(given["content"] for tag, given in reader.found if given.get("http-equiv"))
    assert policy == f"default-src 'none'; style-src 'sha256-{seal}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"url\(|@import|expression", style)
    assert "::error" not in {line[:7] for line in text.splitlines()}
    assert any("<script>" in one for one in reader.texts)  # as text


def test_each_picture_has_its_numbers_in_words_and_as_a_table() -> None:
    text = scaling.html(scaling.page(several(40, 30, 20, 10, None), 0, "2026-06-01"))
    sections = re.findall(r"<section>.*?</section>", text, re.DOTALL)
    pictured = [one for one in sections if "<svg" in one]
    assert len(pictured) == 4
    assert all("<desc>" in one and "<table>" in one for one in pictured)
    assert "<desc>days, 1: 40; 2: 30; 3: 20; 4: 10</desc>" in text


def test_no_picture_where_nothing_is_known() -> None:
    text = scaling.html(scaling.page(Measures(()), 0, "2026-06-01"))
    assert "<svg" not in text
    assert "Nothing." in read(text).texts


def test_markdown_of_hostile_names_stays_text() -> None:
    told = scaling.markdown(scaling.page(hostile(), 0, "2026-06-01"))
    assert "<script>" not in told.replace("\\<script\\>", "")
    assert "@everyone" not in told


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, factory: Path) -> Path:
    """A fleet of two projects, of which the second needed half the time."""
    first = history.stamped(tmp_path / "one" / "small-thing", factory, "2026-01-05")
    second = history.stamped(tmp_path / "two" / "small-thing", factory, "2026-03-05", "v2.0.0")
    for place, day in ((first, "2026-01-25"), (second, "2026-03-15")):
        history.work(place, day, {"governance/system.yaml": "status: production\n"})
    return fleet(tmp_path / "fleet", factory, str(first), str(second))


def test_the_page_is_written_where_it_is_asked_for(folder: Path) -> None:
    """The ending of the name says in which form; without a name Markdown is printed."""
    printed = kit.cli("fleet", "report", cwd=folder)
    written = [kit.cli("fleet", "report", "-o", name, cwd=folder) for name in ("page.md", "page.html")]
    assert [(one.code, one.out, one.err) for one in written] == [
        (0, "", "written: page.md\n"),
        (0, "", "written: page.html\n"),
    ]
    assert (folder / "page.md").read_text() == printed.out
    assert "20 days in system 1, 10 in system 2; median of the earlier half 20, of the later 10" in printed.out
    read((folder / "page.html").read_text())
    again = (folder / "page.html").read_bytes()
    kit.cli("fleet", "report", "-o", "page.html", cwd=folder)
    assert (folder / "page.html").read_bytes() == again


def test_another_form_is_refused_before_anything_is_read(folder: Path) -> None:
    result = kit.cli("fleet", "report", "-o", "page.pdf", "--fleet", "nowhere.yaml", cwd=folder)
    assert (result.code, result.err) == (
        2,
        "error: `--output page.pdf` is of no form that is known\nhint: name it .html or .md\n",
    )


def test_one_that_cannot_be_read_is_a_decision(folder: Path) -> None:
    with (folder / "fleet.yaml").open("a") as stream:
        stream.write("- url: /nowhere\n")
    result = kit.cli("fleet", "report", "--json", cwd=folder)
    assert result.code == 3
    assert {"what": "1 system: could not be read (/nowhere)", "hint": "`ai-factory fleet measures`"} in result.data[
        "decisions"
    ]
    assert [one["title"] for one in result.data["sections"]] == [
        "Stamp to production, system after system",
        "Days with work on governance, system after system",
        "Adoption of the newest release",
        "Systems by tier, and their governance",
        "Reuse, and changes of law",
        "Drift by control",
    ]
