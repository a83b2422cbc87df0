"""Merges by structure of random documents: the data that a naive model says, and none of the team's lines lost."""

from __future__ import annotations

import copy
import json
import os
import random
import re
import tomllib
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_factory import structured
from ai_factory.structured.nodes import typed

EXAMPLES = int(os.environ.get("AI_FACTORY_EXAMPLES", "100"))
MANY = settings(max_examples=EXAMPLES, deadline=None)
Random = random.Random
CLASH = object()
WORDS = [
    "x",
    "y z",
    "1",
    "yes",
    "no: #",
    "it's",
    'say "so"',
    "two\nlines",
    "",
    "é𝒳",
    "true",
    "a,b",
    "[x]",
    "C:\\x",
    "~",
]
NUMBERS = [0, 1, 1.0, True, False, -5, 2**70, 0.25, 1e30]


# ---- random documents ----------------------------------------------------------------------------


def scalar(rng: Random) -> Any:
    return rng.choice(WORDS if rng.random() < 0.5 else NUMBERS)


def value(rng: Random, depth: int = 3) -> Any:
    kind = rng.random()
    if depth == 0 or kind < 0.35:
        return scalar(rng)
    if kind < 0.7:
        return {key: value(rng, depth - 1) for key in rng.sample("abcdef", rng.randrange(4))}
    if kind < 0.85:
        return [item(rng, depth, name) for name in rng.sample("uvwxzt", rng.randrange(4))]
    return unique(scalar(rng) for _ in range(rng.randrange(4)))


def item(rng: Random, depth: int, name: str) -> dict[str, Any]:
    return {"id": name} | {key: value(rng, depth - 1) for key in rng.sample("abc", rng.randrange(3))}


def unique(values: Any) -> list[Any]:
    return list({typed(each): each for each in values}.values())


def document(rng: Random) -> dict[str, Any]:
    return {key: value(rng) for key in rng.sample("abcdefgh", rng.randrange(1, 7))}


def edited(rng: Random, data: dict[str, Any], number: int, *, only_adds: bool = False) -> dict[str, Any]:
    """The document after some edits, each at a random place."""
    result = copy.deepcopy(data)
    for _ in range(number):
        edit(rng, rng.choice(containers(result)), only_adds=only_adds)
    return result


def containers(node: Any) -> list[Any]:
    inner = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    return ([node] if isinstance(node, dict | list) else []) + [found for each in inner for found in containers(each)]


def edit(rng: Random, node: Any, *, only_adds: bool) -> None:
    if isinstance(node, dict):
        key = rng.choice("abcdef")
        if only_adds:
            node.setdefault(key, value(rng, 2))
        elif key in node and rng.random() < 0.4:
            del node[key]
        else:
            node[key] = value(rng, 2)
        return
    keyed = any(isinstance(each, dict) for each in node)
    if node and not only_adds and rng.random() < 0.4:
        node.pop(rng.randrange(len(node)))
    elif keyed or (not node and rng.random() < 0.5):
        names = [name for name in "uvwxzt" if all(each["id"] != name for each in node)]
        if names:
            node.insert(rng.randint(0, len(node)), item(rng, 2, rng.choice(names)))
    else:
        new = scalar(rng)
        if typed(new) not in map(typed, node):
            node.insert(rng.randint(0, len(node)), new)


# ---- the naive model -----------------------------------------------------------------------------

GONE: Any = object()


def expected(base: Any, ours: Any, theirs: Any) -> Any:
    """The data that is meant: of lists, what they hold. CLASH where a person must decide."""
    if same(ours, theirs) or same(base, theirs):
        return ours
    if all(isinstance(each, dict) for each in (ours, theirs)) and (base is GONE or isinstance(base, dict)):
        return members(base if base is not GONE else {}, ours, theirs)
    if all(isinstance(each, list) for each in (ours, theirs)) and (base is GONE or isinstance(base, list)):
        return entries(base, ours, theirs)
    return theirs if same(base, ours) else CLASH


def same(one: Any, two: Any) -> bool:
    return one is two or (GONE not in (one, two) and typed(one) == typed(two))


