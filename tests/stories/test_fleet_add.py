"""`fleet add` and `fleet remove`: what repositories hold is written down, and people's words stay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ai_factory.fleet import hosts
from ai_factory.fleet.registry import Host
from ai_factory.forge.protocol import Found
from tests.fleet.kit import allow_filters, copied, must, served
from tests.kit import cli, commit, git, put, small_project, tree
from tests.trust.web import serving

HEAD = "# The projects of this fleet, and the factories that may bring them updates.\n"


@pytest.fixture
def lot(project: Path, factory: Path, tmp_path: Path) -> Path:
    """A folder of checkouts: a project, a repository of two, a bare one, one without, and a plain folder."""
    lot = tmp_path / "lot"
    put(lot, {"plain/README.md": "x\n", "other/README.md": "x\n"})
    git(lot, "init", "-q", "other")
    commit(lot / "other")
    mono = lot / "deep/mono"
    put(mono, {"README.md": "x\n"})
    git(lot, "init", "-q", str(mono))
    for name in ("limits", "fraud"):
        small_project(mono / "services" / name, factory)
    commit(mono)
    git(tmp_path, "clone", "-q", "--bare", str(project), str(lot / "bare.git"))
    git(lot, "clone", "-q", str(lot / "bare.git"), "clone")
    return lot


def text(where: Path) -> str:
    return (where / "fleet.yaml").read_text()


def test_a_first_fleet(project: Path, factory: Path, tmp_path: Path) -> None:
    """The file is made with where the project came from, and says so; again changes nothing; it can be looked at."""
    result = must(cli("fleet", "add", "small-thing", "--owner", "risk", "--label", "tier=high", cwd=tmp_path))
    assert result.out == (
        f"+ {project}\n"
        "these factories may now bring updates to them, as they came from there: strike out what you do not trust\n"
        f"      - url: {factory}\n"
        f"{tmp_path}/fleet.yaml: 1 added\n"
    )
    trusted = f"{HEAD}factories:\n  - url: {factory}\nprojects:\n"
    made = f"{trusted}  - url: {project}\n    owner: risk\n    labels:\n      tier: high\n"
    assert text(tmp_path) == made
    again = must(cli("fleet", "add", str(project), "--json", cwd=project))
    assert (again.data, text(tmp_path)) == (
        {
            "schema": "ai-factory/fleet-add/1",
            "fleet": f"{tmp_path}/fleet.yaml",
            "added": [],
            "present": [str(project)],
            "left": [],
            "failed": [],
            "factories": [],
        },
        made,
    )
    assert must(cli("fleet", "status", cwd=project)).out.endswith(
        "1 project\n  sync:    1 Behind\n  rollout: 1 None\n  health:  1 Unknown\n"
    )


def test_a_folder_of_checkouts(lot: Path, tmp_path: Path) -> None:
    """Every project of every repository below it, also two of one and bare ones; what holds none is told and left."""
    result = must(cli("fleet", "add", "--from-folder", "lot", cwd=tmp_path))
    keys = [f"{lot}/bare.git", f"{lot}/clone", f"{lot}/deep/mono#services/fraud", f"{lot}/deep/mono#services/limits"]
    assert result.out.splitlines()[:5] == [
        *(f"+ {key}" for key in keys),
        f"- {lot}/other holds no project: there is no `.ai-factory/lock.json`",
    ]
    assert result.out.splitlines()[-1] == f"{tmp_path}/fleet.yaml: 4 added, 1 left out"
    found = must(cli("fleet", "status", "--json", cwd=tmp_path)).data["projects"]
    assert [row["project"] for row in found] == keys
    assert must(cli("fleet", "add", "--from-folder", "lot", "--all", "--json", cwd=tmp_path)).data["added"] == [
        f"{lot}/other"
    ]


def test_a_clone_is_written_down_by_where_it_came_from(lot: Path, tmp_path: Path) -> None:
    """On request; one of its own stays a folder, and an address with a password is never written down."""
    secret = "https://me:secret@git.example.org/a.git"  # noqa: S105 - it must not be shown
    git(lot / "other", "remote", "add", "origin", secret)
    git(lot / "deep/mono", "remote", "add", "origin", "git@git.example.org:risk/mono.git")
    result = must(cli("fleet", "add", "--from-folder", "lot", "--origin", cwd=tmp_path))
    assert [line for line in text(tmp_path).splitlines() if "url" in line][1:] == [
        f"  - url: {lot}/bare.git",
        f"  - url: {tmp_path}/small-thing",
        "  - url: git@git.example.org:risk/mono.git",
        "  - url: git@git.example.org:risk/mono.git",
    ]
    assert f"- {lot}/other '{lot}/other': the address of the factory holds a name or a password" in result.out
    assert "secret" not in result.out + text(tmp_path)


def test_one_project_of_a_repository(lot: Path, tmp_path: Path) -> None:
    """By its folder, by `--path`, or behind the address; a folder without one is told."""
    mono = lot / "deep/mono"
    named = (
        ["lot/deep/mono/services/limits"],
        ["lot/deep/mono", "--path", "services/limits"],
        [f"{mono}#services/limits"],
    )
    for arguments in named:
        assert must(cli("fleet", "add", *arguments, cwd=tmp_path)).out.splitlines()[0] in (
            f"+ {mono}#services/limits",
            f"{tmp_path}/fleet.yaml: 0 added, 1 there already",
        )
    assert text(tmp_path).endswith(f"projects:\n  - url: {mono}\n    path: services/limits\n")
    result = must(cli("fleet", "add", "lot/deep/mono", "--path", "services", cwd=tmp_path))
    assert result.out.splitlines()[0] == f"- {mono}#services holds no project: there is no `.ai-factory/lock.json`"


def test_a_list(lot: Path, project: Path, tmp_path: Path) -> None:
    """One a line, with comments, from a file or standard input; all lines that name nothing are told, none added."""
    put(tmp_path, {"list": f"# ours\n\n{project}   # the first\n{lot}/deep/mono#services/fraud\n"})
    assert must(cli("fleet", "add", "--from-list", "list", "--json", cwd=tmp_path)).data["added"] == [
        f"{lot}/deep/mono#services/fraud",
        str(project),
    ]
    before = text(tmp_path)
    put(tmp_path, {"list": f"nowhere\n{lot}/clone\next::x\n"})
    result = cli("fleet", "add", "--from-list", "list", cwd=tmp_path)
    assert (result.code, text(tmp_path)) == (2, before)
    assert result.err == (
        "error: line 1: `nowhere` is neither an address nor a folder\n"
        "  line 3: `ext::x` is no address of a factory\n"
        "hint: mend the list\n"
    )
    command = [sys.executable, "-m", "ai_factory", "fleet", "add", "--from-list", "-", "--json"]
    done = subprocess.run(command, cwd=tmp_path, input=f"{lot}/clone\n", capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["added"] == [f"{lot}/clone"]


def test_over_http(project: Path, factory: Path, lot: Path, tmp_path: Path) -> None:
    """Repositories elsewhere are looked into without their contents; one that cannot be read is told by exit code 3."""
    root = tmp_path / "served"
    git(tmp_path, "clone", "-q", "--bare", str(lot / "deep/mono"), str(root / "mono.git"))
    allow_filters(root / "mono.git")
    with serving(served(root)) as server:
        urls = [f"{server.url}/mono.git", f"{server.url}/gone.git", str(project)]
        result = cli("fleet", "add", *urls, "--json", cwd=tmp_path)
        assert (result.code, result.data["added"]) == (
            3,
            [str(project), *(f"{server.url}/mono.git#services/{name}" for name in ("fraud", "limits"))],
        )
        (failed,) = result.data["failed"]
        assert (failed["project"], failed["kind"]) == (f"{server.url}/gone.git", "permission")
        assert result.data["factories"] == [str(factory)]
        status = cli("fleet", "status", "--json", cwd=tmp_path)
        assert [row["sync"] for row in status.data["projects"]] == ["Behind"] * 3


class Organisation:
    """A code host with repositories, of which one is archived and one has no address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def repositories(self, organisation: str) -> list[Found]:
        assert organisation == "risk/teams"
        places = (("clone", False), ("other", False), ("old", True))
        found = [Found(f"{self.url}/{name}", f"risk/teams/{name}", archived) for name, archived in places]
        return [*found, Found("ext::sh -c x", "risk/teams/evil")]


