"""Git over smart HTTP on this machine: git's own `http-backend` behind a token, with rules for each repository.

`serving(root)` gives a Server over the bare repositories below a folder: `root/risk/credit-line.git` is served as
`/risk/credit-line.git`. Clone, shallow and blobless fetch, push, protocol 2, bodies in chunks or compressed: as on a
real host, because it is git that answers. `server.rules[name]` changes what one repository does, `server.seen` holds
every request with the `Authorization` that came along. Without `secrets` everybody may read and write.
"""

from __future__ import annotations

import base64
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.kit import git

_GIT = re.compile(r"/(.+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")
_SETTINGS = {
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "safe.directory": "*",
}


class Rule(NamedTuple):
    """What git is told about a repository; the default is that everything is allowed."""

    writable: bool = True
    status: int = 0  # this answer instead of git's: 401, 403, 404, 500 …
    delay: float = 0  # seconds before anything is answered
    cut: int = -1  # hang up after so many bytes of git's answer


class Seen(NamedTuple):
    """A request as it came; `secret` is the token or the password in it."""

    verb: str
    path: str
    authorization: str
    secret: str


class Server:
    """A server that runs, as long as `serving` lasts."""

    def __init__(self, root: Path, secrets: tuple[str, ...] = ()) -> None:
        self.root = root
        self.secrets = secrets
        self.url = ""
        self.rules: dict[str, Rule] = {}
        self.seen: list[Seen] = []

    def remember(self) -> None:
        """Put the token into git's own store in the person's home (`HOME`), as somebody has it who works there."""
        home = Path(os.environ["HOME"])
        (home / ".git-credentials").write_text(f"{self.url.replace('//', f'//user:{self.secrets[0]}@')}\n")
        git(home, "config", "--global", "credential.helper", "store")

    def clone_url(self, name: str) -> str:
        """The address that git clones a repository from; it holds no secret."""
        return f"{self.url}/{name}.git"

    def folder(self, name: str) -> Path:
        """The bare repository."""
        return self.root / f"{name}.git"

    def repository(self, name: str, files: Mapping[str, str | bytes | None], branch: str = "main") -> Path:
        """A new bare repository with one commit of these files on that branch."""
        folder = self.folder(name)
        folder.mkdir(parents=True)
        git(folder, "init", "-q", "--bare", "--template=", "-b", branch)
        self._commit(name, branch, files, "")
        return folder

    def push(self, name: str, branch: str, files: Mapping[str, str | bytes | None], start: str = "main") -> str:
        """A commit on top of `start` that becomes the head of the branch, made in the repository itself; its id.

        None removes a file.
        """
        return self._commit(name, branch, files, self.head(name, start))

    def _commit(self, name: str, branch: str, files: Mapping[str, str | bytes | None], parent: str) -> str:
        """Made by one process of git's, since a fleet has many repositories."""
        who = "Test <test@example.org> 1767323045 +0000"
        head = f"commit refs/heads/{branch}\nmark :1\ncommitter {who}\n".encode() + _data(f"work on {branch}".encode())
        start = f"from {parent}\n".encode() if parent else b""
        rows = b"".join(_changed(path, content) for path, content in files.items())
        done = subprocess.run(
            ["git", "fast-import", "--quiet", "--force"],
            cwd=self.folder(name),
            input=head + start + rows + b"\nget-mark :1\n",
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def head(self, name: str, branch: str = "main") -> str:
        """The commit at the head of a branch; empty where there is no such branch."""
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "-q", f"refs/heads/{branch}"],
            cwd=self.folder(name),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def protect(self, name: str, branch: str) -> None:
        """Refuse every push to the branch, by a hook of git's: what a host does for a protected branch."""
        hook = self.folder(name) / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        said = "GH006: Protected branch update failed"
        hook.write_text(
            "#!/bin/sh\nwhile read -r before after name; do\n"
            f'  [ "$name" != "refs/heads/{branch}" ] || {{ echo "{said} for $name." >&2; exit 1; }}\ndone\n'
        )
        hook.chmod(0o755)

    def answer(self, handler: Handler) -> None:
        """Answer one request."""
        found = _GIT.fullmatch(urlsplit(handler.path).path)
        if found is None:
            handler.say(404)
            return
        rule = self.rules.get(found[1], Rule())
        time.sleep(rule.delay)
        writes = "receive-pack" in handler.path
        if rule.status:
            handler.say(rule.status, headers={"WWW-Authenticate": 'Basic realm="git"'} if rule.status == 401 else {})
        elif self.secrets and handler.secret not in self.secrets:
            handler.say(401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        elif writes and not rule.writable:
            handler.say(403)
        elif not (self.root / f"{found[1]}.git").is_dir():
            handler.say(404)
        else:
            handler.pass_on(self.root, f"/{found[1]}.git/{found[2]}", rule.cut)


class Handler(BaseHTTPRequestHandler):
    """Notes what is asked, then has the server answer."""

    protocol_version = "HTTP/1.1"
    server_version = "test"
    timeout = 60
    wbufsize = 1 << 16  # head and body in one go: apart, each answer would wait 40 ms for the kernel
    disable_nagle_algorithm = True

    def __init__(self, server: Server, *arguments: object) -> None:
        self.owner = server
        self.body = b""
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.body = self._read()
        self.owner.seen.append(Seen(self.command, self.path, self.headers.get("Authorization", ""), self.secret))
        self.owner.answer(self)

    do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - the names that the library looks for

    def log_message(self, *_: object) -> None:
        pass

    @property
    def secret(self) -> str:
        """The token or the password that came along."""
        kind, _, code = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            return base64.b64decode(code).decode().partition(":")[2]
        return code or self.headers.get("PRIVATE-TOKEN", "")

    @property
    def query(self) -> dict[str, str]:
        """What follows the question mark."""
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    def say(self, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None, cut: int = -1) -> None:
        """Answer; with `cut` only so many bytes of it."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content if cut < 0 else content[:cut])
        if cut >= 0:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection, whatever was promised."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def pass_on(self, root: Path, path: str, cut: int) -> None:
        """Let git answer."""
        done = subprocess.run(
            ["git", "http-backend"],
            input=self.body,
            capture_output=True,
            timeout=60,
            check=True,
            env=_backend(root, path, self),
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.say(int(fields.pop("Status", "200").split()[0]), content, fields, cut)

    def _read(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces: list[bytes] = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)


def _backend(root: Path, path: str, handler: Handler) -> dict[str, str]:
    settings = [
        (f"GIT_CONFIG_{part}_{number}", text)
        for number, row in enumerate(_SETTINGS.items())
        for part, text in zip(("KEY", "VALUE"), row, strict=True)
    ]
    return {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
        **dict(settings),
        "REQUEST_METHOD": handler.command,
        "PATH_INFO": path,
        "QUERY_STRING": urlsplit(handler.path).query,
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(handler.body)),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        "REMOTE_USER": "user",
    }


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _changed(path: str, content: str | bytes | None) -> bytes:
    """A file in a stream of git's fast-import."""
    if content is None:
        return f"D {path}\n".encode()
    return f"M 100644 inline {path}\n".encode() + _data(content if isinstance(content, bytes) else content.encode())


@contextmanager
def listening(server: Server) -> Iterator[None]:
    """Have the server answer at an address of this machine, as long as the block lasts."""
    with _Listener(("127.0.0.1", 0), lambda *rest: Handler(server, *rest)) as listener:
        server.url = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield
        listener.shutdown()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a request that was told to take long is not waited for
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


@contextmanager
def serving(root: Path, secrets: tuple[str, ...] = ()) -> Iterator[Server]:
    """A git server over the bare repositories below that folder."""
    server = Server(root, secrets)
    with listening(server):
        yield server
