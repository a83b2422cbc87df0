"""Where projects stand, as people, programs, spreadsheets and Prometheus read it; nothing in it is taken for more."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ai_factory.cli.fleets.status import FORMS
from ai_factory.fleet.each import Failure
from ai_factory.fleet.registry import Member
from ai_factory.fleet.standing.status import TOGETHER, Standing
from ai_factory.report.fleets import prometheus, standings
from ai_factory.report.fleets.standings import Told
from tests.debian import tool
from tests.fleet.kit import AUDIT, copied, fleet, must, rows
from tests.kit import cli, converse
from tests.shell import BIN
from tests.trust.test_outputs import NAMES, TEXT, orders

WHY = Failure("transient", "`https://h/lost` cannot be reached", "try again later")


def standing(name: str, sync: str, rollout: str, health: str, **more: Any) -> Standing:
    at: dict[str, Any] = {"blueprint": "small", "version": "v1", "newest": "v2", "branch": "main", "commit": "c" * 40}
    return Standing(Member(name), sync, rollout, health)._replace(**{**at, **more})


DRIFTED: dict[str, Any] = {"releases": 2, "days": 30, "drifted": 2, "controls": ("AUD-01",), "request": "https://h/1"}
HELD: dict[str, Any] = {"releases": 1, "days": 1, "until": "2027-01-01", "reason": "freeze"}
SEEN = (
    standing("/srv/synced", "Synced", "Merged", "Passing", version="v2", releases=0, days=0),
    standing("/srv/behind", "Behind", "Held", "Pending", member=Member("/srv/behind", owner="risk"), **HELD),
    Standing(Member("https://h/lost"), why=WHY),
    standing("", "Diverged", "Open", "Unknown", member=Member("/srv/drifted", "services/limits"), **DRIFTED),
    standing("/srv/waits", "Behind", "Conflicted", "Unknown", conflicts=1),
    standing("/srv/fails", "Synced", "None", "Failing", version="v2", releases=0, days=0),
    Standing(Member("/srv/other"), "Unmanaged", "None", "Unknown"),
)
WHOLE = Told(SEEN, SEEN, now=1_800_000_000)
TEXTS = """\
could not be determined (1)
  https://h/lost                Unknown    Unknown     Unknown
      transient: `https://h/lost` cannot be reached
      hint: try again later

an update waits for a person (1)
  /srv/waits                    Behind     Conflicted  Unknown  v1 of v2
      1 conflict open

not what the factory promised (1)
  /srv/drifted#services/limits  Diverged   Open        Unknown  v1 of v2, 2 releases, 30 days
      2 files drifted, weakens AUD-01
      https://h/1

their own checks fail (1)
  /srv/fails                    Synced                 Failing  v2

behind (1)
  /srv/behind                   Behind     Held        Pending  v1 of v2, 1 release, 1 day
      held until 2027-01-01: freeze

no project of a factory (1)
  /srv/other                    Unmanaged              Unknown

