"""Spans of model calls, agents and tools. The only place that knows OpenTelemetry's GenAI names.

These names are in development (semantic conventions for generative AI): when they change, this
module changes and nothing else.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
)
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from ..audit import Privacy, privacy_from
from ..paths import Paths
from .chat import Chat, Completion, Message

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
AGENT_NAME = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL = "gen_ai.tool.call.id"
TOOL_TYPE = "gen_ai.tool.type"
ERROR_TYPE = "error.type"
CHAT, INVOKE_AGENT, EXECUTE_TOOL = "chat", "invoke_agent", "execute_tool"
# No name of the convention: what a guard said to a call, and why not.
VERDICT, REASON = "agent.guard.outcome", "agent.guard.reason"


@contextmanager
def operation(
    tracer: Tracer, name: str, subject: str, known: Mapping[str, str], kind: SpanKind
) -> Iterator[Span]:
    """A span of one operation; an error is told by its kind, never by its words."""
    with tracer.start_as_current_span(
        f"{name} {subject}",
        kind=kind,
        attributes={OPERATION: name, **known},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_attribute(ERROR_TYPE, type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise


def used(span: Span, model: str, input_tokens: int, output_tokens: int, finish: str) -> None:
    """Who has answered, how many tokens it took, and how it ended."""
    span.set_attribute(RESPONSE_MODEL, model)
    span.set_attribute(INPUT_TOKENS, input_tokens)
    span.set_attribute(OUTPUT_TOKENS, output_tokens)
    span.set_attribute(FINISH_REASONS, [finish])


@dataclass(frozen=True, slots=True)
class Watched:
    """A chat each of whose calls is a span; without `privacy` no content is in it."""

    chat: Chat
    tracer: Tracer
    privacy: Privacy | None = None

    @property
    def label(self) -> str:
        """The label of the chat."""
        return self.chat.label

    @property
    def generated(self) -> bool:
        """Whether the chat is a generative model."""
        return self.chat.generated

    def complete(self, messages: Sequence[Message]) -> Completion:
        """The answer of the chat, in a span that says how it went."""
        kind, _, model = self.chat.label.partition(":")
        known = {PROVIDER: kind, REQUEST_MODEL: model}
        with operation(self.tracer, CHAT, model, known, SpanKind.CLIENT) as span:
            done = self.chat.complete(messages)
            used(span, done.model, done.input_tokens, done.output_tokens, done.finish_reason)
            if self.privacy:
                asked = [self._told(item.role, item.content) for item in messages]
                span.set_attribute(INPUT_MESSAGES, json.dumps(asked))
                span.set_attribute(
                    OUTPUT_MESSAGES, json.dumps([self._told("assistant", done.text)])
                )
            return done

    def _told(self, role: str, text: str) -> dict[str, str]:
        hidden = self.privacy.redact_text(text) if self.privacy else ""
        return {"role": role, "content": hidden}


class Traces:
    """Where spans go: one JSON line each in `var/traces/<system>.jsonl`, or your exporter.

    Content is captured, redacted, only where `LLM_CAPTURE_CONTENT` is `redacted`.
    """

    def __init__(
        self,
        paths: Paths,
        system: str,
        environment: Mapping[str, str] = os.environ,
        exporter: SpanExporter | None = None,
    ) -> None:
        capture = environment.get("LLM_CAPTURE_CONTENT", "")
        if capture not in ("", "redacted"):
            raise ValueError(f"LLM_CAPTURE_CONTENT is {capture!r}: leave it empty, or `redacted`")
        self._privacy = privacy_from(environment) if capture else None
        self._file = None
        if exporter is None:
            place = paths.var / "traces" / f"{system}.jsonl"
            place.parent.mkdir(parents=True, exist_ok=True)
            self._file = place.open("a", encoding="utf-8")
            exporter = ConsoleSpanExporter(
                out=self._file, formatter=lambda span: span.to_json(indent=None) + "\n"
            )
        resource = Resource({"service.name": system})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(exporter))
        self.tracer = self._provider.get_tracer("controls.llm")

    def watched(self, chat: Chat) -> Watched:
        """The chat, each call of which is a span."""
        return Watched(chat, self.tracer, self._privacy)

    def close(self) -> None:
        """Let every span out and give the file back."""
        self._provider.shutdown()
        if self._file:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
