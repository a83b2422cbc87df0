"""Shared monitoring for real: a system joins a stack of Prometheus and Alertmanager, drifts, and its owner is told."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from tests.debian import server
from tests.products.product import TEST_SECONDS, Make, Product

pytestmark = pytest.mark.product

SYSTEM, TEAM = "credit_line", "risk-analytics"
TURNED, CALM = (
    "month == MONTHS - 1",
    "month == MONTHS",
)  # when the economy turns in the generator of the data: at last, never
TOKEN = "of-the-test"  # noqa: S105 - of the loopback gateway
PATIENCE = 120.0
PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")
WEBHOOK, SECRET = "https://alert-gateway.example.org/alerts", "/run/secrets/alertmanager_token"


def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What the function gives, once that is something; a bounded wait."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError):  # a server that starts refuses in many ways
            if found := true():
                return found
        time.sleep(0.2)
    return pytest.fail(f"{what}: not within {seconds:.0f} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        text = answer.read()
    return json.loads(text) if text.startswith((b"{", b"[")) else text.decode()


class Gateway:
    """What stands for pager and chat: it keeps what Alertmanager posts, on this machine."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, str, Any]] = []
        kept = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                kept.posts.append((self.path, self.headers.get("authorization", ""), body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alerts"

    def told(self, name: str, status: str = "firing") -> list[dict[str, Any]]:
        """The alerts of that name that were posted in that status."""
        every = [alert for path, _, body in self.posts if path == "/alerts" for alert in body["alerts"]]
        return [alert for alert in every if alert["labels"]["alertname"] == name and alert["status"] == status]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


class Servers:
    """Processes that this test has started, and ends."""

    def __init__(self, logs: Path) -> None:
        self.logs, self.running = logs, list[subprocess.Popen[bytes]]()

    def start(self, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
        log = (self.logs / f"{Path(command[0]).name}-{len(self.running)}.log").open("wb")
        with log:
            self.running.append(
                subprocess.Popen(command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=log, stderr=log)
            )

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    (tmp_path / "logs").mkdir()
    found = Servers(tmp_path / "logs")
    yield found
    found.stop()


@pytest.fixture
def calm(copy_of: Make) -> Product:
    """A system whose data do not drift, after a run."""
    product = copy_of("tabular-decision")
    product.write({f"src/{SYSTEM}/data.py": (TURNED, CALM)})
    product.shell.must("make --no-print-directory run", TEST_SECONDS)
    return product


def quickly(folder: Path, addresses: Mapping[str, str]) -> None:
    """The stack's own settings, but for seconds in the place of minutes, and this machine's addresses."""
    times = {"30s": "1s", "10s": "1s", "1m": "1s", "5m": "1s"}
    for name, keys in {
        "prometheus.yml": ("scrape_interval", "evaluation_interval", "refresh_interval"),
        "alertmanager.yml": ("group_wait", "group_interval"),
    }.items():
        text = (folder / name).read_text()
        for key in keys:
            text, count = re.subn(
                rf"({key}): (\w+)", lambda found: f"{found[1]}: {times.get(found[2], found[2])}", text
            )
            assert count
        for old, new in addresses.items():
            text = text.replace(old, new)
        (folder / name).write_text(text)


class Watched(NamedTuple):
    """A system that runs and has joined a stack that runs."""

    product: Product
    gateway: Gateway
    prometheus: str

    def series(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers now."""
        query = urllib.parse.urlencode({"query": expression})
        return list(get(f"{self.prometheus}/api/v1/query?{query}")["data"]["result"])

    def drift(self, status: str) -> list[dict[str, Any]]:
        """What the gateway was told about the drift of the applicants' income."""
        told = [alert["labels"] | alert["annotations"] for alert in self.gateway.told("MonitoringBreached", status)]
        return [alert for alert in told if alert["metric"] == "psi" and "income" in alert["column"]]

    def turn(self, old: str, new: str) -> None:
        """Let the economy turn or not, and run the monitors as a scheduler does."""
        self.product.write({f"src/{SYSTEM}/data.py": (f"{old}\n", f"{new}\n")})
        self.product.shell.must("make --no-print-directory monitor", TEST_SECONDS)


def join(product: Product, stack: Product, service: str, exporter: str) -> None:
    """The team writes where its service and its exporter are; the stack takes that and the rules in."""
    place = product.folder / "ops" / "targets.json"
    text = re.sub(r'"[\w.-]+:8000"', f'"{service}"', place.read_text())
    place.write_text(re.sub(r'"[\w.-]+:9100"', f'"{exporter}"', text))
    assert f"1 systems: {SYSTEM}" in stack.shell.must(f"make --no-print-directory join FROM={product.folder}")


@pytest.fixture
def watched(calm: Product, installed: Make, tmp_path: Path, gateway: Gateway, servers: Servers) -> Watched:
    """Real Prometheus, Alertmanager, node exporter and service, on loopback, with the stack's own settings."""
    prometheus, alertmanager, exporter = (server(name) for name in PROGRAMS)
    ports = {name: free_port() for name in (*PROGRAMS, "service")}
    at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    stack = installed("monitoring-stack").copy(tmp_path / "stack")
    join(calm, stack, at["service"], at[PROGRAMS[2]])
    (tmp_path / "token").write_text(TOKEN)
    settings = stack.folder / "stack"
    quickly(settings, {"alertmanager:9093": at[PROGRAMS[1]], WEBHOOK: gateway.url, SECRET: str(tmp_path / "token")})

    here = {"PROJECT_ROOT": str(calm.folder), "PYTHONPATH": str(calm.folder / "src"), "OMP_NUM_THREADS": "1"}
    serve = [
        "-m",
        "uvicorn",
        f"{SYSTEM}.api:create",
        "--factory",
        "--host",
        "127.0.0.1",
        "--port",
        str(ports["service"]),
    ]
    servers.start([str(calm.folder / ".venv/bin/python"), *serve], calm.folder, here)
    listen = "--web.listen-address="
    textfile = ["--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory=var/metrics"]
    servers.start([*exporter, *textfile, listen + at[PROGRAMS[2]]], calm.folder)
    data = [f"--storage.path={tmp_path / 'am'}", "--cluster.listen-address=", listen + at[PROGRAMS[1]]]
    servers.start([*alertmanager, "--config.file=alertmanager.yml", *data], settings)
    data = [f"--storage.tsdb.path={tmp_path / 'tsdb'}", listen + at[PROGRAMS[0]]]
    servers.start([*prometheus, "--config.file=prometheus.yml", *data], settings)
    return Watched(calm, gateway, f"http://{at[PROGRAMS[0]]}")


def test_a_drift_reaches_its_owner(watched: Watched) -> None:
    """And so do a kill switch, a run that breaks off, and the end of the drift; each under the name of its system."""
    until(lambda: len(watched.series(f'up{{system="{SYSTEM}"}} == 1')) == 2, "two targets answer")
    until(lambda: watched.series(f'service_stopped{{system="{SYSTEM}"}} == 0'), "the service is scraped")
    until(
        lambda: watched.series(f'sum by (system) (run_compute_seconds{{system="{SYSTEM}"}}) > 0'), "the run is scraped"
    )
    assert watched.series('{exported_system=~".+"}') == []
    rules = get(f"{watched.prometheus}/api/v1/rules")["data"]["groups"]
    names = {rule["name"] for group in rules for rule in group["rules"]}
    assert {"DecisionsWithheld", "MonitoringBreached", "RunFailed", "TargetDown"} <= names
    until(lambda: any(path == "/alerts/heartbeat" for path, *_ in watched.gateway.posts), "the heartbeat")
    assert watched.drift("firing") == []

    watched.turn(CALM, TURNED)
    alert = until(lambda: watched.drift("firing"), "the drift reaches the gateway")[0]
    assert (alert["system"], alert["owner"], alert["severity"]) == (SYSTEM, TEAM, "warning")
    assert alert["runbook"] == "ops/playbook.md#data-drift"
    assert alert["summary"] == "psi of log_income (all) is beyond its limit"
    assert {token for _, token, _ in watched.gateway.posts} == {f"Bearer {TOKEN}"}

    stop = f"{SYSTEM}.controls.switch stop --reason 'drift, look first' --actor duty@example.org"
    watched.product.shell.must(f".venv/bin/python -m {stop}")
    told = until(lambda: watched.gateway.told("KillSwitchOn"), "the kill switch reaches the gateway")
    assert told[0]["labels"]["system"] == SYSTEM

    assert watched.product.run().code != 0  # the switch is on, and the pipeline decides on nobody
    until(lambda: watched.gateway.told("RunFailed"), "the failed run reaches the gateway")

    watched.turn(TURNED, CALM)
    until(lambda: watched.drift("resolved"), "the end of the drift reaches the gateway")


def test_metrics_reach_a_collector_by_the_published_schema(copy_of: Make) -> None:
    """What a system sends is a request of OpenTelemetry's own protocol, with the figures of its files."""
    product = copy_of("tabular-decision")
    got: list[tuple[str, str, bytes]] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, self.headers["content-type"], body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"partialSuccess": {}}')

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        where = f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{server.server_address[1]}"
        told = product.online.must(f"{where} make --no-print-directory send-metrics")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    files = sorted((product.folder / "var/metrics").glob("*.prom"))
    assert {"monitoring.prom", "run.prom"} <= {file.name for file in files}
    assert f"{', '.join(file.name for file in files)} sent to" in told
    ((path, kind, body),) = got
    assert (path, kind) == ("/v1/metrics", "application/json")
    request = json_format.Parse(body, metrics_service_pb2.ExportMetricsServiceRequest(), ignore_unknown_fields=False)
    (resource,) = request.resource_metrics
    assert [(a.key, a.value.string_value) for a in resource.resource.attributes] == [("service.name", SYSTEM)]
    points = {
        (metric.name, *sorted((a.key, a.value.string_value) for a in point.attributes)): point.as_double
        for metric in resource.scope_metrics[0].metrics
        for point in metric.gauge.data_points
    }
    text = "".join(file.read_text() for file in files)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(points) == len(lines) > 50
    for line in lines:
        name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()  # type: ignore[union-attr]
        key = (name, *sorted(re.findall(r'(\w+)="([^"]*)"', labels)))
        assert points[key] == float(value)
