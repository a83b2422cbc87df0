"""Looks at a project and writes nothing: status, diff, explain."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from functools import partial
from typing import NamedTuple

from ai_factory import catalog, check, evolve, git, journal
from ai_factory.base import Base
from ai_factory.check import Finding
from ai_factory.errors import ConsentError, FactoryError, ProjectError, UnreachableError, UsageError
from ai_factory.factory import EMBEDDED, Factory, Wanted, open_factory
from ai_factory.governance.regulation import Control
from ai_factory.lock import Entry, named
from ai_factory.plan import Plan, Target
from ai_factory.project import origins, states
from ai_factory.project.facts import map_in
from ai_factory.project.foreign.engine import require_consent
from ai_factory.project.opening import Project, applied_factory
from ai_factory.project.target import Choice, Recipe, declared, guarded, recipe, rendered, settle_again
from ai_factory.render import SUFFIX, line_origins
from ai_factory.tree import File, blob_id, is_binary
from ai_factory.workspace import find_repository, keeps_modes

FETCH = "`ai-factory status --remote` fetches it"
LETTERS = {"add": "A", "change": "M", "merge": "M", "rename": "R", "delete": "D", "conflict": "C"}


class Row(NamedTuple):
    """One path with two letters: what the team did to it, and what a sync would do."""

    path: str
    team: str
    sync: str
    ownership: str
    component: str
    state: str = ""


class StatusReport(NamedTuple):
    """Where a project stands: its version, the newest one known, and the paths on which either side did something."""

    version: str
    newest: str
    source: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    ownership: Mapping[str, str]  # of every path that the lock names
    cut_off: tuple[str, str] = ("", "")  # what was cut off half-way, and how to go on


class Look(NamedTuple):
    """How far a look may go: whether the network is asked, and code of a foreign template run; and where it happens."""

    refresh: bool = False
    in_ci: bool = False
    trust: bool = False


NEAR = Look()


def status(project: Project, look: Look = NEAR) -> StatusReport:
    """What the team changed, and what a sync would bring; without `refresh`, from the factory as it is cached.

    Raises ConsentError where only the code of a foreign template could tell what a sync would bring.
    """
    factory = known_factory(project, look)
    plan = preview(project, factory)
    team = dict(_team(project))
    coming = {change.path: LETTERS[change.action] for change in plan.changes if change.action in LETTERS}
    rows = [_row(project, plan, path, team.get(path, " "), coming.get(path, " ")) for path in sorted({*team, *coming})]
    return StatusReport(
        *named(project.lock.factory, factory.origin),
        factory.origin.url,
        tuple(rows),
        tuple(wanted_but_not_applied(project, plan.target)),
        {path: entry.ownership for path, entry in sorted(project.lock.paths.items())},
        _cut_off(project),
    )


def _cut_off(project: Project) -> tuple[str, str]:
    if find_repository(project.root):
        try:
            journal.require_finished(journal.journal_of(project.root))
        except ProjectError as error:
            return error.message, error.hint
    return "", ""


def known_factory(project: Project, look: Look = NEAR) -> Factory:
    """The newest version of the project's factory within its bound, read from the cache unless `refresh`.

    Raises as `origins.origin` does: nothing is read from an origin that nobody accepted, and a build server asks none
    that the project names.
    """
    wish = project.manifest()
    url = origins.origin(project.lock, wish, in_ci=look.in_ci and look.refresh)
    reference = states.reference(project.lock, url, wish)
    return open_factory(url, Wanted(reference, wish.version, look.refresh))._replace(trusted=look.trust)


def preview(project: Project, factory: Factory) -> Plan:
    """What a sync to that factory would do, also while the work tree holds uncommitted changes.

    Where the lock tells that this is nothing, nothing is rendered, and no code of a foreign template runs.
    """
    if states.is_current(project, factory.origin):
        return states.as_locked(project, factory.origin, Base({}, {}))
    wish = project.manifest()
    made = _made(project, factory)
    pending = evolve.pending(made.components, project.lock.components)
    _, answers = settle_again(made, wish.answers, pending, applied=project.lock)
    target = rendered(made, answers)
    known, _ = states.known_base(project)
    now = git.status(project.root) if find_repository(project.root) else git.UNKNOWN
    past = declared(made, pending, project.lock.answers, answers)
    seen = states.Seen(project, now, partial(git.ignored, project.root))
    return states.merged(seen, target, known, past)[0]


def _team(project: Project) -> Iterator[tuple[str, str]]:
    files = project.folder.read_all(project.lock.paths)
    modes = keeps_modes(project.root)
    for path, entry in project.lock.paths.items():
        if letter := _letter(entry, files.get(path), modes):
            yield path, letter


def _letter(entry: Entry, file: File | None, modes: bool) -> str:
    if entry.ownership == "produced" or entry.state == "local":
        return ""
    if entry.state == "open":
        return "C"
    if file is None:
        return "D"
    return "M" if blob_id(file.content) != entry.base or (modes and file.mode != entry.mode) else ""


def _row(project: Project, plan: Plan, path: str, team: str, coming: str) -> Row:
    change = next((change for change in plan.changes if change.path == path), None)
    entry = project.lock.paths.get(path) or (change.entry if change else None)
    ownership = entry.ownership if entry else ""
    return Row(path, team, coming, ownership, entry.component if entry else "", entry.state if entry else "")


def wanted_but_not_applied(project: Project, target: Target) -> list[Finding]:
    """AF012: answers or components that project.yaml asks for and no sync has applied."""
    applied = project.lock
    found = [
        f"the answer `{key}` is {value!r}, applied is {applied.answers.get(key)!r}"
        for key, value in target.answers.items()
        if key in applied.answers and applied.answers[key] != value
    ]
    found += [f"the component `{name}` is not applied" for name in target.components if name not in applied.components]
    found += [
        f"the component `{name}` is no longer wanted" for name in applied.components if name not in target.components
    ]
    return [
        Finding("AF012", ".ai-factory/project.yaml", message, hint="`ai-factory sync` applies it") for message in found
    ]


# ---- diff ----------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """One file in two states, as a unified diff."""

    path: str
    ownership: str
    text: str


Pair = tuple[str, str, File | None, File | None]  # a path, its ownership, and two states of it


def diff(project: Project, paths: Sequence[str] = ()) -> list[Difference]:
    """The team's edits against the base. Raises UsageError for a path that is none of the factory's."""
    for path in paths:
        if path not in project.lock.paths:
            raise UsageError(f"`{path}` does not come from the factory", "`ai-factory status` lists what does")
    return _differences(_edits(project), paths)


def incoming(project: Project, paths: Sequence[str] = (), look: Look = NEAR) -> list[Difference]:
    """What a sync would change in the files as they are. Raises as `status` does."""
    return _differences(_incoming(preview(project, known_factory(project, look)), project), paths)


def _differences(pairs: Iterable[Pair], paths: Sequence[str]) -> list[Difference]:
    return [
        Difference(path, ownership, unified(path, before, after))
        for path, ownership, before, after in pairs
        if not paths or path in paths
    ]


def _edits(project: Project) -> Iterator[Pair]:
    pristine = project.base().files
    files = project.folder.read_all(pristine)
    for path, letter in _team(project):
        if letter and path in pristine:
            yield path, project.lock.paths[path].ownership, pristine[path], files.get(path)


def _incoming(plan: Plan, project: Project) -> Iterator[Pair]:
    for change in plan.visible:
        now = project.folder.read(change.source or change.path)
        if change.action == "delete":
            yield change.path, change.ownership, now, None
        elif after := change.file or change.incoming:
            yield change.path, change.ownership, now, after


def unified(path: str, before: File | None, after: File | None) -> str:
    """The unified diff of one file; a note where there are no lines to compare."""
    name = path if path.isprintable() else json.dumps(path, ensure_ascii=False)[1:-1]  # one line, whatever it is called
    if any(file and is_binary(file.content) for file in (before, after)):
        return f"binary file {name} differs\n"
    one, two = (_lines(file) for file in (before, after))
    names = (f"a/{name}" if before else "/dev/null", f"b/{name}" if after else "/dev/null")
    text = "".join(difflib.unified_diff(one, two, *names))
    modes = [file.mode if file else "" for file in (before, after)]
    mode = f"mode {modes[0]} → {modes[1]} of {name}\n" if all(modes) and modes[0] != modes[1] else ""
    return mode + text


def _lines(file: File | None) -> list[str]:
    text = file.content.decode("utf-8", "replace").replace("\r\n", "\n") if file else ""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)  # git's lines: a form feed ends none
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n\\ No newline at end of file\n"
    return lines


# ---- explain -------------------------------------------------------------------------------------


class LineOrigin(NamedTuple):
    """Who wrote a line (factory, team or run), and the line of a template that it begins with, where that is known."""

    whose: str
    template: str = ""
    line: int = 0


class FileExplanation(NamedTuple):
    """Where a file comes from, what it is to the project, what it is evidence for, and how it stands."""

    path: str
    entry: Entry
    summary: str
    source: str
    findings: tuple[Finding, ...]
    controls: Mapping[str, str]
    line: int = 0
    origin: LineOrigin | None = None
    untold: ConsentError | None = None  # why the template is not told, where code of its own would have to run for it


class ControlExplanation(NamedTuple):
    """A control in words, and the paths of this project that are evidence for it."""

    control: str
    title: str
    intent: str
    tier_floor: str
    verified: str
    evidence: tuple[tuple[str, str], ...]  # path, and whether it is there
    unread: str = (
        ""  # that the factory cannot be read: the text is the embedded one, and the factory's may ask for more
    )


def explain_file(project: Project, path: str, line: int = 0, trust: bool = False) -> FileExplanation:
    """Raises UsageError for a path that does not come from the factory, and for a line that is not there."""
    file = project.folder.read(path)
    known = _known_as(project, path, file)
    entry = project.lock.paths[known]
    files = {path: file} if file else {}
    record = project.lock._replace(paths={path: entry})
    findings = check.compare(record, files, modes=keeps_modes(project.root))
    applied = applied_factory(project)
    factory = applied._replace(trusted=trust) if applied else None
    titles = _titles(factory) if factory else {}
    origin = _origin_of(project, known, factory) if factory else ("", "")
    return FileExplanation(
        path,
        entry,
        *origin,
        tuple(findings),
        {control: titles.get(control, "") for control in entry.controls},
        line,
        _line_origin(project, path, file, line, factory) if line else None,
        _untold(factory) if factory else None,
    )


def _untold(factory: Factory) -> ConsentError | None:
    """Why no template is told, where code of its own would have to run for that."""
    try:
        require_consent(factory)
    except ConsentError as error:
        return error
    return None


def _known_as(project: Project, path: str, file: File | None) -> str:
    """The name in the lock that a path goes by: its own, or a pattern of what runs write. Raises UsageError."""
    if path in project.lock.paths:
        return path
    for name, entry in project.lock.paths.items():
        if entry.ownership == "produced" and name.count("/") == path.count("/") and fnmatch(path, name):
            return name
    if file is None:
        raise UsageError(f"there is no file `{path}`, and no such control", "name a file, or an id such as MOD-06")
    raise UsageError(
        f"`{path}` does not come from the factory: it is the team's own", "`ai-factory status` lists what does"
    )


def _origin_of(project: Project, path: str, factory: Factory) -> tuple[str, str]:
    """The summary of the owning component, and the template that the file comes from."""
    entry = project.lock.paths[path]
    summary = ""
    try:
        summary = catalog.component(entry.component, factory.read, factory.origin.version).summary
        made = _made(project, factory)
        owned = rendered(made, project.lock.answers).rendered.owned.get(path)
    except FactoryError:
        return summary, ""
    return summary, factory.place(owned.source) if owned and owned.source else ""


def _made(project: Project, factory: Factory) -> Recipe:
    wish = project.manifest()
    return recipe(factory, Choice(wish.blueprint, wish.with_, wish.without))


def _line_origin(project: Project, path: str, file: File | None, line: int, factory: Factory | None) -> LineOrigin:
    """Who wrote the line: the factory, the team, or a run of the project where the base does not know the file."""
    now = _lines(file) if file else []
    if not 1 <= line <= len(now):
        raise UsageError(f"`{path}` has no line {line}: it ends at {len(now)}", "leave the line out, or name another")
    pristine = project.base().files.get(path)
    if pristine is None:
        known = path in project.lock.paths and project.lock.paths[path].ownership != "produced"
        return LineOrigin("team" if known else "run")
    before = _lines(pristine)
    blocks = difflib.SequenceMatcher(None, before, now, autojunk=False).get_matching_blocks()
    places = (block.a + line - block.b for block in blocks if block.b < line <= block.b + block.size)
    place = next(places, 0)
    if not place:
        return LineOrigin("team")
    return LineOrigin("factory", *(_template_line(project, path, pristine, place, factory) if factory else ()))


def _template_line(project: Project, path: str, pristine: File, line: int, factory: Factory) -> tuple[str, int]:
    """The template line that a line of the pristine file begins with; nothing where it renders to something else."""
    try:
        made = _made(project, factory)
        answers = project.lock.answers
        owned = rendered(made, answers).rendered.owned.get(path)
        if owned is None or not owned.source:
            return "", 0
        if not owned.source.endswith(SUFFIX):
            same = factory.tree[owned.source].content == pristine.content
            return (factory.place(owned.source), line) if same else ("", 0)
        work = partial(line_origins, made.blueprint, made.components, answers, owned.component, owned.source)
        text, places = guarded(factory, work)
    except FactoryError:
        return "", 0
    if text.encode() != pristine.content or line > len(places):
        return "", 0
    template, number = places[line - 1]
    return factory.place(template), number


def controls_of(factory: Factory) -> Mapping[str, Control]:
    """The controls of a factory's map, its overlay on it, by id. Raises AuthorError for a map with mistakes."""
    return map_in(factory.read(catalog.CONTROLS)).regulation.controls


