"""What many teams changed in the same way becomes a proposal, and a patch where the template's lines are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from ai_factory.fleet.looking import Unread
from ai_factory.fleet.scaling.hunks import Hunk, hunks, named, names
from ai_factory.fleet.scaling.insights import Change, Edits, Hot, Insights, Place, Proposal, Spot, hot, proposals
from ai_factory.fleet.scaling.upstream import Patch, named_files, patch
from ai_factory.report import insights as report
from tests import kit
from tests.fleet.test_measures import HOSTILE, fleet

AUDIT = "src/{}/controls/audit.py"
TEMPLATE = "templates/core/files/src/{{ package }}/controls/audit.py"
FIXED = "def record() -> None:\n    print()\n    flush()\n"  # of what the small factory's second release gives
RUNBOOK = "ops/runbook.md"
EDITED = kit.LINES.replace("line 2\n", "line two\n").replace("line 9\n", "line 9\ncall 112\n")


# ---- hunks ---------------------------------------------------------------------------------------


def test_a_hunk_has_its_lines_and_what_stands_around_them() -> None:
    """However the lines end."""
    old, new = b"1\n2\n3\n4\n5\n6\n7\n", b"1\r\n2\r\n3\r\n4\r\nnew\r\n6\r\n7\r\n8\r\n"
    assert hunks(old, new) == [
        Hunk(("2", "3", "4"), ("5",), ("new",), ("6", "7")),
        Hunk(("5", "6", "7"), (), ("8",), ()),
    ]


@pytest.mark.parametrize("content", [b"\0", b"\xff", b"line\n" * 6000, b"".join(b"%d\n" % n for n in range(900))])
def test_what_nobody_edits_by_hand_has_no_hunks(content: bytes) -> None:
    """Binaries, other encodings, very long files and files that were written anew."""
    assert hunks(b"a\n", content) == []


def test_answers_become_names_where_they_stand_alone() -> None:
    """The longest first; no part of a longer word, none that the file does not hold, none that is short."""
    answers = {"package": "credit_line", "title": "credit", "kind": "ab", "other": "forecast", "many": ["credit_line"]}
    known = names(answers, "src/credit_line/x", "credit")
    assert known == [("credit_line", "package"), ("credit", "title")]
    text = "import credit_line.x, discredit, test_credit_line, credit, forecast, ab"
    told = "import {{ package }}.x, discredit, test_{{ package }}, {{ title }}, forecast, ab"
    assert (named(text, known), named(text, [])) == (told, text)


# ---- groups --------------------------------------------------------------------------------------

PLACE = Place("f", "core", "a.py")


def change(project: str, raw: Hunk, hunk: Hunk | None = None, place: Place = PLACE) -> Edits:
    """A project with one edit."""
    return Edits(project, (Change(project, place, ("AUD-01",), raw, hunk or raw),), ())


def test_the_same_hunk_in_enough_projects_is_a_proposal() -> None:
    """A project counts once; another file, component or factory is another edit; the order is always the same."""
    one = Hunk(("1",), ("2",), ("3",), ())
    found = [change(name, one) for name in "cab"]
    twice = found[0]._replace(changes=found[0].changes * 2)
    other = change("d", one, place=PLACE._replace(factory="g"))
    told = Proposal(PLACE, one, (one,), ("a", "b", "c"), ("AUD-01",), identical=True)
    assert proposals([twice, *found[1:], other]) == proposals([other, *found[::-1]]) == [told]
    assert proposals([twice, found[1]]) == []


def test_alike_is_what_differs_in_space_or_surroundings_alone() -> None:
    one, two = Hunk(("1",), ("x",), ("a  b", ""), ()), Hunk(("9",), ("x",), ("  a b",), ("3",))
    (made,) = proposals([change("a", one), change("b", two), change("c", one)])
    assert (made.identical, made.projects, made.variants) == (False, ("a", "b", "c"), (one, two))


def test_what_is_the_same_to_the_letter_is_the_same() -> None:
    """One project's answer happens to be a word of the edit."""
    raw = Hunk((), (), ("owner: risk",), ())
    mapped = raw._replace(added=("owner: {{ team }}",))
    (made,) = proposals([change("a", raw), change("b", raw, mapped), change("c", raw)])
    assert (made.projects, made.identical) == (("a", "b", "c"), True)


def test_a_project_counts_once_in_a_hot_spot() -> None:
    spots = [
        Spot("a", PLACE, ("AUD-01", "AUD-02"), "edited"),
        Spot("a", PLACE._replace(path="b.py"), ("AUD-01",), "deleted"),
        Spot("b", PLACE, ("AUD-01",), "waived"),
    ]
    assert hot(spots, lambda spot: [(name, "") for name in spot.controls]) == (
        Hot("AUD-01", "", 2, 1, 1, 1),
        Hot("AUD-02", "", 1, 1, 0, 0),
    )


