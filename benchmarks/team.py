"""What a team does to a project of a template: edits where the next versions of the template change something."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

Files = dict[str, bytes]
COMMENTS = {".md": "<!-- {} -->", ".html": "<!-- {} -->", ".rst": ".. {}"}  # of others, see HASHED
HASHED = (".py", ".toml", ".yml", ".yaml", ".cfg", ".ini", ".txt", ".sh", ".gitignore", ".editorconfig", "Makefile")
RECORDS = re.compile(r"\.copier-answers[\w.-]*\.ya?ml|\.cruft\.json")  # what the tools note in a project
FUNCTION = "\n\ndef of_the_team():\n    return 1  # {}\n"


class Edit(NamedTuple):
    """What the team did: where, the text that must be found in the end, or the path that must stay away."""

    name: str
    path: str
    text: str = ""
    gone: str = ""

    def __str__(self) -> str:
        return f"{self.name} (`{self.gone or self.path}`)"


def read(project: Path) -> Files:
    """All files but git's."""
    found = (Path(folder) / name for folder, _, names in os.walk(project) for name in names)
    paths = [path for path in found if ".git" not in path.relative_to(project).parts[:1] and not path.is_symlink()]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in sorted(paths)}


def edit(project: Path, old: Files, new: Files) -> list[Edit]:
    """Edit a project that holds `old` and is to hold `new`, in a file of its own for each edit as far as there are."""
    changed = [path for path in old if path in new and old[path] != new[path] and _can_be_edited(path, old)]
    free = [path for path in changed if not Path(path).name.startswith("README")]
    made = []
    for name, number in (("overlapping", _overlapping), ("near", _near)):
        if path := next((path for path in free if number(path, old, new) is not None), ""):
            free.remove(path)
            made.append(_edited(project, name, path, number(path, old, new)))
    if len(free) > 1:
        made.append(_moved(project, free.pop()))
    if free:
        (project / free[0]).unlink()
        made.append(Edit("deleted", free[0], gone=free[0]))
    if dropped := [path for path in old if path not in new and _can_be_edited(path, old)]:
        made.append(_appended(project, "dropped", dropped[0]))
    taken = {path for one in made for path in (one.path, one.gone)}
    modules = sorted((path not in changed, path) for path in old if path.endswith(".py") and old[path])
    if code := next((path for _, path in modules if path not in taken), ""):
        made.append(_appended(project, "function", code, FUNCTION))
    if readme := next((path for path in old if re.fullmatch(r"README(\.md|\.rst)?", path)), ""):
        made.append(_appended(project, "readme", readme, "\nA paragraph: {}.\n"))
    return [*made, _own(project)]


def _said(name: str) -> str:
    return f"the team's edit: {name}"


def _comment(path: str) -> str:
    return COMMENTS.get(Path(path).suffix, "# {}" if path.endswith(HASHED) else "")


def _can_be_edited(path: str, files: Files) -> bool:
    text = b"\0" not in files[path] and files[path].count(b"\n") > 1
    return bool(text and _comment(path) and not RECORDS.fullmatch(path))


def _hunks(path: str, old: Files, new: Files) -> list[tuple[int, int]]:
    """The ranges of old lines that the template changes."""
    before, after = (files[path].decode(errors="replace").splitlines() for files in (old, new))
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [(code[1], code[2]) for code in codes if code[0] != "equal"]


def _overlapping(path: str, old: Files, new: Files) -> int | None:
    """The number of a line that the template changes."""
    lines = old[path].decode(errors="replace").splitlines()
    rows = [row for start, end in _hunks(path, old, new) for row in range(start, end)]
    usable = [row for row in rows if lines[row].strip() and not lines[row].lstrip().startswith("#")]
    return usable[0] if usable and not _comment(path).startswith("..") else None


def _near(path: str, old: Files, new: Files) -> int | None:
    """The number of a line that is three to six lines from one that the template changes."""
    hunks = _hunks(path, old, new)
    lines = old[path].decode(errors="replace").splitlines()
    far = [row for row in range(len(lines)) if all(row < start - 2 or row >= end + 3 for start, end in hunks)]
    close = [row for row in far if any(start - 6 <= row < end + 6 for start, end in hunks)]
    usable = [row for row in close if lines[row].strip() and not lines[row][0].isspace()]
    return usable[0] if usable else None


def _edited(project: Path, name: str, path: str, row: int | None) -> Edit:
    """A comment behind that line where the edit is to overlap, else on a line of its own before it."""
    lines = (project / path).read_text().splitlines(keepends=True)
    comment, row = _comment(path).format(_said(name)), row or 0
    lines[row] = f"{lines[row].rstrip()}  {comment}\n" if name == "overlapping" else f"{comment}\n{lines[row]}"
    (project / path).write_text("".join(lines))
    return Edit(name, path, _said(name))


def _moved(project: Path, path: str) -> Edit:
    """A file under another name, with a comment at its end."""
    there = Path(path).with_name(f"moved_{Path(path).name}").as_posix()
    (project / path).rename(project / there)
    return _appended(project, "renamed", there)._replace(gone=path)


def _appended(project: Path, name: str, path: str, form: str = "") -> Edit:
    content = (project / path).read_text()
    (project / path).write_text(content + (form or _comment(path) + "\n").format(_said(name)))
    return Edit(name, path, _said(name))


def _own(project: Path) -> Edit:
    (project / "team").mkdir()
    (project / "team/own.py").write_text(f"# {_said('own')}\n")
    return Edit("own", "team/own.py", _said("own"))


def lost(edits: Sequence[Edit], files: Files) -> list[str]:
    """The edits whose text is nowhere."""
    whole = b"\n".join(files.values())
    return [str(one) for one in edits if one.text and one.text.encode() not in whole]


def back(edits: Sequence[Edit], files: Files) -> list[str]:
    """What the team deleted or moved away, and is there."""
    return [str(one) for one in edits if one.gone and one.gone in files]


def paths(edits: Sequence[Edit]) -> set[str]:
    """The paths that the team had a hand in."""
    return {path for one in edits for path in (one.path, one.gone) if path}


def in_hand(edits: Sequence[Edit], content: bytes) -> bool:
    """Whether a file holds an edit, wherever it has been moved to."""
    return any(one.text and one.text.encode() in content for one in edits)
