"""Every blueprint's project with other versions of what it depends on: tomorrow's release may break a newborn.

    python -m tests.canary                          # the newest versions that the bounds allow
    python -m tests.canary --versions lowest        # the lowest ones
    python -m tests.canary --versions tested --python python3.13
    python -m tests.canary --move                   # and, when all is well, move the exact set that projects hold to

Each project is stamped, installed, linted, run and tested, the last three without network. Where that fails, each
package that differs from the tested set is tried alone, so that the report says which one broke what.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from ai_factory import documents
from tests import golden
from tests.products.product import Product, stamped
from tests.shell import BIN, Shell

CONSTRAINTS = golden.ROOT / "templates/base/files/constraints.txt"
OPTIONS = {"tested": "-c constraints.txt", "newest": "--upgrade", "lowest": "--resolution lowest-direct"}
STEP_SECONDS = 1800
SHOWN_LINES = 30  # of what a failing step printed
UV = str(BIN / "uv")


class Outcome(NamedTuple):
    """How a project fared: the step that failed and what it printed, both empty where all went well."""

    step: str = ""
    text: str = ""


class Report(NamedTuple):
    """A blueprint's outcome, the versions that differ from the tested ones, and those that broke it."""

    blueprint: str
    outcome: Outcome
    changed: Mapping[str, str]
    guilty: Sequence[str]
    seconds: float

    def lines(self) -> list[str]:
        """What a person reads: one line where all went well."""
        versions = ", ".join(f"{name} {version}" for name, version in self.changed.items()) or "the tested versions"
        if not self.outcome.step:
            return [f"ok      {self.blueprint}  {self.seconds:.0f} s  {versions}"]
        named = [f"{name} {self.changed[name]}" for name in self.guilty]
        by = f"broken by {', '.join(named)}" if named else f"by no single one of {versions}"
        by = by if self.changed else "with the tested versions too"
        head = f"BROKEN  {self.blueprint}  make {self.outcome.step}: {by}"
        return [head, *(f"        {line}" for line in self.outcome.text.splitlines()[-SHOWN_LINES:])]


def pinned(text: str, python: str) -> dict[str, str]:
    """The versions that a constraints file gives for that Python: name to version."""
    found = (Requirement(line) for line in text.splitlines() if line and not line.startswith("#"))
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    return {one.name: str(one.specifier)[2:] for one in found if one.marker is None or one.marker.evaluate(here)}


def guilty(changed: Iterable[str], breaks: Callable[[str], bool]) -> list[str]:
    """Those of the changed packages that break the project alone."""
    return [name for name in changed if breaks(name)]


def installed(product: Product, python: str, options: str) -> Outcome:
    """A new environment of the project, with its packages chosen as the options say."""
    done = product.online.run(
        f"{UV} venv --quiet --clear --python {python} .venv && "
        f"{UV} pip install --quiet --python .venv/bin/python {options} -e '.[dev]' && touch .venv/.installed",
        STEP_SECONDS,
    )
    return Outcome() if done.code == 0 else Outcome("install", done.text)


def versions_of(product: Product) -> dict[str, str]:
    """The packages of the project's environment, without itself: name to version."""
    rows = product.online.must(f"{UV} pip freeze --python .venv/bin/python").splitlines()
    return dict(row.split("==") for row in rows if "==" in row)


def at_work(product: Product, blueprint: str) -> Outcome:
    """Lint, run and test, as far as each goes."""
    for step in ("lint", "run", "test") if "run" in golden.make_targets(blueprint) else ("lint", "test"):
        done = product.shell.run(f"make --no-print-directory {step}", STEP_SECONDS)
        if done.code:
            return Outcome(step, done.text)
    return Outcome()


def tried(place: Path, blueprint: str, python: str, kind: str) -> Report:
    """Stamp the project in that folder and see how it fares with that kind of versions."""
    start = time.monotonic()
    product = stamped(place, blueprint, str(golden.target(blueprint, {}).answers["package"]))
    outcome = installed(product, python, OPTIONS[kind])
    if outcome.step:
        return Report(blueprint, outcome, {}, (), time.monotonic() - start)
    outcome = at_work(product, blueprint)
    changed = _changed(product, python)
    if outcome.step and _broken(product, blueprint, python, OPTIONS["tested"]):
        return Report(blueprint, outcome, {}, (), time.monotonic() - start)
    found = guilty(changed, lambda name: _breaks(product, blueprint, python, name, changed)) if outcome.step else []
    return Report(blueprint, outcome, changed, found, time.monotonic() - start)


def _changed(product: Product, python: str) -> dict[str, str]:
    """The packages whose versions are not the tested ones."""
    number = product.online.must(f"{python} -c 'import sys; print(*sys.version_info[:2], sep=\".\")'").strip()
    tested = pinned((product.folder / "constraints.txt").read_text("utf-8"), number)
    return {name: version for name, version in versions_of(product).items() if tested.get(name) != version}


def _breaks(product: Product, blueprint: str, python: str, name: str, changed: Mapping[str, str]) -> bool:
    """Whether that one version breaks the project while all others are the tested ones, as far as it can be had so."""
    lines = (product.folder / "constraints.txt").read_text("utf-8").splitlines()
    others = [line for line in lines if re.split(r"[=\s]", line)[0] != name]
    (product.folder.parent / "others.txt").write_text("\n".join([*others, f"{name}=={changed[name]}", ""]), "utf-8")
    return _broken(product, blueprint, python, "-c ../others.txt")


def _broken(product: Product, blueprint: str, python: str, options: str) -> bool:
    """Whether the project can be installed with those options, and fails then."""
    return not installed(product, python, options).step and bool(at_work(product, blueprint).step)


def requirements() -> list[str]:
    """What the projects of all components together may depend on, whatever is answered, and what builds them."""
    project = golden.target("blank", {}).rendered.tree["pyproject.toml"].content.decode()
    found: set[str] = set(tomllib.loads(project)["build-system"]["requires"])
    for place in sorted(golden.ROOT.glob("templates/*/component.yaml")):
        given = documents.load(place.read_bytes(), str(place)).get("contributes", {})
        rows = [*given.get("dependencies", []), *given.get("dev_dependencies", [])]
        found |= {row["value"] if isinstance(row, dict) else row for row in rows}
    return sorted(found)


def moved(place: Path) -> str:
    """The constraints file of base with the newest versions that all components allow together."""
    (place / "all.in").write_text("\n".join([*requirements(), ""]), "utf-8")
    shell = Shell(place, place / "home")
    pins = shell.must(
        f"{UV} pip compile --quiet --universal --python-version 3.11 "
        "--no-header --no-annotate --no-emit-index-url all.in"
    )
    return CONSTRAINTS.read_text("utf-8").splitlines()[0] + "\n" + pins


def main() -> int:
    """Try the blueprints named, or all; 1 where one is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blueprints", nargs="*", default=golden.BLUEPRINTS, metavar="BLUEPRINT")
    parser.add_argument("--versions", choices=OPTIONS, default="newest")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the projects")
    parser.add_argument("--move", action="store_true", help="write the newest versions into base when all is well")
    asked = parser.parse_args()
    broken = False
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        for blueprint in asked.blueprints:
            report = tried(Path(folder, blueprint), blueprint, asked.python, asked.versions)
            broken |= bool(report.outcome.step)
            print(*report.lines(), sep="\n", flush=True)
        if asked.move and not broken:
            CONSTRAINTS.write_text(moved(Path(folder)), "utf-8")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
