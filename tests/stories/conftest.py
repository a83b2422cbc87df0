"""What several stories begin with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit import put
from tests.test_proof import content, head, key_of, log, note, signed

ORIGIN = "/s/service"


@pytest.fixture
def logged(project: Path) -> Path:
    """A project with a log of seven events, the first five under a checkpoint that is signed."""
    lines = log(7)
    kept = json.dumps({"log": "service.jsonl", "checkpoint": signed(note(lines[:5], ORIGIN))})
    put(
        project,
        {
            "ops/audit.yaml": f"checkpoint_keys: ['{key_of()}']\n",
            "var/audit/service.jsonl": content(lines),
            "var/audit/service.head.json": json.dumps(head(lines)),
            "var/audit/service.checkpoints": kept + "\n",
        },
    )
    return project
