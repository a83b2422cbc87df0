"""From a foreign template and answers to what `render` gives for one of ours; here alone an engine is chosen and run.

Every run is a child process: what needs no trust with limits and without the person's environment, what is trusted as
the person would run it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar

from ai_factory import foreign, isolate, render
from ai_factory.engines import TITLES
from ai_factory.errors import AnswersError, AuthorError, ConsentError, FactoryError, MachineError
from ai_factory.factory import Factory
from ai_factory.project.foreign.job import MEND, Job, Stamped, laid_out, said, version_of
from ai_factory.questions import Ask
from ai_factory.render import Owned, Rendered
from ai_factory.tree import File, Tree, blob_id

MODULES = {"copier": "copying", "cookiecutter": "cutting"}  # by engine, the module of ours that runs it
KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TMPDIR", "TZ")  # of the environment, where nobody gives trust
HINTS = {  # by what an engine raises
    "UnsupportedVersionError": "`pip install --upgrade copier`, or name an older version of the template"
}
Result = TypeVar("Result")


def settle(
    factory: Factory, given: Mapping[str, Any], before: Mapping[str, Any], ask: Ask | None = None
) -> dict[str, Any]:
    """All effective answers, secret ones too: given ones, else those from before that still hold, else the defaults.

    An answer that the template does not ask is left out. Raises AnswersError, ConsentError, AuthorError.
    """
    require_consent(factory)
    with laid_out(factory) as job:
        work = partial(_told, factory, job, partial(_module(factory).settle, job, given, before, ask))
        found = work() if ask else guarded(factory, partial(_quietly, work))  # who asks is in a child already
    if found.problems:
        raise AnswersError(found.problems, "give them with `--data KEY=VALUE` or `--answers FILE`")
    whole = {**before, **given}
    return {**found.answers, **{key: whole[key] for key in foreign.places_read(factory.tree) if whole.get(key)}}


def rendered(factory: Factory, answers: Mapping[str, Any]) -> Rendered:
    """What the template stamps: everything merged, but what the template itself leaves to the team.

    Raises ConsentError, AuthorError.
    """
    stamped = _stamped(factory, answers)
    telling = _telling(factory, answers, stamped)
    mark = foreign.mark_of(factory.tree)
    owned = {}
    for path in stamped.tree:
        source = stamped.sources.get(path, mark)
        word = "seeded" if path in stamped.seeded or path in telling else "merged"
        owned[render.checked_path(path, source)] = Owned(foreign.NAME, word, (), source, path in telling)
    render.check(stamped.tree, owned)
    return Rendered(stamped.tree, owned, (), _unlike(factory, answers, stamped))


def require_consent(factory: Factory) -> None:
    """Raise ConsentError, listing what would run, where nobody has agreed that code of the template does."""
    code = foreign.code_in(factory.tree) if factory.engine and not factory.trusted else ()
    if code:
        raise ConsentError(
            f"the template `{factory.origin.url}` runs code of its own",
            "if you trust it: the same again with `--trust`; in a fleet `trust: true` beside its address in fleet.yaml",
            tuple(code),
        )


def guarded(factory: Factory, compute: Callable[[], Result]) -> Result:
    """The result of work with a template, in a child: a conversation about it, or an engine's work."""
    require_consent(factory)
    _module(factory)
    version_of(factory.origin)  # looked up once, here: the child does not know where the person's cache is
    what = f"the template `{factory.origin.url}`"
    return isolate.apart(compute, what) if factory.trusted else isolate.limited(partial(_bare, compute), what)


def _stamped(factory: Factory, answers: Mapping[str, Any]) -> Stamped:
    with laid_out(factory) as job:
        work: Callable[[], Stamped] = partial(_told, factory, job, partial(_module(factory).render, job, answers))
        return guarded(factory, partial(_quietly, work))


def _telling(factory: Factory, answers: Mapping[str, Any], stamped: Stamped) -> set[str]:
    """The files in which a secret shows: with another one they are others."""
    secret = {key: _another(answers[key]) for key in foreign.secrets(factory.tree) if key in answers}
    if not secret:
        return set()
    other = _stamped(factory, {**answers, **secret}).tree
    return {path for path, file in stamped.tree.items() if _id(file) != _id(other.get(path))}


def _unlike(factory: Factory, answers: Mapping[str, Any], stamped: Stamped) -> Tree:
    """The files that another rendering has otherwise, as that has them; made where the template may make things up."""
    if not foreign.makes_up(factory.tree):
        return {}
    other = _stamped(factory, answers).tree
    return {path: other[path] for path, file in stamped.tree.items() if path in other and file != other[path]}


def _id(file: File | None) -> str:
    return blob_id(file.content) if file else ""


def _another(value: Any) -> Any:
    if isinstance(value, bool) or not value:
        return not value if isinstance(value, bool) else "another"
    return value + 1 if isinstance(value, (int, float)) else f"{value}0"


# ---- processes -----------------------------------------------------------------------------------


def _module(factory: Factory) -> ModuleType:
    """The module that runs the engine, which is loaded here once. Raises MachineError where it is not installed."""
    engine = factory.engine
    if find_spec(engine) is None:
        raise MachineError(
            f"the template `{factory.origin.url}` is rendered by {TITLES[engine]}, which is not installed",
            "install it: `pip install 'ai-factory[foreign]'`",
        )
    import_module(engine)
    return import_module(f"ai_factory.project.foreign.{MODULES[engine]}")


def _told(factory: Factory, job: Job, compute: Callable[[], Result]) -> Result:
    """What the engine gives, its errors as ours."""
    try:
        return compute()
    except (FactoryError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever an engine, or code of a template, may raise
        lines = [line.replace(f"{job.template}/", "").replace(f"{job.output}/", "") for line in said(error)]
        raise AuthorError(
            f"{TITLES[factory.engine]} cannot render `{factory.origin.url}`: {lines[0]}",
            HINTS.get(type(error).__name__, MEND),
            tuple(lines[1:]),
        ) from None


def _quietly(compute: Callable[[], Result]) -> Result:
    """In the child: what code says goes to the people's stream, and it asks nobody."""
    sys.stdout.flush()
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return compute()


def _bare(compute: Callable[[], Result]) -> Result:
    """In the child: no variable of the person's, which a template could read, and which would change what it gives."""
    kept = {key: os.environ[key] for key in KEPT if key in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    return compute()
