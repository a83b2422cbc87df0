"""Runs an agent with pydantic-ai behind the guard: the same loop for a model and for a policy.

The only place that knows pydantic-ai. Its tools are the guard's, its requests go through `step`,
and a written policy (`FunctionModel`) takes the model's place where no endpoint is named; it calls
the same tools, under the same limits, and is named as what it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpx2
from openai import AsyncOpenAI
from opentelemetry.trace import SpanKind
from pydantic import BaseModel
from pydantic_ai import Agent, RunContext, UsageLimits
from pydantic_ai.exceptions import AgentRunError, ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.output import ToolOutput
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool

from ..llm import Endpoint, ModelUnavailable, Offline, chat_from
from ..llm import telemetry as names
from ..llm.chat import LOOPBACK
from .guard import Guard, Halted, Order, Run

Output = TypeVar("Output", bound=BaseModel)
# A policy reads the messages and answers as a model would, with calls of tools.
Policy = Callable[[list[ModelMessage], AgentInfo], ModelResponse]
NO_OUTCOME = "NO_OUTCOME"
RETRIES = 2
MOST_TOKENS = 800


@dataclass(frozen=True, slots=True)
class Ended(Generic[Output]):
    """A run that is over: what the agent concluded, or the one reason why it did not."""

    run: Run
    output: Output | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Chooser:
    """Who chooses the calls: a model at an endpoint, or a written policy named as one."""

    label: str
    generated: bool
    made: Callable[[], Model]
    close: Callable[[Model], Any] | None = None


def chooser(environment: Mapping[str, str], name: str, policy: Policy) -> Chooser:
    """The endpoint that LLM_BASE_URL names, else the policy. Raises EndpointRefused."""
    found = chat_from(environment, Offline(name, _unused))
    if isinstance(found, Endpoint):
        return endpoint(found)
    return scripted(name, policy)


def scripted(name: str, policy: Policy) -> Chooser:
    """A written policy: no model, and every record says so."""
    label = f"scripted:{name}"
    return Chooser(label, False, lambda: FunctionModel(policy, model_name=label))


def endpoint(at: Endpoint) -> Chooser:
    """A model at an OpenAI-compatible endpoint; no redirect, no proxy to this machine."""

    def made() -> Model:
        # A client each run: it belongs to the event loop that it was made in.
        client = AsyncOpenAI(
            base_url=at.base_url,
            api_key=at.key or "none",
            timeout=at.timeout,
            max_retries=at.tries - 1,
            http_client=httpx2.AsyncClient(
                follow_redirects=False, timeout=at.timeout, trust_env=not _here(at.base_url)
            ),
        )
        return OpenAIChatModel(at.model, provider=OpenAIProvider(openai_client=client))

    return Chooser(at.label, True, made, _closed)


def _here(address: str) -> bool:
    return urlsplit(address).hostname in LOOPBACK


async def _closed(model: Model) -> None:
    if isinstance(model, OpenAIChatModel):
        await model.client.close()


def run(
    guard: Guard,
    order: Order,
    by: Chooser,
    instructions: str,
    task: str,
    output: type[Output],
) -> Ended[Output]:
    """One whole run, on record to its end. Raises ModelUnavailable where no model answers."""
    begun = guard.begin(order)
    known = {names.AGENT_NAME: order.agent, names.CONVERSATION: order.run}
    with names.operation(guard.tracer, names.INVOKE_AGENT, order.agent, known, SpanKind.INTERNAL):
        try:
            found = asyncio.run(_ended(begun, by, instructions, task, output))
        except Halted as halted:
            return _over(begun, "halted", halted.reason)
        except TimeoutError:
            return _over(begun, "halted", "SECONDS")
        except ModelAPIError as error:
            begun.end("failed", {"reason": type(error).__name__})
            raise ModelUnavailable(f"the model gave no answer: {type(error).__name__}") from None
        except AgentRunError as error:
            return _over(begun, "failed", NO_OUTCOME, type(error).__name__)
    begun.end("ended", found.model_dump(mode="json"))
    return Ended(begun, found)


def _over(begun: Run, outcome: str, reason: str, detail: str = "") -> Ended[Output]:
    begun.end(outcome, {"reason": reason, "detail": detail})
    return Ended(begun, None, reason)


async def _ended(
    begun: Run, by: Chooser, instructions: str, task: str, output: type[Output]
) -> Output:
    limits = begun.guard.rules.limits
    model = by.made()
    agent = Agent(
        Watched(model, begun),
        output_type=ToolOutput(output, name="conclude"),
        instructions=instructions,
        deps_type=Run,
        toolsets=[Guarded()],
        retries=RETRIES,
        model_settings=ModelSettings(
            temperature=0, seed=7, max_tokens=MOST_TOKENS, parallel_tool_calls=False
        ),
    )
    # A second fence around the guard's own limits.
    fence = UsageLimits(
        request_limit=limits.steps + 1, tool_calls_limit=limits.calls + limits.steps
    )
    try:
        waiting = agent.run(task, deps=begun, usage_limits=fence)
        done = await asyncio.wait_for(waiting, limits.seconds + 1)
    finally:
        if by.close:
            await by.close(model)
    return done.output


class Watched(WrapperModel):
    """A model whose every request is asked for, and whose every answer is recorded first."""

    def __init__(self, wrapped: Model, run: Run) -> None:
        super().__init__(wrapped)
        self.run = run

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the guard, then the model; what it asks for is on record before it is done."""
        self.run.step()
        model = self.wrapped.model_name
        known = {names.PROVIDER: self.wrapped.system, names.REQUEST_MODEL: model}
        tracer = self.run.guard.tracer
        with names.operation(tracer, names.CHAT, model, known, SpanKind.CLIENT) as span:
            done = await self.wrapped.request(messages, model_settings, model_request_parameters)
            told = done.usage.input_tokens, done.usage.output_tokens
            tokens = told if any(told) else (_estimate(messages), _estimate(done.parts))
            names.used(span, done.model_name or model, *tokens, str(done.finish_reason or ""))
        estimated = not any(told) or not self.run.order.generated
        self._record(done, model, tokens, model_request_parameters, estimated)
        return done

    def _record(
        self,
        done: ModelResponse,
        model: str,
        tokens: tuple[int, int],
        offered: ModelRequestParameters,
        estimated: bool,
    ) -> None:
        calls = [part for part in done.parts if isinstance(part, ToolCallPart)]
        ends = {tool.name for tool in offered.output_tools}
        asked = [_plain(part.tool_name)[:100] for part in calls if part.tool_name not in ends]
        said = [{"tool": part.tool_name, "arguments": part.args} for part in calls]
        texts = [part.content for part in done.parts if hasattr(part, "content")]
        content = {"calls": said, "texts": [text for text in texts if isinstance(text, str)]}
        name = done.model_name or model
        self.run.answered(name, *tokens, asked, _clean(content), estimated)
        known = {tool.name for tool in offered.function_tools}
        for part in calls:
            # The loop tells the model that there is no such tool; the record is made here.
            if part.tool_name not in known | ends:
                self.run.call(_plain(part.tool_name)[:100], part.args, part.tool_call_id)


