"""Merges by structure: each case of `tests/merges` with its whole outcome, and what is no document at all."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ai_factory import structured
from ai_factory.documents import SIZE_LIMIT

MERGES = Path(__file__).parent / "merges"


class Case(NamedTuple):
    """Three versions of a file and what becomes of them; None: a conflict (or, of the base, no such file)."""

    path: str
    base: bytes | None
    ours: bytes
    theirs: bytes
    merged: bytes | None


def cases() -> Iterator[object]:
    """The cases of all files: `#### name: path`, then `---- version` before each text; `|` ends one without newline."""
    for file in sorted(MERGES.glob("*.txt")):
        for text in re.split(r"^#### ", file.read_text(), flags=re.MULTILINE)[1:]:
            head, *parts = re.split(r"^---- (\w+)\n", text.rstrip("\n") + "\n", flags=re.MULTILINE)
            name, path = head.strip().rsplit(": ", 1)
            found = dict(zip(parts[::2], map(_content, parts[1::2]), strict=True))
            case = Case(path, found.get("base"), found["ours"], found["theirs"], found.get("merged"))
            assert ("merged" in found) != ("conflict" in found), name
            yield pytest.param(case, id=f"{file.stem}: {name}")


def _content(text: str) -> bytes:
    return text.removesuffix("|\n").encode()


@pytest.mark.parametrize("case", list(cases()))
def test_three_versions_and_what_becomes_of_them(case: Case) -> None:
    """The whole text of the result, or a conflict."""
    merged = structured.merge(case.path, case.base, case.ours, case.theirs)
    assert (merged and merged.decode()) == (case.merged and case.merged.decode())


JOINED = {  # name: path, ours, theirs, our document with what it lacks of theirs (None: they do not go together)
    "both have an entry": ("a.yaml", "a: 1\nb: 2\n", "a: 3\nc: 4\n", "a: 1\nc: 4\nb: 2\n"),
    "nothing is lacking": ("a.yaml", "a: 1\nb: [2]\n", "b: 3\n", "a: 1\nb: [2]\n"),
    "an empty document": ("a.yaml", "", "a: 1\n", "a: 1\n"),
    "only comments": ("a.yaml", "---\n# ours", "a: 1\n", "---\n# ours\na: 1\n"),
    "comments and a marker of theirs": ("a.yaml", "# ours\n", "---\na: 1\n", "# ours\n---\na: 1\n"),
    "a document that says null": ("a.yaml", "null\n", "a: 1\n", None),
    "two documents, each with a marker": ("a.yaml", "---\n", "---\na: 1\n", None),
    "several documents": ("a.yaml", "b: 1\n---\nc: 1\n", "a: 1\n", None),
    "a list and a mapping": ("a.yaml", "- 1\n", "a: 1\n", None),
    "two lists": ("a.yaml", "- 1\n", "- 2\n", None),
    "an array and an object": ("a.json", "[]", '{"a": 1}', None),
    "no JSON": ("a.json", "", '{"a": 1}', None),
    "patterns": (".gitignore", "/a\n", "*.pyc\n/a\n", "*.pyc\n/a\n"),
    "patterns, one of ours taken back": (
        ".gitignore",
        "# ours\n/dist\n!/dist/keep\n",
        ".env\nvar/\n/dist\n",
        ".env\nvar/\n# ours\n/dist\n!/dist/keep\n",
    ),
    "patterns, one of theirs taken back": (".dockerignore", "a", "*.pyc\n!keep.pyc\n", "*.pyc\n!keep.pyc\na"),
    "ours takes theirs back": (".gitignore", "*.log\n!.env\n", ".env\n", None),
    "ours takes many back": (".gitignore", "*\n!*.*\n", ".env\n", None),
    "ours takes back a class": (".gitignore", "a\n!*.pyc\n", "*.py[cod]\n", None),
    "theirs hides the folder of what ours takes back": (".gitignore", "/var/*\n!/var/keep\n", "var/\n", None),
    "ours hides what theirs takes back": (".gitignore", ".env*\n!a\n", ".env\n!.env.example\n", None),
    "a line that git makes nothing of": (".gitignore", "!\n", "a\n", "a\n!\n"),
    "ours ignores by a name what theirs takes back": (".gitignore", "a\n!c\n", "b/*\n!b/a\n", None),
    "owners, of whom the last counts": ("CODEOWNERS", "* @us\n", "/ops/ @risk\n", None),
}


@pytest.mark.parametrize("name", JOINED)
def test_a_document_gets_the_entries_that_it_lacks(name: str) -> None:
    """Ours stays where both have one; two documents that do not go together are not said to be one."""
    path, ours, theirs, both = JOINED[name]
    found = structured.joined(path, ours.encode(), theirs.encode())
    assert (None if found is None else found.decode()) == both


def test_a_pattern_that_git_makes_nothing_of_takes_nothing_back() -> None:
    """A line that ends in a backslash matches no file."""
    found = structured.merge(".gitignore", b"a\n", b"a\nx\\\n", b"a\n!/x/y\n")
    assert found == b"a\n!/x/y\nx\\\n"


# ---- what the templates stamp --------------------------------------------------------------------

GOLDEN = Path(__file__).parent / "golden/tabular-decision/default"
CHECKOUT = "      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1\n"


class Edit(NamedTuple):
    """A piece of a stamped file, what the team and the new version make of it, and what comes of both."""

    path: str
    piece: str
    ours: str
    theirs: str
    merged: str


def edit(path: str, piece: str, ours: str, theirs: str) -> Edit:
    """Both put something behind the same piece of a file."""
    return Edit(path, piece, piece + ours, piece + theirs, piece + theirs + ours)


REALISTIC = [
    edit("pyproject.toml", '  "uvicorn>=0.54,<1",\n', '  "xgboost>=3,<4",\n', '  "structlog>=26,<27",\n'),
    edit("pyproject.toml", '  "types-pyyaml>=6.0,<7",\n', '  "ipykernel",\n', '  "types-requests>=2",  # new\n'),
    edit("pyproject.toml", "line-length = 100\n", 'extend-exclude = ["notebooks"]\n', "preview = false\n"),
    Edit(
        "pyproject.toml",
        '"UP", "W"]\n',
        '"UP", "W", "D"]\n\n[tool.ruff.lint.pydocstyle]\nconvention = "google"\n',
        '"UP", "W", "PT"]\n',
        '"UP", "W", "PT", "D"]\n\n[tool.ruff.lint.pydocstyle]\nconvention = "google"\n',
    ),
    Edit(
        "pyproject.toml",
        'module = ["scipy.*", "sklearn.*", "skops.*"]\nignore_missing_imports = true\n',
        'module = ["scipy.*", "sklearn.*", "skops.*"]\nignore_missing_imports = true\n\n[[tool.mypy.overrides]]\n'
        'module = ["ours.*"]\nstrict = false\n',
        'module = ["scipy.*", "sklearn.*", "skops.*"]\nignore_missing_imports = true\nfollow_untyped_imports = true\n',
        'module = ["scipy.*", "sklearn.*", "skops.*"]\nignore_missing_imports = true\nfollow_untyped_imports = true\n\n'
        '[[tool.mypy.overrides]]\nmodule = ["ours.*"]\nstrict = false\n',
    ),
    edit(
        ".pre-commit-config.yaml",
        "        entry: .venv/bin/ruff format --force-exclude\n        language: system\n        types: [python]\n"
        '        exclude: "^(src/credit_line/controls|tests/controls)/"\n',
        "      # notebooks without outputs\n      - id: nbstripout\n        name: nbstripout\n",
        "      - id: mypy\n        name: mypy\n        entry: .venv/bin/mypy\n        pass_filenames: false\n",
    ),
    Edit(
        ".github/workflows/ci.yml",
        CHECKOUT + "        with:\n          persist-credentials: false\n      - uses: actions/setup-python",
        CHECKOUT + "        with:\n          persist-credentials: false\n          lfs: true # the team's models\n"
        "      - uses: actions/setup-python",
        CHECKOUT.replace("3d3c42e5", "00000000").replace("7.0.1", "7.1.0")
        + "        with:\n          persist-credentials: false\n      - uses: actions/setup-python",
        CHECKOUT.replace("3d3c42e5", "00000000").replace("7.0.1", "7.1.0")
        + "        with:\n          persist-credentials: false\n          lfs: true # the team's models\n"
        "      - uses: actions/setup-python",
    ),
    edit(
        ".github/workflows/ci.yml",
        "      - run: make verify-audit\n",
        "      - name: Ours\n        run: |\n          make ours\n",
        "      - run: make bias\n",
    ),
    edit(
        ".github/workflows/ci.yml",
        "      - run: make release-check\n",
        "\n  deploy:\n    runs-on: self-hosted\n    needs: [release]\n    steps:\n      - run: ./deploy\n",
        "\n  # Who runs what.\n  inventory:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: make sbom\n",
    ),
    edit(
        ".github/dependabot.yml",
        "  - package-ecosystem: docker\n    directory: /\n    schedule:\n      interval: weekly\n"
        "    cooldown:\n      default-days: 7\n",
        "  - package-ecosystem: npm\n    directory: /\n    schedule:\n      interval: weekly\n",
        "  - package-ecosystem: pre-commit\n    directory: /\n    schedule:\n      interval: monthly\n",
    ),
    edit(
        "evals/thresholds.yaml",
        "  - { metric: calibration_gap, slice: age_band, at_most: 0.06 }\n",
        "  - { metric: recall, slice: all, at_least: 0.5 }\n",
        "  - { metric: auc, slice: sex, at_least: 0.7 }\n",
    ),
    edit(".gitignore", ".env\n", "notebooks/\n", ".coverage\n"),
    edit(".env.example", "ENVIRONMENT=development\n", "\n# ours\nOURS=1\n", "\n# a port\nPORT=8000\n"),
    edit(".github/CODEOWNERS", "/evals/ @example-org/model-risk\n", "/src/credit_line/ours/ @us\n", "/docs/ @them\n"),
    edit("constraints.txt", "wcwidth==0.9.4\n", "xgboost==3.1\n", "wheel==0.47\n"),
    Edit(
        "constraints.txt",
        "numpy==2.4.6 ; python_full_version < '3.12'\nnumpy==2.5.5 ; python_full_version >= '3.12'\n",
        "numpy==2.4.5 ; python_full_version < '3.12'\nnumpy==2.5.5 ; python_full_version >= '3.12'\n",
        "numpy==2.4.6 ; python_full_version < '3.12'\nnumpy==2.5.6 ; python_full_version >= '3.12'\n",
        "numpy==2.4.5 ; python_full_version < '3.12'\nnumpy==2.5.6 ; python_full_version >= '3.12'\n",
    ),
    edit(
        "contracts/applications.odcs.yaml",
        "        implementation: applied_on <= extracted_on\n",
        "      - type: custom\n        engine: polars-sql\n        name: ours\n        implementation: income > 0\n",
        "      - type: custom\n        engine: polars-sql\n        name: new\n        implementation: age > 17\n",
    ),
]


@pytest.mark.parametrize("row", REALISTIC, ids=lambda row: f"{row.path}: {row.ours.split()[-1]}")
def test_realistic_edits_of_what_the_templates_stamp(row: Edit) -> None:
    base = (GOLDEN / row.path).read_text()
    assert base.count(row.piece) >= 1
    texts = [base.replace(row.piece, piece, 1).encode() for piece in (row.piece, row.ours, row.theirs)]
    merged = structured.merge(row.path, *texts)
    assert (merged and merged.decode()) == base.replace(row.piece, row.merged, 1)


@pytest.mark.parametrize(
    "path", sorted(str(file.relative_to(GOLDEN)) for file in GOLDEN.rglob("*") if structured.format_of(file.name))
)
def test_every_such_file_that_is_stamped_can_be_taken_apart(path: str) -> None:
    """And is put together again to the byte."""
    form = structured.format_of(path)
    assert form
    text = (GOLDEN / path).read_text()
    root = form.read(text)
    assert form.hand(root).write(root) == text


# ---- bytes, limits -------------------------------------------------------------------------------


def test_line_endings_and_a_byte_order_mark_stay_the_teams() -> None:
    base, ours, theirs = b"a: 1\nb: 1\n", b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", b"a: 3\nb: 1\nc: 1\n"
    assert structured.merge("f.yaml", base, ours, theirs) == b"\xef\xbb\xbfa: 3\r\nb: 2\r\nc: 1\r\n"
    assert structured.merge("f.json", b'{"a": 1}', b'{\r\n "a": 2\r\n}', b'{"a": 1, "b": 1}') == (
        b'{\r\n "a": 2,\r\n "b": 1\r\n}'
    )


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in itertools.pairwise("abcdefghij")
)


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs"),
    [
        pytest.param("f.json", "1", "2" + " " * SIZE_LIMIT, "3", id="too large"),
        pytest.param("f.json", "1", "[" * 20_000 + "]" * 20_000, "[]", id="deep JSON"),
        pytest.param("f.yaml", "1", "[" * 5_000 + "]" * 5_000, "[]", id="deep YAML"),
        pytest.param("f.toml", "a = 1", f"a = {'[' * 5_000 + ']' * 5_000}", "a = []", id="deep TOML"),
        pytest.param("f.json", "[]", f"[{'1,' * 20_000}1]", f"[{'1,' * 20_000}1,1]", id="many equal items"),
        pytest.param("f.json", "1", "9" * 10_000, "2", id="a number of any length"),
        pytest.param(".gitignore", "", "a\n" * 60_000, "b\n!c\n" * 20_000, id="many lines"),
        pytest.param("f.env", "A=1\n", "A='" + "x\n" * 10_000, "A=2\n", id="a quote without end"),
    ],
)
def test_what_would_take_too_long_is_a_conflict(path: str, base: str, ours: str, theirs: str) -> None:
    assert structured.merge(path, base.encode(), ours.encode(), theirs.encode()) is None


def test_aliases_are_not_what_they_stand_for() -> None:
    """A few lines may stand for billions: they stay a few lines."""
    found = structured.merge("f.yaml", LAUGHS.encode(), f"{LAUGHS}mine: *j\n".encode(), f"{LAUGHS}new: *j\n".encode())
    assert found == f"{LAUGHS}new: *j\nmine: *j\n".encode()


# ---- what is sound -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["A.b>=1", "a_b>=2"]\n', False),
        ("pyproject.toml", "[project]\ndependencies = [\"a; os_name == 'nt'\", \"a; os_name != 'nt'\"]\n", True),
        ("pyproject.toml", '[tool.x]\nlevels = ["a", "a"]\n', False),
        ("pyproject.toml", '[tool.x]\nargs = ["-a", "-a"]\n', True),
        ("f.yaml", "repos:\n- {repo: x, rev: 1}\n- {repo: x, rev: 2}\n", False),
        ("f.yaml", "repos:\n- {repo: local, hooks: [{id: a}]}\n- {repo: local, hooks: [{id: b}]}\n", True),
        ("f.yaml", "hooks: [{id: a}, {id: a}]\n", False),
        ("f.yaml", "jobs: {a: {steps: [{uses: x@1}, {uses: x@1}]}}\n", True),
        ("f.yaml", "a: 1\na: 2\n", False),
        ("f.yaml", "a: *b\n", False),
        ("f.yaml", "a: &x 1\nb: &x 2\n", True),  # strange, and valid
        ("f.yaml", "? [a]\n: b\n", True),
        ("f.yaml", "a: !unknown {b: 1}\n---\nb: 1\n", True),
        ("requirements.txt", "a==1\nA==2\n", False),
        (".env", "A=1\nA=2\n", False),
        (".env", "if true\n", True),
        (".env", b"\xff\n", False),
        ("notes.md", b"\xff\n", True),
        ("f.json", '{"a": 1} ' + " " * SIZE_LIMIT, True),
        ("f.json", '{"a": 1 ' + " " * SIZE_LIMIT, False),
    ],
)
def test_a_file_is_sound_that_its_readers_take_and_that_says_nothing_twice(
    path: str, content: str | bytes, expected: bool
) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    assert structured.sound(path, data) is expected


def test_what_one_of_the_sides_has_twice_may_stand_twice() -> None:
    twice, once = b'[project]\ndependencies = ["a", "a"]\n', b'[project]\ndependencies = ["a"]\n'
    assert structured.sound("pyproject.toml", twice, once, twice)
    assert not structured.sound("pyproject.toml", twice, once, once)
    assert structured.valid("pyproject.toml", twice)


# ---- entries that move ---------------------------------------------------------------------------

TOML = """\
[tool.old]
# why
level = 3 # ours
other = 1