7 projects
  sync:    1 Unknown, 1 Diverged, 2 Behind, 1 Unmanaged, 2 Synced
  rollout: 1 Conflicted, 1 Open, 1 Held, 1 Merged, 2 None, 1 Unknown
  health:  1 Failing, 1 Pending, 4 Unknown, 1 Passing"""


def test_what_needs_somebody_today_comes_first() -> None:
    """Those in order are counted, and shown on request; the exit code says that one is unknown."""
    assert (standings.text(WHOLE), WHOLE.code) == (TEXTS, 3)
    assert Told(SEEN[:2], SEEN[:2]).code == 0
    shown = standings.text(Told(SEEN[:1], SEEN, whole=True)).splitlines()
    assert shown[:2] == ["in order (1)", "  /srv/synced  Synced  Merged  Passing  v2"]
    assert shown[3] == "7 projects"


@pytest.mark.parametrize("width", [100, 80, 20])
def test_the_table_fits_the_terminal(width: int) -> None:
    """The name of the project gives way, at its beginning; nothing else is cut."""
    lines = standings.text(WHOLE._replace(width=width)).splitlines()
    table = [line for line in lines if re.match(r"  \S+ +(Unknown|Behind|Diverged|Synced|Unmanaged) ", line)]
    assert len(table) == 6
    assert max(map(len, table)) <= max(width, 79)
    assert any(line.endswith("v1 of v2, 2 releases, 30 days") for line in table)
    assert any(re.match(r"  …\S*limits ", line) for line in table) is (width < 90)


def test_one_object_for_programs() -> None:
    found = json.loads(standings.json(WHOLE))
    assert list(found) == ["schema", "exit_code", "counts", "projects"]
    assert (found["schema"], found["exit_code"]) == ("ai-factory/fleet-status/1", 3)
    assert found["counts"]["health"] == {"Failing": 1, "Pending": 1, "Unknown": 4, "Passing": 1}
    assert [row["project"] for row in found["projects"]] == sorted(one.member.key for one in SEEN)
    assert tuple(found["projects"][0]) == standings.COLUMNS


def test_a_row_for_spreadsheets() -> None:
    (row,) = csv.DictReader(io.StringIO(standings.csv(Told((SEEN[1],), SEEN)), newline=""))
    at = {"project": "/srv/behind", "url": "/srv/behind", "owner": "risk", "branch": "main", "commit": "c" * 40}
    words = {"sync": "Behind", "rollout": "Held", "health": "Pending", "hold": "until 2027-01-01: freeze"}
    versions = {"blueprint": "small", "version": "v1", "newest": "v2", "releases_behind": "1", "days_behind": "1"}
    noughts = {"drifted_files": "0", "open_conflicts": "0", "waived": "0"}
    assert row == {**dict.fromkeys(standings.COLUMNS, ""), **at, **words, **versions, **noughts}


METRICS = """\
# HELP ai_factory_fleet_project Where a project stands, in the labels.
# TYPE ai_factory_fleet_project gauge
ai_factory_fleet_project{project="/srv/waits",owner="",ring="",blueprint="small",version="v1",\
sync="Behind",rollout="Conflicted",health="Unknown"} 1
# HELP ai_factory_fleet_releases_behind Releases of its factory that a project lacks.
# TYPE ai_factory_fleet_releases_behind gauge
# HELP ai_factory_fleet_behind_seconds Time since the first release that a project lacks, in whole days.
# TYPE ai_factory_fleet_behind_seconds gauge
# HELP ai_factory_fleet_drifted_files Managed files that were edited or removed.
# TYPE ai_factory_fleet_drifted_files gauge
ai_factory_fleet_drifted_files{project="/srv/waits"} 0
# HELP ai_factory_fleet_open_conflicts Files that wait for a decision.
# TYPE ai_factory_fleet_open_conflicts gauge
ai_factory_fleet_open_conflicts{project="/srv/waits"} 1
"""


def test_metrics() -> None:
    """What is not known has no series, and every state is counted, also where no project has it."""
    found = prometheus.document(WHOLE._replace(shown=(SEEN[4],)))
    assert found[: len(METRICS)] == METRICS
    rest = found[len(METRICS) :].splitlines()
    assert 'ai_factory_fleet_projects{axis="sync",state="Behind"} 2' in rest
    assert 'ai_factory_fleet_projects{axis="rollout",state="Failed"} 0' in rest
    assert rest[-1] == "ai_factory_fleet_seen_timestamp_seconds 1800000000"


def _hostile(text: str) -> Standing:
    """A project of which everything that a stranger may choose is that text."""
    made = Standing(Member(text, text, text, text, text, {"a": text}), "Drifted", "Open", "Unknown")
    named: dict[str, Any] = dict.fromkeys(
        ("blueprint", "version", "newest", "until", "reason", "branch", "commit", "request"), text
    )
    return made._replace(why=Failure("bug", text, text), controls=(text,), drifted=1, conflicts=1, **named)


HOSTILE = tuple(_hostile(text) for text in (*NAMES, TEXT, '"} 1\nevil{x="', "\\", "\ud800", 'a\\"b'))


@pytest.mark.parametrize("form", FORMS)
def test_no_value_is_taken_for_more_than_text(form: str) -> None:
    """Names, owners, versions, reasons and messages: no order to a build server, no control character, no formula."""
    text = FORMS[form].document(Told(HOSTILE, HOSTILE, whole=True))
    text.encode("ascii" if form == "json" else "utf-8", "strict")
    assert orders(re.split("\r?\n", text)) == []
    if form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(text + "\r\n", newline="")) for cell in row]
        assert [cell for cell in cells if re.match(r"\s*[=+\-@]", cell)] == []
        assert len(text.split("\r\n")) == 1 + len(HOSTILE)
    if form == "text":
        assert len(text.splitlines()) == len(text.split("\n"))
    if form == "prometheus":
        label = r'\w+="(?:[^"\\]|\\["\\])*"'
        whole = re.compile(rf"# .*|ai_factory_fleet_\w+(\{{{label}(,{label})*\}})? [0-9.e+-]+")
        assert [line for line in text.split("\n") if not whole.fullmatch(line)] == []


def test_prometheus_reads_them(tmp_path: Path) -> None:
    """Prometheus' own tool takes the metrics, hostile labels and all, and has nothing to say against their names."""
    text = prometheus.document(Told((*SEEN, *HOSTILE), SEEN, now=1.5)) + "\n"
    command = [tool("promtool"), "check", "metrics"]
    done = subprocess.run(command, cwd=tmp_path, input=text, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def three(project: Path, factory: Path) -> Path:
    """A fleet of three projects in two rings: one behind, one diverged, one that is nowhere."""
    copied(project, "diverged", {AUDIT: "edited\n"})
    text = rows(project, factory=factory) + "    ring: canary\n    labels: { tier: high }\n"
    text += f"  - {{ url: {project.parent}/diverged, owner: risk, ring: rest }}\n  - url: {project.parent}/nowhere\n"
    return fleet(project.parent / "f", f"rings: [{{ name: canary }}, {{ name: rest }}]\n{text}")


@pytest.mark.parametrize(
    ("options", "names", "code"),
    [
        ([], ["diverged", "nowhere", "small-thing"], 3),
        (["--ring", "canary", "--ring", "rest"], ["diverged", "small-thing"], 0),
        (["--owner", "risk"], ["diverged"], 0),
        (["--label", "tier=high"], ["small-thing"], 0),
        (["--only", "behind", "--only", "DIVERGED"], ["diverged", "small-thing"], 3),
        (["--only", "Held"], [], 3),
    ],
)
def test_a_part_of_a_fleet(options: list[str], names: list[str], code: int, three: Path) -> None:
    """What is not meant is not looked at; `--only` leaves out what was looked at, which still counts."""
    result = cli("fleet", "status", "--json", "--workers", "2", *options, cwd=three)
    assert (result.code, [row["project"].rpartition("/")[2] for row in result.data["projects"]]) == (code, names)
    assert sum(result.data["counts"]["sync"].values()) == (len(names) if "--only" not in options else 3)


def test_outputs_beside_the_text(three: Path) -> None:
    """Each format in a file of its own, which the next run replaces; nothing else is replaced."""
    outputs = [f"--output={form}={form}.out" for form in FORMS]
    for _ in range(2):
        result = cli("fleet", "status", *outputs, "--ring", "canary", cwd=three)
        assert (result.code, result.err) == (0, "")
    assert (three / "text.out").read_text() == result.out
    assert json.loads((three / "json.out").read_text())["projects"][0]["sync"] == "Behind"
    assert [(three / f"{form}.out").read_text()[:20] for form in ("csv", "prometheus")] == [
        "project,url,path,own",
        "# HELP ai_factory_fl",
    ]
    (three / "fleet.yaml").rename(three / "away.yaml")
    assert cli("fleet", "status", *outputs, cwd=three).code == 2
    assert json.loads((three / "json.out").read_text())["schema"] == "ai-factory/error/1"
    assert (three / "text.out").read_text().startswith("error: there is no `fleet.yaml` here or above\n")
    (three / "away.yaml").rename(three / "fleet.yaml")
    assert cli("fleet", "status", *outputs, "--ring", "canary", cwd=three).code == 0
    result = cli("fleet", "status", "--output", "text=fleet.yaml", cwd=three)
    assert (result.code, result.err.splitlines()[0]) == (
        2,
        "error: `fleet.yaml` is there already, and is no earlier report in `text`",
    )


def test_a_command_loads_no_other(three: Path) -> None:
    """What starts `fleet status` does not load what the other commands need."""
    script = (
        "import sys; from ai_factory.__main__ import _command; _command(sys.argv[1:])();"
        "print(sorted(name for name in sys.modules if name.startswith('ai_factory.cli.fleets.')))"
    )
    command = [sys.executable, "-c", script, "fleet", "status", "--ring", "canary"]
    done = subprocess.run(command, cwd=three, capture_output=True, text=True, check=True)
    loaded = [f"ai_factory.cli.fleets.{name}" for name in ("options", "results", "status")]
    assert done.stdout.splitlines()[-1] == str(loaded)


def test_a_bar_on_a_terminal(three: Path) -> None:
    """It is gone at the end, and the table below it is the same."""
    lost = "".join(f"  - url: {three / str(number)}\n" for number in range(TOGETHER + 1))
    with (three / "fleet.yaml").open("a") as stream:
        stream.write(lost)
    said = converse([str(BIN / "ai-factory"), "fleet", "status"], three, [])
    assert "[########################......] 16 of 20 projects" in said
    assert said.rstrip().endswith("20 Unknown")
    assert must(cli("fleet", "status", "--ring", "canary", cwd=three)).err == ""
