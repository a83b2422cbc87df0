"""The catalogue: one entry for each data set that a contract describes, so that it can be found.

`python -m <package>.controls.catalogue [FOLDER …]` prints the entries of this project, or of all
projects in the folders, as JSON lines; 1 if an entry lacks what it needs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .contract import ContractError, Table, load
from .paths import Paths

NEEDED = ("owner", "description", "classification", "lawful_basis", "retention")
CONTRACTS = "contracts/*.odcs.yaml"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be known of a data set before one asks its owner for it."""

    project: str
    dataset: str
    contract: str
    version: str
    owner: str
    description: str
    classification: str
    lawful_basis: str
    retention: str
    known_at: str
    columns: tuple[str, ...]
    protected: tuple[str, ...]

    def gaps(self) -> list[str]:
        """The fields that have to say something and do not."""
        return [name for name in NEEDED if not str(getattr(self, name)).strip()]


def entries(root: Path) -> list[Entry]:
    """The entries of one project, in the order of its contracts; ContractError for a bad one."""
    return [
        _entry(root, agreed.id, agreed.version, agreed.owner, table)
        for file in sorted(root.glob(CONTRACTS))
        for agreed in [load(file)]
        for table in agreed.tables.values()
    ]


def projects(folder: Path) -> Iterator[Path]:
    """The folder itself if it has contracts, else all projects in it, however deep."""
    if any(folder.glob(CONTRACTS)):
        yield folder
        return
    yield from sorted({file.parents[1] for file in folder.rglob(CONTRACTS) if _kept(file, folder)})


def _entry(root: Path, contract: str, version: str, owner: str, table: Table) -> Entry:
    return Entry(
        project=root.name,
        dataset=table.name,
        contract=contract,
        version=version,
        owner=owner,
        description=" ".join(table.description.split()),
        classification=table.classification,
        lawful_basis=table.lawful_basis,
        retention=table.retention,
        known_at=table.known_at,
        columns=tuple(table.columns),
        protected=tuple(sorted(c.name for c in table.columns.values() if c.protected)),
    )


def _kept(file: Path, folder: Path) -> bool:
    """Not below a hidden folder, an environment or what a run left behind."""
    parts = file.relative_to(folder).parts
    return not any(part.startswith(".") or part == "var" for part in parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the entries; exit code 1 if one lacks something or cannot be read, or there is none."""
    parser = argparse.ArgumentParser(prog="catalogue", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="default: this project")
    folders = parser.parse_args(arguments).folders or [Paths.here().root]
    sound = True
    for folder in folders:
        if not any(projects(folder)):
            print(f"{folder}: no such folder, or no contract in it", file=sys.stderr)
            sound = False
    for root in (root.resolve() for folder in folders for root in projects(folder)):
        try:
            found = entries(root)
        except ContractError as error:
            print(f"{root.name}: {error}", file=sys.stderr)
            sound = False
            continue
        for entry in found:
            print(json.dumps(asdict(entry), sort_keys=True))
            if gaps := entry.gaps():
                where = f"{root.name}, {entry.dataset}"
                print(f"{where}: no {', '.join(gaps)}", file=sys.stderr)
                sound = False
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
