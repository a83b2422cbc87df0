"""`ai-factory new`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ai_factory.cli.choosing import Answers, Data, Defaults, From, Offline, Version, With, Without
from ai_factory.cli.console import ask, can_ask, progress, show, talk, terminal_kept
from ai_factory.cli.library import Json, Verbose
from ai_factory.cli.signers import AllowedSigners, Trust, allowed_signers
from ai_factory.errors import UsageError

if TYPE_CHECKING:  # at run time they come with Jinja and YAML, which `--help` does not need
    from ai_factory.factory import Factory
    from ai_factory.project.new import Birth, Born


def new(
    blueprint: Annotated[
        str,
        typer.Argument(
            metavar="BLUEPRINT|URL", help="The use case: a name from `ai-factory blueprint list`, or a template."
        ),
    ],
    destination: Annotated[str, typer.Argument(metavar="DEST", help="A folder that is new or empty.")],
    data: Data = None,
    answers: Answers = None,
    defaults: Defaults = False,
    factory: From = "embedded",
    version: Version = "",
    with_: With = None,
    without: Without = None,
    no_git: Annotated[bool, typer.Option("--no-git", help="Make no repository and no commit.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, write nothing.")] = False,
    signers: AllowedSigners = "",
    trust: Trust = False,
    offline: Offline = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Stamp a project from a blueprint, with a repository and its first commit."""
    from ai_factory.factory import Wanted, open_factory
    from ai_factory.manifest import Manifest
    from ai_factory.project.new import prepare, write
    from ai_factory.project.target import Choice, recipe
    from ai_factory.report.plans import birth_data, birth_text

    given = given_answers(answers, data)
    factory, blueprint = place(blueprint, factory)
    opened = open_factory(factory, Wanted(version, refresh=not offline, signers=allowed_signers(signers)))
    opened = opened._replace(trusted=trust)
    blueprint = blueprint or only_blueprint(opened)
    wish = Manifest(opened.origin.url, blueprint, with_=tuple(with_ or ()), without=tuple(without or ()), answers=given)
    made = recipe(opened, Choice(blueprint, wish.with_, wish.without))
    with terminal_kept():
        birth = prepare(made, wish, destination, None if defaults or as_json or not can_ask() else ask)
    if dry_run or not as_json:
        show(birth_text(birth), {**birth_data(birth), "written": False}, as_json)
    if dry_run:
        return
    with progress(len(birth.plan.changes), "stamping") as advance:
        born = write(birth, not no_git, advance)
    if as_json:
        show("", {**birth_data(birth), "written": True}, as_json)
    else:
        _say_what_next(born, birth, no_git)


def place(named: str, factory: str) -> tuple[str, str]:
    """The factory and the blueprint in it that were named; no blueprint where an address or a folder was."""
    from ai_factory.factory import is_remote
    from ai_factory.project.foreign.traces import address

    url = address(named)
    if "/" not in url and not url.startswith((".", "~")):
        return factory, named
    if factory != "embedded":
        raise UsageError(
            f"`{named}` is a place already, and `--factory` names another", "give a blueprint's name with it"
        )
    if not is_remote(url) and not Path(url).expanduser().is_dir():
        raise UsageError(f"there is no template at `{named}`", "give a folder, or an https or ssh address")
    return url, ""


def only_blueprint(factory: Factory) -> str:
    """The blueprint of a factory that has one. Raises UsageError where a name is needed."""
    names = factory.blueprints()
    if len(names) != 1:
        raise UsageError(
            f"`{factory.origin.url}` has {len(names)} blueprints: {', '.join(names)}",
            f"name one: `ai-factory new NAME DEST --factory {factory.origin.url}`",
        )
    return names[0]


def given_answers(file: Path | None, data: Iterable[str] | None) -> dict[str, Any]:
    """What a file answers, and what the command line does, which wins. Raises UsageError for what is no answer."""
    return {**(_from_file(file) if file else {}), **dict(map(pair, data or ()))}


def pair(text: str) -> tuple[str, Any]:
    """`key=value` as key and value. Raises UsageError for anything else."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UsageError(f"`{text}` is no answer", "write it as `--data KEY=VALUE`")
    return key, value


def _from_file(path: Path) -> dict[str, Any]:
    from ai_factory import documents

    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {(error.strerror or '').lower()}") from None
    found = documents.load(content, str(path), UsageError) or {}
    if not isinstance(found, dict):
        raise UsageError(f"`{path}` line 1: answers are a mapping of key to value")
    return found


def _say_what_next(born: Born, birth: Birth, no_git: bool) -> None:
    from ai_factory.report.commits import lacking
    from ai_factory.report.plain import plain
    from ai_factory.tree import word

    for line in lacking(born.author, birth.destination):
        talk(line)
    if not born.author:
        reason = "as asked" if no_git else "it lies in a repository already"
        talk(f"no repository and no commit was made: {reason}")
    if born.install:
        talk(f"some files work only at the root of the repository; this puts them there:\n  {plain(born.install)}")
    if born.ignored:
        names = ", ".join(f"`{plain(path)}`" for path in born.ignored[:5])
        talk(f"git ignores {len(born.ignored)} of the files here, and will not keep them: {names}")
    first = "make run" if any(change.path == "Makefile" for change in birth.plan.changes) else "ai-factory status"
    talk(f"next:\n  cd {plain(word(birth.destination))}\n  {first}\n  ai-factory check")