# ---- patches -------------------------------------------------------------------------------------

JINJA = "templates/core/files/{{package}}.txt.jinja"


def made(template: str, hunk: Hunk, *variants: Hunk, name: str = JINJA) -> Patch:
    """The patch of an edit of `x.txt` in a factory with that template."""
    path = "{{ package }}.txt" if "{{" in name else "x.txt"
    return patch(kit.files({name: template}), "core", path, hunk, variants or (hunk,))


def test_names_are_written_as_the_template_writes_them() -> None:
    """A rendered template gets the name where projects have their own word, and each name that it knows already."""
    hunk = Hunk(("a {{ package }}",), ("b",), ("c {{ package }}",), ())
    found = made("a {{package}}\nb\n", hunk, Hunk(("a x",), ("b",), ("c x",), ()), Hunk(("a y",), ("b",), ("c y",), ()))
    assert found == Patch(
        JINJA,
        f"--- a/{JINJA}\n+++ b/{JINJA}\n@@ -1,2 +1,2 @@\n a {{{{package}}}}\n-b\n+c {{{{ package }}}}\n",
    )


LINE = Hunk(("1",), ("2",), ("3",), ())
NOT_ONE = "its lines do not map one to one to those of the template"


@pytest.mark.parametrize(
    ("template", "hunk", "why"),
    [
        ("1\n2\n1\n2\n", LINE, NOT_ONE),
        ("1\n{% if a %}\n2\n{% endif %}\n", LINE, NOT_ONE),
        ("1 {{ a | upper }}\n2\n", LINE._replace(before=("1 A",)), NOT_ONE),
        ("{% if a %}\n2\n", LINE._replace(before=("{% if a %}",)), NOT_ONE),
        ("other\n", LINE, NOT_ONE),
        ("1\n3\n", LINE, "the factory has it already"),
        ("1\n2\n", LINE._replace(added=("{{ a }}",)), "the edit holds what a template takes for its own syntax"),
        ("1\r\n2\r\n", LINE, "the template is no text in whole lines"),
        ("1\n2", LINE, "the template is no text in whole lines"),
    ],
)
def test_lines_are_never_guessed(template: str, hunk: Hunk, why: str) -> None:
    """Where they stand twice, or below a condition, or the edit would be template code: text, and the reason."""
    assert made(template, hunk) == Patch(JINJA, why=why)


def test_an_edit_that_names_answers_fits_no_plain_file() -> None:
    hunk = Hunk(("1",), (), ("{{ package }}",), ())
    variants = (hunk._replace(added=("x",)), hunk._replace(added=("y",)))
    assert made("1\n", hunk, *variants, name="templates/core/files/x.txt").why == NOT_ONE
    assert made("1\n", hunk, *variants).why == NOT_ONE  # the template does not know the name
    assert made("1\n", hunk, variants[0], name="templates/core/files/x.txt").text


def test_a_path_that_no_template_gives_has_no_patch() -> None:
    assert patch({}, "core", "x.txt", LINE, (LINE,)) == Patch(why="no one template gives that path")
    twice = kit.files({"templates/core/files/x.txt": "1\n2\n", "templates/core/files/x.txt.jinja": "1\n2\n"})
    assert patch(twice, "core", "x.txt", LINE, (LINE,)).why == "no one template gives that path"


def test_files_of_patches_are_plain_names() -> None:
    rows = [("core ../../a", Patch("t", "x")), ("none", Patch(why="no")), ("", Patch("t", "y"))]
    assert named_files(rows) == {"001-core-a.patch": "x", "003-.patch": "y"}


# ---- a fleet -------------------------------------------------------------------------------------


def project(tmp_path: Path, factory: Path, name: str, files: Mapping[str, str | bytes | None]) -> str:
    """A project of another name with such edits, at the second release."""
    place = tmp_path / name
    made = kit.cli(
        *("new", "small", str(place), "--defaults", "--data", f"use_case={name}", "--factory", str(factory)),
        *("--version", "v2.0.0"),
    )
    assert made.code == 0, made.err
    kit.put(place, files)
    kit.commit(place)
    return str(place)


