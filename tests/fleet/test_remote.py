"""What git says of a server that cannot be reached, for one reason or another, is of the kind that is tried again."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Thread

import pytest

from ai_factory.errors import ForgeError
from ai_factory.git import remote

SILENT = b""
HALF = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: 900\r\n\r\n00"
UNWELL = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _serve(server: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:  # closed: the test is over
            return
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that gives everybody that answer and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=_serve, args=(server, answer), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@contextmanager
def absent() -> Iterator[str]:
    """The address of nobody: the port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}/x.git"


@pytest.mark.parametrize(
    "place",
    [absent, *(lambda answer=answer: answering(answer) for answer in (SILENT, HALF, UNWELL))],
    ids=["nobody", "silent", "half", "unwell"],
)
def test_who_cannot_be_reached_may_be_later(place: Callable[[], AbstractContextManager[str]]) -> None:
    with place() as url, pytest.raises(ForgeError) as error:
        remote.heads(url, ())
    assert error.value.failure == "transient", error.value.message
