"""A team's edits of stamped files, as edits of their templates on a branch of the factory.

Three things are proven before anything is written: the project's own answers give the team's files and leave every
other one as it is; each blueprint that has the component still renders; and the factory as it is by now takes the edit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ai_factory import git, markers
from ai_factory.catalog import FILES, Blueprint, Component, visible
from ai_factory.engines import TITLES
from ai_factory.errors import AuthorError, FactoryError, UsageError
from ai_factory.factory import Factory
from ai_factory.project.opening import Project
from ai_factory.project.target import Choice, Recipe, guarded, recipe, rendered
from ai_factory.render import SUFFIX, Owned, Rendered, contexts_of, reader
from ai_factory.tree import LINK, File, blob_id, has_mixed_endings, normalized, with_endings_of, word
from ai_factory.workshop import changelog
from ai_factory.workshop.linting import offering
from ai_factory.workshop.promote import layered, repository, tokens
from ai_factory.workshop.promote.mapping import Mapped, Rendering, chosen, mapped
from ai_factory.workshop.promote.repository import Place
from ai_factory.workshop.promote.values import of_answers
from ai_factory.workshop.rules import Flaw
from ai_factory.workspace import keeps_modes

PROMOTED, SAME, REFUSED = "promoted", "same", "refused"
UNREAD = ("FL005", "FL016")  # what an edit may leave behind that nothing reads any more: it renders all the same


class Asked(NamedTuple):
    """Where an improvement goes: a folder with the factory's repository, and the name of the branch.

    `trust` lets the code of a foreign template run.
    """

    into: str = ""
    branch: str = ""
    trust: bool = False


class Row(NamedTuple):
    """A file of the project, and what becomes of its edits."""

    path: str
    component: str
    ownership: str
    outcome: str
    why: str = ""
    template: str = ""
    mapped: Mapped = Mapped()
    files: Mapping[str, File] = {}  # templates as they become, by their paths in the factory
    wanted: File = File(b"")  # what they have to give

    @property
    def stamped(self) -> str:
        """The path that its template gives, as it is spelled there."""
        return self.template.partition(f"/{FILES}/")[2].removesuffix(SUFFIX)

    def refused(self, why: str) -> Row:
        """The same file, whose edits are not taken."""
        return self._replace(outcome=REFUSED, why=why, files={})


class Base(NamedTuple):
    """The factory as the project was stamped from it: what it renders to, and what it is by now."""

    place: Place
    made: Recipe
    rendered: Rendered

    @property
    def factory(self) -> Factory:
        return self.made.factory


class Promotion(NamedTuple):
    """A commit about to be made: the branch, the commit that it goes on, and the files in it."""

    place: Place
    branch: str
    parent: str
    files: Mapping[str, File]
    before: Mapping[str, File]  # those of them that are there
    message: str
    rows: tuple[Row, ...] = ()
    blueprints: tuple[str, ...] = ()  # those that still render
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nothing that was asked for was left out."""
        return all(row.outcome != REFUSED for row in self.rows)


class _Fit(NamedTuple):
    """The factory that a commit goes on, and what is written there."""

    factory: Factory
    files: Mapping[str, File]
    blueprints: tuple[str, ...] = ()
    doubts: Mapping[str, str] = {}  # of a file: why its edits cannot be taken after all
    notes: tuple[str, ...] = ()


def prepare(project: Project, wishes: Iterable[tuple[str, int]], asked: Asked) -> Promotion:
    """Map the edits and prove them; nothing is written.

    A wish is a path and a line of it, of which only that edit is taken; line 0 stands for all. Raises UsageError for a
    path that is none of the factory's, a line that was not edited, and a factory that is no repository in a folder.
    """
    lines: defaultdict[str, set[int]] = defaultdict(set)
    for path, line in wishes:
        _refuse_others(project, path)
        lines[path].add(line)
    base = opened(project, asked)
    rows = [_row(project, base, path, set() if 0 in some else some) for path, some in lines.items()]
    fit = _fit(project, base, rows)
    while fit.doubts:
        rows = [row.refused(fit.doubts[row.path]) if row.path in fit.doubts else row for row in rows]
        fit = _fit(project, base, rows)
    return _promotion(project, base, asked, rows, fit)


def opened(project: Project, asked: Asked) -> Base:
    """The factory as the project was stamped from it, in that repository.

    Raises UsageError where it is not there, ConsentError where code of a foreign template would have to run.
    """
    origin = project.lock.factory
    at = repository.place(asked.into, origin, asked.trust)
    wish = project.manifest()
    made = recipe(at.factory(repository.applied(at, origin)), Choice(wish.blueprint, wish.with_, wish.without))
    return Base(at, made, rendered(made, project.lock.answers).rendered)


def apply(promotion: Promotion) -> str:
    """Make the branch with its one commit; the commit's id. Raises UsageError where there is such a branch."""
    files = layered.written(promotion.place.factory(promotion.parent), promotion.files)
    return git.commit_aside(promotion.place.root, promotion.branch, promotion.parent, files, promotion.message)