def test_an_organisation(lot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that its host lists and that hold projects; archived ones and odd addresses are told and left."""
    asked: list[Host] = []

    def connect(host: Host) -> Organisation:
        asked.append(host)
        return Organisation(str(lot))

    monkeypatch.setattr(hosts.organisation, "__defaults__", (connect,))
    put(tmp_path, {"fleet.yaml": "forges: [{ host: git.example.org, kind: gitlab, token: TOKEN }]\n"})
    result = cli("fleet", "add", "--from-organisation", "Git.Example.org/risk/teams", cwd=tmp_path)
    assert (result.code, result.out.splitlines()[:4], asked) == (
        0,
        [
            f"+ {lot}/clone",
            f"- {lot}/other holds no project: there is no `.ai-factory/lock.json`",
            f"- {lot}/old it is archived",
            "- risk/teams/evil `ext::sh -c x` is no address of a factory",
        ],
        [Host("git.example.org", "gitlab", "", "TOKEN")],
    )


def test_what_people_wrote_stays(project: Path, factory: Path, lot: Path, tmp_path: Path) -> None:
    """Comments, layout and order of the file; a project that goes takes its own lines alone, in a part too."""
    before = (
        "# our fleet\r\n"
        f'factories: [ {{url: "{factory}"}} ]   # ours\r\n'
        "rings:\r\n- {name: canary}\r\n"
        "projects:\r\n"
        "  # the first of all\r\n"
        f"  - {{ url: '{project}', ring: canary }}  # careful\r\n"
        "include: [teams/a.yaml]\r\n"
    )
    part = f"projects:\n# theirs\n- url: {lot}/bare.git # bare\n  owner: a\n"
    part += f"- url: {lot}/deep/mono\n  path: services/fraud\n"
    put(tmp_path, {"fleet.yaml": before.encode(), "teams/a.yaml": part})
    must(cli("fleet", "add", "lot/clone", "lot/bare.git", "--ring", "canary", cwd=tmp_path))
    row = f"  - url: {lot}/clone\r\n    ring: canary\r\n"
    added = before.replace("include:", f"{row}include:")
    assert ((tmp_path / "fleet.yaml").read_bytes().decode(), (tmp_path / "teams/a.yaml").read_text()) == (added, part)
    result = must(cli("fleet", "remove", f"{lot}/clone", f"{lot}/deep/mono", cwd=tmp_path))
    assert result.out == (
        f"- {lot}/clone\n- {lot}/deep/mono#services/fraud\n"
        f"{tmp_path}/fleet.yaml: 2 projects removed; their repositories stay as they are\n"
    )
    assert (tmp_path / "fleet.yaml").read_bytes().decode() == before
    assert (tmp_path / "teams/a.yaml").read_text() == part.partition(f"- url: {lot}/deep")[0]
    must(cli("fleet", "remove", "small-thing", cwd=tmp_path))
    must(cli("fleet", "remove", "lot/bare.git", cwd=tmp_path))
    assert cli("fleet", "status", cwd=tmp_path).err == (
        "error: the fleet has no projects\nhint: `ai-factory fleet add URL` adds some\n"
    )
    must(cli("fleet", "add", "small-thing", cwd=tmp_path))
    assert "# our fleet" in text(tmp_path)


REFUSED = [
    (["add"], "no repository is named"),
    (["add", "nowhere"], "`nowhere` is neither an address nor a folder"),
    (["add", "plain"], "`{tmp}/plain` is no git repository"),
    (["add", "small-thing", "--ring", "canary"], "the fleet has no ring `canary`"),
    (["add", "small-thing", "--label", "Tier=1"], "`Tier=` is no label"),
    (["add", "small-thing", "factory", "--path", "x"], "`--path` is given for several repositories"),
    (["add", "small-thing", "--workers", "1000"], "1000 cannot work at once"),
    (["add", "--from-folder", "nowhere"], "there is no folder `nowhere`"),
    (["add", "--from-list", "nowhere"], "there is no file `nowhere`"),
    (["add", "--from-organisation", "git.example.org/x"], "the fleet names no code host `git.example.org`"),
    (["add", "--from-organisation", "x"], "`x` names no organisation"),
    (["remove", "small-thing"], "there is no `fleet.yaml` here or above"),
    (["status"], "there is no `fleet.yaml` here or above"),
    (["status", "--only", "good"], "`good` is no state"),
    (["status", "--format", "sarif"], "`sarif` is no format"),
    (["status", "--output", "csv="], "`--output csv=` names no file"),
    (["status", "--output", "csv=list.csv"], "`list.csv` is there already, and is no earlier report in `csv`"),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED, ids=[" ".join(arguments) for arguments, _ in REFUSED])
def test_what_cannot_be_is_refused_before_anything_is_written(
    arguments: list[str], says: str, project: Path, tmp_path: Path
) -> None:
    put(tmp_path, {"plain/x": "", "list.csv": "a,b\n"})
    before = tree(tmp_path)
    result = cli("fleet", *arguments, cwd=tmp_path)
    assert (result.code, result.out, result.err.splitlines()[0]) == (2, "", f"error: {says.format(tmp=tmp_path)}")
    assert result.err.splitlines()[-1].startswith("hint: ")
    assert tree(tmp_path) == before
    assert project.is_dir()


def test_a_repository_with_odd_folders_stops_no_other(project: Path, tmp_path: Path) -> None:
    """A path that no checkout would have is no project of the fleet; the others of that repository are."""
    blob = git(project, "rev-parse", "HEAD:.ai-factory/lock.json")
    for path in ("a\\b", "new\nline", "fine"):
        git(project, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}/.ai-factory/lock.json")
    git(project, "commit", "-q", "-m", "odd")
    copied(project, "second")
    assert must(cli("fleet", "add", "small-thing", "second", "--json", cwd=tmp_path)).data["added"] == [
        f"{tmp_path}/{name}{path}" for name in ("second", "small-thing") for path in ("", "#fine")
    ]
