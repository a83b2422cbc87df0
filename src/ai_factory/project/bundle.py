"""The evidence bundle: one archive for an outsider, who verifies it with a script that it carries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ai_factory import git, proof
from ai_factory.errors import MachineError
from ai_factory.lock import LOCK, WAIVERS
from ai_factory.project import trail
from ai_factory.project.gate import Gated
from ai_factory.project.opening import Project
from ai_factory.tree import Tree
from ai_factory.workspace import find_repository

SCHEMA = "ai-factory/bundle/1"
KEPT = ("governance/", "evidence/", "bom/", "contracts/", "evals/", "ops/", "docs/governance/", "docs/model-card.md")
SCRIPT, GATE, HELP = "verify.py", "gate.json", "README.txt"
WORDS = """\
Evidence of one AI system, as of {as_of}. Gate: {verdict}.

  python verify.py [--key KEY]     tells whether each file is what the manifest says, and whether each proof holds

manifest.json   each file with its digest (SHA-256), the commit, and the keys that sign checkpoints
gate.json       every control: what asks for it, how it stands, what it lacks
project/        what people decided and what runs found, as it stands in the repository
proofs/         proofs that events are in the audit log, under a checkpoint; no other event is shown

Whoever made this, or had it in hands since, could have made another one. So compare its digest with the one that you
got by another way, give the keys that you know with --key, and compare checkpoints with those that you were given.
The map of duties is in its makers' own words and unreviewed by counsel. This is evidence for a judgement.
"""


def bundle(project: Project, gated: Gated, told: Mapping[str, Any], events: Iterable[str] = ()) -> dict[str, bytes]:
    """The files of a bundle by name; `told` is what the gate found, for machines.

    Raises UsageError for an event that is in no log, and ProjectError for one that no checkpoint covers.
    """
    files = {f"project/{path}": content for path, content in _kept(gated.subject.files).items()}
    for number, event in enumerate(events, 1):
        files[f"proofs/{number}.json"] = _json(trail.prove(project, event))
    verdict = "passed" if gated.passed else "not passed"
    files[HELP] = WORDS.format(as_of=gated.applies.as_of, verdict=verdict).encode()
    files[GATE] = _json(told)
    with open(proof.__file__, "rb") as script:
        files[SCRIPT] = script.read()
    digests = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in sorted(files.items())}
    origin = project.lock.factory
    manifest = {
        "schema": SCHEMA,
        "as_of": gated.applies.as_of,
        "passed": gated.passed,
        "commit": _commit(project),
        "factory": {"url": origin.url, "version": origin.version, "commit": origin.commit},
        "checkpoint_keys": list(trail.keys_of(project)),
        "files": digests,
    }
    return {proof.MANIFEST: _json(manifest), **dict(sorted(files.items()))}


def _kept(files: Tree) -> dict[str, bytes]:
    """What an outsider gets to see: records and evidence, neither code nor data."""
    return {path: file.content for path, file in files.items() if path.startswith(KEPT) or path in (LOCK, WAIVERS)}


def _commit(project: Project) -> str:
    """The commit that is checked out; empty where there is none, or work that is not committed lies on it."""
    if not find_repository(project.root):
        return ""
    try:
        status = git.status(project.root)
    except MachineError:
        return ""
    return "" if status.dirty else status.head


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