def _refuse_others(project: Project, path: str) -> None:
    entry = project.lock.paths.get(path)
    if entry is None and project.folder.read(path) is None:
        raise UsageError(f"there is no file `{path}`", "`ai-factory status` lists what the team edited")
    if entry is None:
        hint = f"make it a component: `ai-factory promote --component NAME {word(path)}`"
        raise UsageError(f"`{path}` does not come from the factory: it is the team's own", hint)
    if entry.ownership == "produced":
        raise UsageError(f"`{path}` is written by the project's own run", "promote what writes it")
    if entry.state == "open":
        raise UsageError(f"`{path}` has an open conflict", f"decide it: `ai-factory sync --take ours {word(path)}`")
    if project.folder.read(path) is None:
        raise UsageError(f"`{path}` is missing", f"`ai-factory restore {word(path)}` puts it back")


# ---- one file ---------------------------------------------------------------------------------------


def _row(project: Project, base: Base, path: str, lines: Collection[int]) -> Row:
    entry = project.lock.paths[path]
    owned, pristine = base.rendered.owned.get(path), base.rendered.tree.get(path)
    row = Row(path, entry.component, entry.ownership, REFUSED, template=owned.source if owned else "")
    if owned is None or pristine is None or blob_id(pristine.content) != entry.base:
        commit = base.factory.origin.commit[:12]
        return row.refused(f"the factory at {commit} stamps it otherwise than the project has it on record: sync first")
    team = _team(project, path, pristine)
    if LINK in (team.mode, pristine.mode):
        return row.refused("a link is not mapped")
    try:
        row = row._replace(wanted=_chosen(path, pristine, team, lines) if lines else team)
        if row.wanted == pristine:
            return row._replace(outcome=SAME)
        for line, kind in tokens.new_in(row.wanted.content, pristine.content):
            return row.refused(f"line {line} holds what looks like {kind}")
        if markers.is_marked(row.wanted.content) and not markers.is_marked(pristine.content):
            return row.refused(f"line {markers.first_marked_line(row.wanted.content)} is a conflict marker")
        return _taken(project, base, row)
    except AuthorError as error:
        return row.refused(error.message)


def _team(project: Project, path: str, pristine: File) -> File:
    """The team's file, with the line endings that the factory stamps."""
    file = project.folder.read(path)
    assert file is not None  # it was read before anything else
    mode = file.mode if keeps_modes(project.root) else pristine.mode
    return File(with_endings_of(file.content, pristine.content), mode)


def _chosen(path: str, pristine: File, team: File, lines: Collection[int]) -> File:
    """The factory's file with those of the team's edits that are at these lines of its."""
    text, missed = chosen(_text(pristine), _text(team), lines)
    if missed:
        told = f"line {missed[0]} of `{path}` was not edited"
        raise UsageError(told, f"`ai-factory diff {word(path)}` shows what was")
    return pristine._replace(content=text.encode())


def _text(file: File) -> str:
    try:
        return file.content.decode()
    except UnicodeDecodeError:
        raise AuthorError("it is no text in UTF-8") from None


def _taken(project: Project, base: Base, row: Row) -> Row:
    """The row of a file that was edited. Raises AuthorError where nothing of it can be mapped."""
    template, wanted = base.factory.tree[row.template], row.wanted
    if base.factory.engine and template.content != base.rendered.tree[row.path].content:
        title = TITLES[base.factory.engine]
        return row.refused(f"{title} renders it, and only what it copies as it is goes back: edit `{row.template}`")
    if base.factory.engine or not row.template.endswith(SUFFIX):
        return row._replace(outcome=PROMOTED, files={row.template: wanted})
    owned, pristine = base.rendered.owned[row.path], base.rendered.tree[row.path]
    work = partial(_mapped, base.made.blueprint, base.made.components, project.lock.answers, owned)
    found = guarded(base.factory, partial(work, _text(pristine), _text(wanted)))
    if found.unmapped:
        return row._replace(mapped=found).refused("not every edit is one of the template")
    files = {
        path: File(_with_endings(path, base, text), base.factory.tree[path].mode)
        for path, text in found.templates.items()
    }
    own = files.get(row.template, template)._replace(mode=wanted.mode)
    return row._replace(outcome=PROMOTED, mapped=found, files={**files, row.template: own})


def _with_endings(path: str, base: Base, text: str) -> bytes:
    before = base.factory.tree[path].content
    if has_mixed_endings(before):
        raise AuthorError(f"`{path}` has lines that end in CRLF and lines that do not")
    return with_endings_of(text.encode(), before)