def members(base: dict[Any, Any], ours: dict[Any, Any], theirs: dict[Any, Any]) -> Any:
    keys = {*base, *ours, *theirs}
    found = {key: expected(*(side.get(key, GONE) for side in (base, ours, theirs))) for key in keys}
    if CLASH in found.values():
        return CLASH
    return {key: each for key, each in found.items() if each is not GONE}


def entries(base: Any, ours: list[Any], theirs: list[Any]) -> Any:
    every = [*(base if base is not GONE else []), *ours, *theirs]
    if every and all(isinstance(each, dict) and "id" in each for each in every):
        sides = [{each["id"]: each for each in side} if side is not GONE else {} for side in (base, ours, theirs)]
        found = members(*sides)
        return found if found is CLASH else list(found.values())
    if base is GONE:
        return CLASH
    if any(isinstance(each, dict) for each in every):
        return theirs if same(base, ours) else CLASH
    old, mine, new = ({typed(each): each for each in side} for side in (base, ours, theirs))
    return [
        each for key, each in (old | mine | new).items() if not (key in old and (key not in mine or key not in new))
    ]


def normal(data: Any) -> Any:
    """The data with lists as sets, to be compared."""
    if isinstance(data, dict):
        return ("map", frozenset((key, normal(each)) for key, each in data.items()))
    if isinstance(data, list):
        return ("list", frozenset(map(normal, data)))
    return typed(data)


# ---- random layouts ------------------------------------------------------------------------------


class Style:
    """How one side writes its file; `tag` begins each of its comments."""

    def __init__(self, rng: Random, tag: str = "", *, tall: bool = False) -> None:
        self.rng, self.tag, self.tall = rng, tag, tall
        self.step, self.dash = rng.choice([2, 4]), rng.choice([0, 2])
        self.number = 0

    def above(self, indent: str) -> list[str]:
        """Now and then a comment line."""
        if not self.tag or self.rng.random() > 0.3:
            return []
        return ["", f"{indent}{self.remark()}"] if self.rng.random() < 0.2 else [f"{indent}{self.remark()}"]

    def beside(self) -> str:
        """Now and then a comment at the end of a line."""
        return f"  {self.remark()}" if self.tag and self.rng.random() < 0.2 else ""

    def remark(self) -> str:
        self.number += 1
        return f"# {self.tag} {self.number}"

    def some(self, chance: float = 0.3) -> bool:
        return not self.tall and self.rng.random() < chance


def yaml(style: Style, data: Any) -> str:
    marker = "---\n" if style.some(0.1) else ""
    return marker + "\n".join(yaml_rows(style, data, "")) + "\n"


def yaml_rows(style: Style, data: Any, indent: str) -> list[str]:
    if not data:
        return [f"{indent}{yaml_word(style, data)}"]
    rows = []
    for name, inner in data.items() if isinstance(data, dict) else [("-", each) for each in data]:
        rows += style.above(indent)
        head = indent + ("-" if name == "-" else f"{yaml_key(style, name)}:")
        if not isinstance(inner, dict | list) or not inner or style.some():
            rows.append(f"{head} {yaml_word(style, inner)}{style.beside()}")
        elif name == "-" and isinstance(inner, dict):
            first, *rest = yaml_rows(style, inner, f"{indent}  ")
            compact = first.startswith(f"{indent}  ") and not first.lstrip().startswith("#") and first.strip()
            rows += [f"{head} {first.lstrip()}", *rest] if compact else [head, first, *rest]
        else:
            step = style.dash if isinstance(inner, list) and name != "-" else style.step
            rows += [f"{head}{style.beside()}", *yaml_rows(style, inner, indent + " " * step)]
    return rows


def yaml_key(style: Style, key: str) -> str:
    return json.dumps(key) if style.some(0.1) else key


