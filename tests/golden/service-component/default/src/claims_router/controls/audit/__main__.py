"""The commands `verify` (check the audit logs) and `checkpoint` (print their ends)."""

import argparse
import json
import sys
from pathlib import Path

from ..paths import Paths
from .chain import Verification, checkpoint, verify, verify_folder


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: intact; 1: something is missing or was changed; 2: there is no log."""
    options = _parser().parse_args(arguments)
    folder = Paths.here().audit
    known = {line["log"]: line for line in _lines(options.against)} if options.against else {}
    states = [verify(state.path, known.get(state.path.name)) for state in verify_folder(folder)]
    states += [
        verify(folder / name, known[name]) for name in known if not (folder / name).is_file()
    ]
    if not states:
        print(
            f"no audit log in {folder}\nhint: `make run` writes the first events", file=sys.stderr
        )
        return 2
    intact = all(_show(state) for state in states)
    if options.command == "checkpoint" and intact:
        print("\n".join(json.dumps(checkpoint(state.path)) for state in states))
    return 0 if intact else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="audit", description="Check the audit logs.")
    parser.add_argument("command", choices=["verify", "checkpoint"])
    parser.add_argument("--against", type=Path, help="file with earlier `checkpoint` lines")
    return parser


def _lines(path: Path) -> list[dict[str, str]]:
    return [
        json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


def _show(state: Verification) -> bool:
    verdict = "intact" if state.intact else "NOT INTACT"
    print(f"{state.path}: {verdict}, {state.events} events", file=sys.stderr)
    for finding in state.findings:
        print(f"  {finding.kind}: {finding.message}", file=sys.stderr)
    return state.intact


if __name__ == "__main__":
    sys.exit(main())
