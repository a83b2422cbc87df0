"""Each check of a control passes on a project that keeps it, and fails on one in which it was broken on purpose."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from ai_factory import documents
from ai_factory.cache import document
from ai_factory.governance import facts as facts_of
from ai_factory.governance.applicability import applicability
from ai_factory.governance.checking import Gap, Status, Subject, gaps_of, result
from ai_factory.governance.checks import CHECKS as BEFORE
from ai_factory.governance.checks import IN_USE, operating
from ai_factory.governance.checks import dossier as dossier_checks
from ai_factory.governance.checks.dossier import RECORD, both
from ai_factory.governance.reading import read
from ai_factory.governance.record import record
from ai_factory.governance.schedules import Applied, Period, Retention
from ai_factory.lock import Entry, Lock, Origin
from ai_factory.tree import File, blob_id
from tests import golden

ROOT = Path(__file__).parent.parent
TODAY = "2026-11-26"
MODEL = "r-81190373e82f"
INJECTION = {"metric": "injection_resisted", "slice": "all", "at_least": 0.9}
MAKER = {"name": "maker", "purpose": "model", "owner": "procurement", "outside": True}
GOV, SYSTEM, FACTS = "governance", "governance/system.yaml", "governance/facts.yaml"
THRESHOLDS = "evals/thresholds.yaml"
CONTRACT, QUALITY = "contracts/applications.odcs.yaml", "evidence/data-quality.json"
SCOPE, DOSSIER = "governance/scope.yaml", "governance/dossier.yaml"
RUNBOOK = "default/ops/runbook.md"  # of a golden tree; one that shows only what differs may have none
OPEN = {"finding": "leak", "severity": "high", "owner": "team", "due": "2027-01-01"}
Change = Callable[[Any], None]
CHECKS = {name: both(check, IN_USE[name]) if name in IN_USE else check for name, check in BEFORE.items()}
WRITTEN = (  # the documents of `make documents`
    *("system-card", "risk-register", "impact-assessment", "literacy-list", "datasheet", "technical-file"),
    *("validation-report", "supplier-file", "change-record", "threat-model", "oversight-plan", "notices"),
    *("instructions-for-use", "retention-schedule", "monitoring-plan", "incident-plan", "decommission-plan"),
)


def system() -> dict[str, Any]:
    """The facts of a bank that scores consumers in the EU."""
    facts = documents.load((ROOT / "tests/archetypes/eu-retail-credit.yaml").read_bytes(), "facts")
    assert isinstance(facts, dict)
    return facts


def evidence(name: str, content: Mapping[str, Any], files: Mapping[str, File], *inputs: str) -> dict[str, File]:
    """A record as a run writes it, of inputs as they are."""
    told = {path: f"sha256:{hashlib.sha256(files[path].content).hexdigest()}" for path in inputs}
    text = json.dumps({"schema": "evidence/1", "name": name, "inputs": told, "content": content})
    return {f"evidence/{name}.json": File(text.encode())}


EVIDENCE: Mapping[str, Mapping[str, Any]] = {
    "data-quality": {"applications": {"rows": 5005, "quarantined_share": 0.008, "quarantine_limit": 0.05}},
    "lineage": {"released": "evidence/model.json", "sources": ["contracts/applications.odcs.yaml"], "upstream": []},
    "features": {
        "findings": [],
        "registry": {"features": [{"name": "utilisation", "code": "R01", "reason": "Credit lines are drawn"}]},
    },
    "model": {"version": MODEL, "model": "sha256:fd", "facts": {"endpoint": "small-model-2026-03"}},
    "monitoring": {"measurements": [{"metric": "psi", "value": 0.1}], "alerts": []},
    "bom": {"components": {f"model:{MODEL}": "sha256:fd"}},
}


def met(limit: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a run that just meets a threshold."""
    direction = "at_least" if "at_least" in limit else "at_most"
    value = limit[direction]
    told = {"metric": limit["metric"], "slice": limit["slice"], "value": value, "threshold": value}
    return {**told, "low": value, "high": value, "n": 400, "direction": direction, "verdict": "pass"}


