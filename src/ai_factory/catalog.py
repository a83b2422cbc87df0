"""What a factory offers: components and blueprints, parsed from its tree and checked on the way in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ai_factory import documents, formats, questions
from ai_factory.documents import Load
from ai_factory.errors import AuthorError, FactoryError, UsageError
from ai_factory.questions import Question
from ai_factory.tree import File, Tree

COMPONENTS, BLUEPRINTS, CONTROLS = "templates", "blueprints", "controls"
FILES = "files"
PROBLEM_LIMIT = 50  # problems of one document that are told at once
RELEASE = re.compile(r"^##\s+\[?v?(\d[\w.+-]*)\]?", re.MULTILINE)  # a release's heading in a changelog

Read = Callable[[str], Tree]  # the files below a folder of the factory, by path relative to it


class Change(NamedTuple):
    """What a release of a component declares about its own past, applied by sync in version order."""

    since: str
    rename: Mapping[str, str]
    remove: tuple[str, ...]
    answer: Mapping[str, Any]
    manual: str
    impact: str
    move_keys: Mapping[str, Mapping[str, str]] = {}  # by file: where an entry was, and where it is now
    weakens: tuple[str, ...] = ()  # the controls for which there is less evidence, or that are asked of fewer


class Component(NamedTuple):
    """A reusable part: its files and questions, what it adds to files of others, what it is evidence for."""

    name: str
    version: str
    summary: str
    requires: tuple[str, ...]
    ownership: Mapping[str, str]
    contributes: Mapping[str, Any]
    evidences: Mapping[str, tuple[str, ...]]
    produces: tuple[str, ...]
    changes: tuple[Change, ...]
    questions: tuple[Question, ...]
    tree: Tree

    @property
    def folder(self) -> str:
        return f"{COMPONENTS}/{self.name}"

    @property
    def files(self) -> dict[str, File]:
        """Template path (below `files/`) to file."""
        prefix = f"{FILES}/"
        return {path[len(prefix) :]: file for path, file in self.tree.items() if path.startswith(prefix)}


class Blueprint(NamedTuple):
    """A use case: an ordered list of components, preset answers, the risk facts that it implies.

    `test` is the command by which a project shows that it works; empty where none is named. `retired` says of
    components that it had why it has them no more; projects of the blueprints that it `replaces` are synced by it.
    """

    name: str
    summary: str
    components: tuple[str, ...]
    optional: tuple[str, ...]
    answers: Mapping[str, Any]
    facts: Mapping[str, Any]
    test: str = ""
    retired: Mapping[str, str] = {}
    replaces: tuple[str, ...] = ()


def blueprint(name: str, read: Read, load: Load = documents.load) -> Blueprint:
    """The blueprint of that name, or the one that replaces it.

    Raises UsageError when there is none, AuthorError when it is malformed.
    """
    files = read(BLUEPRINTS)
    name = name if f"{name}.yaml" in files else _successor(name, files, load)
    path = f"{name}.yaml"
    if path not in files:
        raise UsageError(
            f"there is no blueprint `{name}`{nearest(name, blueprint_names(files))}",
            "`ai-factory blueprint list` shows what there is",
        )
    where = f"{BLUEPRINTS}/{path}"
    data = _parsed(files[path].content, where, formats.BLUEPRINT, load)
    result = Blueprint(
        name=name,
        summary=data["summary"],
        components=tuple(data["components"]),
        optional=tuple(data.get("optional", ())),
        answers=data.get("answers", {}),
        facts=data.get("facts", {}),
        test=data.get("test", ""),
        retired=data.get("retired", {}),
        replaces=tuple(data.get("replaces", ())),
    )
    _refuse_repeats(result.components + result.optional, where)
    return result


def _successor(name: str, files: Tree, load: Load) -> str:
    """The first blueprint that says it replaces the one of that name; that name where none does."""
    for other in blueprint_names(files):
        try:
            data = load(files[f"{other}.yaml"].content, f"{BLUEPRINTS}/{other}.yaml", AuthorError)
        except FactoryError:
            continue  # it is told to who asks for it
        if isinstance(data, dict) and isinstance(data.get("replaces"), list) and name in data["replaces"]:
            return other
    return name


def _refuse_repeats(names: Sequence[str], where: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise AuthorError(f"`{where}` lists `{repeated[0]}` twice")


def blueprint_names(files: Iterable[str]) -> list[str]:
    """The names of the blueprints among the files of the folder `blueprints/`."""
    return sorted(path.removesuffix(".yaml") for path in files if path.endswith(".yaml") and "/" not in path)


def component(name: str, read: Read, factory_version: str, load: Load = documents.load) -> Component:
    """The component of that name.

    Its version is the newest release in its CHANGELOG.md; without one it moves with the factory. Raises
    UsageError when there is no such component, AuthorError when it is malformed.
    """
    tree = read(f"{COMPONENTS}/{name}")
    manifest = tree.get("component.yaml")
    if manifest is None:
        raise UsageError(f"there is no component `{name}`", "`ai-factory component list` shows what there is")
    where = f"{COMPONENTS}/{name}/component.yaml"
    data = _parsed(manifest.content, where, formats.COMPONENT, load)
    return Component(
        name=name,
        version=version_of(tree, factory_version),
        summary=data["summary"],
        requires=tuple(data.get("requires", ())),
        ownership=data.get("ownership", {}),
        contributes=data.get("contributes", {}),
        evidences={control: tuple(globs) for control, globs in data.get("evidences", {}).items()},
        produces=tuple(data.get("produces", ())),
        changes=tuple(map(_change, data.get("changes", ()))),
        questions=_questions(name, tree, load),
        tree=tree,
    )


def version_of(tree: Tree, factory_version: str) -> str:
    """The version of the component with these files: its changelog's newest, else that of the factory."""
    changelog = tree.get("CHANGELOG.md")
    found = RELEASE.search(changelog.content.decode(errors="replace")) if changelog else None
    return found[1] if found else factory_version


