"""What a project writes in open formats is read by the tools that own them: CycloneDX, OpenLineage, Backstage."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests import golden
from tests.approving import DAY, assessed
from tests.components import install
from tests.kit import cli
from tests.products.product import Make, Product

pytestmark = pytest.mark.product
READER = Path(install.__file__).parent / "formats.py"
BACKSTAGE = "@backstage/catalog-model@1.10.3"
CHECK = """
const model = require('@backstage/catalog-model');
const policy = new model.SchemaValidEntityPolicy();
const fields = new model.FieldFormatEntityPolicy();
(async () => {
  for (const entity of JSON.parse(process.argv[1])) {
    await policy.enforce(entity);
    await fields.enforce(entity);
    if (!(await model.componentEntityV1alpha1Validator.check(entity))) throw new Error('this is no component');
  }
})().catch(error => { console.error(String(error)); process.exit(1); });
"""


def _produced(blueprint: str) -> set[str]:
    """What the lock of a project of this blueprint calls produced."""
    lock = golden.lock_of(golden.target(blueprint, {}))
    return {path for path, entry in lock.paths.items() if entry.ownership == "produced"}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the reader in its environment."""
    python = install.environment(tmp_path_factory.mktemp("formats") / "environment")

    def run(kind: str, *files: Path) -> subprocess.CompletedProcess[str]:
        command = [str(python), str(READER), kind, *map(str, files)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture(params=[name for name in golden.BLUEPRINTS if "bom/*.json" in _produced(name)])
def ran(request: pytest.FixtureRequest, has_run: Callable[[str], tuple[Product, str]]) -> Product:
    return has_run(request.param)[0]


def test_bills_of_materials_are_cyclonedx(
    ran: Product, read: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Both are valid, strictly, by the published schema of 1.6; the model has its card; a wrong one is refused."""
    files = [ran.folder / "bom" / f"{name}.cdx.json" for name in ("ml-bom", "sbom")]
    done = read("bom", *files)
    assert done.returncode == 0, done.stderr
    bill = json.loads(files[0].read_text("utf-8"))
    card = bill["components"][0]["modelCard"]
    assert card["quantitativeAnalysis"]["performanceMetrics"]
    card["quantitativeAnalysis"]["performanceMetrics"][0]["value"] = 0.8
    (tmp_path / "wrong.json").write_text(json.dumps(bill))
    assert read("bom", tmp_path / "wrong.json").returncode == 1


def test_an_enriched_bill_is_cyclonedx_too(
    copy_of: Make, read: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """What `export` adds to a bill that a run wrote is valid, strictly; all that the run wrote is still there."""
    product = copy_of("tabular-decision")
    assessed(product.folder, tmp_path, "eu-retail-credit")
    file = tmp_path / "enriched.json"
    result = cli("export", "cyclonedx-ml-bom", "-o", str(file), *DAY, cwd=product.folder)
    done = read("bom", file)
    assert (result.code, done.returncode) == (0, 0), result.err + done.stderr
    before = json.loads((product.folder / "bom" / "ml-bom.cdx.json").read_text("utf-8"))
    after = json.loads(file.read_text("utf-8"))
    model, *data = after["components"][: len(before["components"])]
    assert [reference["url"] for reference in model.pop("externalReferences")] == ["docs/model-card.md"]
    assert ([model, *data], after["services"]) == (before["components"], before["services"])


def test_events_are_openlineage(
    ran: Product, read: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Its own client writes the same; a run id that is none is refused there."""
    file = ran.folder / "var" / "lineage" / "events.jsonl"
    done = read("lineage", file)
    assert done.returncode == 0, done.stderr[-3000:]
    first = json.loads(file.read_text("utf-8").splitlines()[0])
    first["run"]["runId"] = "first"
    (tmp_path / "wrong.jsonl").write_text(json.dumps(first))
    assert read("lineage", tmp_path / "wrong.jsonl").returncode == 1


@pytest.mark.skipif(shutil.which("npm") is None, reason="Backstage's own validator needs npm")
def test_the_catalogue_entry_is_backstages(tmp_path: Path) -> None:
    """Every entry of every blueprint is valid by Backstage's own schemas; one without an owner is not."""
    install_it = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", BACKSTAGE]
    subprocess.run(install_it, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    entries = []
    for blueprint, name in golden.CASES:
        tree = golden.target(blueprint, golden.answers_of(blueprint, name)).rendered.tree
        if "catalog-info.yaml" in tree:
            entries.append(YAML(typ="safe", pure=True).load(tree["catalog-info.yaml"].content))
    assert entries
    assert _backstage(tmp_path, entries) == ""
    del entries[-1]["spec"]["owner"]
    assert "owner" in _backstage(tmp_path, entries)


def _backstage(folder: Path, entries: object) -> str:
    done = subprocess.run(
        ["node", "-e", CHECK, json.dumps(entries)], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stderr
