"""What a run of this system writes, and a release needs: what its components say they produce."""

EVIDENCE: tuple[str, ...] = (
    "data-quality",
    "evaluation",
    "monitoring",
    "bom",
    "lineage",
    "model",
)
