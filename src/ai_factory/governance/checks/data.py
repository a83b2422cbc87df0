"""Checks of data: contracts, quality, lineage, rights, features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

from ai_factory.governance.checking import Gap, Subject

CONTRACTS = "contracts/*.odcs.yaml"
SENSITIVE = ("confidential", "restricted")


def contracts(subject: Subject) -> Iterator[Gap]:
    """There is a data contract, and each says who owns the data and what class each column is of."""
    found = _contracts(subject)
    if not found:
        yield Gap(CONTRACTS, "there is no data contract", "write one for each input (Open Data Contract Standard)")
    for path in found:
        contract = subject.yaml(path)
        if contract.get("kind") != "DataContract" or not contract.get("schema"):
            yield Gap(path, "is no data contract with a schema", "it has `kind: DataContract` and a `schema`")
        if not (contract.get("team") or contract.get("domain")):
            yield Gap(path, "does not say whose data it is", "name the team under `team`")
        for table, column in _columns(contract):
            if not column.get("classification"):
                yield Gap(path, f"{table}.{column.get('name')} has no `classification`", "give each column a class")


def quality(subject: Subject) -> Iterator[Gap]:
    """In the last run no table had more rows in quarantine than its contract allows."""
    content = subject.evidence("data-quality")
    if not content:
        yield Gap("evidence/data-quality.json", "speaks of no table", "`make run` writes it")
    for name, table in content.items():
        share, limit = table.get("quarantined_share"), table.get("quarantine_limit")
        if not isinstance(share, (int, float)) or not isinstance(limit, (int, float)):
            yield Gap("evidence/data-quality.json", f"says nothing of the quarantine of {name}", "`make run` writes it")
        elif share > limit:
            message = f"{share:.2%} of the rows of {name} are in quarantine, {limit:.2%} are allowed"
            yield Gap("evidence/data-quality.json", message, "see the reasons there, and mend the source")


def lineage(subject: Subject) -> Iterator[Gap]:
    """What was released goes back to named sources, and each contract is one of them."""
    content = subject.evidence("lineage")
    sources, path = content.get("sources") or [], "evidence/lineage.json"
    if content.get("released") not in subject.files:
        yield Gap(path, f"names a release that is not here: {content.get('released')}", "`make run` writes it")
    for contract in _contracts(subject):
        if contract not in sources and contract not in (content.get("upstream") or []):
            yield Gap(path, f"the release does not go back to {contract}", "let a stage read it, or drop the contract")


def rights(subject: Subject) -> Iterator[Gap]:
    """Each contract with personal columns says on which ground the data is used, and for how long it is kept."""
    for path in _contracts(subject):
        contract = subject.yaml(path)
        if not any(column.get("classification") in SENSITIVE for _, column in _columns(contract)):
            continue
        if not _property(contract.get("customProperties"), "lawfulBasis"):
            yield Gap(path, "does not say on which ground the data is used", "add `lawfulBasis` to customProperties")
        if not _property(contract.get("slaProperties"), "retention"):
            yield Gap(path, "does not say how long the data is kept", "add `retention` to slaProperties")


def features(subject: Subject) -> Iterator[Gap]:
    """The feature policy found no banned feature, proxy or leak in the last run."""
    content = subject.evidence("features")
    if not isinstance(content.get("findings"), list):
        yield Gap("evidence/features.json", "does not say what the feature policy found", "`make run` writes it")
    for finding in content.get("findings") or []:
        yield Gap(
            "evidence/features.json", f"the feature policy found: {finding}", "mend the features, then `make run`"
        )


def minimised(subject: Subject) -> Iterator[Gap]:
    """What the contracts restrict, such as identifiers, stands in no evidence."""
    restricted = {
        str(column.get("name"))
        for path in _contracts(subject)
        for _, column in _columns(subject.yaml(path))
        if column.get("classification") == "restricted"
    }
    for path in sorted(path for path in subject.files if fnmatch(path, "evidence/*.json")):
        for name in sorted(restricted & set(_names(subject.json(path).get("content")))):
            yield Gap(path, f"holds `{name}`, which a contract restricts", "keep it out of evidence, then `make run`")


def _names(value: Any) -> Iterator[str]:
    """Every name of a value below, however deep."""
    for name, item in value.items() if isinstance(value, Mapping) else ():
        yield str(name)
        yield from _names(item)
    for item in value if isinstance(value, list) else ():
        yield from _names(item)


def _contracts(subject: Subject) -> list[str]:
    return sorted(path for path in subject.files if fnmatch(path, CONTRACTS) and path.count("/") == 1)


def _columns(contract: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for table in contract.get("schema") or []:
        for column in (table.get("properties") or []) if isinstance(table, dict) else []:
            if isinstance(column, dict):
                yield str(table.get("name")), column


def _property(rows: Any, name: str) -> bool:
    named = [row for row in rows or [] if isinstance(row, dict) and row.get("property") == name]
    return any(row.get("value") not in (None, "") for row in named)
