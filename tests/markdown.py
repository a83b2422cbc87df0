"""What the tests read out of Markdown: links, headings, and the commands of its console blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from posixpath import dirname, join, normpath
from typing import NamedTuple

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>```+|~~~+)[ \t]*(?P<word>[\w-]*).*$")
_NAMED = re.compile(r"(?:# |<!-- )(?P<path>[\w./-]+/[\w.-]+)(?: -->)?")  # the first line of a block that is a file
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")


class Step(NamedTuple):
    """A command of a console block, the output shown below it, and the line that it stands on."""

    command: str
    shown: str
    line: int


class Block(NamedTuple):
    """A fenced block: its word, its lines without the indent of its fence, and the line of its first."""

    word: str
    lines: tuple[str, ...]
    line: int


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        found = _FENCE.match(line)
        if found:
            inside = []
            for _, inner in lines:
                if inner.strip() == found["fence"]:
                    break
                inside.append(inner.removeprefix(found["indent"]))
            yield Block(found["word"], tuple(inside), number + 1)


def steps(text: str) -> list[Step]:
    """The commands of all `console` blocks, in order; a backslash at its end lets a command go on."""
    found: list[Step] = []
    for block in blocks(text):
        if block.word == "console":
            found += steps_of(block)
    return found


def followed(text: str) -> list[Step]:
    """All that a reader of the page does: its commands, its diffs applied, its files written, each as a command."""
    found: list[Step] = []
    for block in blocks(text):
        named = _NAMED.fullmatch(block.lines[0]) if block.lines else None
        if block.word == "console":
            found += steps_of(block)
        elif block.word == "diff":
            found.append(Step(_fed("git apply", block.lines), "", block.line))
        elif named:
            path = named["path"]
            written = _fed(f"mkdir -p {dirname(path)} && cat > {path}", block.lines[1:])
            found.append(Step(written, "", block.line))
    return found


def _fed(command: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{command} <<'END OF BLOCK'", *lines, "END OF BLOCK"])


def steps_of(block: Block) -> Iterator[Step]:
    """The commands of one block."""
    command, start = "", 0
    shown: list[str] = []
    for number, line in enumerate(block.lines, block.line):
        if command.endswith("\\"):
            command += "\n" + line
        elif line.startswith("$ "):
            if command:
                yield Step(command, "\n".join(shown), start)
            command, shown, start = line[2:].partition("  # ")[0].rstrip(), [], number
        else:
            shown.append(line)
    if command:
        yield Step(command, "\n".join(shown), start)


def prose(text: str) -> str:
    """The page without its fenced blocks and inline code."""
    kept, fence = [], ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if not fence and found:
            fence = found["fence"]
        elif fence and line.strip() == fence:
            fence = ""
        elif not fence:
            kept.append(re.sub(r"``.+?``|`[^`]+`", "", line))
    return "\n".join(kept)


def code(text: str, first: str) -> list[str]:
    """What stands in backquotes in the sentences of the page and begins so."""
    fenced = {line for block in blocks(text) for line in range(block.line, block.line + len(block.lines))}
    kept = "\n".join(line for number, line in enumerate(text.splitlines(), 1) if number not in fenced)
    spans = re.findall(r"(?<!`)`([^`]+)`(?!`)", kept)
    return [span.replace("\n", " ") for span in spans if span.startswith(first)]


def links(text: str) -> list[str]:
    """The targets of all links."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to the headings."""
    fenced = {line for block in blocks(text) for line in range(block.line, block.line + len(block.lines))}
    headings = (
        line.lstrip("#").strip()
        for number, line in enumerate(text.splitlines(), 1)
        if number not in fenced and re.match(r"#{1,6} ", line)
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(pages: Mapping[str, str], known: Iterable[str]) -> list[str]:
    """The relative links of the pages that lead to no known file, folder or heading: `page: target`."""
    files = set(known) | set(pages)
    folders = {"."} | {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
    return [
        f"{page}: {target}"
        for page, text in sorted(pages.items())
        for target in links(text)
        if not re.match(r"[a-z][a-z0-9+.-]*:|//", target) and not _leads(page, target, pages, files | folders)
    ]


def _leads(page: str, target: str, pages: Mapping[str, str], known: set[str]) -> bool:
    path, _, anchor = target.partition("#")
    place = normpath(join(dirname(page), path)) if path else page
    return place in known and (not anchor or place not in pages or anchor in anchors(pages[place]))
