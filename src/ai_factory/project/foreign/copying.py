"""Copier at work: its own questions, its own rendering, in a process of ours.

What is used of it beyond its public functions is its `Worker`, `Template` and `Question`; the bound on its version in
`pyproject.toml` and the tests that compare with `copier copy` hold that together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from stat import S_IFLNK
from typing import TYPE_CHECKING, Any, NamedTuple

from ai_factory import foreign, questions
from ai_factory.project.foreign.job import Job, Stamped, blamed, inside, read, said
from ai_factory.questions import MISSING, Ask, Asked

if TYPE_CHECKING:  # it takes half a second to load
    from copier._main import Worker
    from copier._user_data import Question


class Settled(NamedTuple):
    """The effective answers, and what is wrong with some of them."""

    answers: dict[str, Any]
    problems: dict[str, str]


def settle(job: Job, given: Mapping[str, Any], before: Mapping[str, Any], ask: Ask | None) -> Settled:
    """The answers as Copier settles them: given ones, else those from before that still hold, else asked, or defaults.

    Questions that the template does not ask are left out, but for those that it asked before and still reads.
    """
    worker = _worker(job, {**before, **given})
    left = _left_over(worker, before)
    problems = _answer_all(worker, given, before, ask)
    found = {**left, **{key: given[key] for key in left if key in given}, **worker.answers.user}
    return Settled({key: value for key, value in found.items() if _is_plain(value)}, problems)


def render(job: Job, answers: Mapping[str, Any]) -> Stamped:
    """The files, as `copier copy` would write them; with trust, its tasks run on them."""
    from copier._types import Phase

    worker = _worker(job, answers)
    sources = _noted(worker)
    if problems := _answer_all(worker, answers, {}, None):
        key, problem = next(iter(problems.items()))
        raise ValueError(f"`{key}`: {problem}")
    with ExitStack() as during:
        during.enter_context(_copying())
        with Phase.use(Phase.RENDER):
            worker._render_template()
        if job.trusted and worker.template.tasks:
            with Phase.use(Phase.TASKS):
                worker._execute_tasks(worker.template.tasks)
        seeded = frozenset(path for path in sources if worker.match_skip(Path(path)))
    return Stamped(read(str(worker.dst_path), sources), sources, seeded)


def _worker(job: Job, answers: Mapping[str, Any]) -> Worker:
    """Copier on a template that lies ready: it clones nothing, and reads no settings of the person's.

    Of the answers it takes the name of the project's folder, and that of its record.
    """
    from copier._main import Worker
    from copier._settings import SettingsModel
    from copier._template import Template

    template = Template(url=job.url, ref=job.version or None)
    known: dict[str, Any] = {
        "local_abspath": Path(job.template).resolve(),
        "vcs": "git" if job.version else None,
        "commit": job.version or None,
        "commit_hash": job.commit or None,
        "version": None,
        "git_index_modes": _links(job.template) if job.version else {},
    }
    vars(template).update(known)
    folder, record = str(answers.get(foreign.FOLDER, "project")), answers.get(foreign.RECORD)
    worker = Worker(
        src_path=job.url,
        dst_path=Path(job.output) / inside(job.output, folder, foreign.FOLDER),
        answers_file=Path(inside(job.output, str(record), foreign.RECORD)) if record else None,
        vcs_ref=job.version or None,
        settings=SettingsModel(),
        defaults=True,
        overwrite=True,
        quiet=True,
        unsafe=job.trusted,
    )
    vars(worker).update(template=template, _sync_git_index_executable_bit=lambda *_: None)  # a process for each file
    os.makedirs(worker.dst_path, exist_ok=True)
    worker._check_unsafe("copy")
    return worker


def _links(root: str) -> dict[PurePosixPath, int]:
    """The modes that git has for links: what they lead to is stamped as a file that nobody runs."""
    places = (os.path.join(here, name) for here, _, names in os.walk(root) for name in names)
    return {PurePosixPath(os.path.relpath(place, root)): S_IFLNK for place in places if os.path.islink(place)}


def _copying() -> Any:
    """The time in which Copier takes itself to be in `copier copy`."""
    from contextlib import contextmanager

    from copier._main import _operation

    @contextmanager
    def running() -> Any:
        token = _operation.set("copy")
        try:
            yield
        finally:
            _operation.reset(token)

    return running()


def _noted(worker: Worker) -> dict[str, str]:
    """Which template each file comes from; filled while they are rendered."""
    sources: dict[str, str] = {}

    def noting(name: str) -> Any:
        method = getattr(worker, name)

        def call(source: Path, path: Path, **more: Any) -> None:
            sources[path.as_posix()] = source.as_posix()
            with blamed(str(worker.template.local_abspath), source.as_posix()):
                method(source, path, **more)

        return call

    vars(worker).update({name: noting(name) for name in ("_render_file", "_render_symlink")})
    return sources


# ---- questions -----------------------------------------------------------------------------------


def _answer_all(worker: Worker, given: Mapping[str, Any], before: Mapping[str, Any], ask: Ask | None) -> dict[str, str]:
    """Go through the questions as Copier does; what is wrong with an answer is told by its key."""
    from copier._types import Phase
    from copier._user_data import AnswersMap, Question

    worker.answers = AnswersMap(
        init=dict(given), last=dict(before), metadata=worker.template.metadata, external=worker._external_data()
    )
    problems = {}
    with Phase.use(Phase.PROMPT), _copying():
        for key, details in worker.template.questions_data.items():
            try:
                question = Question(
                    answers=worker.answers,
                    context=worker._render_context(),
                    jinja_env=worker.jinja_env,
                    settings=worker.settings,
                    var_name=key,
                    **details,
                )
                value = _answer(worker, question, ask)
            except Exception as error:  # noqa: BLE001 - whatever a template of Copier's may do
                problems[key] = _problem(error)
                continue
            if value is not MISSING:
                worker.answers.user[key] = value
    worker.answers.external = worker._external_data()
    return problems


def _left_over(worker: Worker, before: Mapping[str, Any]) -> dict[str, Any]:
    """The answers from before that are asked no more and still read, which `copier update` gives to a template too."""
    asked = {*worker.template.questions_data, *worker.jinja_env.globals, foreign.FOLDER, foreign.RECORD}
    return {key: value for key, value in before.items() if key not in asked and _reads(worker, key)}


def _reads(worker: Worker, key: str) -> bool:
    word = re.compile(rf"(?<![\w.]){re.escape(key)}(?!\w)".encode())
    root = worker.template.local_abspath
    places = (os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names)
    return any(
        word.search(os.fsencode(os.path.relpath(place, root)))
        or (os.path.isfile(place) and word.search(_content(place)))
        for place in places
    )


def _content(place: str) -> bytes:
    with open(place, "rb") as file:
        return file.read()


def _answer(worker: Worker, question: Question, ask: Ask | None) -> Any:
    answers, key = worker.answers, question.var_name
    asked = question.get_when()
    if not asked:
        answers.hide(key)
    if key in answers.last and not (asked and _holds(question, answers.last[key])):
        del answers.last[key]
    if key in answers.init:
        return _taken(question, answers.init[key])
    default = _default(question)
    if not asked or not question.get_ask() or key in answers.last:
        return default
    if ask:
        return ask(_shown(question, default), lambda value: _check(question, value, whole=True))
    if default is MISSING:
        raise ValueError("has no default")
    return default


def _default(question: Question) -> Any:
    from copier._types import MISSING as NONE

    found = question.get_default()
    return MISSING if found is NONE else found


def _holds(question: Question, value: Any) -> bool:
    return not _check(question, value)[1]


def _taken(question: Question, value: Any) -> Any:
    """A given answer. Raises ValueError with what is wrong with it."""
    found, problem = _check(question, value, whole=isinstance(value, str))
    if problem:
        raise ValueError(problem)
    return found


def _check(question: Question, value: Any, *, whole: bool = False) -> tuple[Any, str]:
    """The answer in its type, and what is wrong with it; of several choices, Copier drops those that it does not know.

    `whole`: each of them counts, as a person has just written them.
    """
    items = _items(value) if question.multiselect else value
    try:
        if whole and isinstance(value, str) and question.get_type_name() == "bool" and not question.choices:
            items = questions.cast(_own(question), value)  # for Copier, every word but a few is true
        for item in items if question.multiselect and whole else ():
            question._parse_answer(item)
        parsed = question.parse_answer(items)
    except Exception as error:  # noqa: BLE001 - whatever a template of Copier's may do
        said = _problem(error)
        return value, said if said.startswith("Invalid choice") else f"{value!r} is no {question.get_type_name()}"
    try:
        question.validate_answer(parsed)
    except Exception as error:  # noqa: BLE001 - the same
        return value, _problem(error).removeprefix(f"Validation error for question '{question.var_name}': ")
    return parsed, ""


def _items(value: Any) -> Any:
    """What somebody wrote on one line, with commas, as a list."""
    if not isinstance(value, str) or value.lstrip().startswith(("[", "- ")):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def _own(question: Question) -> questions.Question:
    """As much of the question as our own has."""
    kind = question.get_type_name()
    return questions.Question(question.var_name, foreign.NAME, "copier.yml", kind, multiselect=question.multiselect)


def _shown(question: Question, default: Any) -> Asked:
    choices = {str(choice.title): choice.value for choice in question._formatted_choices if not choice.disabled}
    return Asked(_own(question), question.get_message().strip(), default, choices, hidden=question.secret)


def _problem(error: Exception) -> str:
    """What is wrong with a question or an answer; the library that checks questions tells it by parts."""
    parts = getattr(error, "errors", None)
    return str(parts()[0]["msg"]) if callable(parts) else said(error)[0]


def _is_plain(value: Any) -> bool:
    """Whether a lock can hold the value; another one is settled anew each time, as Copier does."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float, bool))
