"""Cookiecutter at work, in a process of ours: as its command goes about it, without its cache and its settings."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

from ai_factory import foreign, questions
from ai_factory.errors import AuthorError
from ai_factory.project.foreign.copying import Settled
from ai_factory.project.foreign.job import Job, Stamped, blamed, inside, read
from ai_factory.questions import Ask, Asked

MARK = "cookiecutter.json"
NESTED = ("template", "templates")  # keys with which it offers several templates, each in a folder


def settle(job: Job, given: Mapping[str, Any], before: Mapping[str, Any], ask: Ask | None) -> Settled:
    """The answers as Cookiecutter settles them: given ones, else those from before that still hold, else defaults."""
    place = _prepared(job)
    known: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for key in _offered(place):
        if key in given:
            known[key], problem = _check(place, known, key, given[key])
            problems |= {key: problem} if problem else {}
        elif key in before and not _check(place, known, key, before[key])[1]:
            known[key] = before[key]
        elif ask:
            known[key] = _asked(place, known, key, ask)
    if problems:
        return Settled({}, problems)
    return Settled({key: value for key, value in _context(place, known).items() if not key.startswith("_")}, {})


def render(job: Job, answers: Mapping[str, Any]) -> Stamped:
    """The content of the folder that Cookiecutter would write, its hooks included."""
    from cookiecutter import generate

    place = _prepared(job)
    whole = _raw(place, answers)
    public = {key: value for key, value in whole["cookiecutter"].items() if not key.startswith("_")}
    known = {**whole["cookiecutter"], **_context(place, answers), "_template": job.url, "_commit": job.commit}
    here = {"_output_dir": job.output, "_repo_dir": place, "_checkout": job.version or None}
    context = {"cookiecutter": _Context(known, here), "_cookiecutter": public}
    sources: dict[str, str] = {}
    # what is set here is of this process, which ends with it
    generate.generate_file = _noting(generate.generate_file, sources, place)
    environment = generate.create_env_with_context
    generate.create_env_with_context = lambda context: _Paths(environment(context), place, job.output)
    generate.run_hook_from_repo_dir = _blaming(generate.run_hook_from_repo_dir, place)
    logging.getLogger("cookiecutter").setLevel(logging.CRITICAL)  # a failed hook is told by the error
    root = generate.generate_files(place, context, job.output)
    tree = read(root, sources)
    return Stamped(tree, {path: source for path, source in sources.items() if path in tree})


class _Context(dict[str, Any]):
    """The variables as cruft has them; those that tell where a run takes place can be read, and no dump has them."""

    def __init__(self, known: Mapping[str, Any], here: Mapping[str, Any]) -> None:
        super().__init__(known)
        self._here = here

    def __missing__(self, key: str) -> Any:
        return self._here[key]


_Context.__name__, _Context.__module__ = "cookiecutter", "builtins"  # "'cookiecutter object' has no attribute 'x'"


class _Paths:
    """Cookiecutter's environment, from which it has the path of each file and folder: one below the output folder."""

    def __init__(self, environment: Any, template: str, output: str) -> None:
        vars(self).update(environment=environment, template=template, output=output)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.environment, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.environment, name, value)

    def from_string(self, source: str) -> _Path:
        shown = os.path.basename(source) if os.path.isabs(source) else source
        with blamed(self.template, shown):
            return _Path(shown, self.environment.from_string(source), self.template, self.output)


class _Path(NamedTuple):
    source: str
    path: Any
    template: str
    output: str

    def render(self, **context: Any) -> str:
        with blamed(self.template, self.source):
            return inside(self.output, self.path.render(**context), self.source)


def _prepared(job: Job) -> str:
    """The folder of the template, after a hook that may have changed its questions; its extensions can be found."""
    from cookiecutter.hooks import run_pre_prompt_hook

    tempfile.tempdir = os.path.dirname(job.output)  # of this process: Cookiecutter leaves copies and scripts behind
    place = str(run_pre_prompt_hook(job.template))
    sys.path.append(place)
    if nested := [key for key in NESTED if key in _raw(place, {})["cookiecutter"]]:
        raise AuthorError(
            f"`{MARK}` offers several templates under `{nested[0]}`",
            "a repository or folder with one of them is needed",
        )
    return place