def _change(data: Mapping[str, Any]) -> Change:
    return Change(
        since=data["since"],
        rename=data.get("rename", {}),
        remove=tuple(data.get("remove", ())),
        answer=data.get("answer", {}),
        manual=data.get("manual", ""),
        impact=data.get("impact", "review"),
        move_keys=data.get("move_keys", {}),
        weakens=tuple(data.get("weakens", ())),
    )


def _questions(name: str, tree: Tree, load: Load) -> tuple[Question, ...]:
    if "copier.yml" not in tree:
        return ()
    where = f"{COMPONENTS}/{name}/copier.yml"
    content = tree["copier.yml"].content
    data = load(content, where, AuthorError) or {}
    _refuse_code(data, content, where)
    _validate(data, formats.QUESTIONS, content, where)
    return tuple(questions.parse(key, value, name, where) for key, value in data.items() if not key.startswith("_"))


def _refuse_code(data: Any, content: bytes, where: str) -> None:
    for key in data if isinstance(data, dict) else ():
        if str(key).startswith("_") and key not in formats.COPIER_SETTINGS:
            line = documents.line_of(content, [key])
            raise AuthorError(
                f"`{where}` line {line}: Copier's setting `{key}` is not supported in a component",
                "settings known here: " + ", ".join(formats.COPIER_SETTINGS),
            )
        if isinstance(data[key], dict) and data[key].get("secret"):
            line = documents.line_of(content, [key, "secret"])
            raise AuthorError(
                f"`{where}` line {line}: `{key}` asks for a secret, which would be stored",
                "let the component contribute an environment variable with `secret: true` instead",
            )


def _parsed(content: bytes, where: str, schema: formats.Schema, load: Load) -> dict[str, Any]:
    data = load(content, where, AuthorError)
    _validate(data, schema, content, where)
    return dict(data)


def _validate(data: Any, schema: formats.Schema, content: bytes, where: str) -> None:
    validate(data, schema, content, where, AuthorError)


def validate(data: Any, schema: formats.Schema, content: bytes, where: str, error: type[FactoryError]) -> None:
    """Raise `error` with file and line for each place in which the document differs from its format."""
    found = list(islice(formats.problems(data, schema), PROBLEM_LIMIT))
    if found:
        whole = len(content) <= documents.SIZE_LIMIT  # of more, counting lines would take too long
        numbers = documents.lines_of(content, [problem.place for problem in found]) if whole else [0] * len(found)
        lines = tuple(
            f"`{where}`{f' line {number}' if number else ''}: {_place(problem)}{problem.message}"
            for problem, number in zip(found, numbers, strict=True)
        )
        raise error(lines[0], details=lines[1:])


def _place(problem: formats.Problem) -> str:
    return f"{'.'.join(map(str, problem.place))}: " if problem.place else ""


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of a sentence that says what was meant, or what there is."""
    import difflib  # only for a name that is wrong

    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean `{close[0]}`?" if close else f"; known are {', '.join(known) or 'none'}"


def select(chosen: Blueprint, with_: Sequence[str] = (), without: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the components to use, in the blueprint's order, optional ones last.

    Raises UsageError for a component taken that is not optional here, or dropped that is not in the list; of one that
    the blueprint has retired a project need not know.
    """
    where = f"{BLUEPRINTS}/{chosen.name}.yaml"
    for name in with_:
        if name not in (*chosen.optional, *chosen.components, *chosen.retired):
            raise UsageError(
                f"`{where}` does not offer `{name}`{nearest(name, chosen.optional)}",
                f"`ai-factory blueprint show {chosen.name}` lists what is optional",
            )
    for name in without:
        if name not in (*chosen.components, *chosen.retired):
            raise UsageError(
                f"`{where}` has no component `{name}`{nearest(name, chosen.components)}",
                f"`ai-factory blueprint show {chosen.name}` lists the components",
            )
    kept = [name for name in chosen.components if name not in without]
    return tuple(kept + [name for name in chosen.optional if name in with_])


def check_requires(components: Sequence[Component]) -> None:
    """Raise UsageError when a component needs one that is not there, or stands before one that it needs."""
    before: set[str] = set()
    names = {item.name for item in components}
    for item in components:
        for needed in item.requires:
            if needed not in names:
                raise UsageError(
                    f"the component `{item.name}` requires `{needed}`, which is not taken",
                    f"add it with `--with {needed}`, or leave `{item.name}` out with `--without {item.name}`; "
                    f"in a project: `ai-factory component add {needed}` or `component remove {item.name}`",
                )
            if needed not in before:
                raise AuthorError(f"the component `{needed}` must stand before `{item.name}`, which requires it")
        before.add(item.name)


def visible(components: Sequence[Component]) -> dict[str, frozenset[str]]:
    """For each component, those whose answers it may read: its own, and all that it requires."""
    seen: dict[str, frozenset[str]] = {}
    for item in components:
        below = (seen.get(name, frozenset()) for name in item.requires)
        seen[item.name] = frozenset({item.name}).union(*below)
    return seen


def all_questions(components: Sequence[Component]) -> list[Question]:
    """The questions of all components in order. Raises AuthorError when two ask one key."""
    asked: dict[str, Question] = {}
    for question in (question for item in components for question in item.questions):
        other = asked.setdefault(question.key, question)
        if other is not question:
            raise AuthorError(
                f"`{other.where}` and `{question.where}` both ask `{question.key}`",
                "let one ask it, and the other require that component",
            )
    return list(asked.values())
