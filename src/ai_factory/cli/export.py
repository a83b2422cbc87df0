"""`ai-factory export`: a command for each format."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show, talk
from ai_factory.cli.evidence import write_new
from ai_factory.cli.look import Json, Verbose
from ai_factory.cli.signers import ApprovalSigners, readable
from ai_factory.errors import UsageError

export = typer.Typer(help="Write documents for other tools: OSCAL, CycloneDX, CSV.", no_args_is_help=True)
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file to write, a new one (default: standard output).")
]
Place = Annotated[str, typer.Argument(metavar="[PATH]", help="The project (default: the one here).")]
Day = Annotated[str, typer.Option("--as-of", metavar="DATE", help="Judge as of that day (default: today).")]
Source = Annotated[
    str, typer.Option("--factory", metavar="URL|PATH", help="Another factory than the project's or the embedded one.")
]
Version = Annotated[str, typer.Option("--version", metavar="REF", help="A tag, branch or commit of that factory.")]

OF_FACTORY = {
    "oscal-catalog": "Write the controls and what asks for them as an OSCAL catalogue; no project is needed.",
    "oscal-component-definition": "Write which component has evidence for which control; no project is needed.",
}
OF_PROJECT = {
    "oscal-profile": "Write the controls that are required of the project now as an OSCAL profile.",
    "oscal-assessment-results": "Write what the gate finds as OSCAL assessment results.",
    "cyclonedx-ml-bom": "Write the project's bill of materials with tier, controls and components added.",
    "csv": "Write a row for each control, for governance tools and spreadsheets.",
    "iso-42001-soa": "Write a statement of applicability for Annex A of ISO/IEC 42001, as CSV.",
    "nist-ai-rmf": "Write the subcategories of the NIST AI RMF beside controls and their status, as CSV.",
}


def _of_factory(name: str) -> Callable[..., None]:
    def command(
        path: Place = "",
        output: Output = None,
        factory: Source = "",
        version: Version = "",
        as_json: Json = False,
        verbose: Verbose = False,
    ) -> None:
        from ai_factory.project.export import offer, offer_here
        from ai_factory.report.exports import OF_FACTORY as MAKERS

        _check(output, as_json)
        if factory and path:
            raise UsageError("a project and another factory are given", "leave out one of the two")
        if version and not factory:
            raise UsageError("`--version` names a version of `--factory`, which is not given", "give `--factory` too")
        _put(MAKERS[name](offer(factory, version) if factory else offer_here(path)), output, as_json)

    return command


def _of_project(name: str) -> Callable[..., None]:
    def command(
        path: Place = "",
        output: Output = None,
        as_of: Day = "",
        signers: ApprovalSigners = "",
        as_json: Json = False,
        verbose: Verbose = False,
    ) -> None:
        from ai_factory.project.export import state
        from ai_factory.report.exports import OF_PROJECT as MAKERS

        _check(output, as_json)
        _put(MAKERS[name](state(path, day(as_of), readable(signers))), output, as_json)

    return command


def _check(output: Path | None, as_json: bool) -> None:
    if as_json and output is None:
        raise UsageError("`--json` says what was written, and nothing is", "give `-o FILE` too, or leave it out")


def _put(content: bytes, output: Path | None, as_json: bool) -> None:
    """The document to standard output, or into a new file; that it is unreviewed is said beside it, too."""
    import hashlib

    from ai_factory.report.assessments import UNREVIEWED

    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    else:
        write_new(output, content)
        digest = hashlib.sha256(content).hexdigest()
        data = {"schema": "ai-factory/export/1", "output": str(output), "bytes": len(content), "sha256": digest}
        show(f"wrote {output}: {len(content)} bytes\nsha256 {digest}", data, as_json)
    if not as_json:
        talk(UNREVIEWED)


for one, sentence in OF_FACTORY.items():
    export.command(one, help=sentence)(_of_factory(one))
for one, sentence in OF_PROJECT.items():
    export.command(one, help=sentence)(_of_project(one))
