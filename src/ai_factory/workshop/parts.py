"""What is wrong in one component, told from its files alone: what its templates read, and what it says of itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from ai_factory import cache, documents
from ai_factory.catalog import FILES, Component, visible
from ai_factory.errors import AuthorError
from ai_factory.render import reader
from ai_factory.sandbox import Templates
from ai_factory.tree import LINK
from ai_factory.workshop import reads
from ai_factory.workshop.reads import Reads
from ai_factory.workshop.rules import Flaw

MANIFEST, QUESTIONS = "component.yaml", "copier.yml"
WHEN = "when"


class Text(NamedTuple):
    """One text of a component that may hold Jinja: a template, a path, or a value at a place of a document."""

    path: str
    source: str
    place: tuple[str | int, ...] = ()
    expression: bool = False


class Parts:
    """The components of a factory: what each reads, which is found once, and which answers it may read.

    `unsound` are those that are there and cannot be read: what follows from that alone is told nowhere else.
    """

    def __init__(self, components: Mapping[str, Component], unsound: Collection[str] = ()) -> None:
        self.components, self.unsound = components, unsound

    @cached_property
    def lost(self) -> frozenset[str]:
        """The components of which nobody can tell what they may read: one that they require is unsound or not there."""
        found: set[str] = set()
        for one in _in_order(self.components):
            if any(name not in self.components or name in found for name in one.requires):
                found.add(one.name)
        return frozenset(found)

    @cached_property
    def templates(self) -> Templates:
        """All templates, each of which is compiled once for however many renderings."""
        return Templates(reader(list(self.components.values())))

    @cached_property
    def readable(self) -> Mapping[str, frozenset[str]]:
        """For each component, the answers that it may read."""
        keys = {name: {question.key for question in one.questions} for name, one in self.components.items()}
        seen = visible(_in_order(self.components))
        return {name: frozenset().union(*(keys.get(other, ()) for other in others)) for name, others in seen.items()}

    @cached_property
    def readings(self) -> Mapping[str, tuple[tuple[Text, Reads], ...]]:
        """For each component, its texts with what they read, where they are templates at all."""
        return {name: tuple(_readings(one)) for name, one in self.components.items()}

    @cached_property
    def unread(self) -> bool:
        """Whether some text is no template, so that nobody can tell what it would read."""
        every = sum(len(list(_texts(one))) for one in self.components.values())
        return bool(self.unsound) or sum(map(len, self.readings.values())) < every

    @cached_property
    def read(self) -> frozenset[str]:
        """Every name that some component reads."""
        return frozenset(name for rows in self.readings.values() for _, found in rows for name in found.names)


def _in_order(components: Mapping[str, Component]) -> list[Component]:
    """Those that others require first; where they go round in a circle, anyhow."""
    done: dict[str, Component] = {}

    def take(name: str, above: tuple[str, ...]) -> None:
        one = components.get(name)
        if one is None or name in done or name in above:
            return
        for needed in one.requires:
            take(needed, (*above, name))
        done[name] = one

    for name in components:
        take(name, ())
    return list(done.values())


def flaws_of(component: Component, known: Parts) -> list[Flaw]:
    """What is wrong in the component by itself."""
    return [
        *_required(component, known),
        *_paths(component),
        *_templates(component, known),
        *_questions(component, known),
        *_unevidenced(component),
    ]


def _required(component: Component, known: Parts) -> Iterator[Flaw]:
    for number, name in enumerate(component.requires):
        if name not in known.components and name not in known.unsound:
            line = documents.line_of(component.tree[MANIFEST].content, ("requires", number))
            yield Flaw("FL002", f"{component.folder}/{MANIFEST}", line, f"there is no component `{name}`")


def _paths(component: Component) -> Iterator[Flaw]:
    for path in component.files:
        if "{%" in path or "{#" in path:
            yield Flaw("FL008", f"{component.folder}/{FILES}/{path}", 0, "the path holds a condition")


def _templates(component: Component, known: Parts) -> Iterator[Flaw]:
    """Names that it may not read, in any branch, and what differs from run to run."""
    may = known.readable.get(component.name, frozenset()).union(reads.OURS)
    for text, found in known.readings[component.name]:
        for name, line in found.names.items():
            if name not in may and component.name not in known.lost:
                told = f"`{name}` is no answer that `{component.name}` may read"
                yield Flaw("FL006", text.path, _line(component, text, line), told)
        for told, line in found.unknown.items():
            yield Flaw("FL013", text.path, _line(component, text, line), told)
        for name, line in found.changing.items():
            told = f"`{name}` differs from run to run, or is not there"
            yield Flaw("FL014", text.path, _line(component, text, line), told)


def _line(component: Component, text: Text, line: int) -> int:
    """The line in the file: of a template its own, of a value that of its place."""
    file = component.tree.get(text.path.removeprefix(f"{component.folder}/"))
    return documents.line_of(file.content, text.place) if file and text.place else line


def _questions(component: Component, known: Parts) -> Iterator[Flaw]:
    where = f"{component.folder}/{QUESTIONS}"
    for question in component.questions:
        line = documents.line_of(component.tree[QUESTIONS].content, (question.key,))
        if not question.help and question.when is not False:
            yield Flaw("FL007", where, line, f"`{question.key}` has no `help`")
        if question.key not in known.read and not known.unread:
            yield Flaw("FL016", where, line, f"no template reads `{question.key}`")


def _unevidenced(component: Component) -> Iterator[Flaw]:
    if not component.evidences and "managed" in component.ownership.values():
        line = documents.line_of(component.tree[MANIFEST].content, ("ownership",))
        yield Flaw(
            "FL011",
            f"{component.folder}/{MANIFEST}",
            line,
            f"`{component.name}` manages files, and is evidence for no control",
        )


# ---- what it holds --------------------------------------------------------------------------------


def _readings(component: Component) -> Iterator[tuple[Text, Reads]]:
    for text in _texts(component):
        read = reads.of_expression if text.expression else reads.of_template
        try:
            yield text, read(text.source, text.path)
        except AuthorError:
            continue  # the rendering tells it


def _texts(component: Component) -> Iterator[Text]:
    """Every text of the component that may hold Jinja."""
    for path, file in component.tree.items():
        where = f"{component.folder}/{path}"
        if path.endswith(".jinja") and file.mode != LINK:
            yield Text(where, file.content.decode(errors="replace"))
        if path.startswith(f"{FILES}/") and "{{" in path:
            yield Text(where, path.removeprefix(f"{FILES}/"))
    for name in (MANIFEST, QUESTIONS):
        if name in component.tree:
            data = cache.document(component.tree[name].content, name, AuthorError) or {}
            for place, source in _strings(data, ()):
                if "{" in source or place[-1] == WHEN:
                    yield Text(f"{component.folder}/{name}", source, place, expression=place[-1] == WHEN)


def _strings(data: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text in a document, keys that hold Jinja too, with its place."""
    if isinstance(data, str):
        yield (place or ("",)), data
    elif isinstance(data, dict):
        for key, value in data.items():
            if "{{" in str(key):
                yield (*place, key), str(key)
            yield from _strings(value, (*place, key))
    elif isinstance(data, Sequence):
        for number, value in enumerate(data):
            yield from _strings(value, (*place, number))