@cache
def project() -> Subject:
    """The golden project with people's answers, the evidence of a run, and a lock that answers for its files."""
    files = golden.read(ROOT / "tests/golden/tabular-decision/default")
    known = read({path.name: File(path.read_bytes()) for path in (ROOT / "controls").glob("*.yaml")}, document)
    facts = facts_of.facts(system())
    tiering = known.scale.of(known.regulation.conditions, facts)
    applies = applicability(known.regulation, facts, tiering.tier, TODAY)
    told = record(applies, tiering, known.regulation.as_of, facts)
    people = {"answered_by": "a@bank.example", "reviewed_by": "b@bank.example"}
    screen = {**people, "answers": {practice.use: False for practice in known.assessment.screen}}
    files["governance/facts.yaml"] = File(documents.write({"schema": 1, "facts": system(), "screen": screen}))
    files["governance/applicability.json"] = File(json.dumps(told).encode())
    files["docs/model-card.md"] = File(f"# Model card\n\n| Version | `{MODEL}` |\n".encode())
    bill = {"bomFormat": "CycloneDX", "components": [{"type": "machine-learning-model", "version": MODEL}]}
    files["bom/ml-bom.cdx.json"] = File(json.dumps(bill).encode())
    files = changed(files, "evals/thresholds.yaml", lambda d: d["thresholds"].append(INJECTION))
    files = changed(files, "governance/dependencies.yaml", lambda d: d.update(services=[MAKER]))
    roles = documents.load(files["docs/learn/packs.yaml"].content, "packs")["handover"]["roles"]
    learnt = [{"person": "p", "role": role, "did": "quiz", "expires": "2027-01-01"} for role in roles]
    files["governance/literacy.yaml"] = File(json.dumps(learnt).encode())
    thresholds = documents.load(files["evals/thresholds.yaml"].content, "thresholds")["thresholds"]
    rows = [met(limit) for limit in thresholds]
    evaluation = {"gate": {"passed": True, "failures": []}, "model_version": MODEL, "results": rows}
    for name, content in {**EVIDENCE, "evaluation": evaluation}.items():
        files |= evidence(name, content, files, CONTRACT, THRESHOLDS)
    files = changed(
        files, "governance/notices.yaml", lambda rules: rules.update(reviewed_by="c@bank.example", reviewed_on=TODAY)
    )
    files |= dossier(files)
    paths = {"constraints.txt": Entry("base", "managed", base=blob_id(files["constraints.txt"].content))}
    paths[RECORD] = Entry("governance", "produced")
    lock = Lock(Origin("embedded", "embedded", "1.0", "", ""), "1.0", {}, {}, "", paths)
    return Subject(files, lock, known, applies, TODAY, lambda path: digest_in(files, path), document)


def digest_in(files: Mapping[str, File], path: str) -> str:
    return f"sha256:{hashlib.sha256(files[path].content).hexdigest()}" if path in files else ""


def dossier(files: Mapping[str, File]) -> dict[str, File]:
    """Documents as the project writes them, of files as they are, and the record of both."""
    made = {f"docs/governance/{name}.md": File(f"# {name}\n".encode()) for name in WRITTEN}
    sources = [CONTRACT, FACTS, "governance/scope.yaml", "governance/dossier.yaml"]
    told = {path: digest_in(made, path) for path in made}
    record = {"inputs": {path: digest_in(files, path) for path in sources}, "documents": told}
    return {**made, RECORD: File(json.dumps(record).encode())}


def changed(files: Mapping[str, File], path: str, change: Change) -> dict[str, File]:
    """The files with a YAML or JSON document changed."""
    content = files[path].content
    data = json.loads(content) if path.endswith(".json") else documents.load(content, path)
    change(data)
    text = json.dumps(data).encode() if path.endswith(".json") or isinstance(data, list) else documents.write(data)
    return {**files, path: File(text)}


def of(name: str, change: Change) -> tuple[str, Change]:
    """A change to the content of evidence."""
    return f"evidence/{name}.json", lambda record: change(record["content"])


def found(control: str, subject: Subject) -> list[Gap]:
    """What the check of a control finds, as the gate runs it, whether it applies or not."""
    return list(gaps_of(CHECKS[control], subject))


def test_every_check_passes_on_a_project_that_keeps_it() -> None:
    assert {control: found(control, project()) for control in CHECKS} == {control: [] for control in CHECKS}


