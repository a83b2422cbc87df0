"""The port to a language model, its offline stand-in, and traces without content."""

from .chat import (
    Chat,
    Completion,
    Endpoint,
    EndpointRefused,
    Message,
    ModelUnavailable,
    Offline,
    chat_from,
)
from .telemetry import Traces

__all__ = [
    "Chat",
    "Completion",
    "Endpoint",
    "EndpointRefused",
    "Message",
    "ModelUnavailable",
    "Offline",
    "Traces",
    "chat_from",
]
