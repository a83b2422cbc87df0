"""`ai-factory sync`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.cli.console import in_ci, show, talk
from ai_factory.cli.new import pair
from ai_factory.cli.signers import AllowedSigners, Trust, allowed_signers
from ai_factory.errors import UsageError

if TYPE_CHECKING:  # see `new`
    from ai_factory.project.conflicts import Progress
    from ai_factory.project.release import Request
    from ai_factory.tree import File


def sync(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]", help="The project; with `--take`, its files.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="REF", help="A version (default: the newest).")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would happen, write nothing.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="With `--plan`: as the text of a pull request.")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Commit the result.")] = False,
    continue_: Annotated[
        bool, typer.Option("--continue", help="Take the open files that you mended as resolved.")
    ] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Go back to where you were, to the byte.")] = False,
    take: Annotated[str, typer.Option("--take", metavar="ours|theirs", help="Decide open files for one side.")] = "",
    show_: Annotated[
        str, typer.Option("--show", metavar="theirs", help="Print the incoming version of an open file.")
    ] = "",
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend lock and base after a merge of two branches that both synced.")
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="KEY=VALUE", help="Change an answer; the version stays, unless `--to` names one."
        ),
    ] = None,
    factory: Annotated[
        str, typer.Option("--factory", metavar="URL|PATH", help="The factory, when not the project's.")
    ] = "",
    accept: Annotated[str, typer.Option("--accept-factory", metavar="URL", help="Agree to another origin.")] = "",
    signers: AllowedSigners = "",
    trust: Trust = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use no network: the cached factory.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the traceback of an unexpected error.")] = False,
) -> int:
    """Bring the project to a new version of its factory, every local edit kept."""
    from ai_factory.project.release import Request

    _refuse_two(
        {
            "--plan": plan,
            "--continue": continue_,
            "--abort": abort,
            "--take": take,
            "--show": show_,
            "--repair": repair,
        }
    )
    if (plan and commit) or (markdown and not plan):
        raise UsageError("`--commit` and `--plan` exclude each other" if commit else "`--markdown` goes with `--plan`")
    if to == "":
        raise UsageError("`--to` names no version", "leave it out for the newest release")
    files = list(paths or ())
    if take or show_:
        return _decide(take, show_, files, as_json)
    place = files[0] if files else "."
    if len(files) > 1:
        raise UsageError("one project at a time", "`--take ours FILE…` takes several files")
    if abort or continue_:
        return _finish(place, abort, as_json)
    if repair:
        return _repair(place, as_json)
    request = Request(
        to=to or "",
        factory=factory,
        accept=accept,
        answers=dict(map(pair, data or ())),
        refresh=not offline,
        signers=allowed_signers(signers),
        today=time.strftime("%Y-%m-%d"),
        trusted_only=in_ci(),
        trust=trust,
    )
    return run(place, request, plan, markdown, commit, as_json)


def _refuse_two(given: Mapping[str, object]) -> None:
    """Of options that each ask for another thing, one may be given."""
    chosen = [name for name, value in given.items() if value]
    if len(chosen) > 1:
        raise UsageError(f"`{chosen[0]}` and `{chosen[1]}` exclude each other")


def run(place: str, request: Request, plan: bool, markdown: bool, commit: bool, as_json: bool) -> int:
    """Plan a sync, apply it unless only the plan is wanted, and tell."""
    from ai_factory.project import sync as verb
    from ai_factory.project.opening import open_project
    from ai_factory.report.plans import sync_data, sync_markdown, sync_text

    prepared = verb.prepare(open_project(place), request)
    if commit and prepared.nothing_to_do:
        verb.refuse_uncommitted(prepared)
    applied = not plan and not prepared.nothing_to_do
    if applied:
        verb.apply(prepared)
    committed = applied and commit and not prepared.plan.conflicts
    if committed:
        verb.commit(prepared)
    text = sync_markdown(prepared) if markdown else sync_text(prepared, applied, committed)
    show(text, sync_data(prepared, applied), as_json)
    return 1 if prepared.plan.conflicts or prepared.still_open else 0


def _finish(place: str, abort: bool, as_json: bool) -> int:
    from ai_factory.project import conflicts as verb
    from ai_factory.project.opening import root_of
    from ai_factory.report.plain import kept_data, kept_lines

    if abort:
        kept = verb.abort(root_of(place))
        data = {"schema": "ai-factory/sync-abort/1", "aborted": True, "kept": kept_data(kept)}
        show("\n".join(["back to where you were", *kept_lines(kept)]), data, as_json)
        return 0
    return _tell(verb.resume(root_of(place)), as_json)


def _repair(place: str, as_json: bool) -> int:
    from ai_factory.project.repair import repair as verb
    from ai_factory.report.repairs import repair_data, repair_text
    from ai_factory.workspace import find_project

    repaired = verb(find_project(place))
    show(repair_text(repaired), repair_data(repaired), as_json)
    return 1 if repaired.open or repaired.unmerged else 0


def _decide(take: str, shown: str, files: list[str], as_json: bool) -> int:
    from ai_factory.cli.look import project_and_files
    from ai_factory.project import conflicts as verb

    if not files:
        raise UsageError("name the file", "`ai-factory status` lists the open ones")
    project, paths = project_and_files(files)
    if shown:
        if shown != "theirs" or len(paths) > 1:
            raise UsageError("`--show` knows `theirs`, for one file")
        _show_incoming(paths[0], verb.incoming(project, paths[0]), as_json)
        return 0
    if take not in ("ours", "theirs"):
        raise UsageError(f"`--take` knows `ours` and `theirs`, not `{take}`")
    return _tell(verb.take(project, take, paths), as_json)


def _show_incoming(path: str, file: File | None, as_json: bool) -> None:
    from ai_factory.report.plain import plain

    content = file.content if file else b""
    if file is None:
        talk(f"the new version has removed {plain(path)}")
    if as_json:
        data = {"schema": "ai-factory/sync-show/1", "path": path, "deleted": file is None}
        show("", {**data, "content": content.decode("utf-8", "backslashreplace")}, as_json)
    elif sys.stdout.isatty():  # it is not for the factory to move the cursor or to name the window
        show("\n".join(map(plain, content.decode("utf-8", "backslashreplace").splitlines())), {}, False)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)


def _tell(progress: Progress, as_json: bool) -> int:
    from ai_factory.report.plain import DECIDE, kept_data, kept_lines, plain

    lines = [f"resolved {plain(path)}" for path in progress.resolved] + [
        f"still open: {plain(path)}" for path in progress.open
    ]
    lines += kept_lines(progress.kept)
    lines += [f"left: {plain(path)} is not the proposal as the sync put it there" for path in progress.left]
    lines += ["hint: `git commit` when you are content"] if not progress.open else [DECIDE]
    data = {
        "schema": "ai-factory/sync-progress/1",
        "resolved": list(progress.resolved),
        "open": list(progress.open),
        "kept": kept_data(progress.kept),
        "left": list(progress.left),
    }
    show("\n".join(lines), data, as_json)
    return 1 if progress.open else 0
