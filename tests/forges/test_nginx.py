"""The same git over a server that firms run: nginx before git's own `http-backend`, with a password."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.debian import UNPACKED, tool
from tests.forges.githttp import Server
from tests.forges.test_githttp import NAME, SECRET, exchange, tried
from tests.kit import git

_CONFIGURATION = """\
daemon off;
user root;
pid {here}/pid;
error_log {here}/errors;
events {{}}
http {{
  access_log off;
  client_body_temp_path {here}/body; fastcgi_temp_path {here}/fastcgi; proxy_temp_path {here}/proxy;
  uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
  client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port};
    auth_basic git;
    auth_basic_user_file {here}/users;
    location / {{
      fastcgi_pass unix:{here}/backend;
      fastcgi_param SCRIPT_FILENAME {backend};
      fastcgi_param GIT_PROJECT_ROOT {root};
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param GIT_CONFIG_COUNT 3;
      fastcgi_param GIT_CONFIG_KEY_0 http.receivepack;
      fastcgi_param GIT_CONFIG_VALUE_0 true;
      fastcgi_param GIT_CONFIG_KEY_1 uploadpack.allowFilter;
      fastcgi_param GIT_CONFIG_VALUE_1 true;
      fastcgi_param GIT_CONFIG_KEY_2 safe.directory;
      fastcgi_param GIT_CONFIG_VALUE_2 *;
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $args;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REMOTE_USER $remote_user;
      fastcgi_param REMOTE_ADDR $remote_addr;
    }}
  }}
}}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The repositories of a Server, served by nginx."""
    programs = tool("nginx"), tool("fcgiwrap")
    found = Server(tmp_path / "www")
    found.repository(NAME, {"README.md": "hello\n", "big.bin": bytes(range(256)) * 40})
    here = Path(tempfile.mkdtemp(prefix="nginx-"))  # short: the path of a socket has a hundred characters
    port = _free_port()
    found.url = f"http://127.0.0.1:{port}"
    backend = Path(git(tmp_path, "--exec-path")) / "git-http-backend"
    text = _CONFIGURATION.format(here=here, port=port, root=found.root, backend=backend)
    (here / "configuration").write_text(text)
    (here / "users").write_text(f"user:{{PLAIN}}{SECRET}\n")
    wrap = [programs[1], "-s", f"unix:{here}/backend", "-c", "2"]
    with _running(wrap), _running([programs[0], "-p", str(here), "-c", str(here / "configuration")]):
        _wait_for(port, here / "errors")
        yield found
    shutil.rmtree(here)


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    libraries = [str(place.parent) for place in UNPACKED.glob("lib/*/libfcgi.so.0")]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int, errors: Path) -> None:
    for _ in range(200):
        with socket.socket() as tried_one:
            if not tried_one.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    raise AssertionError(errors.read_text())


def test_git_over_nginx(server: Server, tmp_path: Path) -> None:
    """What the tests' own server does with git, nginx does too; a protected branch and a wrong password are refused."""
    exchange(server, tmp_path)
    server.protect(NAME, "main")
    code, said = tried(tmp_path / "work", "push", "origin", "HEAD:main")
    assert (code, "Protected branch update failed for refs/heads/main." in said) == (1, True)
    code, said = tried(tmp_path, "ls-remote", server.clone_url(NAME).replace("//", "//user:wrong@"))
    assert (code, "Authentication failed" in said) == (128, True)
