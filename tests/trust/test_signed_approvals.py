"""Signed approvals: where signers are named, an approval counts by the signature of whom it names, and by no other."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from ai_factory import git as ours
from ai_factory.governance.approvals import REGISTER, SIGNERS
from tests.approving import CONFIRM, RISK, WHO, updated, waiting
from tests.kit import Result, cli, commit, git, put, snapshot
from tests.trust.test_signers import key

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")
OWNER, OFFICER, PLATFORM, MALLORY = (f"{name}@example.org" for name in ("owner", "risk", "platform", "mallory"))


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """A key each, by address."""
    people = (OWNER, OFFICER, PLATFORM, MALLORY, "second@example.org")
    return {who: key(tmp_path / "keys", who.partition("@")[0]) for who in people}


def line(keys: dict[str, Path], who: str, options: str = "", of: str = "") -> str:
    """A line of allowed signers: an address and its key, or that of another."""
    return f"{who} {options}{keys[of or who].read_text()}"


@pytest.fixture
def signers(tmp_path: Path, keys: dict[str, Path]) -> str:
    """The file of allowed signers, outside of the project: everybody but Mallory."""
    put(tmp_path, {"signers": "".join(line(keys, who) for who in keys if who != MALLORY)})
    return str(tmp_path / "signers")


def signed(project: Path, public: Path, message: str = "work", email: str = "") -> str:
    """Commit everything with a signature by that key; the commit's id."""
    git(project, "add", "-A")
    who = ("-c", f"user.email={email}") if email else ()
    settings = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={public}", *who)
    git(project, *settings, "commit", "-q", "--allow-empty", "-S", "-m", message)
    return git(project, "rev-parse", "HEAD")


def approve(project: Path, role: str, who: tuple[str, ...]) -> None:
    result = cli("approve", role, *who, cwd=project)
    assert result.code == 0, result.err


@pytest.fixture
def by_both(approved: Path, keys: dict[str, Path]) -> Path:
    """The project with approvals of both roles, each in a commit that its approver signed."""
    approve(approved, "business owner", WHO)
    signed(approved, keys[OWNER])
    approve(approved, "risk", RISK)
    signed(approved, keys[OFFICER])
    return approved


def standing(project: Path, *options: str) -> tuple[str, list[str]]:
    """How the control on approvals stands, and why."""
    found = cli("gate", *options, "--json", cwd=project)
    assert found.code in (0, 1), found.out
    (row,) = [row for row in found.data["controls"] if row["control"] == "GOV-06"]
    return row["status"], [gap["message"] for gap in row["gaps"]]


def void(role: str, why: str) -> tuple[str, list[str]]:
    return "fail", [f"approval of the {role}: {why}"]


def refused(project: Path, *options: str) -> Result:
    """The gate's refusal; nothing is written."""
    before = snapshot(project)
    result = cli("gate", *options, cwd=project)
    assert (result.code, snapshot(project)) == (2, before)
    return result


def test_an_approval_counts_in_a_commit_that_its_approver_signed(by_both: Path, signers: str) -> None:
    """Nothing is asked where nobody named signers; what others add to the register afterwards takes nothing away."""
    assert standing(by_both) == ("pass", [])
    assert standing(by_both, "--signers", signers) == ("pass", [])
    put(by_both, {REGISTER: "# a comment\n" + (by_both / REGISTER).read_text().replace("\n  - role", "\n\n  - role")})
    commit(by_both)
    assert standing(by_both, "--signers", signers) == ("pass", [])


def test_exports_say_what_the_gate_says(by_both: Path, signers: str) -> None:
    """Also where an approval counts for nothing, since nobody signed it."""
    approve(by_both, "risk", RISK)
    commit(by_both)
    for options in ((), ("--signers", signers)):
        status, _ = standing(by_both, *options)
        table = csv.DictReader(io.StringIO(cli("export", "csv", *options, cwd=by_both).out, newline=""))
        assert [row["status"] for row in table if row["id"] == "GOV-06"] == [status]
    assert cli("export", "csv", "--signers", "nowhere", cwd=by_both).code == 2


