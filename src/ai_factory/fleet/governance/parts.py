"""What the files of one project say that it is made of, what it uses, and who uses it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from sys import intern
from typing import Any, NamedTuple

from ai_factory.fleet.governance.papers import ROWS, Papers, papers_of, rows, table, text, texts
from ai_factory.fleet.system import System
from ai_factory.lock import LOCK, Lock

CATALOGUE, SYSTEM, DEPENDENCIES = "catalog-info.yaml", "governance/system.yaml", "governance/dependencies.yaml"
CONTRACTS, CONSTRAINTS, PACKAGES = "contracts/*.odcs.yaml", "constraints.txt", "bom/sbom.cdx.json"
BOM, MODEL, LINEAGE = "evidence/bom.json", "evidence/model.json", "evidence/lineage.json"
WANTED = (LOCK, CATALOGUE, SYSTEM, DEPENDENCIES, CONTRACTS, CONSTRAINTS, PACKAGES, BOM, MODEL, LINEAGE)
STAND_INS = ("offline", "scripted")  # what answers where no endpoint of a model is set: it is in the project itself
REFERENCES = {"system", "model", "data", "prompt", "service"}  # kinds in a bill of materials
SAID_BY = ("answerer", "agent", "extractor")  # under which of them a run says what answered


class Thing(NamedTuple):
    """A system, or what one is made of or uses. Its id is its kind and what tells it apart, the same in each project.

    `outside` says that nobody of the fleet provides it, and that this is known.
    """

    id: str
    kind: str
    name: str
    version: str = ""
    outside: bool = False


class Use(NamedTuple):
    """That one thing depends on another: which file says so, and in which words."""

    source: str
    target: str
    where: str
    words: str = ""


class Parts(NamedTuple):
    """What one project says: `names` are those by which others may call it, `odd` what could not be read."""

    key: str
    owner: str
    contact: str
    purpose: str
    names: tuple[str, ...]
    things: tuple[Thing, ...]
    uses: tuple[Use, ...]
    odd: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"system:{self.key}"


Found = Iterator[Thing | Use]


def parts(system: System) -> Parts:
    """Read what a system says of itself. Raises LockError where there is no project."""
    lock = system.project().lock
    papers = papers_of(system, WANTED)
    key, about = system.member.key, papers.yaml(SYSTEM)
    name = text(about.get("name")) or text(lock.answers.get("package")) or system.member.key
    me = Thing(f"system:{key}", "system", name, text(about.get("status")))
    found = [_shared(one) for one in islice(_found(me.id, key, lock, papers), ROWS)]
    if len(found) == ROWS:
        papers.odd.append(f"it names more than {ROWS} things: the rest is left out")
    return Parts(
        key=key,
        owner=system.member.owner or text(about.get("owner_team")) or text(lock.answers.get("owner_team")),
        contact=text(about.get("contact")),
        purpose=text(about.get("purpose")),
        names=tuple(dict.fromkeys(filter(None, [name, *_entities(papers, "Component")]))),
        things=(me, *(one for one in found if isinstance(one, Thing))),
        uses=tuple(one for one in found if isinstance(one, Use)),
        odd=tuple(papers.odd),
    )


def _shared(row: Thing | Use) -> Thing | Use:
    """The same with each text once in memory, however many systems name it."""
    if isinstance(row, Use):
        return Use(*map(intern, row))
    return Thing(intern(row.id), intern(row.kind), intern(row.name), intern(row.version), row.outside)


def _found(me: str, key: str, lock: Lock, papers: Papers) -> Found:
    yield from _components(me, lock)
    yield from _contracts(me, papers)
    yield from _materials(me, key, papers)
    yield from _endpoint(me, papers)
    yield from _declared(me, papers)
    yield from _catalogued(me, papers)
    yield from _packages(me, papers)


def _used(thing: Thing, by: str, where: str, words: str) -> Found:
    yield thing
    yield Use(by, thing.id, where, words)


# ---- what it is made of --------------------------------------------------------------------------


def _components(me: str, lock: Lock) -> Found:
    for name, version in lock.components.items():
        thing = Thing(f"component:{text(name)}@{text(version)}", "component", text(name), text(version))
        yield from _used(thing, me, LOCK, "is built from it")


def _packages(me: str, papers: Papers) -> Found:
    """The distributions that it pins, and those that its run had."""
    for line in papers.lines(CONSTRAINTS):
        if found := re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([A-Za-z0-9.+!_-]+)", line):
            yield from _used(_package(found[1], found[2]), me, CONSTRAINTS, "pins it")
    for row in rows(papers.json(PACKAGES).get("components")):
        if row.get("type") == "library" and text(row.get("name")):
            thing = _package(text(row["name"]), text(row.get("version")))
            yield from _used(thing, me, PACKAGES, "ran with it")


def _package(name: str, version: str) -> Thing:
    plain = re.sub(r"[-_.]+", "-", name).lower()
    return Thing(f"package:{plain}@{version}", "package", plain, version)


def _contracts(me: str, papers: Papers) -> Found:
    for path in papers.matching(CONTRACTS):
        agreed = papers.yaml(path)
        name = text(agreed.get("id"))
        if name:
            thing = Thing(f"dataset:{name}", "dataset", text(agreed.get("name")) or name, text(agreed.get("version")))
            yield from _used(thing, me, path, "works on it")


def _materials(me: str, key: str, papers: Papers) -> Found:
    """Models, data, prompts and tools by their digests, and which of them was made from which."""
    content = table(papers.json(BOM).get("content"))
    known = {ref: _material(key, ref, text(digest)) for ref, digest in table(content.get("components")).items()}
    ends = _Ends(me, key, known, tuple(text(row.get("name")) for row in _services(papers)))
    yield from filter(None, known.values())
    for source, targets in table(content.get("dependencies")).items():
        for target in texts(targets):
            if not {source.partition(":")[0], target.partition(":")[0]} <= REFERENCES:
                continue
            yield from ends.tool(target)
            yield Use(ends.of(source), ends.of(target), BOM, "is made from it" if source in known else "uses it")
    yield from _trained_on(known.values(), papers)


def _material(key: str, ref: str, digest: str) -> Thing | None:
    kind, _, name = ref.partition(":")
    name = text(name)
    if kind not in ("model", "data", "prompt") or not name:
        return None
    return Thing(f"{kind}:{digest or f'{key}/{name}'}", kind, name, name if kind == "model" else "")


class _Ends(NamedTuple):
    """What the references of a bill of materials stand for; a service that nobody declared is a tool of its own."""

    me: str
    key: str
    known: Mapping[str, Thing | None]
    declared: tuple[str, ...]

    def of(self, ref: str) -> str:
        kind, _, name = ref.partition(":")
        thing = self.known.get(ref)
        if thing:
            return thing.id
        declared = kind == "service" and name in self.declared
        return self.me if kind == "system" else f"{text(kind)}:{'' if declared else f'{self.key}/'}{text(name)}"

    def tool(self, ref: str) -> Found:
        kind, _, name = ref.partition(":")
        if kind == "service" and name not in self.declared:
            yield Thing(self.of(ref), "service", text(name), outside=True)


def _trained_on(materials: Iterable[Thing | None], papers: Papers) -> Found:
    """A model is made from the datasets whose contracts its run read."""
    read = texts(table(papers.json(LINEAGE).get("content")).get("sources"))
    names = [text(papers.yaml(path).get("id")) for path in papers.matching(CONTRACTS) if path in read]
    for thing in materials:
        if thing and thing.kind == "model":
            yield from (Use(thing.id, f"dataset:{name}", LINEAGE, "is made from it") for name in names if name)


def _endpoint(me: str, papers: Papers) -> Found:
    """The model of somebody else that answered, where the run says which."""
    facts = table(table(papers.json(MODEL).get("content")).get("facts"))
    for label in (text(facts.get(name)) for name in SAID_BY):
        kind, _, name = label.partition(":")
        if name and kind not in STAND_INS:
            yield from _used(Thing(f"model:{label}", "model", name, outside=True), me, MODEL, "is answered by it")


# ---- what people wrote ---------------------------------------------------------------------------


def _declared(me: str, papers: Papers) -> Found:
    """The systems that it calls, and those that use its outcomes; a name may turn out to be a system of the fleet."""
    for row in _services(papers):
        if name := text(row.get("name")):
            thing = Thing(f"service:{name}", "service", name, outside=row.get("outside") is True)
            yield from _used(thing, me, DEPENDENCIES, text(row.get("purpose")) or "calls it")
    for row in rows(papers.yaml(DEPENDENCIES).get("consumers")):
        if name := text(row.get("name")):
            yield Thing(f"service:{name}", "service", name)
            yield Use(f"service:{name}", me, DEPENDENCIES, text(row.get("purpose")) or "uses its outcomes")


def _services(papers: Papers) -> list[dict[str, Any]]:
    return rows(papers.yaml(DEPENDENCIES).get("services"))


def _catalogued(me: str, papers: Papers) -> Found:
    """What its entries in a Backstage catalogue provide and depend on."""
    for entry in papers.yamls(CATALOGUE):
        kind, name, spec = text(entry.get("kind")), _name(entry), table(entry.get("spec"))
        if kind in ("API", "Resource") and name:
            yield from _provided(f"{kind.lower()}:{name}", me)
        if kind == "Component":
            for api in texts(spec.get("providesApis")):
                yield from _provided(_reference(api, "api"), me)
        for asked, default in (("dependsOn", "component"), ("consumesApis", "api")):
            for one in texts(spec.get(asked)):
                target = _reference(one, default)
                yield from _used(_called(target), me, CATALOGUE, "depends on it")
        for one in texts(spec.get("dependencyOf")):
            yield _called(_reference(one, "component"))
            yield Use(_reference(one, "component"), me, CATALOGUE, "depends on it")


def _provided(name: str, me: str) -> Found:
    yield _called(name)
    yield Use(name, me, CATALOGUE, "is provided by it")


def _reference(ref: str, default: str) -> str:
    """The id that a reference of a catalogue, `kind:namespace/name`, stands for; a component may be a system."""
    kind, mark, rest = ref.partition(":")
    kind, rest = (kind.lower(), rest) if mark else (default, ref)
    return f"{'service' if kind == 'component' else kind}:{rest.rpartition('/')[2]}"


def _called(name: str) -> Thing:
    kind, _, rest = name.partition(":")
    return Thing(name, kind, rest)


def _entities(papers: Papers, kind: str) -> Iterable[str]:
    return [_name(entry) for entry in papers.yamls(CATALOGUE) if entry.get("kind") == kind]


def _name(entry: dict[str, Any]) -> str:
    return text(table(entry.get("metadata")).get("name"))
