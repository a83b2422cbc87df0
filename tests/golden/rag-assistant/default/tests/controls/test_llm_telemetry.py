"""Each call is a span with OpenTelemetry's names; what was said is not in it unless asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from policy_assistant.controls.llm import Message, ModelUnavailable, Offline, Traces
from policy_assistant.controls.llm import telemetry as names
from policy_assistant.controls.paths import Paths

ASKED = (Message("user", "I am someone@example.org: how are you?"),)
STAND_IN = Offline("echo", lambda messages: messages[-1].content)


def test_a_call_is_one_span_with_the_names_of_the_convention(paths: Paths) -> None:
    """Who answered, how many tokens, how it ended."""
    spans = InMemorySpanExporter()
    with Traces(paths, "s", {}, spans) as traces:
        traces.watched(STAND_IN).complete(ASKED)
    (span,) = spans.get_finished_spans()
    assert span.name == "chat echo"
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "offline",
        "gen_ai.request.model": "echo",
        "gen_ai.response.model": "offline:echo",
        "gen_ai.usage.input_tokens": 6,
        "gen_ai.usage.output_tokens": 6,
        "gen_ai.response.finish_reasons": ("stop",),
    }


def test_spans_lie_in_a_file_one_a_line(paths: Paths) -> None:
    """Without network and without content; a second run appends."""
    for _ in range(2):
        with Traces(paths, "s", {}) as traces:
            traces.watched(STAND_IN).complete(ASKED)
    text = (paths.var / "traces" / "s.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["attributes"][names.PROVIDER] for line in lines] == ["offline", "offline"]
    assert lines[0]["resource"]["attributes"]["service.name"] == "s"
    assert "how are you" not in text


def test_content_is_captured_only_on_request_and_redacted(paths: Paths) -> None:
    """An address in a question does not reach the trace."""
    spans = InMemorySpanExporter()
    with Traces(paths, "s", {"LLM_CAPTURE_CONTENT": "redacted"}, spans) as traces:
        traces.watched(STAND_IN).complete(ASKED)
    held = dict(spans.get_finished_spans()[0].attributes or {})
    told = f"{held[names.INPUT_MESSAGES]} {held[names.OUTPUT_MESSAGES]}"
    assert told.count("I am [redacted]: how are you?") == 2
    assert "someone@example.org" not in told


def test_a_word_that_is_not_known_is_refused(paths: Paths) -> None:
    """Nobody captures content by a slip."""
    with pytest.raises(ValueError, match="LLM_CAPTURE_CONTENT"):
        Traces(paths, "s", {"LLM_CAPTURE_CONTENT": "all"})


def test_a_failed_call_is_a_span_too(paths: Paths) -> None:
    """With the kind of error, without its words."""

    def fails(messages: Sequence[Message]) -> str:
        raise ModelUnavailable("not today")

    spans = InMemorySpanExporter()
    with Traces(paths, "s", {}, spans) as traces, pytest.raises(ModelUnavailable):
        traces.watched(Offline("broken", fails)).complete(ASKED)
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {})[names.ERROR_TYPE] == "ModelUnavailable"
    assert (span.status.is_ok, span.events) == (False, ())


def test_the_label_passes_through(paths: Paths) -> None:
    """A watched chat is the chat, to every record."""
    with Traces(paths, "s", {}, InMemorySpanExporter()) as traces:
        watched = traces.watched(STAND_IN)
    assert (watched.label, watched.generated) == ("offline:echo", False)