def test_a_commit_without_a_signature_is_nobodys_approval(by_both: Path, signers: str) -> None:
    approve(by_both, "risk", RISK)
    head = commit(by_both)
    why = f"the commit {head[:7]} that wrote it is not signed by {OFFICER}: it has no signature"
    assert standing(by_both, "--signers", signers) == void("risk", why)
    rows = cli("gate", "--signers", signers, "--json", cwd=by_both).data["controls"]
    (gap,) = next(row["gaps"] for row in rows if row["control"] == "GOV-06")
    assert gap["hint"] == (
        "`ai-factory approve risk --approver … --author … --expires …`, "
        "then `git commit -S` with the key that the allowed signers name"
    )


def test_a_row_that_is_not_committed_is_nobodys_approval(by_both: Path, signers: str) -> None:
    approve(by_both, "risk", RISK)
    assert standing(by_both, "--signers", signers) == void("risk", "it is not committed")


def test_a_row_that_somebody_edits_afterwards_is_not_the_one_that_was_signed(by_both: Path, signers: str) -> None:
    """One day more, and the signature is gone; the other approval stands."""
    text = (by_both / REGISTER).read_text()
    place = text.rindex("2027-06-30")
    put(by_both, {REGISTER: text[:place] + "2027-07-30" + text[place + 10 :]})
    head = commit(by_both)
    why = f"the commit {head[:7]} that wrote it is not signed by {OFFICER}: it has no signature"
    assert standing(by_both) == ("pass", [])
    assert standing(by_both, "--signers", signers) == void("risk", why)


def test_the_signature_of_another_who_is_named_is_not_the_approvers(
    by_both: Path, signers: str, keys: dict[str, Path]
) -> None:
    """Also where that one writes the approver's address into the commit."""
    approve(by_both, "risk", RISK)
    head = signed(by_both, keys[OWNER], email=OFFICER)
    why = f"the commit {head[:7]} that wrote it is not signed by {OFFICER}: {OWNER} did"
    assert standing(by_both, "--signers", signers) == void("risk", why)


def test_a_key_that_nobody_named_counts_for_nothing(by_both: Path, signers: str, keys: dict[str, Path]) -> None:
    """Nor does it with settings of the project that name it."""
    approve(by_both, "risk", RISK)
    head = signed(by_both, keys[MALLORY])
    put(by_both.parent, {"own": line(keys, OFFICER, of=MALLORY)})
    git(by_both, "config", "gpg.ssh.allowedSignersFile", str(by_both.parent / "own"))
    git(by_both, "config", "gpg.ssh.program", "true")
    flaw = "its key is not among those that the file of signers names"
    why = f"the commit {head[:7]} that wrote it is not signed by {OFFICER}: {flaw}"
    assert standing(by_both, "--signers", signers) == void("risk", why)


@pytest.mark.parametrize(
    ("limits", "flaw"),
    [
        ('valid-before="20250101" ', "its key had expired"),
        ('valid-after="20990101" ', "its key was not valid yet"),
        ('namespaces="file" ', "its key may not sign for git"),
    ],
)
def test_a_key_counts_within_its_limits_only(by_both: Path, keys: dict[str, Path], limits: str, flaw: str) -> None:
    put(by_both.parent, {"limited": line(keys, OWNER) + line(keys, OFFICER, limits)})
    head = git(by_both, "rev-parse", "--short=7", "HEAD")
    why = f"the commit {head} that wrote it is not signed by {OFFICER}: {flaw}"
    assert standing(by_both, "--signers", str(by_both.parent / "limited")) == void("risk", why)