MUTATIONS: list[tuple[str, str, Change, str]] = [
    ("GOV-01", SYSTEM, lambda d: d.update(owner_team=" "), "`owner_team` is empty"),
    ("GOV-02", FACTS, lambda d: d["screen"].update(reviewed_by="A@bank.example "), "answered and reviewed by two"),
    ("GOV-02", FACTS, lambda d: d["screen"].update(reviewed_by="A <a@bank.example>"), "answered and reviewed by two"),
    ("GOV-02", FACTS, lambda d: d["screen"].update(reviewed_by="b@bank..example"), "answered and reviewed by two"),
    ("GOV-02", FACTS, lambda d: d["screen"].update(reviewed_by="a@bank.example."), "answered and reviewed by two"),
    ("GOV-02", FACTS, lambda d: d["screen"].update(answered_by="Ann", reviewed_by="Bo"), "and reviewed by two"),
    ("GOV-02", FACTS, lambda d: d["screen"]["answers"].popitem(), "not answered: whether it makes images of child"),
    (
        "GOV-02",
        FACTS,
        lambda d: d["screen"]["answers"].update({"reads emotions at work or in education": True}),
        "it reads emotions at work or in education: this may be prohibited (Art. 5(1)(f))",
    ),
    ("GOV-03", FACTS, lambda d: d["facts"].update(genai=True), "is of other facts, another map or another day"),
    ("GOV-03", FACTS, lambda d: d["facts"].pop("genai"), "the facts are not all answered"),
    ("GOV-04", f"{GOV}/risk-assessment.yaml", lambda d: d["risks"][0].update(owner=None), "risk R1: nobody owns it"),
    ("GOV-04", f"{GOV}/risk-assessment.yaml", lambda d: d["risks"][0].update(controls=[]), "names no control"),
    (
        "GOV-04",
        f"{GOV}/risk-assessment.yaml",
        lambda d: d["risks"][1].update(review_by="2026-11-25"),
        "was due on 2026",
    ),
    ("GOV-04", f"{GOV}/risk-assessment.yaml", lambda d: d.update(risks=[]), "names no risk"),
    ("GOV-07", f"{GOV}/literacy.yaml", lambda d: d.pop(0), "nobody has learnt what the business owner needs"),
    (
        "GOV-07",
        f"{GOV}/literacy.yaml",
        lambda d: d[1].update(expires="2026-11-25"),
        "what the builder needs, or it has run",
    ),
    ("MOD-04", "evals/thresholds.yaml", lambda d: d.update(thresholds=[INJECTION]), "sets no threshold for a group"),
    ("MOD-04", *of("evaluation", lambda c: c["results"][4].update(verdict="fail")), "misses its threshold"),
    ("MOD-07", f"{GOV}/dependencies.yaml", lambda d: d.update(services=[]), "names nobody outside the firm"),
    ("MOD-07", *of("model", lambda c: c["facts"].update(endpoint="small-latest")), "`endpoint` is small-latest"),
    ("MOD-08", "evals/thresholds.yaml", lambda d: d["thresholds"].pop(), "sets no threshold for attacks and refusals"),
    ("MOD-08", *of("evaluation", lambda c: c["results"].pop()), "injection_resisted was not measured"),
    ("DATA-01", CONTRACT, lambda d: d["schema"][0]["properties"][0].pop("classification"), "has no `classification`"),
    ("DATA-01", CONTRACT, lambda d: d.update(schema=[]), "is no data contract with a schema"),
    ("DATA-02", *of("data-quality", lambda c: c["applications"].update(quarantined_share=0.06)), "6.00% of the rows"),
    ("DATA-03", *of("lineage", lambda c: c.update(sources=[])), "does not go back to contracts/applications.odcs.yaml"),
    ("DATA-03", *of("lineage", lambda c: c.update(released="evidence/gone.json")), "names a release that is not here"),
    ("DATA-04", CONTRACT, lambda d: d.update(customProperties=[]), "does not say on which ground"),
    ("DATA-04", CONTRACT, lambda d: d.update(slaProperties=[]), "does not say how long"),
    ("DATA-05", *of("features", lambda c: c.update(findings=["income is a proxy"])), "income is a proxy"),
    ("MOD-01", *of("model", lambda c: c.update(version="r-new")), "does not speak of the released model r-new"),
    (
        "MOD-02",
        "bom/ml-bom.cdx.json",
        lambda d: d["components"][0].update(version="r-old"),
        "does not name the released",
    ),
    ("MOD-03", *of("evaluation", lambda c: c["results"].pop(0)), "auc of all was not measured"),
    ("MOD-03", *of("evaluation", lambda c: c["results"][0].pop("low")), "auc of all has no interval"),
    ("MOD-03", *of("evaluation", lambda c: c["gate"].update(failures=["auc 0.6 < 0.72"])), "missed: auc 0.6 < 0.72"),
    ("MOD-03", *of("evaluation", lambda c: c.update(model_version="r-old")), "measured r-old"),
    ("MOD-03", *of("evaluation", lambda c: c["results"][0].update(value=0.719)), "auc of all misses its threshold"),
    ("MOD-03", *of("evaluation", lambda c: c["results"][1].update(value=0.121)), "brier of all misses its threshold"),
    ("MOD-03", *of("evaluation", lambda c: c["results"][0].update(value=float("1e999"))), "is no JSON"),
    ("MOD-03", *of("evaluation", lambda c: c["results"][0].update(value=None)), "auc of all has no value"),
    ("MOD-03", *of("evaluation", lambda c: c["results"][0].update(verdict="failed")), "its verdict is failed"),
    ("MOD-03", *of("evaluation", lambda c: c["results"][0].update(verdict="not judged")), "its verdict is not judged"),
    ("MOD-03", *of("evaluation", lambda c: c["results"][4].update(n=49, verdict="not judged")), "was not judged"),
    (
        "MOD-03",
        *of("evaluation", lambda c: c["results"][0].update(threshold=0.6, value=0.9)),
        "auc of all was judged by another threshold than evals/thresholds.yaml sets",
    ),
    ("MOD-03", *of("evaluation", lambda c: c["results"][0].update(direction="at_most")), "by another threshold"),
    ("MOD-03", THRESHOLDS, lambda d: d["thresholds"][0].update(at_least=0.5), "is of other inputs than these"),
    ("MOD-03", "evidence/evaluation.json", lambda d: d["inputs"].pop(THRESHOLDS), "does not name evals/thresholds"),
    ("MOD-04", *of("evaluation", lambda c: c["results"][4].update(value=0.79)), "approval_ratio of sex misses its"),
    ("DATA-02", QUALITY, lambda d: d["inputs"].pop(CONTRACT), "does not name contracts/*.odcs.yaml among its inputs"),
    ("MOD-05", *of("features", lambda c: c["registry"]["features"][0].update(reason="")), "no reason code with words"),
    (
        "SEC-03",
        f"{GOV}/access.yaml",
        lambda d: d["roles"].update(x={"read": ["all"]}),
        "may read what is no class: all",
    ),
    ("HUM-01", f"{GOV}/scope.yaml", lambda d: d["oversight"].update(who_stops=""), "`oversight.who_stops` is empty"),
    ("TRA-02", f"{GOV}/notices.yaml", lambda d: d.update(reviewed_by=None), "counsel has not reviewed the texts"),
    ("TRA-02", f"{GOV}/notices.yaml", lambda d: d.update(reviewed_by="x"), "counsel has not reviewed the texts"),
    ("TRA-02", f"{GOV}/notices.yaml", lambda d: d.update(reviewed_on="2099-01-01"), "counsel has not reviewed"),
    ("TRA-02", f"{GOV}/notices.yaml", lambda d: d["regimes"]["US-ECOA"].pop("cite"), "US-ECOA has no `cite`"),
    ("AUD-03", "ops/audit.yaml", lambda d: d["retention"][0].pop("keep_days"), "lacks `keep_days` or a `reason`"),
    ("AUD-03", "ops/audit.yaml", lambda d: d.update(retention=[]), "for no record how long it is kept"),
    (
        "AUD-03",
        "ops/audit.yaml",
        lambda d: d["retention"].pop(2),
        "no rule lets decision events of these types go: action, decision, notice, override (GDPR Art. 5(1)(e))",
    ),
    ("AUD-04", "ops/audit.yaml", lambda d: d.update(risk_tier="low"), "`risk_tier` is low, and the facts give high"),
    ("AUD-04", "ops/audit.yaml", lambda d: d["on_audit_failure"].update(high="open"), "`on_audit_failure` of high is"),
    ("AUD-05", "ops/audit.yaml", lambda d: d.update(identifying_fields=[]), "lacks application_id, a restricted key"),
    ("MON-01", "ops/monitoring.yaml", lambda d: d["checks"][0].update(runbook="ops/playbook.md#none"), "is not there"),
    ("MON-01", "ops/monitoring.yaml", lambda d: d["checks"][0].update(owner=""), "psi has no `owner`"),
    ("MON-01", *of("monitoring", lambda c: c.update(measurements=[])), "holds no measurement"),
    ("GOV-01", SCOPE, lambda d: d["use"].update(necessity=" "), "`use.necessity` is empty, or a placeholder"),
    ("GOV-01", DOSSIER, lambda d: d.update(lifetime="TBD"), "`lifetime` is empty, or a placeholder"),
    ("GOV-01", SCOPE, lambda d: d["use"].update(people="right in 97.5 %"), "`use.people` says 97.5: a figure is taken"),
    ("GOV-01", SCOPE, lambda d: d["use"].update(people="right in 97 per cent"), "`use.people` says 7 per cent: a"),
    ("GOV-01", SCOPE, lambda d: d["use"].update(people="AUC of ,99"), "`use.people` says ,99: a figure"),
    ("GOV-01", RECORD, lambda d: d["documents"].popitem(), "lies among the documents that the project writes"),
    ("GOV-04", f"{GOV}/risk-assessment.yaml", lambda d: d["risks"][0].update(id="R2"), "two risks have the id R2"),
    ("GOV-04", f"{GOV}/risk-assessment.yaml", lambda d: d["risks"][0].update(controls=["NO-1"]), "no control NO-1"),
    (
        "GOV-03",
        f"{GOV}/applicability.json",
        lambda d: d.update(as_of="9999-12-31"),
        "is of 9999-12-31, which is to come",
    ),
    (
        "GOV-07",
        f"{GOV}/literacy.yaml",
        lambda d: d.clear(),
        "nobody has learnt what the builder",
    ),
    ("SEC-02", SCOPE, lambda d: d["threats"][0].update(tests=["README.md"]), "is not there: README.md"),
    (
        "GOV-05",
        FACTS,
        lambda d: d["facts"].update(persons_per_year=7),
        "is of other files than these: governance/facts",
    ),
    ("DATA-06", *of("features", lambda c: c.update(worst={"application_id": "A000001"})), "holds `application_id`"),
    ("MOD-06", DOSSIER, lambda d: d["validation"].update(findings=[OPEN]), "a high finding is open: leak"),
    ("MOD-06", DOSSIER, lambda d: d["validation"].update(findings=[{"finding": "x"}]), "the finding has no `due`: x"),
    ("MOD-09", DOSSIER, lambda d: d["change"].update(why="other"), "is of other files than these: governance/dossier"),
    ("SEC-02", SCOPE, lambda d: d.update(threats=[]), "names no threat"),
    ("SEC-02", SCOPE, lambda d: d["threats"][0].update(tests=[]), "no test shows what answers the threat"),
    ("SEC-02", SCOPE, lambda d: d["threats"][0].update(tests=["tests/gone.py"]), "is not there: tests/gone.py"),
    ("TRA-01", SCOPE, lambda d: d.update(told=[]), "says nowhere what people are told"),
    ("TRA-01", SCOPE, lambda d: d["told"][0].update(text=""), "`told`: a row has no `text`"),
    ("INC-02", f"{GOV}/dependencies.yaml", lambda d: d.update(consumers=[{"name": "x"}]), "one of `consumers` has no"),
]


