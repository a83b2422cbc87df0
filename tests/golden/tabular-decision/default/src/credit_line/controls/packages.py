"""Packaged models: a release whose one file is a model that runs no code when it is loaded."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skops import io as skops

from . import releases
from .paths import Paths
from .releases import ReleaseRefused, history, promote, serving, versions

__all__ = [
    "MODEL",
    "Package",
    "ReleaseRefused",
    "activate",
    "history",
    "load",
    "promote",
    "save",
    "serving",
    "versions",
]

MODEL = "model.skops"
# Beyond what skops trusts by itself: plain holders of numbers, none of which runs code when loaded.
TRUSTED = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)


@dataclass(frozen=True, slots=True)
class Package:
    """A model, and what is written down about it; `digest` is that of its file."""

    version: str
    digest: str
    estimator: Any
    facts: Mapping[str, Any]


def save(paths: Paths, estimator: Any, facts: Mapping[str, Any]) -> str:
    """Write a package and return its version, which follows from model and facts alone."""
    return releases.save(paths, {MODEL: _stable(skops.dumps(estimator))}, facts)


def load(paths: Paths, version: str | None = None) -> Package:
    """Load a version, by default the one that serves; ReleaseRefused if it was changed.

    Also where it holds types that are not to be trusted, before any of them is made.
    """
    release = releases.load(paths, version)
    content = release.files.get(MODEL, b"")
    if not content:
        raise ReleaseRefused(f"release {release.version} holds no model")
    if foreign := set(skops.get_untrusted_types(data=content)) - TRUSTED:
        named = ", ".join(sorted(foreign))
        raise ReleaseRefused(f"release {release.version} holds foreign types: {named}")
    estimator = skops.loads(content, trusted=sorted(TRUSTED))
    return Package(release.version, release.digest, estimator, release.facts)


def activate(paths: Paths, version: str) -> None:
    """Let a version serve, after checking that it loads; a version that serves already stays."""
    load(paths, version)
    releases.activate(paths, version)


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
