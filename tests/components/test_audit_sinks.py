"""The connectors of the audit trail that need a client of their own, against servers that this test starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components.install import environment as environment_in

pytestmark = pytest.mark.product
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def environment() -> Iterator[Path]:
    """Clients and servers, installed once; where another user may start them, for PostgreSQL refuses root."""
    folder = Path(tempfile.mkdtemp(prefix="components-"))
    folder.chmod(0o755)
    environment_in(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("server", ["postgres", "s3", "kafka"])
def test_the_contract_holds_against_a_server(server: str, environment: Path) -> None:
    """PostgreSQL is real; S3 is moto's server; Kafka is Tansu behind librdkafka."""
    command = [str(environment / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    alone = ["--import-mode=importlib", "-c", os.devnull, "--rootdir", str(HERE), "--confcutdir", str(HERE)]
    scratch = {"HOME": str(environment), "TMPDIR": str(environment), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, *alone, str(HERE / "real_sinks.py"), "-k", server],
        env={**os.environ, **scratch},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