@pytest.fixture
def several(tmp_path: Path, factory: Path) -> Path:
    """Three projects with the same fix in a managed file, two of them with the same line in the runbook."""
    kinds: dict[str, dict[str, str | None]] = {
        "alpha": {RUNBOOK: EDITED},
        "beta": {RUNBOOK: EDITED.replace("\n", "\r\n")},
        "gamma": {"ops/new.md": None},
    }
    urls = [
        project(tmp_path, factory, name, {AUDIT.format(name): FIXED, f"src/{name}/main.py": f"own = {name}\n", **more})
        for name, more in kinds.items()
    ]
    return fleet(tmp_path / "fleet", factory, *urls, str(tmp_path / "nowhere"))


def test_a_fix_of_many_teams_is_proposed_to_the_factory(several: Path, factory: Path) -> None:
    """Its patch applies to the factory, and a project stamped then has the fix; what is theirs alone is left alone."""
    result = kit.cli("fleet", "insights", "--json", "--patch", "out", cwd=several)
    (one,) = result.data["proposals"]
    assert result.code == 3  # one could not be read
    assert (one["path"], one["component"], one["controls"], one["identical"], len(one["projects"])) == (
        AUDIT.format("{{ package }}"),
        "core",
        ["AUD-01"],
        True,
        3,
    )
    assert one["diff"] == [" def record() -> None:", "     print()", "+    flush()"]
    (place,) = (several / "out").iterdir()
    assert place.name == "001-core-src-package-controls-audit-py.patch"
    head = f"--- a/{TEMPLATE}\t\n+++ b/{TEMPLATE}\t\n@@ -1,2 +1,3 @@\n"
    assert place.read_text() == f"{head} def record() -> None:\n     print()\n+    flush()\n"
    kit.git(factory, "apply", str(place))
    assert (factory / TEMPLATE).read_text() == FIXED
    assert result.data["hot"]["files"] == [
        {
            "name": AUDIT.format("{{ package }}"),
            "component": "core",
            "projects": 3,
            "edited": 3,
            "deleted": 0,
            "waived": 0,
        }
    ]


def test_fewer_projects_are_enough_where_fewer_are_asked_for(several: Path) -> None:
    text = kit.cli("fleet", "insights", "--least", "2", cwd=several)
    nowhere = several.parent / "nowhere"
    assert text.code == 3
    assert (
        text.out
        == f"""\
3 projects, identical: src/{{{{ package }}}}/controls/audit.py (component core)
  |  def record() -> None:
  |      print()
  | +    flush()
  touches AUD-01
  in {several.parent}/alpha, {several.parent}/beta, {several.parent}/gamma
  `--patch DIR` writes a patch of `{TEMPLATE}`
2 projects, identical: ops/runbook.md (component core)
  |  line 7
  |  line 8
  |  line 9
  | +call 112
  |  line 10
  |  line 11
  |  line 12
  touches GOV-08
  in {several.parent}/alpha, {several.parent}/beta
  `--patch DIR` writes a patch of `templates/core/files/ops/runbook.md`
managed files that drift:
  3 projects: src/{{{{ package }}}}/controls/audit.py (component core): 3 edited
components that drift:
  3 projects: core: 3 edited
controls that this weakens:
  3 projects: AUD-01: 3 edited
not read: {nowhere}: `{nowhere}` is no git repository
3 projects: 2 proposals to the factory
"""
    )


def test_a_waived_edit_is_told_as_such(several: Path) -> None:
    waiver = """\
- {rule: AF002, path: src/alpha/controls/audit.py, reason: until the fix is released, owner: ana@example.org,
   approver: bo@example.org, until: 2099-12-31}
"""
    kit.put(several.parent / "alpha", {".ai-factory/waivers.yaml": waiver})
    kit.commit(several.parent / "alpha")
    (row,) = kit.cli("fleet", "insights", "--json", cwd=several).data["hot"]["files"]
    assert (row["projects"], row["edited"], row["waived"]) == (3, 2, 1)


def test_hostile_edits_stay_text() -> None:
    """No line of an edit, and no name, is an order, markup, or an end of the code that it stands in."""
    hunk = Hunk(("```",), ("````<b>",), ("::error::x", HOSTILE), ("~~~",))
    one = Proposal(Place(HOSTILE, HOSTILE, HOSTILE), hunk, (hunk,), (HOSTILE,), (HOSTILE,), identical=False)
    spot = Hot(HOSTILE, HOSTILE, 1, 1, 0, 0)
    found = Insights(1, (one,), (spot,), (spot,), (spot,), (Unread(HOSTILE, "", HOSTILE, "bug"),))
    assert not any(line.startswith(("::", "=")) for line in report.text(found).splitlines())
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(report.markdown(found))
    assert "<script" not in html
    assert "<b>" not in html
    assert html.count("<pre>") == 1
    assert json.loads(json.dumps(report.data(found)))["proposals"][0]["projects"] == [HOSTILE]
