"""`fleet hold`: a project is left alone until a day, by a line in the fleet's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import cli, put

TEXT = """\
# Our fleet.
projects:
  - url: /srv/git/limits.git # the first
    owner: risk
  # what follows is new
  - {url: /srv/git/cards.git, labels: {tier: high}}
include: [team.yaml]
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    put(tmp_path, {"fleet.yaml": TEXT, "team.yaml": "projects:\n  - url: /srv/git/claims.git\n"})
    return tmp_path


def test_a_project_is_held_and_takes_part_again(here: Path) -> None:
    """In the file in which it stands; other people's lines stay."""
    done = cli("fleet", "hold", "/srv/git/claims.git", "--until", "2999-03-01", "--reason", "audit: freeze", cwd=here)
    assert (done.code, done.out) == (0, "/srv/git/claims.git left alone until 2999-03-01: audit: freeze\n")
    assert (here / "fleet.yaml").read_text() == TEXT
    assert (here / "team.yaml").read_text() == (
        "projects:\n  - url: /srv/git/claims.git\n    hold:\n      until: 2999-03-01\n      reason: 'audit: freeze'\n"
    )
    done = cli("fleet", "hold", "/srv/git/claims.git", "--end", "--json", cwd=here)
    assert done.data == {"schema": "ai-factory/fleet-hold/1", "project": "/srv/git/claims.git", "hold": {}}
    assert (here / "team.yaml").read_text() == "projects:\n  - url: /srv/git/claims.git\n"


def test_what_people_wrote_around_a_row_stays(here: Path) -> None:
    """Comments on it and in it, also where it stands on one line."""
    for name in ("limits", "cards"):
        url = f"/srv/git/{name}.git"
        assert cli("fleet", "hold", url, "--until", "2999-03-01", "--reason", "x", cwd=here).code == 0
        text = (here / "fleet.yaml").read_text()
        assert [line for line in TEXT.splitlines() if "#" in line and line not in text] == []
        assert cli("fleet", "hold", url, "--end", cwd=here).code == 0
    assert (here / "fleet.yaml").read_text() == TEXT


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("/srv/git/limits.git",), "say until when and why, or that it ends"),
        (("/srv/git/limits.git", "--end", "--reason", "x"), "say until when and why, or that it ends"),
        (("/srv/git/limits.git", "--until", "2020-01-01", "--reason", "x"), "2020-01-01 is past"),
        (("/srv/git/limits.git", "--until", "soon", "--reason", "x"), "`--until soon` is no day"),
        (("/srv/git/limits.git", "--until", "2999-01-01", "--reason", " "), "a hold needs a reason"),
        (("/srv/git/none.git", "--end"), "`/srv/git/none.git` is no project of the fleet"),
    ],
)
def test_what_is_no_hold_is_refused(options: tuple[str, ...], says: str, here: Path) -> None:
    done = cli("fleet", "hold", *options, cwd=here)
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {says}")
    assert (here / "fleet.yaml").read_text() == TEXT
