"""A platform lead's day: a factory of their own, two releases, three projects, and one team's fix for all."""

from __future__ import annotations

from pathlib import Path

from tests.kit import Result, cli, commit, git, put
from tests.workshop.test_own_factory import LOWER

TEAMS = ("credit", "fraud", "claims")


def done(*arguments: str, cwd: Path) -> Result:
    result = cli(*arguments, cwd=cwd)
    assert (result.code, "error" in result.err) == (0, False), (arguments, result.out, result.err)
    return result


def synced(project: Path, version: str) -> None:
    done("sync", "--to", version, "--commit", cwd=project)
    done("check", cwd=project)


def announced(factory: Path, component: str, text: str) -> None:
    """A sentence under `## Unreleased` of a component's changelog, above what there is."""
    log = factory / "templates" / component / "CHANGELOG.md"
    before = log.read_text() if log.exists() else ""
    put(factory, {f"templates/{component}/CHANGELOG.md": f"## Unreleased\n\n- {text}\n\n{before}"})


def test_the_day_of_a_platform_lead(tmp_path: Path) -> None:
    # in the morning: a factory on top of another one, with a component of its own and one that it extends
    lower, own = tmp_path / "lower", tmp_path / "own"
    put(lower, LOWER)
    git(lower, "init", "--quiet")
    commit(lower)
    git(lower, "tag", "v1.0.0")
    done("factory", "new", "own", "--factory", str(lower), cwd=tmp_path)
    declared = (own / "factory.yaml").read_text()
    put(
        own,
        {
            "factory.yaml": declared + "components: { extra: extend }\nblueprints: { small: extend }\n",
            "blueprints/small.yaml": "components: [house]\n",
            "templates/extra/files/extra.txt": "ours\n",
            "templates/house/component.yaml": "summary: Whom to call\nrequires: [core]\n",
            "templates/house/files/CALL.md.jinja": "# Whom to call about {{ package }}\n",
        },
    )
    announced(own, "house", "Whom to call.")
    announced(own, "extra", "Ours.")
    commit(own)
    done("factory", "lint", cwd=own)
    done("factory", "test", cwd=own)
    done("factory", "release", "1.0.0", "--no-sign", cwd=own)
    for team in TEAMS:
        data = ("--data", f"package={team}_line", "--version", "v1.0.0")
        done("new", "small", team, "--defaults", "--factory", str(own), *data, cwd=tmp_path)
        assert (tmp_path / team / "CALL.md").read_text() == f"# Whom to call about {team}_line\n"

    # a component changes; the change is looked at, tried, and released
    put(
        own, {"templates/house/files/CALL.md.jinja": "# Whom to call about {{ package }}\n\nThe desk, day and night.\n"}
    )
    assert cli("factory", "lint", cwd=own).out.splitlines()[0] == (
        "templates/house/CHANGELOG.md: FL022 `files/CALL.md.jinja` is not that of 0.1.0 any more"
    )
    announced(own, "house", "The desk answers at night too.")
    assert "+The desk, day and night." in done("factory", "preview", "--diff", cwd=own).out
    commit(own)
    done("factory", "lint", cwd=own)
    tested = done("factory", "test", "--json", cwd=own).data
    assert tested["releases"] == ["v1.0.0"]
    assert done("factory", "release", "--no-sign", "--json", cwd=own).data["tag"] == "v1.0.1"

    # three projects follow, each with something of its own
    for team in TEAMS:
        project = tmp_path / team
        put(project, {"README.md": (project / "README.md").read_text() + f"\nThe team {team} wrote this.\n"})
        commit(project)
        plan = done("sync", "--to", "v1.0.1", "--plan", "--json", cwd=project).data
        ((name, notes),) = [(one["name"], one["notes"]) for one in plan["components"]]
        assert (name, "The desk answers at night too." in notes) == ("house", True)
        synced(project, "v1.0.1")
        assert "day and night" in (project / "CALL.md").read_text()
        assert f"The team {team} wrote this." in (project / "README.md").read_text()

    # one team mends a file that comes from the factory below: its fix becomes a file of ours
    fraud = tmp_path / "fraud"
    put(fraud, {"run.sh": "set -e\necho one\necho two\necho three\n"})
    commit(fraud)
    done("promote", "run.sh", "--into", str(own), "--branch", "from-fraud", cwd=fraud)
    assert git(own, "diff", "--name-only", "HEAD", "from-fraud").split() == [
        "factory.yaml",
        "templates/core/CHANGELOG.md",
        "templates/core/files/run.sh",
    ]
    git(own, "merge", "--quiet", "from-fraud")
    assert (own / "upstream/templates/core/files/run.sh").read_text() == LOWER["templates/core/files/run.sh"]
    done("factory", "lint", cwd=own)
    released = done("factory", "release", "--no-sign", "--json", cwd=own).data
    assert (released["tag"], [(one["name"], one["after"]) for one in released["components"]]) == (
        "v1.0.2",
        [("core", "1.0.0.post1")],
    )

    # and every project receives it, with what its team wrote
    for team in TEAMS:
        project = tmp_path / team
        synced(project, "v1.0.2")
        assert (project / "run.sh").read_text() == "set -e\necho one\necho two\necho three\n"
        assert f"The team {team} wrote this." in (project / "README.md").read_text()
