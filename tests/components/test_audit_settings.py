"""What a choice of audit sinks brings into a project, and only that."""

from __future__ import annotations

import tomllib

import pytest
from ruamel.yaml import YAML

from tests import golden

SINKS = ["stdout", "sqlite", "postgres", "s3", "kafka", "otlp", "syslog", "splunk", "webhook"]
CLIENTS = {"postgres": "psycopg[binary]", "s3": "boto3", "kafka": "confluent-kafka"}


def stamped(*sinks: str) -> tuple[dict[str, object], set[str]]:
    """The settings of the audit trail, and which clients are among the dependencies."""
    tree = golden.target("tabular-decision", {"audit_sinks": ["file", *sinks]}).rendered.tree
    settings = YAML(typ="safe", pure=True).load(tree["ops/audit.yaml"].content)
    wanted = tomllib.loads(tree["pyproject.toml"].content.decode())["project"]["dependencies"]
    return settings, {client for client in CLIENTS.values() if any(row.startswith(client + ">") for row in wanted)}


@pytest.mark.parametrize("sink", SINKS)
def test_a_sink_brings_its_connection_and_its_client(sink: str) -> None:
    """And no other's; stdout needs no connection."""
    settings, clients = stamped(sink)
    assert settings["sinks"] == ["file", sink]
    assert settings["connections"] == {} if sink == "stdout" else set(settings["connections"]) == {sink}  # type: ignore[call-overload]
    assert clients == ({CLIENTS[sink]} if sink in CLIENTS else set())


def test_all_of_them_together() -> None:
    """Every sink that can be chosen is one that the code knows, and the other way round."""
    settings, clients = stamped(*SINKS)
    assert set(settings["connections"]) == set(SINKS) - {"stdout"}  # type: ignore[call-overload]
    assert clients == set(CLIENTS.values())
    known = golden.target("tabular-decision", {}).rendered.tree["src/credit_line/controls/audit/delivery.py"]
    assert [sink for sink in SINKS if f'    "{sink}": lambda to:' not in known.content.decode()] == []
