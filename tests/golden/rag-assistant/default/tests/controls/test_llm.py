"""What a model says comes back as it was said or not at all, and no trace holds it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from policy_assistant.controls.llm import (
    Endpoint,
    EndpointRefused,
    Message,
    ModelUnavailable,
    Offline,
    Traces,
    chat_from,
)
from policy_assistant.controls.llm import telemetry as names
from policy_assistant.controls.paths import Paths

ASKED = (Message("system", "Be brief."), Message("user", "How are you?"))
STAND_IN = Offline("echo", lambda messages: messages[-1].content)
ANSWER = {
    "model": "stub-1",
    "choices": [{"message": {"role": "assistant", "content": "Well."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2},
}
QUESTION = (Message("user", "I am someone@example.org: how are you?"),)


class Stub(ThreadingHTTPServer):
    """Answers in turn with what it was given, the last answer again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, Any]] = [(200, ANSWER)]
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, str], Any]] = []

    @property
    def address(self) -> str:
        """Where a client finds it."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    """One request of the stub."""

    server: Stub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, dict(self.headers), body))
        answers = self.server.answers
        status, content = answers.pop(0) if len(answers) > 1 else answers[0]
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A running stub."""
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(stub: Stub) -> Endpoint:
    """A client of the stub that does not wait between tries."""
    return Endpoint(stub.address, "small", "secret-key", sleep=lambda _: None, embedding_model="e")


def test_the_request_is_what_such_endpoints_take(stub: Stub, client: Endpoint) -> None:
    """Path, key, model, messages; repeatable as far as the endpoint lets it be."""
    done = client.complete(ASKED)
    assert (done.text, done.model, done.input_tokens, done.output_tokens) == (
        "Well.",
        "stub-1",
        9,
        2,
    )
    path, headers, body = stub.seen[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret-key"
    assert body["model"] == "small"
    assert body["messages"][1] == {"role": "user", "content": "How are you?"}
    assert (body["temperature"], body["seed"]) == (0, 7)


def test_vectors_come_in_the_order_of_the_texts(stub: Stub, client: Endpoint) -> None:
    """An endpoint may answer in any order; the index says which is which."""
    rows = [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0]}]
    stub.answers = [(200, {"data": rows})]
    assert client.embed(["a", "b"]) == [[1.0, 0.0], [0.0, 1.0]]
    assert stub.seen[0][0] == "/v1/embeddings"
    with pytest.raises(ModelUnavailable, match="2 vectors came back for 3 texts"):
        client.embed(["a", "b", "c"])


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_tried_again(stub: Stub, client: Endpoint, status: int) -> None:
    """Twice refused, then answered."""
    stub.answers = [(status, {}), (status, {}), (200, ANSWER)]
    assert client.complete(ASKED).text == "Well."
    assert len(stub.seen) == 3


def test_tries_have_an_end(stub: Stub, client: Endpoint) -> None:
    """And waits grow, unless the other side says how long."""
    stub.answers = [(429, {})]
    waits: list[float] = []
    with pytest.raises(ModelUnavailable, match=r"answered 429 \(3 tries\)"):
        replace(client, sleep=waits.append).complete(ASKED)
    stub.headers = {"Retry-After": "3600"}
    with pytest.raises(ModelUnavailable):
        replace(client, sleep=waits.append).complete(ASKED)
    assert waits == [1.0, 2.0, 20.0, 20.0]


@pytest.mark.parametrize("status", [400, 401, 404])
def test_what_will_not_pass_is_not_tried_again(stub: Stub, client: Endpoint, status: int) -> None:
    """The error repeats neither key nor question, whatever the other side says."""
    stub.answers = [(status, {"error": "secret-key How are you?"})]
    with pytest.raises(ModelUnavailable) as refused:
        client.complete(ASKED)
    assert str(refused.value) == f"the endpoint answered {status}"
    assert len(stub.seen) == 1


def test_a_redirect_is_not_followed(stub: Stub, client: Endpoint) -> None:
    """The key would go with it."""
    stub.answers, stub.headers = [(302, {})], {"Location": f"{stub.address}/elsewhere"}
    with pytest.raises(ModelUnavailable, match="302"):
        client.complete(ASKED)
    assert len(stub.seen) == 1


