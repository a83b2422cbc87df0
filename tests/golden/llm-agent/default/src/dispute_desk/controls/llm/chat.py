"""Asks a language model at any OpenAI-compatible endpoint, or a written policy in its place."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Worth another try: too slow, too many, or a fault of the other side.
PASSING = frozenset({408, 429, 500, 502, 503, 504})
LARGEST_ANSWER = 4_000_000
LONGEST_WAIT = 20.0


class EndpointRefused(RuntimeError):
    """The settings name no endpoint that may be used."""


class ModelUnavailable(RuntimeError):
    """The model gave no usable answer; the message holds neither the key nor what was sent."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back: `model` is the one that the other side says has answered."""

    text: str
    model: str
    input_tokens: int
    output_tokens: int
    finish_reason: str


class Chat(Protocol):
    """What answers. `label` names it in every record; `generated` is true of a real model."""

    @property
    def label(self) -> str:
        """Who answers, such as `endpoint:some-model` or `offline:quotes`."""

    @property
    def generated(self) -> bool:
        """Whether the text comes from a generative model."""

    def complete(self, messages: Sequence[Message]) -> Completion:
        """The answer to the messages; raises ModelUnavailable."""


@dataclass(frozen=True, slots=True)
class Offline:
    """A stand-in without a model: a function reads the messages and answers by written rules.

    It is labelled as such wherever it answers, and counts words for tokens.
    """

    name: str
    policy: Callable[[Sequence[Message]], str]
    generated: bool = field(default=False, init=False)

    @property
    def label(self) -> str:
        """`offline:` and the name of the policy."""
        return f"offline:{self.name}"

    def complete(self, messages: Sequence[Message]) -> Completion:
        """What the policy says to the messages."""
        text = self.policy(messages)
        words = sum(len(message.content.split()) for message in messages)
        return Completion(text, self.label, words, len(text.split()), "stop")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to wherever the other side points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an OpenAI-compatible endpoint; `key` is never shown or logged."""

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 30.0
    tries: int = 3
    most_tokens: int = 800
    embedding_model: str = ""
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)
    generated: bool = field(default=True, init=False)

    @property
    def label(self) -> str:
        """`endpoint:` and the name of the model."""
        return f"endpoint:{self.model}"

    def complete(self, messages: Sequence[Message]) -> Completion:
        """The answer of the model, as repeatable as the endpoint lets it be."""
        asked = {
            "model": self.model,
            "messages": [{"role": item.role, "content": item.content} for item in messages],
            "temperature": 0,
            "seed": 7,
            "max_tokens": self.most_tokens,
        }
        return _completion(self._posted("chat/completions", asked))

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text, in their order; raises ModelUnavailable."""
        asked = {"model": self.embedding_model, "input": list(texts)}
        found = self._posted("embeddings", asked)
        try:
            rows = sorted(found["data"], key=lambda row: row["index"])
            vectors = [[float(number) for number in row["embedding"]] for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelUnavailable("the endpoint's answer holds no vectors") from error
        if len(vectors) != len(texts):
            raise ModelUnavailable(f"{len(vectors)} vectors came back for {len(texts)} texts")
        return vectors

    def _posted(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post until an answer comes, at most `tries` times, with growing waits between."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        address = f"{self.base_url.rstrip('/')}/{path}"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        for attempt in range(1, self.tries + 1):
            try:
                return _sent(request, self.timeout)
            except _Passing as fault:
                if attempt == self.tries:
                    raise ModelUnavailable(f"{fault} ({attempt} tries)") from None
                self.sleep(min(fault.wait or 2.0 ** (attempt - 1), LONGEST_WAIT))
        raise ModelUnavailable("no try was made: `tries` is below 1")


class _Passing(Exception):
    """A fault that may pass; `wait` is the seconds that the other side asks for, or 0."""

    def __init__(self, words: str, wait: float = 0.0) -> None:
        super().__init__(words)
        self.wait = wait


def _sent(request: urllib.request.Request, timeout: float) -> dict[str, Any]:
    handlers: list[Any] = [_NoRedirect]
    if urlsplit(request.full_url).hostname in LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))  # no proxy leads to this machine
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(request, timeout=timeout) as answer:
            text = answer.read(LARGEST_ANSWER + 1)
    except urllib.error.HTTPError as error:
        with error:
            words = f"the endpoint answered {error.code}"
            wait = _seconds(error.headers.get("Retry-After"))
        if error.code in PASSING:
            raise _Passing(words, wait) from None
        raise ModelUnavailable(words) from None
    except (OSError, ValueError) as error:
        raise _Passing(f"the endpoint cannot be reached: {type(error).__name__}") from None
    if len(text) > LARGEST_ANSWER:
        raise ModelUnavailable("the endpoint's answer is too long")
    try:
        found = json.loads(text)
    except ValueError:
        raise ModelUnavailable("the endpoint's answer is no JSON") from None
    if not isinstance(found, dict):
        raise ModelUnavailable("the endpoint's answer is no JSON object")
    return found


def _seconds(given: str | None) -> float:
    try:
        return max(float(given or 0), 0.0)
    except ValueError:
        return 0.0


def _completion(found: Mapping[str, Any]) -> Completion:
    usage = found.get("usage") or {}
    try:
        choice = found["choices"][0]
        text = choice["message"]["content"]
        if not isinstance(text, str):
            raise TypeError("no text")
        return Completion(
            text=text,
            model=str(found.get("model", "")),
            input_tokens=int(usage.get("prompt_tokens") or 0),
            output_tokens=int(usage.get("completion_tokens") or 0),
            finish_reason=str(choice.get("finish_reason") or ""),
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable("the endpoint's answer holds no message") from error


def chat_from(environment: Mapping[str, str], offline: Offline) -> Endpoint | Offline:
    """The endpoint that the environment names, else the stand-in. Raises EndpointRefused."""
    address = environment.get("LLM_BASE_URL", "")
    if not address:
        return offline
    if not environment.get("LLM_MODEL"):
        raise EndpointRefused("LLM_BASE_URL is set, LLM_MODEL is not: name the model")
    parts = urlsplit(address)
    plain = parts.scheme == "http" and parts.hostname not in LOOPBACK
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise EndpointRefused("LLM_BASE_URL is no http address without credentials")
    if plain and environment.get("LLM_ALLOW_HTTP") != "yes":
        raise EndpointRefused("LLM_BASE_URL is plain http to another machine: use https")
    return Endpoint(
        base_url=address,
        model=environment["LLM_MODEL"],
        key=environment.get("LLM_API_KEY", ""),
        embedding_model=environment.get("LLM_EMBEDDING_MODEL", ""),
    )