def test_approvals_on_branches_count_after_a_merge(approved: Path, signers: str, keys: dict[str, Path]) -> None:
    """The merge itself is signed by nobody, and brings the rows of both sides together."""
    git(approved, "checkout", "-q", "-b", "side")
    approve(approved, "risk", RISK)
    signed(approved, keys[OFFICER])
    theirs = rows_of(approved)
    git(approved, "checkout", "-q", "-")
    approve(approved, "business owner", WHO)
    signed(approved, keys[OWNER])
    ours_ = rows_of(approved)
    git(approved, "merge", "-q", "-s", "ours", "--no-commit", "--no-ff", "side")
    put(approved, {REGISTER: ours_[""] + ours_["business owner"] + theirs["risk"]})
    commit(approved, "merge")
    assert standing(approved, "--signers", signers) == ("pass", [])


def rows_of(project: Path) -> dict[str, str]:
    """The text of each row of the register by its role, and what stands before them."""
    head, *rows = (project / REGISTER).read_text().split("  - role: ")
    return {"": head, **{row.partition("\n")[0]: f"  - role: {row}" for row in rows}}


def test_a_squash_loses_the_signature(approved: Path, signers: str, keys: dict[str, Path]) -> None:
    git(approved, "checkout", "-q", "-b", "side")
    approve(approved, "business owner", WHO)
    signed(approved, keys[OWNER])
    approve(approved, "risk", RISK)
    signed(approved, keys[OFFICER])
    git(approved, "checkout", "-q", "-")
    git(approved, "merge", "-q", "--squash", "side")
    commit(approved)
    assert standing(approved, "--signers", signers)[0] == "fail"


@pytest.mark.parametrize("way", ["edit", "revert", "merge"])
def test_an_approval_that_was_taken_back_does_not_come_back_by_itself(
    by_both: Path, signers: str, keys: dict[str, Path], way: str
) -> None:
    """The officer refuses; somebody puts the old row in again, by hand, by a revert, or by a merge of an old branch."""
    git(by_both, "branch", "old")
    old = (by_both / REGISTER).read_text()
    assert cli("approve", "risk", *RISK, "--refuse", cwd=by_both).code == 0
    taken = signed(by_both, keys[OFFICER])
    assert standing(by_both, "--signers", signers) == void("risk", "the decision is refused")
    if way == "revert":
        git(by_both, "revert", "--no-edit", "HEAD")
    elif way == "edit":
        put(by_both, {REGISTER: old})
        commit(by_both)
    else:
        tree = git(by_both, "rev-parse", "old^{tree}")
        merged = git(by_both, "commit-tree", tree, "-p", "HEAD", "-p", "old", "-m", "merge")
        git(by_both, "reset", "-q", "--hard", merged)
    assert (by_both / REGISTER).read_text() == old
    why = f"it was taken back in {taken[:7]}, and put in again: approve anew"
    assert standing(by_both, "--signers", signers) == void("risk", why)


def test_a_confirmation_counts_by_the_signature_of_whoever_confirms(
    by_both: Path, factory: Path, signers: str, keys: dict[str, Path]
) -> None:
    """It takes nothing from the approval; without the signature that still waits."""
    updated(by_both, factory, "3.0.0", "impact: review")
    assert cli(*CONFIRM, cwd=by_both).code == 0
    head = commit(by_both)
    assert len(waiting(by_both)) == 1
    found = cli("gate", "--signers", signers, "--json", cwd=by_both).data["findings"]
    told = [one["message"] for one in found if one["level"] == "warning"]
    who = "second@example.org"
    assert told[0].endswith(
        f"not confirmed: the commit {head[:7]} that wrote it is not signed by {who}: it has no signature"
    )
    assert standing(by_both, "--signers", signers) == ("pass", [])
    git(by_both, "reset", "-q", "--soft", "HEAD~1")
    signed(by_both, keys["second@example.org"])
    found = cli("gate", "--signers", signers, "--json", cwd=by_both).data["findings"]
    assert len([one for one in found if one["level"] == "warning"]) == 1


# ---- the file in the project ---------------------------------------------------------------------


