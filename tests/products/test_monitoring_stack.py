"""Shared monitoring for real: a generated system joins a stack of Prometheus and Alertmanager, drifts, and its owner is told."""

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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from tests.components.prometheus import tool
from tests.products.product import TEST_SECONDS, Make, Product

pytestmark = pytest.mark.product

SYSTEM, TEAM = "credit_line", "risk-analytics"
TURNED, CALM = "month == MONTHS - 1", "month == MONTHS"  # when the economy turns in the generator of the data: at last, never
TOKEN = "a-token-of-the-test"
PATIENCE = 60.0


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

    def start(self, *command: str, folder: Path, environment: dict[str, str] | None = None) -> None:
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


def quickly(folder: Path, alertmanager: int, token: Path) -> None:
    """The stack's own settings, but for seconds in the place of minutes, and this machine's addresses."""
    for name, changes in {
        "prometheus.yml": {
            "scrape_interval: 30s": "scrape_interval: 1s",
            "evaluation_interval: 30s": "evaluation_interval: 1s",
            "refresh_interval: 1m": "refresh_interval: 1s",
            "alertmanager:9093": f"127.0.0.1:{alertmanager}",
        },
        "alertmanager.yml": {
            "group_wait: 30s": "group_wait: 1s",
            "group_wait: 10s": "group_wait: 1s",
            "group_interval: 5m": "group_interval: 1s",
            "/run/secrets/alertmanager_token": str(token),
        },
    }.items():
        text = (folder / name).read_text()
        for old, new in changes.items():
            assert old in text, f"`{old}` is not in {name}"
            text = text.replace(old, new)
        (folder / name).write_text(text)


