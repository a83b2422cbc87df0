"""A fleet on a real git server, and what people did in its projects meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests import kit
from tests.forges.double import Host, host_at
from tests.forges.githttp import Rule, Server, serving

RUNBOOK = "ops/runbook.md"
AUDIT = "src/small_thing/controls/audit.py"
CONFLICT = kit.LINES.replace("line 2\n", "my line 2\n")
OWN = kit.LINES + "own\n"
BRANCH = "ai-factory/root--small"
NO_HURRY = "minute: 100000, hour: 1000000"
RINGS = ("canary", "early", "rest")
WORD = "s3cret-of-the-fleet"  # what the server asks for

# What there is to be found in a project: its files beyond the stamped ones, and how it is reached.
KINDS: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "edited": {RUNBOOK: OWN},
    "conflict": {RUNBOOK: CONFLICT},
    "protected": {},
    "gone": {},
    "human": {},
}


class World(NamedTuple):
    """The server, the folder of fleet.yaml, the factory, and the kind of each project by its name on the server."""

    server: Server
    folder: Path
    factory: Path
    kinds: Mapping[str, str]

    def url(self, name: str) -> str:
        return self.server.clone_url(name)

    def named(self, kind: str) -> list[str]:
        """The projects of that kind."""
        return sorted(name for name, one in self.kinds.items() if one == kind)

    def heads(self) -> dict[str, str]:
        """The commit of our branch in every project."""
        return {name: self.server.head(name, BRANCH) for name in self.kinds}

    def run(self, *arguments: str) -> kit.Result:
        """`ai-factory fleet ARGUMENTS`, where fleet.yaml is."""
        return kit.cli("fleet", *arguments, cwd=self.folder)


@contextmanager
def hosted(place: Path, kinds: Mapping[str, int], kind: str) -> Iterator[tuple[World, Host]]:
    """The same on a code host of that kind, whose token stands in the variable `FLEET_TOKEN`."""
    with host_at(place / "served") as host, world(place, kinds, on=host) as made:
        name = host.url.removeprefix("http://")
        head = f"forges: [{{host: '{name}', kind: {kind}, api: '{host.url}', token: FLEET_TOKEN, {NO_HURRY}}}]\n"
        place = made.folder / "fleet.yaml"
        place.write_text(head + place.read_text())
        yield made, host


@contextmanager
def _serving(place: Path, server: Server | None) -> Iterator[Server]:
    if server:
        yield server
        return
    with serving(place / "served", (WORD,)) as made:
        yield made


@contextmanager
def world(place: Path, kinds: Mapping[str, int], more: str = "", on: Server | None = None) -> Iterator[World]:
    """A fleet of so many projects of each kind, one ring after another; reached with a token alone."""
    factory = kit.small_factory(place / "factory")
    seed = kit.small_project(place / "seed" / "small-thing", factory)
    with _serving(place, on) as server:
        names = [(f"team/{kind}-{number}", kind) for kind, count in kinds.items() for number in range(count)]
        seeds = {kind: _seed(seed, place / "seeds" / kind, KINDS[kind]) for kind in kinds}
        for name, kind in names:
            server.folder(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(seeds[kind], server.folder(name))
            _prepare(server, name, kind)
        folder = place / "fleet"
        folder.mkdir()
        (folder / "fleet.yaml").write_text(_registry(server, factory, [name for name, _ in names], more))
        yield World(server, folder, factory, dict(names))


def _seed(project: Path, place: Path, files: Mapping[str, str]) -> Path:
    """A bare repository with what projects of that kind hold."""
    work = place.with_suffix(".work")
    shutil.copytree(project, work, symlinks=True)
    kit.git(work, "branch", "-M", "main")
    if files:
        kit.put(work, files)
        kit.commit(work, "work of the team")
    kit.git(work, "clone", "-q", "--bare", str(work), str(place))
    return place


def _prepare(server: Server, name: str, kind: str) -> None:
    if kind == "protected":
        server.protect(name, BRANCH)
    if kind == "gone":
        server.rules[name] = Rule(status=503)
    if kind == "human":
        server.push(name, BRANCH, {"own.md": "a person's own\n"})


def _registry(server: Server, factory: Path, names: list[str], more: str) -> str:
    rows = [
        f"- {{url: {server.clone_url(name)}, owner: team-{number % 4}, ring: {RINGS[number % len(RINGS)]}}}"
        for number, name in enumerate(names)
    ]
    rings = ", ".join(f"{{name: {name}, merged: 0, failing: 1}}" for name in RINGS)
    return f"factories: [{{url: {factory}}}]\nrings: [{rings}]\n{more}projects:\n" + "\n".join(rows) + "\n"