@pytest.fixture
def own(approved: Path, keys: dict[str, Path]) -> Path:
    """The project with signers of its own, which the platform's people keep, and approvals by both."""
    people = (PLATFORM, OWNER, OFFICER)
    put(approved, {SIGNERS: "".join(line(keys, who) for who in people)})
    signed(approved, keys[PLATFORM], email=PLATFORM)
    approve(approved, "business owner", WHO)
    signed(approved, keys[OWNER])
    result = cli("approve", "risk", *RISK, cwd=approved)
    assert f"wrote {REGISTER}: commit it, signed with your key: `git commit -S`\n" in result.out
    signed(approved, keys[OFFICER])
    return approved


def test_a_project_may_name_the_signers(own: Path, keys: dict[str, Path]) -> None:
    """Whom they name may change them: here a key that is new, by the platform's signature."""
    assert standing(own) == ("pass", [])
    put(own, {SIGNERS: (own / SIGNERS).read_text() + line(keys, "second@example.org")})
    signed(own, keys[PLATFORM], email=PLATFORM)
    assert standing(own) == ("pass", [])
    approve(own, "risk", RISK)
    commit(own)
    assert standing(own)[0] == "fail"


def test_a_branch_from_before_a_change_of_the_keys_is_merged_as_ever(own: Path, keys: dict[str, Path]) -> None:
    """Nobody signs such a merge, and nobody has to: it chooses nothing."""
    git(own, "branch", "work")
    put(own, {SIGNERS: (own / SIGNERS).read_text() + line(keys, "second@example.org")})
    signed(own, keys[PLATFORM], email=PLATFORM)
    git(own, "checkout", "-q", "work")
    put(own, {"work.txt": "x\n"})
    commit(own)
    git(own, "checkout", "-q", "-")
    git(own, "merge", "-q", "--no-ff", "--no-edit", "work")
    assert standing(own) == ("pass", [])


def both(why: str) -> tuple[str, list[str]]:
    return "fail", [f"approval of the {role}: {why}" for role in ("business owner", "risk")]


def test_a_key_that_somebody_slips_in_voids_everything(own: Path, keys: dict[str, Path], tmp_path: Path) -> None:
    """Mallory puts her key beside the officer's address, and signs. A file from outside knows better."""
    put(own, {SIGNERS: (own / SIGNERS).read_text() + line(keys, OFFICER, of=MALLORY)})
    head = signed(own, keys[MALLORY], email=MALLORY)
    approve(own, "risk", RISK)
    signed(own, keys[MALLORY])
    flaw = "its key is not among those that the file of signers names"
    assert standing(own) == both(f"{SIGNERS} was changed in {head[:7]} by nobody whom it named before: {flaw}")
    put(tmp_path, {"outside": "".join(line(keys, who) for who in (OWNER, OFFICER))})
    assert standing(own, "--signers", str(tmp_path / "outside"))[1][0].endswith(f"by {OFFICER}: {flaw}")


def test_signers_that_are_not_committed_count_for_nothing(own: Path, keys: dict[str, Path]) -> None:
    put(own, {SIGNERS: line(keys, OFFICER, of=MALLORY)})
    assert standing(own) == both(f"{SIGNERS} is not as it was committed")
    put(own, {SIGNERS: None})
    assert standing(own) == both(f"{SIGNERS} is gone, and that is not committed")


def test_signers_are_taken_away_by_whom_they_name_only(own: Path, keys: dict[str, Path]) -> None:
    """Else whoever removes the file would need no signature."""
    put(own, {SIGNERS: None})
    head = commit(own)
    flaw = f"{SIGNERS} was changed in {head[:7]} by nobody whom it named before: it has no signature"
    assert standing(own) == both(flaw)
    git(own, "reset", "-q", "--soft", "HEAD~1")
    signed(own, keys[PLATFORM], email=PLATFORM)
    assert standing(own) == ("pass", [])
    approve(own, "risk", RISK)
    commit(own)
    assert standing(own) == ("pass", [])


