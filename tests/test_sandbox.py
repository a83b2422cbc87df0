"""The sandbox: plain templates render as ever; what would run code, differ or explode ends in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_factory import isolate, sandbox
from ai_factory.errors import AuthorError
from ai_factory.sandbox import Templates
from tests.kit import refusal

ANSWERS: Mapping[str, object] = {"word": "ünit", "items": ["a", "b"], "number": 7, "table": {"k": 1}, "yes": True}


def text(source: str, context: Mapping[str, object] = ANSWERS) -> str:
    return Templates(lambda name: None).text(source, context, "here")


def refused(source: str) -> str:
    error = refusal(lambda: text(source))
    assert type(error) is AuthorError
    return error.message


PLAIN = [
    "{{ word }} {{ number }} {{ 1.5 }} {{ yes }} {{ none }}",
    "{{ items }} {{ table }} {{ (1, 2) }} {{ range(3) }}",
    "{{ word ~ '-' ~ number ~ [1] }}|{{ 'a' + 'b' }}|{{ [1] + [2] }}",
    "{% for item in items %}{{ loop.index }}/{{ loop.length }}{{ loop.last }} {{ item }}{% else %}none{% endfor %}",
    "{% for item in [] %}x{% else %}none{% endfor %}",
    "{% for key, value in table | dictsort %}{{ key }}={{ value }}{% endfor %}",
    "{% for x in items if x != 'a' %}{{ x }}{{ loop.first }}{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}",
    "{% macro m(x, y=2) %}<{{ x }}{{ y }}{{ caller() }}>{% endmacro %}{% call m(3, y=4) %}in{% endcall %}",
    "{% set x %}{{ word }}!{% endset %}{{ x | upper }}{% filter lower %}ABC{% endfilter %}",
    "{{ items | join(', ') }} {{ items | map('upper') | join }} {{ items | map('upper') | list }}",
    "{{ word | replace('i', 'oo') }} {{ word.replace('i', '') }} {{ '-'.join(items) }} {{ word.upper() }}",
    "{{ 'x' | center(9) }}|{{ 'x'.ljust(5) }}|{{ 'a\nb' | indent(2, true) }}|{{ '7'.zfill(3) }}",
    "{{ '%-10s|%5.1f|%%|%(a)s'[:12] | format(word, 2.25) }} {{ '**b** 20260101 %s' | format('x') }}",
    "{{ table | tojson }} {{ word | tojson }} {{ [1, 2] | tojson(indent=2) }} {{ '<' | e }}",
    "{{ items | length }} {{ items | first }} {{ [3, 1] | sort }} {{ [1, 2] | sum }} {{ 2.567 | round(1) }}",
    "{{ [1, 2, 3] | batch(2, 0) | list }} {{ [1, 2, 3] | slice(2) | list }}",
    "{{ number * 2 }} {{ number ** 2 }} {{ number % 4 }} {{ number // 2 }} {{ -number }} {{ 'ab' * 3 }}",
    "{{ number > 3 and 'a' in items and missing is not defined }} {{ missing | default('d') }} {{ items[1:] }}",
    "{{ word[1:3] }} {{ items[-1] }} {{ table.k }} {{ table['k'] }} {{ 'k' in table }} {{ table.items() | list }}",
    "{% if word is string and number is odd %}a{% elif yes %}b{% endif %}{# gone #}{% raw %}{{ }}{% endraw %}",
    "{% set space = namespace(n=0) %}{% for i in range(4) %}{% set space.n = space.n + i %}{% endfor %}{{ space.n }}",
    "{{ word | default(5000000000) }} {{ 'x' | int(default=3) }} {{ 'a b' | wordwrap(1) }}",
]


@pytest.mark.parametrize("source", PLAIN)
def test_a_plain_template_renders_as_jinja_does(source: str) -> None:
    assert text(source) == jinja2.Environment(keep_trailing_newline=True).from_string(source).render(ANSWERS)  # noqa: S701


@given(st.text(max_size=40).filter(lambda source: "{" not in source))
def test_text_without_braces_stays_as_it_is(source: str) -> None:
    assert text(source) == source


def test_the_final_newline_is_kept() -> None:
    assert text("{{ word }}\n") == "ünit\n"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ().__class__.__mro__ }}",
        "{{ word.__class__ }}",
        "{{ word | attr('__class__') }}",
        "{{ items | map(attribute='__class__') | join }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{% macro m() %}{% endmacro %}{{ m.__init__ }}",
        "{% for i in items %}{{ loop.__init__ }}{% endfor %}",
        "{{ table.__setitem__('k', 2) }}",
        "{{ items.append('c') }}",
        "{{ table.update({'k': 2}) }}",
        "{{ table.clear() }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{k.__class__}'.format_map(table) }}",
    ],
)
def test_internals_and_changes_of_answers_are_out_of_reach(source: str) -> None:
    message = refused(source)
    assert message.startswith("`here`: access to attribute '")
    assert message.endswith("object is unsafe.")
    assert ANSWERS["items"] == ["a", "b"]
    assert ANSWERS["table"] == {"k": 1}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ 'x' | random }}", "No filter named 'random'."),
        ("{{ now() }}", "'now' is undefined: a component sees its own answers and those of the components it requires"),
        ("{{ items | map('upper') }}", "a generator has no text: add `| list`, or call it"),
        ("{{ word.upper }}", "a builtin_function_or_method has no text: add `| list`, or call it"),
        (
            "{{ lipsum() }}",
            "'lipsum' is undefined: a component sees its own answers and those of the components it requires",
        ),
    ],
)
def test_what_differs_from_run_to_run_is_refused(source: str, reason: str) -> None:
    assert refused(source) == f"`here`: {reason}"


UNSEEN = "a component sees its own answers and those of the components it requires"
LIMITED = "`{}` works on numbers up to 1000000000000 only"
LARGE = "the output of `here` is larger than 8388608 characters"
REFUSED = {
    "{{ 'a' * 10**9 }}": LIMITED.format("*"),
    "{{ 10**9 * 'a' }}": LIMITED.format("*"),
    "{{ [1] * 10**9 }}": LIMITED.format("*"),
    "{{ 10**16**16 }}": LIMITED.format("**"),
    "{{ 2**99 }}": LIMITED.format("**"),
    "{{ '%999999999s' % 1 }}": LIMITED.format("%"),
    "{{ range(10**9) | list }}": "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).",
    "{{ 'x' * 1000 * 1000 * 9 }}": LARGE,
    "{% for i in range(99999) %}" + "x" * 100 + "{% endfor %}": LARGE,
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}": "maximum recursion depth exceeded",
    "{{ " + "(" * 5000 + ")" * 5000 + " }}": "maximum recursion depth exceeded",
    "{% if a %}" * 200 + "{% endif %}" * 200: "too many levels of indentation (<template>, line 209)",
}


@pytest.mark.parametrize(("source", "reason"), REFUSED.items(), ids=[source[:40] for source in REFUSED])
def test_what_makes_much_out_of_little_is_refused(source: str, reason: str) -> None:
    assert refused(source).split(" while")[0].split(" in comparison")[0] == f"`here`: {reason}"


ENDLESS = [
    "{{ '%999999999d' | format(1) }}",
    "{{ '%*d' | format(999999999, 1) }}",
    "{{ '{:999999999}'.format(1) }}",
    "{{ 'x'.ljust(10**9) }}",
    "{{ '\\t'.expandtabs(10**9) }}",
    "{{ (0).to_bytes(10**10, 'big') | length }}",
    "{{ 'x' | center(10**9) }}",
    "{{ 'x' | indent(10**9) }}",
    "{{ [1] | batch(10**10, 'x') | list }}",
    "{{ [1] | slice(10**9) | list }}",
    "{{ [1] | tojson(indent=10**9) }}",
    "{{ 1.5 | round(10**9, 'ceil') }}",
    "{{ ('x' * 1000) | replace('x', 'y' * 1000) | replace('y', 'z' * 1000) | length }}",
    "{{ ('a' * 1000).join('b' * 1000).join('c' * 1000) | length }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% set n = namespace(x='x') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
]


@pytest.mark.parametrize("source", ENDLESS, ids=[source[:40] for source in ENDLESS])
def test_what_only_the_limits_of_the_child_can_stop_ends_in_a_sentence(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox does not count; the child in which it works runs out of memory or time."""
    monkeypatch.setattr(isolate, "MEMORY", 200 * 2**20)
    monkeypatch.setattr(isolate, "SECONDS", 0)
    error = refusal(lambda: isolate.limited(lambda: text(source), "it"))
    assert (type(error), error.message) == (
        AuthorError,
        "it takes more than 200 MiB of memory or 0 seconds to render",
    )


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"t/c/a": "one\n{{ x }}\n"}, f"`t/c/a` line 2: 'x' is undefined: {UNSEEN}"),
        ({"t/c/a": "\n\n{% if %}"}, "`t/c/a` line 3: Expected an expression, got 'end of statement block'"),
        ({"t/c/a": "\n{{ 1 / 0 }}"}, "`t/c/a` line 2: division by zero"),
        ({"t/c/a": "{% include 'b' %}"}, "`t/c/a` line 1: the template `t/c/b` is not in this component"),
        (
            {"t/c/a": "{% include 'b' %}", "t/c/b": "\n{% x %}"},
            "`t/c/a` line 2 (in `t/c/b`): Encountered unknown tag 'x'.",
        ),
        ({"t/c/a": "{% include 'a' %}"}, "`t/c/a` line 1: maximum recursion depth exceeded"),
        ({"t/c/a": "{{ none | dictsort }}"}, "`t/c/a` line 1: 'NoneType' object has no attribute 'items'"),
    ],
)
def test_an_error_names_the_template_and_its_line(sources: dict[str, str], message: str) -> None:
    found = refusal(lambda: Templates(sources.get).render("t/c/a", {}))
    assert (type(found), found.message.split(" while")[0].split(" in comparison")[0]) == (AuthorError, message)