@pytest.mark.parametrize(
    "answer",
    [b"<html>", b"[]", {}, {"choices": []}, {"choices": [{"message": {"content": None}}]}],
    ids=str,
)
def test_an_answer_that_is_none_is_refused(stub: Stub, client: Endpoint, answer: Any) -> None:
    """A gateway's page, or an answer without text, is no completion."""
    stub.answers = [(200, answer)]
    with pytest.raises(ModelUnavailable):
        client.complete(ASKED)


def test_no_proxy_leads_to_this_machine(
    stub: Stub, client: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that runs beside the service is asked directly, whatever leads outside."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client.complete(ASKED).text == "Well."


def test_an_endpoint_that_is_not_there_is_unavailable(stub: Stub, client: Endpoint) -> None:
    """Without a word on what was sent."""
    with pytest.raises(ModelUnavailable, match="cannot be reached: URLError"):
        replace(client, base_url="http://127.0.0.1:9/v1", timeout=2).complete(ASKED)


def test_the_stand_in_says_that_it_is_one() -> None:
    """In its label, and where a model would be named."""
    done = STAND_IN.complete(ASKED)
    assert (STAND_IN.label, STAND_IN.generated, done.model) == (
        "offline:echo",
        False,
        "offline:echo",
    )
    assert (done.text, done.input_tokens, done.output_tokens) == ("How are you?", 5, 3)


def test_the_environment_chooses() -> None:
    """Nothing set: the stand-in. An address and a model: the endpoint, whose key is not shown."""
    assert chat_from({}, STAND_IN) is STAND_IN
    named = {"LLM_BASE_URL": "https://gateway.example/v1", "LLM_MODEL": "m", "LLM_API_KEY": "k9"}
    chosen = chat_from(named, STAND_IN)
    assert isinstance(chosen, Endpoint)
    assert (chosen.label, chosen.generated, chosen.key) == ("endpoint:m", True, "k9")
    assert "k9" not in repr(chosen)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://gateway.example/v1", "plain http"),
        ("ftp://gateway.example", "no http address"),
        ("https://me:pass@gateway.example", "without credentials"),
        ("gateway.example", "no http address"),
    ],
)
def test_an_address_that_may_not_be_used_is_refused(address: str, reason: str) -> None:
    """Questions and keys do not travel in the clear."""
    with pytest.raises(EndpointRefused, match=reason):
        chat_from({"LLM_BASE_URL": address, "LLM_MODEL": "m"}, STAND_IN)
    with pytest.raises(EndpointRefused, match="LLM_MODEL is not"):
        chat_from({"LLM_BASE_URL": address}, STAND_IN)


def test_plain_http_takes_a_word() -> None:
    """To this machine none; to another one it has to be said."""
    local = {"LLM_BASE_URL": "http://127.0.0.1:8001/v1", "LLM_MODEL": "m"}
    mesh = {"LLM_BASE_URL": "http://vllm.models.svc/v1", "LLM_MODEL": "m", "LLM_ALLOW_HTTP": "yes"}
    assert chat_from(local, STAND_IN).label == chat_from(mesh, STAND_IN).label == "endpoint:m"


def test_a_call_is_one_span_with_the_names_of_the_convention(paths: Paths) -> None:
    """Who answered, how many tokens, how it ended."""
    spans = InMemorySpanExporter()
    with Traces(paths, "s", {}, spans) as traces:
        traces.watched(STAND_IN).complete(QUESTION)
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
            traces.watched(STAND_IN).complete(QUESTION)
    text = (paths.var / "traces" / "s.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["attributes"][names.PROVIDER] for line in lines] == ["offline", "offline"]
    assert lines[0]["resource"]["attributes"]["service.name"] == "s"
    assert "how are you" not in text


def test_content_is_captured_only_on_request_and_redacted(paths: Paths) -> None:
    """An address in a question does not reach the trace."""
    spans = InMemorySpanExporter()
    with Traces(paths, "s", {"LLM_CAPTURE_CONTENT": "redacted"}, spans) as traces:
        traces.watched(STAND_IN).complete(QUESTION)
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
        traces.watched(Offline("broken", fails)).complete(QUESTION)
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {})[names.ERROR_TYPE] == "ModelUnavailable"
    assert (span.status.is_ok, span.events) == (False, ())


def test_the_label_passes_through(paths: Paths) -> None:
    """A watched chat is the chat, to every record."""
    with Traces(paths, "s", {}, InMemorySpanExporter()) as traces:
        watched = traces.watched(STAND_IN)
    assert (watched.label, watched.generated) == ("offline:echo", False)