@pytest.mark.parametrize("way", ["anew", "merge"])
def test_signers_are_made_once(own: Path, keys: dict[str, Path], way: str) -> None:
    """Neither after their removal nor on a branch that never had them does somebody make others."""
    if way == "anew":
        put(own, {SIGNERS: None})
        signed(own, keys[PLATFORM], email=PLATFORM)
        put(own, {SIGNERS: line(keys, OFFICER, of=MALLORY)})
        commit(own)
    else:
        first = git(own, "rev-list", "--max-parents=0", "HEAD")
        git(own, "checkout", "-q", "-b", "side", first)
        put(own, {SIGNERS: line(keys, OFFICER, of=MALLORY)})
        commit(own)
        git(own, "checkout", "-q", "-")
        git(own, "merge", "-q", "--no-edit", "-X", "theirs", "side")
        assert (own / SIGNERS).read_text() == line(keys, OFFICER, of=MALLORY)
    status, gaps = standing(own)
    assert (status, f"{SIGNERS} was made more than once" in gaps[0]) == ("fail", True)


def test_a_key_that_was_taken_out_does_not_come_back_through_a_merge(own: Path, keys: dict[str, Path]) -> None:
    git(own, "branch", "old")
    put(own, {SIGNERS: line(keys, PLATFORM) + line(keys, OFFICER)})
    signed(own, keys[PLATFORM], email=PLATFORM)
    tree = git(own, "rev-parse", "old^{tree}")
    merged = git(own, "commit-tree", tree, "-p", "HEAD", "-p", "old", "-m", "merge")
    git(own, "reset", "-q", "--hard", merged)
    flaw = f"{SIGNERS} was changed in {merged[:7]} by nobody whom it named before: it has no signature"
    assert standing(own) == both(flaw)


def test_whoever_approves_has_not_chosen_the_keys(own: Path, keys: dict[str, Path]) -> None:
    """By the commit's own words or by the key that signed it."""
    put(own, {SIGNERS: (own / SIGNERS).read_text() + line(keys, "second@example.org")})
    signed(own, keys[OFFICER])
    assert standing(own) == void("risk", f"the approver has changed {SIGNERS}")


def test_signers_that_lie_in_the_project_are_not_named_from_outside(own: Path) -> None:
    """The option would go past the rules for the project's own."""
    result = refused(own, "--signers", SIGNERS)
    assert "lie in the project: whoever changes it would choose them" in result.err
    assert "cannot read the allowed signers `nowhere`" in refused(own, "--signers", "nowhere").err


def test_the_bundle_says_what_the_gate_says(by_both: Path, signers: str, tmp_path: Path) -> None:
    approve(by_both, "risk", RISK)
    commit(by_both)
    for options, passed in (((), True), (("--signers", signers), False)):
        name = str(tmp_path / f"bundle-{len(options)}")
        data = cli("gate", *options, "--json", cwd=by_both).data
        result = cli("evidence", "-o", name, *options, "--json", cwd=by_both)
        rows = {row["control"]: row["status"] for row in data["controls"]}
        assert (result.code, result.data["passed"], rows["GOV-06"] == "pass") == (0, data["passed"], passed)


def test_the_history_of_a_file_is_found_from_any_folder(tmp_path: Path) -> None:
    """A project may lie in a folder of its repository."""
    git(tmp_path, "init", "-q", "-b", "main", "repository")
    folder = tmp_path / "repository"
    assert ours.versions_of(str(folder), "a") == []
    put(folder, {"one/a": "1\n", "one/b": "b\n"})
    first = commit(folder)
    put(folder, {"one/b": "c\n"})
    commit(folder)
    put(folder, {"one/a": None})
    last = commit(folder)
    expected = [(last, (first,), None), (first, (), b"1\n")]
    assert [tuple(one) for one in ours.versions_of(str(folder), "one/a")] == expected
    assert [tuple(one) for one in ours.versions_of(str(folder / "one"), "a")] == expected
    assert ours.versions_of(str(folder), "nothing") == []