def _titles(factory: Factory) -> dict[str, str]:
    """The title of each control; none where the map has mistakes, which the gate names."""
    try:
        return {name: one.title for name, one in controls_of(factory).items()}
    except FactoryError:
        return {}


def explain_control(project: Project | None, control: str) -> ControlExplanation:
    """A control of the project's factory, or of the embedded one where there is no project or it knows none.

    Where the factory cannot be read, what is told is the embedded text, and says so. Raises UsageError for a control
    that nobody knows, UnreachableError where only the factory could know it.
    """
    factory = applied_factory(project) if project else None
    ours = controls_of(open_factory(EMBEDDED))
    theirs = controls_of(factory) if factory else {}
    unread = f"the factory `{project.lock.factory.url}` cannot be read here" if project and not factory else ""
    evidence = tuple(_evidence(project, control)) if project else ()
    one = theirs.get(control) or ours.get(control)
    if one is None and not evidence:
        if unread:
            raise UnreachableError(f"{unread}, and our own map has no control `{control}`", FETCH)
        raise UsageError(f"there is no control `{control}`{catalog.nearest(control, sorted({*ours, *theirs}))}")
    said = (one.title, one.intent, one.tier_floor) if one else ("", "", "")
    same = one is not None and control in ours and said[:2] == (ours[control].title, ours[control].intent)
    verified = "our own words, unreviewed by counsel" if same else ""
    return ControlExplanation(control, *said, verified, evidence, unread)


def _evidence(project: Project, control: str) -> Iterator[tuple[str, str]]:
    for path, entry in project.lock.paths.items():
        if control in entry.controls:
            yield path, "present" if project.folder.read(path) else "missing"