def _mapped(
    blueprint: Blueprint,
    components: Sequence[Component],
    answers: Mapping[str, object],
    owned: Owned,
    pristine: str,
    team: str,
) -> Mapped:
    """The edits of a rendered file as edits of its templates: what renders a stranger's templates, for a child."""
    from ai_factory import sandbox

    given = reader(components)

    def read(name: str) -> str | None:
        text = given(name)
        return text if text is None else normalized(text.encode()).decode()

    context = contexts_of(blueprint, components, answers, sandbox.Templates(read))[owned.component]

    def render(changed: Mapping[str, str]) -> str:
        templates = sandbox.Templates(lambda name: changed[name] if name in changed else read(name))
        return templates.render(owned.source, context)

    text, origins = sandbox.line_origins(read, owned.source, context)
    if text != pristine:
        raise AuthorError(f"`{owned.source}` looks at its own output, so nobody can tell where its lines come from")
    for name, _ in dict.fromkeys(origins):
        if "\r" in (read(name) or ""):
            raise AuthorError(f"`{name}` has a carriage return inside a line")
    seen = visible(components)[owned.component]
    questions = [one for component in components if component.name in seen for one in component.questions]
    names = [name for name in context if not name.startswith("_")]
    return mapped(Rendering(owned.source, text, origins, read, render), team, of_answers(questions, answers), names)


# ---- all of them ------------------------------------------------------------------------------------


def _fit(project: Project, base: Base, rows: Iterable[Row]) -> _Fit:
    """The rows that were mapped, proven together, and put on what the factory is by now."""
    taken = [row for row in rows if row.outcome == PROMOTED]
    files = {path: file for row in taken for path, file in row.files.items()}
    if not files:
        return _Fit(base.factory, {})
    doubts = dict(_disproven(project, base, taken, files))
    if doubts:
        return _Fit(base.factory, {}, doubts=doubts)
    now = base.factory if base.place.head == base.factory.origin.commit else base.place.factory(base.place.head)
    merged = repository.onto(now.tree, base.factory.tree, files)
    notes: tuple[str, ...] = ()
    if merged is None:
        now, merged = base.factory, files
        notes = ("the factory has changed the same lines since: the branch begins where the project was stamped from",)
    if all(now.tree.get(path) == file for path, file in merged.items()):
        return _Fit(now, {}, notes=("the factory has all of it already",))
    if now.engine:  # what else it can render, its own tool tells
        return _Fit(now, merged, notes=notes)
    names = {row.component for row in taken}
    blueprints, after = offering(repository.with_files(now, merged), names)
    new = sorted(after - offering(now, names)[1]) if after else []
    notes += tuple(f"`factory lint` will tell: {flaw.path}: {flaw.message}" for flaw in new if flaw.rule in UNREAD)
    broken = [flaw for flaw in new if flaw.rule not in UNREAD]
    return _Fit(now, merged, tuple(blueprints), dict(_flawed(taken, broken)), notes)


def _disproven(
    project: Project, base: Base, rows: Sequence[Row], files: Mapping[str, File]
) -> Iterator[tuple[str, str]]:
    """The rows whose templates do not give the team's files, or give others than before too."""
    made = base.made._replace(factory=repository.with_files(base.factory, files))
    wish = project.manifest()
    try:
        made = recipe(made.factory, Choice(wish.blueprint, wish.with_, wish.without))
        tree = rendered(made, project.lock.answers).rendered.tree
    except FactoryError as error:
        yield from ((row.path, f"it does not render: {error.message}") for row in rows)
        return
    own = {row.path for row in rows}
    others = [path for path, file in base.rendered.tree.items() if path not in own and tree.get(path) != file]
    for row in rows:
        if tree.get(row.path) != row.wanted:
            yield row.path, "its template so edited gives another file than the team's"
        elif others and set(row.files) - {row.template}:
            yield row.path, f"`{others[0]}` would change too: both are from `{min(set(row.files) - {row.template})}`"


def _flawed(rows: Sequence[Row], flaws: Sequence[Flaw]) -> Iterator[tuple[str, str]]:
    """The rows that break a rendering with other answers."""
    for row in rows:
        own = [flaw for flaw in flaws if flaw.path in row.files]
        if found := own or flaws:
            yield row.path, f"with other answers it does not render: {found[0].message}"


def _promotion(project: Project, base: Base, asked: Asked, rows: Sequence[Row], fit: _Fit) -> Promotion:
    taken = [row for row in rows if row.outcome == PROMOTED and fit.files]
    name = repository.called(project.root)
    files = dict(fit.files)
    for component in sorted({row.component for row in taken}):
        place = repository.changelog_of(component)
        if place in fit.factory.tree:  # a component without one moves with its factory
            paths = ", ".join(f"`{row.stamped}`" for row in taken if row.component == component)
            before = fit.factory.tree[place]
            files[place] = before._replace(
                content=changelog.noted(before.content, f"{paths}: as improved in `{name}`.")
            )
    return Promotion(
        base.place,
        repository.branch(base.place, asked.branch, name, *(row.path.rpartition("/")[2] for row in taken[:1])),
        fit.factory.origin.commit,
        files,
        {path: fit.factory.tree[path] for path in files if path in fit.factory.tree},
        _message(name, project.lock.factory.version, taken),
        tuple(rows),
        fit.blueprints,
        fit.notes,
    )


def _message(name: str, version: str, rows: Sequence[Row]) -> str:
    components = ", ".join(sorted({row.component for row in rows}))
    told = [f"{row.path}: {', '.join(sorted(row.files))}" for row in rows]
    return "\n".join([f"Promote what {name} improved in {components}", "", f"Stamped from {version}.", "", *told, ""])
