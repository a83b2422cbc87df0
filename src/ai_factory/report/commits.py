"""What a commit of ours lacks that a person may expect of it."""

from __future__ import annotations

from ai_factory.git import NOBODY, Author
from ai_factory.report.plain import plain
from ai_factory.tree import word


def lacking(author: Author | None, place: str) -> list[str]:
    """Of a first commit, if one was made in that folder: their name, and their signature."""
    lines = []
    if author and not author.is_known:
        lines.append(f"committed as `{NOBODY[0]} <{NOBODY[1]}>`: git knows no name and address of yours")
    if author and author.signs:
        amend = f"git -C {word(place)} commit --amend --no-edit --gpg-sign"
        lines.append(f"the commit is not signed, though your git signs commits (`commit.gpgsign`): `{plain(amend)}`")
    return lines
