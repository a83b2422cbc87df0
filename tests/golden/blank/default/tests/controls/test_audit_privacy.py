"""No identifier of a person reaches the log, and the pseudonym key is a real one in production."""

from pathlib import Path

import pytest

from case_records.controls.audit import (
    REDACTED,
    AuditLog,
    EventType,
    KeyRefused,
    Privacy,
    in_production,
    open_log,
    privacy_from,
)
from case_records.controls.paths import Paths

IDENTIFIERS = [
    "someone@example.org", "DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819",
    "4111 1111 1111 1111", "+44 20 7946 0958", "078-05-1120", "A-1001",
]  # fmt: skip


def test_no_identifier_reaches_the_log(tmp_path: Path) -> None:
    """Not as a subject, not in a named field, not inside text, not nested, not as a key."""
    with AuditLog(tmp_path / "a.jsonl", "/s", privacy_from({}, ["Application_ID"])) as log:
        for identifier in IDENTIFIERS:
            log.record(EventType.DECISION, identifier, {"outcome": "refer"})
        for identifier in IDENTIFIERS[:-1]:
            data = {"note": f"called {identifier}.", identifier: [{"deep": [identifier]}]}
            log.record(EventType.OVERRIDE, "p", data)
            log.record(EventType.INCIDENT, f"mail from {identifier}", {})
        log.record(EventType.DECISION, "p", {"Email": "x", "application_id": "A-1001"})
    text = (tmp_path / "a.jsonl").read_text()
    assert not [identifier for identifier in IDENTIFIERS if identifier in text]


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-01 12:30:05", "2026-06-01T12:30:05Z", "0.123456789012", "model 3f2a9c",
        "sha256:" + "0123456789" * 6, "12345678-1234-4123-8123-1234567890ab", "limit 20000",
    ],
)  # fmt: skip
def test_what_identifies_nobody_is_kept(text: str) -> None:
    """Times, digests, ids and amounts stay readable."""
    assert Privacy(b"k").redact_text(text) == text


def test_redaction_keeps_what_is_needed_and_leaves_the_input_alone() -> None:
    """A redacted copy has the same shape."""
    given = {"email": "x", "reasons": ["INCOME_LOW"], "nested": {"phone": 1, "probability": 0.25}}
    redacted = Privacy(b"k").redact(given)
    assert redacted == {
        "email": REDACTED,
        "reasons": ["INCOME_LOW"],
        "nested": {"phone": REDACTED, "probability": 0.25},
    }
    assert given["email"] == "x"


def test_a_pseudonym_follows_the_person_and_the_key() -> None:
    """Same person and key, same pseudonym; text that looks like a pseudonym is not trusted."""
    one, other = Privacy(b"one"), Privacy(b"other")
    assert one.pseudonym("A-1") == one.pseudonym("A-1")
    assert one.pseudonym(one.pseudonym("A-1")) == one.pseudonym("A-1")
    assert one.pseudonym(str(one.pseudonym("A-1"))) != one.pseudonym("A-1")
    assert len({one.pseudonym("A-1"), one.pseudonym("A-2"), other.pseudonym("A-1")}) == 3


def test_an_input_digest_needs_the_key() -> None:
    """Without the key nobody can try inputs until the digest fits."""
    value = {"income": 1000, "term": 12}
    assert Privacy(b"one").digest(value) == Privacy(b"one").digest(dict(reversed(value.items())))
    assert Privacy(b"one").digest(value) != Privacy(b"other").digest(value)


@pytest.mark.parametrize("key", ["", "short", "development-only-key-do-not-use-in-production"])
def test_production_refuses_a_key_that_is_no_secret(key: str, project: Paths) -> None:
    """No log opens in production without a secret of 32 characters."""
    environment = {"ENVIRONMENT": "production", "AUDIT_KEY": key}
    with pytest.raises(KeyRefused, match="AUDIT_KEY"):
        open_log(project, "service", environment)
    open_log(project, "service", {"ENVIRONMENT": "production", "AUDIT_KEY": "s" * 32}).close()


@pytest.mark.parametrize("word", ["prod", "production ", "staging", ""])
def test_an_unknown_environment_is_refused(word: str, project: Paths) -> None:
    """A typing error must not turn production into development."""
    with pytest.raises(KeyRefused, match="it must be development or production"):
        open_log(project, "service", {"ENVIRONMENT": word, "AUDIT_KEY": "s" * 32})


def test_the_environment_is_read_in_any_case() -> None:
    """Nothing said is development."""
    assert in_production({"ENVIRONMENT": "Production"})
    assert not in_production({"ENVIRONMENT": "DEVELOPMENT"})
    assert not in_production({})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A folder with the project's own `ops/audit.yaml`."""
    (tmp_path / "ops").mkdir()
    settings = Path(__file__).parents[2] / "ops" / "audit.yaml"
    (tmp_path / "ops" / "audit.yaml").write_text(settings.read_text())
    monkeypatch.delenv("AUDIT_DIR", raising=False)
    return Paths.of(tmp_path)
