"""What a release of this system needs at least, whatever its registers are cut down to."""

# What a run writes: what its components say they produce.
EVIDENCE: tuple[str, ...] = (
    "data-quality",
    "monitoring",
)
ROLES = ("business owner", "risk", "independent validation", "data protection")
SUBJECTS: tuple[str, ...] = (
    "governance/system.yaml",
    "governance/facts.yaml",
    "governance/scope.yaml",
    "governance/risk-assessment.yaml",
    "contracts/*.odcs.yaml",
    "ops/*.yaml",
)
QUESTIONS = (
    "manipulates people below their awareness",
    "exploits age, disability or a social or economic plight",
    "scores people for their social behaviour across contexts",
    "predicts crime from a profile alone",
    "collects faces from the internet or cameras at large",
    "reads emotions at work or in education",
    "sorts people biometrically by a protected trait",
    "identifies people remotely in public in real time",
    "makes intimate images of people without their consent",
    "makes images of child abuse",
)
