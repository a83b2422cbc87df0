"""What the Dockerfile does, done without an engine: the files it lets in, its `pip` steps, its commands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.components.rendered import rendered
from tests.components.test_deployment import let_through
from tests.products.product import Product
from tests.products.test_monitoring_stack import free_port
from tests.shell import BIN, CACHES

pytestmark = pytest.mark.product

# Even root without capabilities keeps to the bits of a file: so a root file system that is read-only is played.
POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


class Image(NamedTuple):
    """What an image holds: an environment, the files in /app, and the Dockerfile that says how it starts."""

    python: Path
    app: Path
    dockerfile: str

    def start(self, command: list[str], folder: Path, root: Path, **told: str) -> subprocess.Popen[str]:
        """Without power over files that are not writable, with no more than the image's environment and `told`."""
        (environment,) = re.findall(r"^ENV ENVIRONMENT=(\S+)$", self.dockerfile, re.MULTILINE)
        known = {"PATH": f"{self.python.parent}:/usr/bin:/bin", "HOME": str(root), "OMP_NUM_THREADS": "1"}
        known |= {"ENVIRONMENT": environment, **told}
        return subprocess.Popen(
            [*POWERLESS, *command],
            cwd=folder,
            env={**known, "PROJECT_ROOT": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def read_only(folder: Path, *, yes: bool) -> None:
    """Take away every right to write below the folder, but for `var/`."""
    for path in [folder, *folder.rglob("*")]:
        if "var" not in path.relative_to(folder).parts:
            path.chmod(path.stat().st_mode & ~0o222 if yes else path.stat().st_mode | 0o200)


@pytest.fixture(scope="module")
def image(has_run: Callable[[str], tuple[Product, str]]) -> Iterator[Image]:
    """The steps of the Dockerfile, in a folder."""
    product, _ = has_run("tabular-decision")
    place = Path(tempfile.mkdtemp(prefix="image-"))
    app, build, python = place / "app", place / "build", place / "venv/bin/python"
    for name in let_through(product.folder):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(product.folder / name, app / name)
    shutil.copytree(app, build)
    text = (product.folder / "Dockerfile").read_text()
    assert "pip wheel --no-deps --no-build-isolation" in text
    assert "pip install --constraint constraints.txt /wheels" in text
    uv, exact = str(BIN / "uv"), ["-c", "constraints.txt"]
    for step in (
        [uv, "venv", "--quiet", "--python", str(BIN / "python"), "tools"],
        [uv, "pip", "install", "--quiet", "--python", "tools/bin/python", *exact, "hatchling"],
        ["tools/bin/python", "-m", "hatchling", "build", "-t", "wheel", "-d", "wheels"],
        [uv, "venv", "--quiet", "--python", str(BIN / "python"), str(place / "venv")],
        ["sh", "-c", f"{uv} pip install --quiet --python {python} {' '.join(exact)} wheels/*.whl"],
    ):
        subprocess.run(step, cwd=build, env={**os.environ, **CACHES}, check=True, timeout=600)
    shutil.copytree(product.folder / "var", app / "var")  # what a volume holds after the pipeline ran
    read_only(app, yes=True)
    yield Image(python, app, text)
    read_only(app, yes=False)
    shutil.rmtree(place)


def served(image: Image, port: str) -> list[str]:
    """The image's command, on a port of this machine only."""
    anywhere = "0.0.0.0"  # noqa: S104 - where the image listens, and this test does not
    stage = image.dockerfile[image.dockerfile.rindex("FROM ") :]
    (command,) = re.findall(r"^CMD (\[.*\])$", stage, re.MULTILINE)
    found: list[str] = json.loads(command.replace("8000", port).replace(anywhere, "127.0.0.1"))
    return found


def test_an_image_is_production_unless_it_is_told_otherwise(image: Image) -> None:
    """A plain `docker run` does not serve what nobody approved, under a key that everybody knows."""
    process = image.start(served(image, str(free_port())), image.app, image.app)
    text, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "not released for production" in text, text


def test_the_service_starts_and_is_healthy(image: Image) -> None:
    """The image's command, where nothing but `var/` can be written; then what its check asks."""
    port = str(free_port())
    stage = image.dockerfile[image.dockerfile.rindex("FROM ") :]
    (check,) = re.findall(r"^ +CMD (\[.*\])$", stage, re.MULTILINE)
    process = image.start(served(image, port), image.app, image.app, ENVIRONMENT="development")
    codes: list[int] = []
    try:
        end = time.monotonic() + 90
        while 0 not in codes and time.monotonic() < end and process.poll() is None:
            asked = image.start(json.loads(check.replace("8000", port)), image.app, image.app)
            asked.communicate(timeout=30)
            codes.append(asked.returncode)
            time.sleep(0.3)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        text, _ = process.communicate(timeout=30)
    assert codes, text
    assert codes[-1] == 0, text
    assert (image.app / "var" / "audit" / "service.jsonl").exists()


def test_the_scheduled_job_runs_on_a_copy(image: Image, tmp_path: Path) -> None:
    """The command of the CronJob and of the compose file: the image stays as it is, evidence and metrics are kept."""
    folder = rendered(tmp_path / "project", "tabular-decision", ["infra"])
    compose = yaml.safe_load((folder / "deploy/compose.yaml").read_text())["services"]["monitor"]["command"]
    manifests = yaml.safe_load_all((folder / "deploy/kubernetes/workloads.yaml").read_text())
    jobs = [one["spec"] for one in manifests if one["kind"] == "CronJob" and not one["spec"]["suspend"]]
    (job,) = (one["jobTemplate"]["spec"]["template"]["spec"] for one in jobs)
    assert compose == [*job["containers"][0]["command"], *job["containers"][0]["args"]]
    work, code = image.app.parent / "work", image.app.parent / "code"
    shutil.copytree(image.app, code, ignore=shutil.ignore_patterns("var"))  # in the image `var/` is empty
    (code / "var").mkdir()
    read_only(code, yes=False)  # of another owner there, whose files `cp` gives to who runs it
    work.mkdir()
    shutil.move(image.app / "var", work / "var")  # the volume is mounted there now
    before = {path: path.read_bytes() for path in code.rglob("*") if path.is_file()}
    script = compose[-1].replace("/app/.", f"{code}/.")
    process = image.start([*compose[:-1], script], work, work, ENVIRONMENT="development")
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    assert "nothing sent" in text
    assert "alerts, see" in text
    assert json.loads((work / "var/evidence/monitoring.json").read_text())["content"]["alerts"]
    assert 'run_failed{system="credit_line"} 0' in (work / "var/metrics/run.prom").read_text()
    assert {path: path.read_bytes() for path in before} == before