@pytest.mark.parametrize(("control", "path", "change", "message"), MUTATIONS)
def test_what_is_broken_on_purpose_is_found(control: str, path: str, change: Change, message: str) -> None:
    """The control's own check tells it, in the file where it is."""
    sound = project()
    files = changed(sound.files, path, change)
    gaps = found(control, replace(sound, files=files, digest=lambda name: digest_in(files, name)))
    assert any(message in gap.message for gap in gaps), gaps


TEXTS = [
    ("GOV-08", "constraints.txt", b"edited\n", "was edited"),
    ("GOV-09", ".ai-factory/waivers.yaml", b"- {rule: AF007, control: MOD-06, reason: r, owner: a@x, approver: b@x, until: '2026-01-01'}\n", "expired"),
    ("GOV-09", ".ai-factory/waivers.yaml", b"- {rule: AF007}\n", "line 1"),
    ("MOD-01", "docs/model-card.md", f"`{MODEL}` TODO\n".encode(), "holds a placeholder: TODO"),
    ("SEC-01", "constraints.txt", b"polars>=1\n", "line 1 names no version: polars>=1"),
    ("RES-01", "ops/decommission.md", None, "is missing"),
    ("HUM-02", "ops/runbook.md", None, "is missing"),
    ("HUM-02", "ops/runbook.md", b"call somebody\n", "says no command that stops the system"),
    ("INC-01", "ops/runbook.md", None, "is missing"),
    ("INC-01", "ops/runbook.md", b"| `EU-DORA` | 4 hours, 24 hours, 72 hours, 1 month |\n", "names no clock `EU-GDPR`: EU, GDPR, breach"),
    ("INC-01", "ops/runbook.md", b"| `EU-GDPR` | 72 hours |\n| `EU-DORA` | 4 hours, 72 hours, 1 month |\n", "`EU-DORA` does not say 24 hours (first"),
    ("INC-01", "ops/runbook.md", b"| `EU-GDPR` | 72 hours |\n| `EU-DORA` | 24 hours, 72 hours, 1 month |\n", "`EU-DORA` does not say 4 hours (first notice;"),
    ("GOV-07", "governance/literacy.yaml", None, "nobody has learnt what the business owner needs"),
    ("GOV-07", "governance/literacy.yaml", b"a: 1\n", "is no list of rows"),
    ("GOV-05", "docs/governance/impact-assessment.md", None, "is missing"),
    ("GOV-05", "docs/governance/impact-assessment.md", b"# mine", "was changed by hand"),
    ("GOV-05", RECORD, None, "is missing"),
    ("TRA-03", "docs/governance/instructions-for-use.md", b"TODO", "was changed by hand"),
    ("INC-01", "docs/governance/incident-plan.md", None, "is missing"),
    ("DATA-01", CONTRACT, None, "there is no data contract"),
    ("DATA-01", CONTRACT, b"a: [\n", "line 2"),
    ("DATA-02", QUALITY, b"{", "is no JSON"),
    ("DATA-02", QUALITY, None, "is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("control", "path", "content", "message"), TEXTS)
def test_a_file_that_is_gone_or_spoiled_is_found(control: str, path: str, content: bytes | None, message: str) -> None:
    """Never a traceback: a sentence about the file."""
    sound = project()
    files = {name: file for name, file in sound.files.items() if name != path}
    files |= {path: File(content)} if content is not None else {}
    gaps = found(control, replace(sound, files=files))
    assert any(message in gap.message for gap in gaps), gaps


def judged(subject: Subject, name: str, as_of: str = TODAY, **change: Any) -> Subject:
    """The project with the facts of another archetype, some of them changed."""
    told = {**documents.load((ROOT / f"tests/archetypes/{name}.yaml").read_bytes(), name), **change}
    applies = applicability(subject.known.regulation, facts_of.facts(told), "high", as_of)
    return replace(subject, applies=applies)


@pytest.mark.parametrize(
    ("name", "as_of", "place", "days", "message"),
    [
        (
            "us-card-credit",
            TODAY,
            0,
            761,
            "the rule for payloads of decisions, overrides and actions of an agent keeps 761 days, and decision payloads need 762 (25 months: REGB 12 CFR 1002.12(b))",
        ),
        (
            "us-card-credit",
            TODAY,
            1,
            30,
            "the rule for stored cases keeps 30 days, and stored cases need 762 (25 months: REGB 12 CFR 1002.12(b))",
        ),
        (
            "eu-retail-credit",
            "2027-12-02",
            3,
            183,
            "the rule for all other events keeps 183 days, and system events need 184 (6 months: EUAIA Art. 19(1))",
        ),
    ],
)
def test_records_are_kept_as_long_as_law_in_force_asks(
    name: str, as_of: str, place: int, days: int, message: str
) -> None:
    """The rules of a new project are long enough, a shorter one is named with the days that it needs and the cite."""
    subject = judged(project(), name, as_of)
    assert found("AUD-03", subject) == []
    files = changed(subject.files, "ops/audit.yaml", lambda d: d["retention"][place].update(keep_days=days))
    assert [(gap.path, gap.message) for gap in found("AUD-03", replace(subject, files=files))] == [
        ("ops/audit.yaml", message)
    ]


def shortened(settings: dict[str, Any]) -> None:
    """Every record goes after a day."""
    for rule in settings["retention"]:
        rule.update(keep_days=1)


def test_law_to_come_and_defaults_fail_no_rule() -> None:
    """The day before, a system in the EU may keep its events as it likes."""
    subject = judged(project(), "eu-retail-credit", "2027-12-01")
    files = changed(subject.files, "ops/audit.yaml", shortened)
    assert found("AUD-03", replace(subject, files=files)) == []


def test_records_go_when_law_in_force_wants_it() -> None:
    """The soonest end counts, but none before what other law asks for."""
    subject = judged(project(), "us-card-credit")
    payloads = subject.applies.retention[1]
    end = replaced(payloads.least[0], least=None, most=Period(3, "year"), cite="3.1")
    held = replace(subject, applies=replace(subject.applies, retention=(payloads._replace(most=(end,)),)))
    assert found("AUD-03", held) == []
    files = changed(subject.files, "ops/audit.yaml", lambda d: d["retention"][0].update(keep_days=1097))
    (gap,) = found("AUD-03", replace(held, files=files))
    assert gap.message.endswith("keeps 1097 days, and decision payloads may stay for 1096 (3 years: REGB 3.1)")
    short = payloads._replace(most=(replaced(end, most=Period(1, "year")),))
    assert found("AUD-03", replace(held, applies=replace(subject.applies, retention=(short,)))) == []


@pytest.mark.parametrize(("as_of", "named"), [("2027-12-01", []), ("2027-12-02", ["names no clock `EU-AIA`"])])
def test_a_clock_to_come_has_to_be_named_from_its_day(as_of: str, named: list[str]) -> None:
    """Until then a runbook may leave it out."""
    subject = judged(project(), "eu-retail-credit", as_of)
    text = subject.files["ops/runbook.md"].content.replace(b"`EU-AIA`", b"")
    files = {**subject.files, "ops/runbook.md": File(text)}
    gaps = found("INC-01", replace(subject, files=files))
    assert [gap.message.partition(":")[0] for gap in gaps] == named


def test_a_rule_is_about_a_class_where_it_holds_one_of_its_types() -> None:
    """Also beside others, and beside a longer rule for the same."""
    subject = judged(project(), "us-card-credit")
    rule = {"record": "odd", "what": "events", "types": ["batch", "notice"], "keep_days": 5, "reason": "r"}
    files = changed(subject.files, "ops/audit.yaml", lambda d: d["retention"].append(rule))
    (gap,) = found("AUD-03", replace(subject, files=files))
    assert gap.message == (
        "the rule for odd keeps 5 days, and decision events need 762 (25 months: REGB 12 CFR 1002.12(b))"
    )


def replaced(due: Applied[Retention], **change: Any) -> Applied[Retention]:
    """What applies by a row of which some fields are others."""
    return due._replace(row=due.row._replace(**change))


@pytest.mark.parametrize("name", [name for name in golden.BLUEPRINTS if (golden.GOLDEN / name / RUNBOOK).exists()])
def test_the_runbook_of_a_project_names_every_clock_of_the_map(name: str) -> None:
    """With all its times, and how far each was checked: a clock that is added there is added to the template."""
    place = golden.GOLDEN / name / RUNBOOK
    clocks = project().known.regulation.schedules.clocks
    running = tuple(Applied(one, "", False, "", True, ()) for one in clocks.values())
    files = {"ops/runbook.md": File(place.read_bytes())}
    subject = replace(project(), files=files, applies=replace(project().applies, clocks=running))
    assert list(operating.clocked(subject)) == []
    levels = {"recall": "not verified", "unknown": ""}
    rows = dict(re.findall(r"^\| `([A-Z-]+)`.*\| *([^|]*?) *\|$", place.read_text("utf-8"), re.MULTILINE))
    assert rows == {one.id: levels.get(one.verified, one.verified) for one in clocks.values()}


DOCUMENTS = sorted({path for _, path, _, _ in MUTATIONS})


@pytest.mark.parametrize("path", DOCUMENTS)
@pytest.mark.parametrize("odd", [None, ["x"], "x", {"x": 1}, [{"x": []}]], ids=repr)
def test_no_form_of_a_document_breaks_a_check(path: str, odd: Any) -> None:
    """Whatever stands at a key, or in place of the whole: a gap, and never a traceback."""
    sound = project()
    content = sound.files[path].content
    whole = json.loads(content) if path.endswith(".json") else documents.load(content, path)
    forms = [odd, *({**whole, key: odd} for key in whole)] if isinstance(whole, dict) else [odd]
    if path.startswith("evidence/"):
        forms += [{**whole, "content": {**whole["content"], key: odd}} for key in whole["content"]]
    for form in forms:
        files = {**sound.files, path: File(json.dumps(form).encode())}
        subject = replace(sound, files=files, digest=partial(digest_in, files))
        for control in {row[0] for row in MUTATIONS if row[1] == path}:
            gaps_of(CHECKS[control], subject)


def test_a_retired_system_has_no_step_open() -> None:
    sound = project()
    files = changed(sound.files, SYSTEM, lambda d: d.update(status="retired"))
    gaps = found("RES-01", replace(sound, files=files))
    assert gaps
    assert {gap.path for gap in gaps} == {"ops/decommission.md"}


def test_evidence_of_other_inputs_is_stale() -> None:
    """An input that is here has to be what it was; one below var/ that is not here says nothing."""
    sound = project()
    other = changed(sound.files, CONTRACT, lambda d: d.update(version="2.0.0"))
    subject = replace(sound, files=other, digest=lambda path: digest_in(other, path))
    stands = result(subject, subject.applies.controls["DATA-02"], CHECKS["DATA-02"], lambda paths: True)
    message = f"is of other inputs than these: {CONTRACT} changed since"
    assert (stands.status, [gap.message for gap in stands.gaps]) == (Status.STALE, [message])
    assert sound.stale_inputs({"inputs": {"var/data/raw.parquet": "sha256:0", "gone.yaml": "sha256:0"}}) == [
        "gone.yaml"
    ]


def test_each_check_has_a_mutation() -> None:
    """A check that nothing makes fail is decoration."""
    broken = {row[0] for row in [*MUTATIONS, *TEXTS]}
    assert CHECKS.keys() - broken == set()


@pytest.mark.parametrize("name", WRITTEN)
def test_each_document_is_asked_for(name: str) -> None:
    """Some control that applies fails without it."""
    sound = project()
    files = {path: file for path, file in sound.files.items() if path != f"docs/governance/{name}.md"}
    without = replace(sound, files=files)
    missing = [Gap(f"docs/governance/{name}.md", "is missing", "`make documents` writes it")]
    assert [gaps for control in CHECKS if (gaps := found(control, without))] == [missing]


def test_content_is_marked_where_law_asks_for_it() -> None:
    """Then a row names the mark."""
    sound = project()
    asked = sound.applies.duties["EUAIA-50.2"]._replace(applies=True)
    applies = replace(sound.applies, duties={**sound.applies.duties, "EUAIA-50.2": asked})
    gaps = found("TRA-01", replace(sound, applies=applies))
    assert [gap.message for gap in gaps] == ["does not say how content that it makes is marked"]
    marked = dossier(changed(sound.files, SCOPE, lambda d: d["told"][0].update(mark="C2PA manifest")))
    files = {**changed(sound.files, SCOPE, lambda d: d["told"][0].update(mark="C2PA manifest")), **marked}
    digests = partial(digest_in, files)
    assert found("TRA-01", replace(sound, applies=applies, files=files, digest=digests)) == []


def test_a_new_contract_makes_every_document_stale() -> None:
    """The datasheet does not speak of it yet."""
    sound = project()
    files = {**sound.files, "contracts/more.odcs.yaml": sound.files[CONTRACT]}
    gaps = found("TRA-03", replace(sound, files=files))
    assert [gap.message for gap in gaps] == ["is of other files than these: contracts/more.odcs.yaml changed since"]


def test_a_project_that_writes_no_documents_shows_other_evidence() -> None:
    """Where its factory has none of this; with nothing at all the control is not met."""
    sound = project()
    entry = Entry("docs", "seeded", controls=("TRA-03",))
    bare = replace(sound, lock=sound.lock._replace(paths={}))
    held = replace(sound, lock=sound.lock._replace(paths={"docs/use.md": entry}))
    assert [gap.message for gap in found("TRA-03", bare)] == ["nothing in this project is evidence for it"]
    assert found("TRA-03", held) == []


def test_the_gate_and_the_project_refuse_the_same_words() -> None:
    """Neither runs the other's code: both hold the same patterns for placeholders and figures."""
    place = ROOT / "templates/governance/files/src/{{ package }}/controls/dossier.py"
    assigned = [node for node in ast.parse(place.read_text("utf-8")).body if isinstance(node, ast.Assign)]
    theirs = {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}
    for name in ("EMPTY", "FIGURE", "THOUSANDS"):
        call = theirs[name]
        assert isinstance(call, ast.Call)
        assert ast.literal_eval(call.args[0]) == getattr(dossier_checks, name).pattern
