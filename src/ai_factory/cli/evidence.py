"""`ai-factory evidence`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from ai_factory.cli.assess import day
from ai_factory.cli.console import show, talk
from ai_factory.cli.look import Json, Place, Verbose
from ai_factory.cli.signers import ApprovalSigners, readable
from ai_factory.errors import MachineError, UsageError


def evidence(
    output: Annotated[Path, typer.Option("--output", "-o", help="The archive to write, a new file.")],
    path: Place = ".",
    events: Annotated[
        list[str] | None,
        typer.Option("--event", metavar="ID", help="Prove this event of the log; again for more."),
    ] = None,
    as_of: Annotated[str, typer.Option("--as-of", metavar="DATE", help="Judge as of that day (default: today).")] = "",
    signers: ApprovalSigners = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write one archive that an outsider verifies offline: controls, results, approvals, digests, proofs."""
    from ai_factory.base import packed
    from ai_factory.project.bundle import bundle
    from ai_factory.project.gate import gate
    from ai_factory.project.opening import open_project
    from ai_factory.report import gates
    from ai_factory.tree import File

    project = open_project(path)
    found = gate(project, day(as_of), readable(signers))
    files = bundle(project, found, gates.data(found), events or ())
    content = packed({name: File(part) for name, part in files.items()})
    write_new(output, content)
    digest = hashlib.sha256(content).hexdigest()
    verdict = "passed" if found.passed else "not passed: the bundle says so"
    data = {"schema": "ai-factory/evidence/1", "output": str(output), "files": len(files), "passed": found.passed}
    data["sha256"] = digest
    show(f"wrote {output}: {len(files)} files, gate {verdict}\nsha256 {digest}", data, as_json)
    if not as_json:
        talk(f"hint: who gets it runs `python verify.py {output.name}`, with verify.py from the archive or from you")


def write_new(output: Path, content: bytes) -> None:
    """Write a file that is not there yet. Raises UsageError for one that is, MachineError where the disk refuses."""
    try:
        with output.open("xb") as stream:
            stream.write(content)
    except FileExistsError:
        raise UsageError(f"`{output}` is there already", "give a new name, or move it away") from None
    except OSError as error:
        raise MachineError(f"cannot write `{output}`: {(error.strerror or '').lower()}") from None