[tool.old.sub]
x = 1

[tool.z]
q = 1
"""
YAML = """\
# top
old:
  # why
  level: 3 # ours
  list:
    - a
z: 1
"""


@pytest.mark.parametrize(
    ("path", "before", "moves", "after"),
    [
        (
            "f.toml",
            TOML,
            [("tool.old.level", "tool.old.grade")],
            TOML.replace("level = 3", "grade = 3"),
        ),
        (
            "f.toml",
            TOML,
            [("tool.old.level", "tool.new.level")],
            TOML.replace("# why\nlevel = 3 # ours\n", "") + "\n[tool.new]\n# why\nlevel = 3 # ours\n",
        ),
        (
            "f.toml",
            TOML,
            [("tool.old.level", "tool.z.level")],
            TOML.replace("# why\nlevel = 3 # ours\n", "") + "# why\nlevel = 3 # ours\n",
        ),
        ("f.toml", TOML, [("tool.old", 'audit."a b"')], TOML.replace("tool.old", 'audit."a b"')),
        ("f.toml", TOML, [("tool.old.sub.x", "tool.old.level")], None),
        ("f.toml", TOML, [("tool.nothing", "tool.z")], TOML),
        ("f.toml", "a.b = 1\na.c = 2\n", [("a.b", "x.b"), ("x.b", "y")], "y = 1\na.c = 2\n"),
        ("f.toml", "a = { b = 1, c = 2 }\n", [("a.b", "x.y")], "a = { c = 2 }\n\n[x]\ny = 1\n"),
        ("f.toml", "[[a]]\nb = 1\n\n[[a]]\nb = 2\n", [("a", "x.y")], "[[x.y]]\nb = 1\n\n[[x.y]]\nb = 2\n"),
        ("f.toml", "a = [", [("a", "b")], None),
        (
            "f.yaml",
            YAML,
            [("old.level", "new.deep.level")],
            "# top\nold:\n  list:\n    - a\nz: 1\nnew:\n  deep:\n    # why\n    level: 3 # ours\n",
        ),
        ("f.yaml", YAML, [("old", "on")], YAML.replace("old:", '"on":')),
        ("f.yaml", YAML, [("old.level", "z")], None),
        (
            "f.yaml",
            YAML,
            [("old.level", "x"), ("old.list", "old.items")],
            "# top\nold:\n  items:\n    - a\nz: 1\n# why\nx: 3 # ours\n",
        ),
        ("f.json", '{"a": {"b": [1], "c": 2}}\n', [("a.b", "x.y")], '{"a": {"c": 2}, "x": {"y": [1]}}\n'),
        ("f.json", '{"a": {"b": 1}}', [("a.b", "a.c")], '{"a": {"c": 1}}'),
        (".env", "# why\nexport A=1\nB=2\n", [("A", "C")], "# why\nexport C=1\nB=2\n"),
        (".env", "A=1\nB=2\n", [("A", "B")], None),
        (".env", "A=1\nB=1\n", [("A", "x.y")], None),
        ("notes.md", "a\n", [("a", "b")], None),
    ],
)
def test_an_entry_moves_with_its_comments(
    path: str, before: str, moves: list[tuple[str, str]], after: str | None
) -> None:
    found = structured.moved(path, before.encode(), moves)
    assert (found and found.decode()) == after


def test_an_entry_moves_onto_one_that_says_the_same() -> None:
    assert structured.moved("f.toml", b"a = 1\nb = 1\n", [("a", "b")]) == b"b = 1\n"
