"""Where the project keeps its files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of one project; what lies below `var` is never committed."""

    root: Path

    @classmethod
    def of(cls, root: Path) -> Paths:
        """The paths of the project at `root`."""
        return cls(root.resolve())

    @classmethod
    def here(cls) -> Paths:
        """The paths of the project in `PROJECT_ROOT`, or else in the current folder."""
        return cls.of(Path(os.environ.get("PROJECT_ROOT") or Path.cwd()))

    @property
    def contracts(self) -> Path:
        """Data contracts."""
        return self.root / "contracts"

    @property
    def evals(self) -> Path:
        """Thresholds that a model has to meet."""
        return self.root / "evals"

    @property
    def ops(self) -> Path:
        """Runbooks, the monitoring plan and alert rules."""
        return self.root / "ops"

    @property
    def governance(self) -> Path:
        """System facts, risks and approvals."""
        return self.root / "governance"

    @property
    def docs(self) -> Path:
        """Documents, the model card among them."""
        return self.root / "docs"

    @property
    def evidence(self) -> Path:
        """Results of the last run, committed."""
        return self.root / "evidence"

    @property
    def var(self) -> Path:
        """Everything that a run leaves behind and git ignores."""
        return self.root / "var"

    @property
    def data(self) -> Path:
        """Data sets of the last run."""
        return self.var / "data"

    @property
    def models(self) -> Path:
        """Packaged models, one folder a version."""
        return self.var / "models"

    @property
    def quarantine(self) -> Path:
        """Rows that broke the contract, one file a border."""
        return self.var / "quarantine"

    @property
    def reports(self) -> Path:
        """Reports for people."""
        return self.var / "reports"

    @property
    def metrics(self) -> Path:
        """Metrics in Prometheus' text format."""
        return self.var / "metrics"

    @property
    def audit(self) -> Path:
        """The audit log; `AUDIT_DIR` moves it elsewhere."""
        return self.root / (os.environ.get("AUDIT_DIR") or "var/audit")
