"""Packaged models: one folder a version, named after its content, and a record of which one serves.

`var/models/<version>/` holds `model.skops`, which runs no code when it is loaded, and
`model.json`, which says what the model is. `var/models/serving.json` lists the versions that were
activated, the one that serves last.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skops import io as skops

from .evidence import digest, replace, rounded
from .paths import Paths

MODEL, CARD, SERVING = "model.skops", "model.json", "serving.json"
# Beyond what skops trusts by itself: plain holders of numbers, none of which runs code when loaded.
TRUSTED = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)


class PackageRefused(Exception):
    """A package is missing, was changed, or holds types that are not to be trusted."""


@dataclass(frozen=True, slots=True)
class Package:
    """A model, and what is written down about it."""

    version: str
    digest: str
    estimator: Any
    facts: Mapping[str, Any]


def save(paths: Paths, estimator: Any, facts: Mapping[str, Any]) -> str:
    """Write a package and return its version, which follows from model and facts alone."""
    model = _stable(skops.dumps(estimator))
    model_digest = "sha256:" + hashlib.sha256(model).hexdigest()
    card = {"schema": "model/1", "model": model_digest, "facts": rounded(facts)}
    text = json.dumps(card, indent=2, sort_keys=True, allow_nan=False) + "\n"
    version = "m-" + hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = paths.models / version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model)
    replace(folder / CARD, text)
    return version


def load(paths: Paths, version: str | None = None) -> Package:
    """Load a version, by default the one that serves; PackageRefused if it was changed."""
    wanted = version or serving(paths)
    if wanted is None:
        raise PackageRefused("no model serves yet: run the pipeline first")
    folder = paths.models / wanted
    if not (folder / CARD).is_file() or not (folder / MODEL).is_file():
        raise PackageRefused(f"there is no package {wanted}")
    card = _card(folder, wanted)
    if foreign := set(skops.get_untrusted_types(file=folder / MODEL)) - TRUSTED:
        raise PackageRefused(f"package {wanted} holds foreign types: {', '.join(sorted(foreign))}")
    estimator = skops.load(folder / MODEL, trusted=sorted(TRUSTED))
    return Package(wanted, card["model"], estimator, card["facts"])


def versions(paths: Paths) -> list[str]:
    """All packaged versions, sorted by name."""
    return sorted(card.parent.name for card in paths.models.glob(f"m-*/{CARD}"))


def serving(paths: Paths) -> str | None:
    """The version that serves, or None before the first activation."""
    past = history(paths)
    return past[-1] if past else None


def history(paths: Paths) -> list[str]:
    """The versions that were activated and not rolled back, oldest first."""
    file = paths.models / SERVING
    if not file.exists():
        return []
    activated: list[str] = json.loads(file.read_text("utf-8"))["activated"]
    return activated


def activate(paths: Paths, version: str) -> None:
    """Let a version serve, after checking that it loads; a version that serves already stays."""
    load(paths, version)
    if serving(paths) != version:
        _remember(paths, [*history(paths), version])


def roll_back(paths: Paths) -> str:
    """Let the version before the present one serve again, and return it."""
    past = history(paths)
    if len(past) < 2:
        raise PackageRefused("there is no earlier version to roll back to")
    load(paths, past[-2])
    _remember(paths, past[:-1])
    return past[-2]


def _remember(paths: Paths, activated: list[str]) -> None:
    replace(paths.models / SERVING, json.dumps({"activated": activated}, indent=2) + "\n")


def _card(folder: Path, version: str) -> dict[str, Any]:
    text = (folder / CARD).read_bytes()
    card: dict[str, Any] = json.loads(text)
    named = "m-" + hashlib.sha256(text).hexdigest()[:12] == version
    if not named or digest(folder / MODEL) != card["model"]:
        raise PackageRefused(f"package {version} was changed after it was saved")
    return card


def _stable(archive: bytes) -> bytes:
    """The same archive without clock and memory addresses, so that equal models have equal bytes.

    skops names arrays after the addresses of objects and stamps entries with the time.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    schema = entries.pop("schema.json").decode()
    numbers: dict[str, str] = {}
    addresses = re.compile(r'(?<="__id__": )\d+|(?<=")\d+(?=\.np[yz]")')
    schema = addresses.sub(lambda m: numbers.setdefault(m[0], str(len(numbers) + 1)), schema)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as out:
        out.writestr(zipfile.ZipInfo("schema.json"), schema)
        for name, content in sorted(_renamed(entries, numbers).items()):
            out.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue()


def _renamed(entries: Mapping[str, bytes], numbers: Mapping[str, str]) -> dict[str, bytes]:
    stems = {name: name.partition(".") for name in entries}
    return {
        f"{numbers.get(stem, stem)}{dot}{suffix}": entries[name]
        for name, (stem, dot, suffix) in stems.items()
    }