def yaml_word(style: Style, data: Any) -> str:
    if isinstance(data, dict):
        pairs = ", ".join(f"{key}: {yaml_word(style, each)}" for key, each in data.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(data, list):
        return f"[{', '.join(yaml_word(style, each) for each in data)}]"
    if not isinstance(data, str):
        return json.dumps(data)
    plain = re.fullmatch(r"[a-z][a-z éx]*", data) and data not in ("yes", "true")
    if plain and style.rng.random() < 0.5:
        return data
    return (
        f"'{data.replace(chr(39), chr(39) * 2)}'"
        if chr(10) not in data and style.rng.random() < 0.5
        else json.dumps(data, ensure_ascii=False)
    )


def toml(style: Style, data: dict[str, Any]) -> str:
    return "\n".join(toml_rows(style, data, ())) + "\n"


def toml_rows(style: Style, data: dict[str, Any], place: tuple[str, ...]) -> list[str]:
    rows, tables = [], []
    for key, inner in data.items():
        keyed = isinstance(inner, list) and inner and all(isinstance(each, dict) for each in inner)
        if (isinstance(inner, dict) or keyed) and not style.some():
            tables.append((key, inner))
            continue
        rows += style.above("")
        rows.append(f"{key} = {toml_word(style, inner)}{style.beside()}")
    for key, inner in tables:
        name = ".".join([*place, key])
        for table in inner if isinstance(inner, list) else [inner]:
            head = f"[[{name}]]" if isinstance(inner, list) else f"[{name}]"
            rows += [*style.above(""), head + style.beside(), *toml_rows(style, table, (*place, key))]
    return rows


def toml_word(style: Style, data: Any) -> str:
    if isinstance(data, dict):
        return f"{{ {', '.join(f'{key} = {toml_word(style, each)}' for key, each in data.items())} }}"
    if isinstance(data, list):
        words = [toml_word(style, each) for each in data]
        if words and (style.tall or style.rng.random() < 0.4) and not any(chr(10) in word for word in words):
            rows = [row for word in words for row in (*style.above("  "), f"  {word},{style.beside()}")]
            return "[\n" + "\n".join(rows) + "\n]"
        return f"[{', '.join(words)}]"
    if isinstance(data, str) and "'" not in data and "\n" not in data and style.rng.random() < 0.5:
        return f"'{data}'"
    return json.dumps(data, ensure_ascii=False) if isinstance(data, str | bool) else repr(data)


def as_json(style: Style, data: Any) -> str:
    indent = 2 if style.tall else style.rng.choice([None, 1, 2, 4, "\t"])
    close = style.rng.choice([(",", ":"), (", ", ": ")]) if indent is None else (",", ": ")
    return json.dumps(data, indent=indent, separators=close, ensure_ascii=style.rng.random() < 0.5) + "\n"


def load_yaml(text: str) -> Any:
    from ai_factory.dialect import reader

    return reader().load(text)


class Format(NamedTuple):
    """A format: a file's name, how it is written, how it is read."""

    path: str
    write: Callable[[Style, Any], str]
    load: Callable[[str], Any]


FORMATS = [
    Format("f.yaml", yaml, load_yaml),
    Format("f.toml", toml, tomllib.loads),
    Format("f.json", as_json, json.loads),
]
each_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.path)
seeds = st.integers(0, 2**32)


# ---- what holds for all of them ------------------------------------------------------------------


@each_format
@MANY
@given(seeds)
def test_the_result_is_the_data_that_was_meant_or_a_conflict(form: Format, seed: int) -> None:
    """Each side in a layout of its own; what the naive model calls a conflict is one, and the sides may be swapped."""
    rng = Random(seed)
    base = document(rng)
    ours, theirs = edited(rng, base, rng.randrange(4)), edited(rng, base, rng.randrange(4))
    texts = [form.write(Style(rng), data).encode() for data in (base, ours, theirs)]
    merged = structured.merge(form.path, *texts)
    swapped = structured.merge(form.path, texts[0], texts[2], texts[1])
    meant = expected(base, ours, theirs)
    if meant is CLASH:
        assert (merged, swapped) == (None, None)
    for found in (merged, swapped):
        assert found is None or normal(form.load(found.decode())) == normal(meant)


def with_more(rng: Random, data: dict[str, Any], who: str) -> dict[str, Any]:
    """The document with some entries more, each under a name of that side's own."""
    result = copy.deepcopy(data)
    for number in range(rng.randrange(1, 5)):
        place = rng.choice([each for each in containers(result) if each])
        if isinstance(place, dict):
            place[f"{who}{number}"] = value(rng, 2)
        else:
            keyed = isinstance(place[0], dict)
            new = {"id": f"{who}{number}", "a": scalar(rng)} if keyed else f"{who} {number}"
            place.insert(rng.randint(0, len(place)), new)
    return result


