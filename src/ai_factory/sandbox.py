"""The Jinja that templates may use: no code, no clock, no chance, the same bytes every time.

Rules of this file: a template sees plain data and Jinja's own filters; what differs from run to run, or makes
much out of little, is taken away; an undefined name is an error; what is left renders as Copier does. A
stranger's templates are rendered in a child whose memory and time are limited (`isolate`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from jinja2 import BaseLoader, BytecodeCache, StrictUndefined, Template, TemplateNotFound, Undefined, nodes
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ai_factory.errors import AuthorError

OUTPUT_LIMIT = 8 * 1024 * 1024  # characters of one rendered file
NUMBER_LIMIT = 10**12  # beyond it, neither a factor nor a result is a template's business
POWER_LIMIT = 16
REPEAT_LIMIT = 1000  # times that a text may be repeated by `*`
TAKEN_AWAY = ("random", "pprint", "urlize", "striptags", "lipsum")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")  # as git has them: a form feed ends none
_MARK = re.compile("\0([^\0]*)\0([0-9]+)\0")
PLAIN = (str, int, float, list, tuple, dict, range, type(None), Undefined)

Context = Mapping[str, Any]
_Operators: Mapping[str, Callable[[Any, Any], Any]] = {
    "*": lambda left, right: left * right,
    "**": lambda left, right: left**right,
    "%": lambda left, right: left % right,
}


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(_Operators)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = all(isinstance(value, (int, float)) and abs(value) <= NUMBER_LIMIT for value in (left, right))
        repeated = operator == "*" and isinstance(left, str) and isinstance(right, int) and right <= REPEAT_LIMIT
        if not (numbers or repeated) or (operator == "**" and abs(right) > POWER_LIMIT):
            raise SecurityError(f"`{operator}` works on numbers up to {NUMBER_LIMIT} only")
        return _Operators[operator](left, right)

    def join_path(self, template: str, parent: str) -> str:
        """An include is named relative to its component (`templates/NAME`), as Copier has it."""
        return "/".join([*parent.split("/")[:2], template])


def _shown(value: Any) -> Any:
    """A value on its way to text. Raises SecurityError for what has no text that is the same each time."""
    if not isinstance(value, PLAIN):
        raise SecurityError(f"a {type(value).__name__} has no text: add `| list`, or call it")
    return value


class _Traced(_Sandbox):
    """Templates whose output says, before each piece, from which template and line it comes."""

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for output in list(tree.find_all(nodes.Output)):
            output.nodes = [piece for node in output.nodes for piece in _marked(node, name or "")]
        return tree


def _marked(node: nodes.Expr, name: str) -> Iterator[nodes.Expr]:
    if not isinstance(node, nodes.TemplateData):
        yield from (nodes.TemplateData(_mark(name, node.lineno), lineno=node.lineno), node)
        return
    for line, text in enumerate(_LINES.findall(node.data), node.lineno):
        yield nodes.TemplateData(_mark(name, line) + text, lineno=line)


def _mark(name: str, line: int) -> str:
    return f"\0{name}\0{line}\0"


class _Sources(BaseLoader):
    def __init__(self, read: Callable[[str], str | None]) -> None:
        self.read = read

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        source = self.read(template)
        if source is None:
            raise TemplateNotFound(template)
        return source, template, lambda: True


def _environment(
    kind: type[_Sandbox], read: Callable[[str], str | None], cache: BytecodeCache | None = None
) -> _Sandbox:
    made = kind(
        loader=_Sources(read),
        undefined=StrictUndefined,
        finalize=_shown,
        keep_trailing_newline=True,
        autoescape=False,
        bytecode_cache=cache,
        cache_size=-1,
        auto_reload=False,
    )
    for name in TAKEN_AWAY:
        made.filters.pop(name, None)
        made.globals.pop(name, None)
    return made


def line_origins(read: Callable[[str], str | None], name: str, context: Context) -> tuple[str, list[tuple[str, int]]]:
    """The rendered template, and for each of its lines the template and line that its first word is from.

    A template that looks at its own output may render otherwise here: who asks compares. Raises AuthorError.
    """
    environment = _environment(_Traced, read)
    with _blaming(name):
        marked = _joined(environment.get_template(name).generate(dict(context)), name)
    pieces = _MARK.split(marked)
    found: list[tuple[str, int]] = []
    begins = blank = True  # where the line has nothing yet, and where it has no word yet
    for template, line, piece in zip(["", *pieces[1::3]], ["0", *pieces[2::3]], pieces[::3], strict=True):
        for part in _LINES.findall(piece):
            if begins:
                found.append((template, int(line)))
            elif blank and part.strip():
                found[-1] = (template, int(line))
            begins = part.endswith("\n")
            blank = begins or (blank and not part.strip())
    return "".join(pieces[::3]), found


class Templates:
    """Renders the templates that `read` gives by name; names appear in error messages as they are."""

    def __init__(self, read: Callable[[str], str | None], cache: BytecodeCache | None = None) -> None:
        self._texts: dict[str, Template] = {}
        self._environment = _environment(_Sandbox, read, cache)
        # a text belongs to no file, so there is nothing that it could include
        self._inline = self._environment.overlay(loader=_Sources(lambda name: None), bytecode_cache=None)

    def render(self, name: str, context: Context) -> str:
        """The rendered template. Raises AuthorError with file and line."""
        with _blaming(name):
            return _joined(self._environment.get_template(name).generate(dict(context)), name)

    def text(self, source: str, context: Context, where: str) -> str:
        """A short template given as text, such as a default or a path."""
        if "{" not in source:
            return source
        with _blaming(where, inline=True):
            if source not in self._texts:
                self._texts[source] = self._inline.from_string(source)
            return _joined(self._texts[source].generate(dict(context)), where)

    def value(self, expression: str, context: Context, where: str) -> Any:
        """The value of one Jinja expression."""
        with _blaming(where, inline=True):
            return self._inline.compile_expression(expression, undefined_to_none=False)(dict(context))

    def truth(self, expression: bool | str, context: Context, where: str) -> bool:
        """Whether a condition holds: true or false as they stand, `{{ … }}` rendered, else an expression."""
        if isinstance(expression, bool):
            return expression
        if "{{" in expression or "{%" in expression:
            return truthy(self.text(expression, context, where))
        return truthy(self.value(expression, context, where))


def syntax(source: str, where: str) -> nodes.Template:
    """The template as its parts, nothing of it run. Raises AuthorError with file and line."""
    with _blaming(where):
        return _Sandbox().parse(source, where)


def tokens(source: str) -> Iterator[tuple[str, str]]:
    """What a template is made of, in order: the kind of each piece and its text, without the space that tags take."""
    for _, kind, text in _environment(_Sandbox, lambda name: None).lex(source):
        yield kind, text


def truthy(value: Any) -> bool:
    """Whether a rendered condition means yes (the words that YAML and Copier take for it)."""
    if isinstance(value, str):
        return value.strip().lower() in ("y", "yes", "t", "true", "on", "1") or (
            value.strip().lower() not in ("", "n", "no", "f", "false", "off", "0", "none", "null")
        )
    return bool(value)


def _joined(pieces: Iterator[str], name: str) -> str:
    total, kept = 0, []
    for piece in pieces:
        total += len(piece)
        if total > OUTPUT_LIMIT:
            raise SecurityError(f"the output of `{name}` is larger than {OUTPUT_LIMIT} characters")
        kept.append(piece)
    return "".join(kept)


MISTAKES = (  # what a template can make Jinja and Python raise
    TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


@contextmanager
def _blaming(where: str, inline: bool = False) -> Iterator[None]:
    """Turn what Jinja raises into one sentence with the template's file and line."""
    try:
        yield
    except MISTAKES as error:
        line = "" if inline else _line(error, where)
        raise AuthorError(f"`{where}`{line}: {_reason(error)}") from error


def _line(error: Exception, where: str) -> str:
    if isinstance(error, TemplateSyntaxError):
        other = f" (in `{error.name}`)" if error.name and error.name != where else ""
        return f" line {error.lineno}{other}"
    return "".join(f" line {line}" for line in _template_lines(error.__traceback__, where)[-1:])


def _template_lines(trace: Any, name: str) -> Sequence[int]:
    lines = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines


def _reason(error: BaseException) -> str:
    if isinstance(error, UndefinedError):
        return f"{error.message}: a component sees its own answers and those of the components it requires"
    if isinstance(error, TemplateNotFound):
        return f"the template `{error}` is not in this component"
    text = str(getattr(error, "message", None) or error)
    return text.splitlines()[0] if text else type(error).__name__
