"""A git server on this machine: git's own http backend behind a password, and whatever else a server may answer."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = Callable[["Handler"], None]


@dataclass
class Server:
    """A server that runs: its address, and of each request the path and the credentials that came along."""

    url: str
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def credentials(self) -> set[str]:
        """Every `user:password` that somebody sent here."""
        return {credentials for _, credentials in self.asked if credentials}


class Handler(BaseHTTPRequestHandler):
    """Notes what is asked, then answers as the server was told to."""

    server_version = "test"

    def __init__(self, server: Server, answer: Answer, *arguments: object) -> None:
        self.noted = server
        self.answer = answer
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.noted.asked.append((self.path, self.credentials))
        self.answer(self)

    do_POST = do_GET  # noqa: N815 - the name that the library looks for

    def log_message(self, *_: object) -> None:
        pass

    @property
    def credentials(self) -> str:
        kind, _, code = self.headers.get("Authorization", "").partition(" ")
        return base64.b64decode(code).decode() if kind == "Basic" else ""

    def say(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content_Length": str(len(content))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    """A server that answers so, as long as the block lasts."""
    noted = Server("")
    with ThreadingHTTPServer(("127.0.0.1", 0), lambda *rest: Handler(noted, answer, *rest)) as server:
        noted.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield noted
        server.shutdown()


def private(root: Path, password: str) -> Answer:
    """Git's http backend over the repositories below `root`, for who sends `user:password` so."""

    def answer(handler: Handler) -> None:
        if handler.credentials != password:
            handler.say(401, WWW_Authenticate='Basic realm="factory"')
            return
        path, _, query = handler.path.partition("?")
        done = subprocess.run(
            ["git", "http-backend"],
            input=handler.rfile.read(int(handler.headers.get("Content-Length", 0))),
            capture_output=True,
            timeout=60,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": handler.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
                "REMOTE_USER": "user",
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.pop("Status", "200").split()[0])
        handler.say(status, content, **{name.replace("-", "_"): value for name, value in fields.items()})

    return answer


def moved(to: Callable[[], str], status: int = 302) -> Answer:
    """Whatever is asked for is somewhere else."""
    return lambda handler: handler.say(status, Location=to() + handler.path)
