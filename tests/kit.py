"""Real folders, real git and the real command line, in a few short calls."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ai_factory import __version__, catalog, requirements, sandbox  # noqa: F401 - loaded before any child is forked
from ai_factory.__main__ import _command, guarded
from ai_factory.catalog import Component
from ai_factory.errors import FactoryError
from ai_factory.tree import File, under

_WARM = tempfile.TemporaryDirectory(prefix="ai-factory-warm-")  # one for each worker, gone with it
IDENTITY = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
}


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


def shared(name: str) -> Path:
    """A folder of that name that the tests of this worker share."""
    place = Path(_WARM.name) / name
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def warm_cache(place: Path) -> Path:
    """A cache folder as on a machine that has read these documents and templates before: all tests share those."""
    place.mkdir(mode=0o700, parents=True)
    for name in (f"yaml-{__version__}-{sys.implementation.cache_tag}", f"jinja-{__version__}"):
        (place / name).symlink_to(shared(name))
    return place


def cli(*arguments: str, cwd: Path | str = ".") -> Result:
    """Run `ai-factory ARGUMENTS` in this process, as a person would from `cwd`."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with _standing_in(cwd), _streams(out, err):
        try:
            code = guarded(_command(list(arguments)), list(arguments))
        except SystemExit as error:
            code = int(error.code or 0)
    return Result(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


@contextmanager
def _standing_in(folder: Path | str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _streams(out: io.TextIOWrapper, err: io.TextIOWrapper) -> Iterator[None]:
    before = sys.stdout, sys.stderr, sys.stdin
    sys.stdout, sys.stderr, sys.stdin = out, err, io.StringIO()
    try:
        yield
    finally:
        sys.stdout, sys.stderr, sys.stdin = before


def converse(command: list[str], folder: Path, answers: list[str], prompt: str = "]:") -> str:
    """Run a command on a real terminal, answer each line that ends as a prompt does, return all that it showed."""
    leader, follower = pty.openpty()
    take = partial(os.login_tty, follower)  # it is the terminal that Ctrl-C and hidden answers come from
    process = subprocess.Popen(command, cwd=folder, preexec_fn=take, close_fds=True)  # noqa: PLW1509 - no threads here
    os.close(follower)
    said, answered, pending = "", 0, list(answers)
    while select.select([leader], [], [], 30)[0]:
        try:
            piece = os.read(leader, 4096).decode()
        except OSError:
            break
        if not piece:
            break
        said += piece
        if pending and said[answered:].endswith(f"{prompt} "):  # the space comes once an answer would be heard
            os.write(leader, pending.pop(0).encode())
            said += "\n"
            answered = len(said)
    process.kill()  # where it waits for more answers than there are
    process.wait(timeout=30)
    os.close(leader)
    return said


def rules(project: Path) -> list[tuple[str, str]]:
    """What `check` finds: rule and path."""
    found = cli("check", "--json", cwd=project).data["projects"][0]["findings"]
    return [(item["rule"], item["path"]) for item in found]


def git(folder: Path, *arguments: str) -> str:
    """What git prints."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def put(folder: Path, files: Mapping[str, str | bytes | None]) -> None:
    """Write files below a folder; None removes one."""
    for path, content in files.items():
        place = folder / path
        if content is None:
            place.unlink()
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())


def commit(folder: Path, message: str = "work") -> str:
    """Commit everything; the commit's id."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def first_release(folder: Path, contents: Mapping[str, str | bytes | None]) -> Path:
    """A repository of these files, in a new folder, released as v1.0.0."""
    folder.mkdir()
    put(folder, contents)
    git(folder, "init", "--quiet")
    commit(folder)
    git(folder, "tag", "v1.0.0")
    return folder


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder but git's own and our record, as text."""
    return {
        str(place.relative_to(folder)): place.read_bytes().decode("utf-8", "replace")
        for place in sorted(folder.rglob("*"))
        if place.is_file() and not {".git", ".ai-factory"} & set(place.relative_to(folder).parts)
    }


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every byte and mode below a folder, our record and git's index included."""
    found: dict[str, tuple[int, bytes]] = {}
    for place in sorted(folder.rglob("*")):
        relative = place.relative_to(folder)
        if place.is_symlink():
            found[str(relative)] = (0, os.fsencode(os.readlink(place)))
        elif place.is_file() and (relative.parts[0] != ".git" or str(relative) in (".git/index", ".git/HEAD")):
            found[str(relative)] = (place.stat().st_mode, place.read_bytes())
    return found


def files(contents: Mapping[str, str | bytes]) -> dict[str, File]:
    """A tree of regular files."""
    return {path: File(text if isinstance(text, bytes) else text.encode()) for path, text in contents.items()}


def component(name: str, contents: Mapping[str, str | bytes]) -> Component:
    """A component from the files in its folder, as a factory of version 9.9 would give it."""
    tree = files({f"templates/{name}/{path}": text for path, text in contents.items()})
    return catalog.component(name, lambda folder: under(tree, folder), "9.9")


def refusal(call: Callable[[], object]) -> FactoryError:
    """The error with which a call is refused."""
    try:
        call()
    except FactoryError as error:
        return error
    message = "nothing was refused"
    raise AssertionError(message)


# ---- a small factory -----------------------------------------------------------------------------

LINES = "".join(f"line {number}\n" for number in range(1, 21))

SMALL: Mapping[str, str] = {
    "blueprints/small.yaml": """\
summary: A small use case
components: [core, extras]
optional: [nice]
facts: {genai: false}
""",
    "templates/core/component.yaml": """\
summary: The core
ownership:
  "src/{{ package }}/controls/**": managed
  "src/{{ package }}/main.py": seeded
evidences:
  AUD-01: ["src/{{ package }}/controls/**"]
  GOV-08: [ops/*.md]
produces: [evidence/run.json]
""",
    "templates/core/copier.yml": """\
_subdirectory: files
use_case: {type: str, help: What it is for, default: small thing}
package:
  type: str
  help: Name of the package
  default: "{{ use_case | lower | replace(' ', '_') }}"
  validator: "{% if not package.isidentifier() %}is no identifier{% endif %}"
""",
    "templates/core/CHANGELOG.md": "# Changelog\n\n## 1.0.0\n\n- first\n",
    "templates/core/files/src/{{ package }}/main.py.jinja": 'NAME = "{{ use_case }}"\n',
    "templates/core/files/src/{{ package }}/controls/audit.py": "def record() -> None:\n    pass\n",
    "templates/core/files/pyproject.toml.jinja": """\
[project]
name = "{{ package }}"
dependencies = [
{% for item in _contributions.dependencies %}
  "{{ item }}",
{% endfor %}
]
""",
    "templates/core/files/ops/runbook.md": LINES,
    "templates/core/files/ops/old.md": LINES.replace("line", "old"),
    "templates/core/files/settings.txt": LINES.replace("line", "setting"),
    "templates/extras/component.yaml": """\
summary: Extras
requires: [core]
contributes:
  dependencies: ["polars>=2,<3"]
""",
    "templates/extras/files/docs/extra.md": "extra\n",
    "templates/nice/component.yaml": "summary: Nice to have\nrequires: [core]\n",
    "templates/nice/files/docs/nice.md": "nice\n",
}

# v2 changes, adds, removes and renames files
SMALL_2: Mapping[str, str | None] = {
    "templates/core/CHANGELOG.md": "# Changelog\n\n## 2.0.0\n\n- the audit writes\n\n## 1.0.0\n\n- first\n",
    "templates/core/component.yaml": SMALL["templates/core/component.yaml"]
    + "changes:\n  - { since: 2.0.0, rename: { settings.txt: config/settings.txt }, manual: call `record()` once }\n",
    "templates/core/files/src/{{ package }}/main.py.jinja": 'NAME = "{{ use_case }} 2"\n',
    "templates/core/files/src/{{ package }}/controls/audit.py": "def record() -> None:\n    print()\n",
    "templates/core/files/ops/runbook.md": LINES.replace("line 2\n", "line two\n"),
    "templates/core/files/ops/old.md": None,
    "templates/core/files/ops/new.md": "new\n",
    "templates/core/files/settings.txt": None,
    "templates/core/files/config/settings.txt": LINES.replace("line", "setting").replace(
        "setting 20", "setting twenty"
    ),
}


def small_factory(folder: Path, *, tags: bool = True) -> Path:
    """A factory in a git repository with the tags v1.0.0 and v2.0.0; its work tree stands at v2."""
    put(folder, SMALL)
    if tags:
        git(folder.parent, "init", "-q", "-b", "main", str(folder))
        commit(folder, "v1")
        git(folder, "tag", "v1.0.0")
        put(folder, SMALL_2)
        commit(folder, "v2")
        git(folder, "tag", "v2.0.0")
    return folder


def small_project(folder: Path, factory: Path, *options: str, version: str = "v1.0.0") -> Path:
    """A project from the small factory's v1, with its first commit."""
    result = cli("new", "small", str(folder), "--defaults", "--factory", str(factory), "--version", version, *options)
    assert result.code == 0, result.err
    return folder