def test_an_include_is_named_relative_to_its_component() -> None:
    sources = {"templates/core/files/x/a.jinja": "{% include 'parts/b' %}!", "templates/core/parts/b": "{{ word }}"}
    assert Templates(sources.get).render("templates/core/files/x/a.jinja", ANSWERS) == "ünit!"


def test_a_value_keeps_its_type() -> None:
    templates = Templates(lambda name: None)
    assert templates.value("[number + 1, items[0]]", ANSWERS, "here") == [8, "a"]


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        *((True, True), (False, False), ("number > 3", True), ("'c' in items", False), ("table", True), ("[]", False)),
        *(
            ("{{ number > 3 }}", True),
            ("{{ number > 9 }}", False),
            ("{% if yes %}no{% endif %}", False),
            ("'off'", False),
        ),
    ],
)
def test_a_condition_is_a_truth_an_expression_or_a_template(expression: bool | str, holds: bool) -> None:
    assert Templates(lambda name: None).truth(expression, ANSWERS, "here") is holds


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        *((word, True) for word in ("y", "Yes", "t", "TRUE", "on", "1", " yes ", "word", "2")),
        *((word, False) for word in ("n", "No", "f", "FALSE", "off", "0", "", " ", "none", "Null")),
        *((1, True), (0, False), ([], False), (["x"], True), (None, False)),
    ],
)
def test_words_for_yes_and_no_are_those_of_yaml_and_copier(value: object, holds: bool) -> None:
    assert sandbox.truthy(value) is holds
