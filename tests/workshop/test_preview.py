"""What a change of components does to projects is shown before anybody has it; a fleet stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import LINES, SMALL, cli, commit, git, put, small_factory, small_project, snapshot

RUNBOOK = "templates/core/files/ops/runbook.md"


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    """The small factory at v2.0.0, with a second blueprint that was released as v2.1.0."""
    made = small_factory(tmp_path / "factory")
    put(made, {"blueprints/other.yaml": "summary: Another one\ncomponents: [core, extras]\nanswers: {package: odd}\n"})
    commit(made)
    git(made, "tag", "v2.1.0")
    return made


def test_nothing_changes(factory: Path) -> None:
    assert cli("factory", "preview", cwd=factory).out.splitlines() == [
        "v2.1.0 → v2.1.0",
        "",
        "other: as before",
        "small: as before",
        "",
        "no project would change",
    ]


def test_the_same_difference_is_shown_once(factory: Path) -> None:
    """For both blueprints, and for both ways of one; what only a component that is optional shows is told so."""
    put(factory, {RUNBOOK: (factory / RUNBOOK).read_text().replace("line 7\n", "line seven\n")})
    put(factory, {"templates/nice/files/docs/nice.md": "nicer\n", "templates/core/files/ops/more.md": "more\n"})
    result = cli("factory", "preview", "--diff", cwd=factory)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "v2.1.0 → v2.1.0-dirty",
        "",
        "other: 1 file changed, 1 file added (+2 -1)",
        "small: 1 file changed, 1 file added (+2 -1)",
        "small with all that is optional: 2 files changed, 1 file added (+3 -2)",
        "",
        "templates/core/files/ops/more.md (+1 -0): other, small",
        "  --- /dev/null",
        "  +++ b/templates/core/files/ops/more.md",
        "  @@ -0,0 +1 @@",
        "  +more",
        "",
        "templates/core/files/ops/runbook.md (+1 -1): other, small",
        "  --- a/templates/core/files/ops/runbook.md",
        "  +++ b/templates/core/files/ops/runbook.md",
        "  @@ -4,7 +4,7 @@",
        "   line 4",
        "   line 5",
        "   line 6",
        "  -line 7",
        "  +line seven",
        "   line 8",
        "   line 9",
        "   line 10",
        "",
        "templates/nice/files/docs/nice.md (+1 -1): small (optional)",
        "  --- a/templates/nice/files/docs/nice.md",
        "  +++ b/templates/nice/files/docs/nice.md",
        "  @@ -1 +1 @@",
        "  -nice",
        "  +nicer",
    ]


def test_only_what_a_component_changes(factory: Path) -> None:
    put(factory, {"templates/nice/files/docs/nice.md": "nicer\n", "templates/extras/files/docs/extra.md": "more\n"})
    told = cli("factory", "preview", "extras", "--json", cwd=factory).data
    places = [
        {"blueprint": name, "whole": whole, "path": "docs/extra.md"}
        for name, whole in (("other", False), ("small", False), ("small", True))
    ]
    assert told["differences"] == [
        {"source": "templates/extras/files/docs/extra.md", "more_lines": 1, "fewer_lines": 1, "places": places}
    ]
    assert (told["schema"], told["components"], told["fleet"]) == ("ai-factory/factory-preview/1", ["extras"], None)


def test_against_another_version(factory: Path) -> None:
    """A blueprint that is new is named; an ownership that changes is one line more."""
    manifest = SMALL["templates/core/component.yaml"].replace('main.py": seeded', 'main.py": merged')
    put(factory, {"templates/core/component.yaml": manifest})
    told = cli("factory", "preview", "--against", "v2.0.0", "--diff", cwd=factory)
    assert told.out.splitlines() == [
        "v2.0.0 → v2.1.0-dirty",
        "",
        "other: is new",
        "small: 1 file changed (+0 -0)",
        "",
        "templates/core/files/src/{{ package }}/main.py.jinja (+0 -0): small",
        "  templates/core/files/src/{{ package }}/main.py.jinja: seeded → merged",
    ]


def test_a_template_that_is_broken(factory: Path) -> None:
    put(factory, {"templates/nice/files/a.md.jinja": "{{ nothing }}\n"})
    result = cli("factory", "preview", cwd=factory)
    assert result.code == 1
    assert "small with all that is optional: cannot be stamped: `templates/nice/files/a.md.jinja` line 1" in result.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["cor"], "error: there is no component `cor`; did you mean `core`?"),
        (["--against", "v9"], "error: the factory has no version `v9`"),
        (["--fleet", "nowhere.yaml"], "error: there is no `nowhere.yaml` here or above"),
        (["--factory", "ops"], "error: `ops` is no folder"),
    ],
)
def test_what_is_refused(arguments: list[str], told: str, factory: Path) -> None:
    result = cli("factory", "preview", *arguments, cwd=factory)
    assert (result.code, result.out, result.err.splitlines()[0]) == (2, "", told)


def test_a_folder_without_history_has_nothing_to_compare_with(tmp_path: Path) -> None:
    put(tmp_path, SMALL)
    result = cli("factory", "preview", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: `{tmp_path}` is no git repository")


# ---- a fleet -------------------------------------------------------------------------------------


@pytest.fixture
def fleet(factory: Path, tmp_path: Path) -> Path:
    """A project as it was stamped, one with an edit in the way, one of another factory; a broken one apart."""
    for name in ("plain", "edited", "apart"):
        small_project(tmp_path / name, factory, version="v2.1.0")
    put(
        tmp_path / "edited",
        {"ops/runbook.md": LINES.replace("line 7\n", "line 7, ours\n").replace("line 2\n", "line two\n")},
    )
    commit(tmp_path / "edited")
    git(tmp_path, "clone", "-q", str(factory), "fork")
    small_project(tmp_path / "stranger", tmp_path / "fork", version="v2.1.0")
    put(tmp_path / "apart", {".ai-factory/lock.json": "no lock"})
    commit(tmp_path / "apart")
    rows = "".join(f"  - url: {tmp_path / name}\n" for name in ("plain", "edited", "stranger"))
    (tmp_path / "fleet.yaml").write_text(f"factories: [{{url: {factory}}}]\nprojects:\n{rows}")
    return tmp_path / "fleet.yaml"


def test_which_projects_of_a_fleet_change(factory: Path, fleet: Path, tmp_path: Path) -> None:
    """The same as a sync would do after a release; no repository of the fleet, nor the factory, is written in."""
    put(factory, {RUNBOOK: (factory / RUNBOOK).read_text().replace("line 7\n", "line seven\n")})
    before = snapshot(tmp_path)
    result = cli("factory", "preview", "core", "--fleet", str(fleet), cwd=factory)
    assert snapshot(tmp_path) == before
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines()[-5:] == [
        "",
        "2 of 3 projects would change, 1 with conflicts",
        f"  {tmp_path}/plain: 1 file",
        f"  {tmp_path}/edited: 1 file, in conflict: `ops/runbook.md`",
        f"  {tmp_path}/stranger: it comes from another factory: {tmp_path}/fork",
    ]


def test_a_project_of_which_nobody_can_tell(factory: Path, fleet: Path, tmp_path: Path) -> None:
    fleet.write_text(f"{fleet.read_text()}  - url: {tmp_path / 'apart'}\n")
    result = cli("factory", "preview", "--fleet", str(fleet), "--json", cwd=factory)
    assert result.code == 3
    assert [(one["key"].rpartition("/")[2], one["outcome"]) for one in result.data["fleet"]] == [
        ("plain", "untouched"),
        ("edited", "untouched"),
        ("stranger", "other"),
        ("apart", "failed"),
    ]


def test_a_clone_knows_the_projects_of_where_it_came_from(fleet: Path, tmp_path: Path) -> None:
    fork = tmp_path / "fork"
    put(fork, {RUNBOOK: (fork / RUNBOOK).read_text().replace("line 7\n", "line seven\n")})
    result = cli("factory", "preview", "--fleet", str(fleet), "--json", cwd=fork)
    assert [one["outcome"] for one in result.data["fleet"]] == ["touched", "touched", "touched"]
