"""What is not granted is refused, and so is a role that is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from sme_loans.controls import access
from sme_loans.controls.access import Access, AccessRefused

RULES = """\
classes: [public, internal, people]
roles:
  employee: { read: [public, internal] }
  hr: { read: [public, people], override: [people] }
  guest: {}
"""


def _loaded(folder: Path, text: str = RULES) -> Access:
    file = folder / "access.yaml"
    file.write_text(text)
    return access.load(file)


def test_roles_add_up(tmp_path: Path) -> None:
    """Two roles may read what either may."""
    rules = _loaded(tmp_path)
    assert rules.cleared(["employee"], "read") == {"public", "internal"}
    assert rules.cleared(["employee", "hr"], "read") == {"public", "internal", "people"}


def test_what_is_not_granted_is_refused(tmp_path: Path) -> None:
    """An action that a role lacks covers nothing, whatever others may."""
    rules = _loaded(tmp_path)
    assert rules.cleared(["employee"], "override") == frozenset()
    assert rules.cleared(["guest"], "read") == frozenset()
    assert rules.may(["hr"], "override", "people")
    assert not rules.may(["hr"], "override", "public")


@pytest.mark.parametrize("roles", [[], ["owner"], ["employee", "owner"], [""], ["EMPLOYEE"]])
def test_who_is_not_known_is_refused(tmp_path: Path, roles: list[str]) -> None:
    """Even where another role of the same person is known: somebody may be guessing."""
    rules = _loaded(tmp_path)
    with pytest.raises(AccessRefused, match="no role is given, or one that is not known"):
        rules.cleared(roles, "read")
    assert not rules.may(roles, "read", "public")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("roles: {}", "classes"),
        ("classes: [a]\nroles: {x: {read: [b]}}", "x may read an unknown class: b"),
        ("classes: [a]\nroles: {x: {read: a}}", "not a list of words"),
        ("classes: a\nroles: {}", "not a list of words"),
        ("classes: [a]\nroles: {x: [a]}", "items"),
        ("classes: [a", "access.yaml"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """A slip must not open anything."""
    with pytest.raises(AccessRefused, match=reason):
        _loaded(tmp_path, text)
