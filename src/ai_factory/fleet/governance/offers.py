"""What one project has prepared that others could use: datasets, features and models, each with its terms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ai_factory.fleet.governance.papers import ROWS, TEXT, Papers, papers_of, rows, table, text, texts
from ai_factory.fleet.governance.parts import CATALOGUE, CONTRACTS, MODEL, SYSTEM
from ai_factory.fleet.system import ALWAYS, System

FEATURES, SCOPE = "evidence/features.json", "governance/scope.yaml"
WANTED = (*ALWAYS, CATALOGUE, CONTRACTS, MODEL, SYSTEM, FEATURES, SCOPE)
CLASSES = ("public", "internal", "confidential", "restricted")  # from what anybody may read to what only a few may
KINDS = ("dataset", "feature", "model")
WHOLE = 2.0  # how much more a whole word counts than its beginning
SHORTEST = 3  # letters of a beginning that count
WEIGHTS = {"name": 8.0, "id": 6.0, "tags": 4.0, "description": 2.0, "columns": 1.0, "owner": 1.0, "classification": 1.0}


class Offer(NamedTuple):
    """Something that a project has: what it is, whose, how sensitive, on which terms, and the file that says so."""

    kind: str
    name: str
    id: str
    version: str
    system: str
    path: str
    owner: str
    classification: str
    terms: str
    description: str
    tags: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


class Hit(NamedTuple):
    """An offer that a search found, and how well it fits."""

    offer: Offer
    score: float


def offers(system: System) -> tuple[Offer, ...]:
    """What a system offers. Raises LockError where there is no project."""
    system.project()
    papers, key = papers_of(system, WANTED), system.member.key
    datasets = list(islice(_datasets(papers, key), ROWS))
    owner = system.member.owner or text(papers.yaml(SYSTEM).get("owner_team"))
    return (*datasets, *_features(papers, key, owner, datasets), *_models(papers, key, owner, datasets))


def _datasets(papers: Papers, key: str) -> Iterator[Offer]:
    for path in papers.matching(CONTRACTS):
        agreed = papers.yaml(path)
        about = (*texts(agreed.get("tags")), text(agreed.get("domain")), text(agreed.get("name")))
        for one in rows(agreed.get("schema")):
            columns = rows(one.get("properties"))
            yield Offer(
                kind="dataset",
                name=text(one.get("name")),
                id=text(agreed.get("id")),
                version=text(agreed.get("version")),
                system=key,
                path=path,
                owner=text(table(agreed.get("team")).get("name")),
                classification=_highest(text(column.get("classification")) for column in columns),
                terms=_terms(agreed),
                description=text(one.get("description")),
                tags=tuple(filter(None, about)),
                columns=tuple(filter(None, (text(column.get("name")) for column in columns))),
            )


def _terms(agreed: dict[str, Any]) -> str:
    """For what it may be used, on which ground, for how long, and what it is no good for."""
    about = table(agreed.get("description"))
    own = {text(row.get("property")): text(row.get("value")) for row in rows(agreed.get("customProperties"))}
    kept = [row for row in rows(agreed.get("slaProperties")) if row.get("property") == "retention"]
    parts = {
        "use": text(about.get("usage")),
        "ground": own.get("lawfulBasis", ""),
        "kept": f"{text(kept[0].get('value'))}{text(kept[0].get('unit'))}" if kept else "",
        "limits": text(about.get("limitations")),
    }
    return "; ".join(f"{name}: {value}" for name, value in parts.items() if value)[: 4 * TEXT]


def _features(papers: Papers, key: str, owner: str, datasets: Sequence[Offer]) -> Iterator[Offer]:
    registry = table(table(papers.json(FEATURES).get("content")).get("registry"))
    for one in rows(registry.get("features")):
        yield Offer(
            kind="feature",
            name=text(one.get("name")),
            id=text(one.get("digest")),
            version=text(one.get("version")),
            system=key,
            path=FEATURES,
            owner=text(one.get("owner")) or owner,
            classification=text(one.get("classification")),
            terms=_of(datasets),
            description="; ".join(filter(None, (text(one.get("description")), text(one.get("unit"))))),
            columns=texts(one.get("sources")),
        )


def _models(papers: Papers, key: str, owner: str, datasets: Sequence[Offer]) -> Iterator[Offer]:
    content, about = table(papers.json(MODEL).get("content")), papers.yaml(SYSTEM)
    if not text(content.get("version")):
        return
    entry = next(iter(papers.yamls(CATALOGUE)), {})
    barred = "; ".join(texts(papers.yaml(SCOPE).get("out_of_scope")))
    yield Offer(
        kind="model",
        name=text(about.get("name")) or key,
        id=text(content.get("model")),
        version=text(content.get("version")),
        system=key,
        path=MODEL,
        owner=owner,
        classification=_highest(one.classification for one in datasets),
        terms="; ".join(filter(None, (f"not for: {barred}"[: 4 * TEXT] if barred else "", _of(datasets)))),
        description=text(about.get("purpose")),
        tags=texts(table(entry.get("metadata")).get("tags")),
        columns=texts(table(content.get("facts")).get("features")),
    )


def _of(datasets: Sequence[Offer]) -> str:
    """The terms of what it is made from."""
    names = sorted({f"{one.id} ({one.path})" for one in datasets})
    return f"those of {', '.join(names)}" if names else ""


def _highest(classes: Iterable[str]) -> str:
    """The most sensitive of the classes that are known; empty where none is."""
    return max((one for one in classes if one in CLASSES), key=CLASSES.index, default="")


# ---- search --------------------------------------------------------------------------------------


def search(found: Iterable[Offer], query: str) -> list[Hit]:
    """The offers that have a word of the query, or a word that begins so: those with most of its words first.

    Without words: all of them, by kind and name.
    """
    wanted = sorted(set(_words(query)))
    hits = [Hit(one, _score(one, wanted)) for one in found]
    return sorted((hit for hit in hits if hit.score or not wanted), key=_place)


def _place(hit: Hit) -> tuple[float, int, str, str, str]:
    one = hit.offer
    return -hit.score, KINDS.index(one.kind), one.name, one.system, one.path


def _score(one: Offer, wanted: Sequence[str]) -> float:
    """A hundred for each word that is found anywhere, and the best place of each; so more words always win."""
    fields = {name: _words(_field(one, name)) for name in WEIGHTS}
    best = [max((_fit(word, fields[name]) * weight for name, weight in WEIGHTS.items()), default=0) for word in wanted]
    return sum(100 + score for score in best if score)


def _fit(word: str, words: Sequence[str]) -> float:
    if word in words:
        return WHOLE
    return 1.0 if len(word) >= SHORTEST and any(one.startswith(word) for one in words) else 0.0


def _field(one: Offer, name: str) -> str:
    value = getattr(one, name)
    return value if isinstance(value, str) else " ".join(value)


def _words(words: str) -> list[str]:
    return re.findall(r"[^\W_]+", words.casefold())