class _AnyArguments:
    """Hands every argument on: the guard checks and records it, also one that is malformed."""

    def validate_json(self, input: str | bytes | bytearray, **_: Any) -> Any:
        """The text as it came."""
        return {"given": bytes(input).decode() if isinstance(input, bytearray) else input}

    def validate_python(self, input: Any, **_: Any) -> Any:
        """The object as it came."""
        return {"given": input}


class Guarded(AbstractToolset[Run]):
    """The tools that the guard offers to this run; each call is the guard's."""

    @property
    def id(self) -> str:
        """One toolset a run."""
        return "guarded"

    async def get_tools(self, ctx: RunContext[Run]) -> dict[str, ToolsetTool[Run]]:
        """What the roles of the requester allow, and nothing else."""
        return {
            name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(
                    name=name,
                    description=function.about,
                    parameters_json_schema=ctx.deps.guard.schemas[name],
                    sequential=True,
                ),
                max_retries=RETRIES,
                args_validator=_AnyArguments(),
            )
            for name, (_, function) in ctx.deps.offered().items()
        }

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[Run],
        tool: ToolsetTool[Run],
    ) -> Any:
        """Hand the call to the guard."""
        return ctx.deps.call(name, tool_args["given"], ctx.tool_call_id or "")


def _unused(messages: Any) -> str:
    raise AssertionError("a policy answers with calls, not with text")


def _estimate(said: Any) -> int:
    """Tokens where nobody tells them: rather too many, so that limits hold."""
    return len(repr(said)) // 3 + 1


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _clean(value: Any) -> Any:
    """The same without lone surrogates, which no record can hold."""
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, Mapping):
        return {_plain(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
