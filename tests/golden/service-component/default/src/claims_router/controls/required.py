"""What a release of this system needs at least, whatever its registers are cut down to."""

from collections.abc import Mapping

# What a run writes: what its components say they produce.
EVIDENCE: tuple[str, ...] = (
    "monitoring",
    "intake",
)
# Points of the facts, and the points from which a tier begins, as the map of the factory has them.
POINTS: Mapping[str, Mapping[str, int]] = {
    "effect": {"minor": 1, "significant": 5, "legal_or_similar": 7},
    "autonomy": {"human_confirms": 1, "human_on_loop": 2, "full": 3},
    "personal_data": {"pseudonymised": 1, "personal": 2, "special_category": 4},
    "reversibility": {"hard": 2, "irreversible": 4},
    "affects": {
        "consumers": 1,
        "employees": 1,
        "natural_persons": 1,
        "patients": 2,
        "children": 2,
    },
    "persons_per_year": {"1000": 1, "100000": 2, "1000000": 3},
    "profiling": {"True": 1},
    "genai": {"True": 1},
    "agentic": {"True": 2},
    "interacts_with_people": {"True": 1},
    "synthetic_content": {"True": 1},
    "third_party_model": {"True": 1},
    "learns_in_production": {"True": 2},
    "critical_function": {"True": 2},
    "phi": {"True": 2},
}
TIERS: Mapping[str, int] = {"low": 0, "medium": 6, "high": 15, "critical": 22}
# Who approves, each another person, by the inherent tier of the system; `high` where none is known.
ROLES: Mapping[str, tuple[str, ...]] = {
    "low": ("business owner",),
    "medium": ("business owner", "risk"),
    "high": ("business owner", "risk", "independent validation", "data protection"),
    "critical": (
        "business owner",
        "risk",
        "independent validation",
        "data protection",
        "executive",
    ),
}
SUBJECTS: tuple[str, ...] = (
    "governance/system.yaml",
    "governance/facts.yaml",
    "governance/scope.yaml",
    "governance/risk-assessment.yaml",
    "governance/dossier.yaml",
    "docs/learn/packs.yaml",
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
# The facts that duties depend on.
FACTS = (
    "jurisdictions",
    "sector",
    "roles",
    "decision_type",
    "affects",
    "effect",
    "autonomy",
    "personal_data",
    "profiling",
    "art6_3_claimed",
    "genai",
    "agentic",
    "rag",
    "interacts_with_people",
    "synthetic_content",
    "quantitative_model",
    "third_party_model",
    "third_party_deployers",
    "learns_in_production",
    "critical_function",
    "phi",
    "significant_data_fiduciary",
    "us_assets_over_30bn",
    "reversibility",
    "persons_per_year",
    "frameworks_adopted",
)