def _raw(place: str, known: Mapping[str, Any]) -> Any:
    """What stands in its file, with known answers in their places. Raises ValueError for one that cannot be."""
    from cookiecutter.generate import generate_context

    context = generate_context(os.path.join(place, MARK))
    for key, value in known.items():
        if key in context["cookiecutter"]:
            _put(context, key, value)
    return context


def _put(context: Any, key: str, value: Any) -> None:
    """Have the answer to one variable be its default: what Cookiecutter itself does with what it is given.

    That does not find a choice which is a template. Of a dictionary, what the answer lacks stays as it is.
    """
    from cookiecutter.generate import apply_overwrites_to_context

    own = context["cookiecutter"]
    if isinstance(own[key], list):
        options = _options(context, key)
        if value not in options:
            raise ValueError(f"{value!r} is not one of {', '.join(map(str, options))}")
        first = own[key].pop(options.index(value))
        own[key].insert(0, first)
    else:
        apply_overwrites_to_context(own, {key: _dictionary(value) if isinstance(own[key], dict) else value})


def _options(context: Any, key: str) -> list[Any]:
    """The choices of a variable, rendered."""
    from cookiecutter.prompt import prompt_for_config, render_variable
    from cookiecutter.utils import create_env_with_context

    known = prompt_for_config(deepcopy(context), no_input=True)
    environment = create_env_with_context(context)
    return [render_variable(environment, option, known) for option in context["cookiecutter"][key]]


def _dictionary(value: Any) -> Any:
    """A dictionary, or JSON of one. Raises ValueError for anything else."""
    found = json.loads(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise ValueError(f"{value!r} is no JSON object")
    return found


def _context(place: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Every variable with its value, rendered."""
    from cookiecutter.prompt import prompt_for_config

    return dict(prompt_for_config(_raw(place, known), no_input=True))


def _offered(place: str) -> list[str]:
    return [key for key in _raw(place, {})["cookiecutter"] if not key.startswith("_")]


def _check(place: str, known: Mapping[str, Any], key: str, value: Any) -> tuple[Any, str]:
    """The answer in its variable's type, and what is wrong with it."""
    try:
        return deepcopy(_context(place, {**known, key: value})[key]), ""
    except Exception as error:  # noqa: BLE001 - an answer is rendered, whatever that may do
        return value, [*str(error).strip().splitlines(), type(error).__name__][0]


def _asked(place: str, known: Mapping[str, Any], key: str, ask: Ask) -> Any:
    context = _raw(place, known)
    raw, labels = context["cookiecutter"][key], context["cookiecutter"].get("__prompts__", {})
    label = labels.get(key, key) if isinstance(labels, dict) else key
    named = label if isinstance(label, dict) else {}
    text = named.get("__prompt__", key) if isinstance(label, dict) else str(label)
    question = questions.Question(key, foreign.NAME, MARK, "bool" if isinstance(raw, bool) else "str")
    options = _options(context, key) if isinstance(raw, list) else []
    choices = {str(named.get(option, option)): option for option in options}
    return ask(Asked(question, text, _context(place, known)[key], choices), partial(_check, place, known, key))


def _noting(generate_file: Callable[..., None], sources: dict[str, str], place: str) -> Callable[..., None]:
    """The function that renders a file, and notes which template each file comes from."""

    def call(project: str, infile: str, context: Any, env: Any, *more: Any) -> None:
        path = os.path.normpath(env.from_string(infile).render(**context))
        sources[path] = os.path.relpath(os.path.join(os.getcwd(), infile), os.path.realpath(place))
        with blamed(place, sources[path]):
            generate_file(project, infile, context, env, *more)

    return call


def _blaming(run_hook: Callable[..., None], place: str) -> Callable[..., None]:
    """The function that runs a hook; where that fails, the error names it."""

    def call(repo_dir: Any, name: str, *more: Any) -> None:
        with blamed(place, f"hooks/{name}"):
            run_hook(repo_dir, name, *more)

    return call