def test_a_drift_reaches_its_owner(calm: Product, installed: Make, tmp_path: Path, gateway: Gateway, servers: Servers) -> None:
    """Real Prometheus, Alertmanager, node exporter and service, on loopback, with the stack's own settings."""
    programs = {name: tool(name) for name in ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")}
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "exporter", "service")}
    address = {name: f"127.0.0.1:{port}" for name, port in ports.items()}

    # the system joins: its team writes where its service and its exporter are, the stack takes that and its rules in
    place = calm.folder / "ops" / "targets.json"
    text = re.sub(r'"[\w.-]+:8000"', f'"{address["service"]}"', place.read_text())
    place.write_text(re.sub(r'"[\w.-]+:9100"', f'"{address["exporter"]}"', text))
    stack = installed("monitoring-stack").copy(tmp_path / "stack")
    assert f"1 systems: {SYSTEM}" in stack.shell.must(f"make --no-print-directory join FROM={calm.folder}")
    text = (stack.folder / "stack/alertmanager.yml").read_text()
    (stack.folder / "stack/alertmanager.yml").write_text(text.replace("https://alert-gateway.example.org/alerts", gateway.url))
    (tmp_path / "token").write_text(TOKEN)
    quickly(stack.folder / "stack", ports["alertmanager"], tmp_path / "token")

    here = {"PROJECT_ROOT": str(calm.folder), "PYTHONPATH": str(calm.folder / "src"), "OMP_NUM_THREADS": "1"}
    serve = ("-m", "uvicorn", f"{SYSTEM}.api:create", "--factory", "--host", "127.0.0.1", "--port", str(ports["service"]))
    servers.start(str(calm.folder / ".venv/bin/python"), *serve, folder=calm.folder, environment=here)
    textfile = ("--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory=var/metrics")
    listen = "--web.listen-address="
    servers.start(programs["prometheus-node-exporter"], *textfile, listen + address["exporter"], folder=calm.folder)
    data = (f"--storage.path={tmp_path / 'am'}", "--cluster.listen-address=", listen + address["alertmanager"])
    settings = stack.folder / "stack"
    servers.start(programs["prometheus-alertmanager"], "--config.file=alertmanager.yml", *data, folder=settings)
    data = (f"--storage.tsdb.path={tmp_path / 'tsdb'}", listen + address["prometheus"])
    servers.start(programs["prometheus"], "--config.file=prometheus.yml", *data, folder=settings)

    def series(expression: str) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode({"query": expression})
        found: list[dict[str, Any]] = get(f"http://{address['prometheus']}/api/v1/query?{query}")["data"]["result"]
        return found

    # both targets are scraped, each under the name of its system, and with all that the dashboard shows
    until(lambda: len(series(f'up{{system="{SYSTEM}"}} == 1')) == 2, "two targets answer")
    until(lambda: series(f'service_stopped{{system="{SYSTEM}"}} == 0'), "the service is scraped")
    until(lambda: series(f'sum by (system) (run_compute_seconds{{system="{SYSTEM}"}}) > 0'), "the run's costs are scraped")
    assert series('{exported_system=~".+"}') == []
    assert {row["metric"]["exporter"] for row in series("up{job='systems'}")} == {"service", "files"}
    rules = get(f"http://{address['prometheus']}/api/v1/rules")["data"]["groups"]
    states = {rule["name"]: rule["state"] for group in rules for rule in group["rules"]}
    assert {"DecisionsWithheld", "MonitoringBreached", "RunFailed", "TargetDown"} <= states.keys()
    assert until(lambda: any(path == "/alerts/heartbeat" for path, *_ in gateway.posts), "the heartbeat")
    assert [row for row in series('monitoring_breached{metric="psi"} == 1') if "income" in row["metric"]["column"]] == []
    assert [alert for alert in gateway.told("MonitoringBreached") if "income" in alert["labels"]["column"]] == []

    # the economy turns; the monitors are run as a scheduler does
    calm.write({f"src/{SYSTEM}/data.py": (CALM + "\n", TURNED + "\n")})
    calm.shell.must("make --no-print-directory monitor", TEST_SECONDS)

    def drift(status: str) -> list[dict[str, Any]]:
        told = gateway.told("MonitoringBreached", status)
        return [alert for alert in told if alert["labels"]["metric"] == "psi" and alert["labels"]["column"] == "log_income"]

    alert = until(lambda: drift("firing"), "the drift reaches the gateway")[0]
    assert alert["labels"]["system"] == SYSTEM
    assert alert["labels"]["owner"] == TEAM
    assert alert["labels"]["severity"] == "warning"
    assert alert["annotations"]["runbook"] == "ops/playbook.md#data-drift"
    assert alert["annotations"]["summary"] == "psi of log_income (all) is beyond its limit"
    assert {token for _, token, _ in gateway.posts} == {f"Bearer {TOKEN}"}

    # somebody stops the model: the service itself says so at its next scrape
    stop = f"python -m {SYSTEM}.controls.switch stop --reason 'drift, look first' --actor duty@example.org"
    calm.shell.must(f".venv/bin/{stop}")
    assert until(lambda: gateway.told("KillSwitchOn"), "the kill switch reaches the gateway")[0]["labels"]["system"] == SYSTEM

    # a run that breaks off is told too
    text = (calm.folder / "contracts/applications.odcs.yaml").read_text()
    (calm.folder / "contracts/applications.odcs.yaml").write_text("broken: [")
    assert calm.run().code != 0
    assert until(lambda: gateway.told("RunFailed"), "the failed run reaches the gateway")
    (calm.folder / "contracts/applications.odcs.yaml").write_text(text)

    # and when the drift is over, that is told
    calm.write({f"src/{SYSTEM}/data.py": (TURNED + "\n", CALM + "\n")})
    calm.shell.must("make --no-print-directory monitor", TEST_SECONDS)
    assert until(lambda: drift("resolved"), "the end of the drift reaches the gateway")


def test_metrics_reach_a_collector_by_the_published_schema(copy_of: Make) -> None:
    """What a system sends is a request of OpenTelemetry's own protocol, nothing left over, with the figures of its files."""
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
        assert "monitoring.prom, run.prom sent" in product.online.must(f"{where} make --no-print-directory send-metrics")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
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
    text = "".join((product.folder / "var/metrics" / name).read_text() for name in ("monitoring.prom", "run.prom"))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(points) == len(lines) > 50
    for line in lines:
        name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()  # type: ignore[union-attr]
        key = (name, *sorted(re.findall(r'(\w+)="([^"]*)"', labels)))
        assert points[key] == float(value)