@each_format
@MANY
@given(seeds)
def test_entries_that_both_sides_add_are_never_a_conflict(form: Format, seed: int) -> None:
    """Wherever they stand, in one layout."""
    rng = Random(seed)
    base = document(rng)
    ours, theirs = with_more(rng, base, "ours"), with_more(rng, base, "theirs")
    texts = [form.write(Style(Random(seed)), data).encode() for data in (base, ours, theirs)]
    merged = structured.merge(form.path, *texts)
    assert merged is not None
    assert normal(form.load(merged.decode())) == normal(expected(base, ours, theirs))


@each_format
@MANY
@given(seeds)
def test_every_line_and_comment_of_the_teams_stays_where_they_only_add(form: Format, seed: int) -> None:
    rng = Random(seed)
    base = document(rng)
    pristine = form.write(Style(rng, tall=True), base)
    ours = form.write(Style(rng, "ours", tall=True), edited(rng, base, rng.randrange(4)))
    theirs = form.write(Style(rng, tall=True), edited(rng, base, rng.randrange(4), only_adds=True))
    merged = structured.merge(form.path, pristine.encode(), ours.encode(), theirs.encode())
    if merged is not None:
        assert is_within(shown(ours), shown(merged.decode()))


def shown(text: str) -> list[str]:
    """The lines, without the commas that an entry behind the last one calls for."""
    rows = [line.rstrip(" ,") for line in text.splitlines() if line.strip(" ]}")]
    return [row for row in rows if not re.search(r"\[\]|\{\s*\}", row)]  # which have something in them now


def is_within(lines: list[str], others: list[str]) -> bool:
    rest = iter(others)
    return all(line in rest for line in lines)


@each_format
@MANY
@given(seeds)
def test_no_comment_that_only_the_team_wrote_is_lost(form: Format, seed: int) -> None:
    """Whatever they change, add or take away."""
    rng = Random(seed)
    base = document(rng)
    pristine = form.write(Style(rng, "base"), base)
    ours = form.write(Style(rng, "ours"), edited(rng, base, rng.randrange(3)))
    theirs = form.write(Style(rng, "theirs"), edited(rng, base, rng.randrange(4)))
    merged = structured.merge(form.path, pristine.encode(), ours.encode(), theirs.encode())
    if merged is not None:
        assert set(re.findall(r"# ours \d+", ours)) <= set(re.findall(r"# ours \d+", merged.decode()))


@each_format
@MANY
@given(seeds)
def test_one_side_that_changed_nothing_leaves_the_other_as_it_is(form: Format, seed: int) -> None:
    """Another layout is no change: ours stays to the byte, and theirs arrives as data."""
    rng = Random(seed)
    base = document(rng)
    new = edited(rng, base, 3)
    pristine, again, text = (form.write(Style(rng), data).encode() for data in (base, base, new))
    assert structured.merge(form.path, pristine, text, again) in (text, None)
    arrived = structured.merge(form.path, pristine, again, text)
    assert arrived is None or normal(form.load(arrived.decode())) == normal(new)


@each_format
@MANY
@given(seeds, st.binary(max_size=40))
def test_nothing_makes_it_fail(form: Format, seed: int, noise: bytes) -> None:
    """Broken documents are a conflict, never an exception."""
    rng = Random(seed)
    texts = [form.write(Style(rng, tag), document(rng)).encode() for tag in ("base", "ours", "theirs")]
    broken = rng.randrange(3)
    place = rng.randint(0, len(texts[broken]))
    texts[broken] = texts[broken][:place] + noise + texts[broken][place + rng.randrange(3) :]
    merged = structured.merge(form.path, *texts)
    assert merged is None or structured.sound(form.path, merged, texts[1], texts[2])


LINES = ["requirements.txt", ".gitignore", ".gitattributes", ".env", "a.toml", "a.yaml", "a.json"]


@MANY
@given(st.sampled_from(LINES), st.none() | st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_arbitrary_bytes_never_make_it_fail(path: str, base: bytes | None, ours: bytes, theirs: bytes) -> None:
    merged = structured.merge(path, base, ours, theirs)
    assert merged is None or isinstance(merged, bytes)
