"""The Jinja that templates may use: no code, no clock, no chance, no explosion, the same bytes every time.

Rules of this file: a template sees plain data and Jinja's own filters; whatever differs from run to run or
can grow without bound is taken away; an undefined name is an error; what is left renders as Copier does.
All that the templates of one rendering make or look at is counted, so that one which would run for ever, or
fill the memory, ends in the same sentence on every machine.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import GeneratorType
from typing import Any

from jinja2 import BaseLoader, BytecodeCache, StrictUndefined, Template, TemplateNotFound, Undefined, nodes
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from ai_factory.errors import AuthorError

OUTPUT_LIMIT = 8 * 1024 * 1024  # characters of one rendered file
NUMBER_LIMIT = 10**12  # beyond it, neither a factor nor a result is a template's business
REPEAT_LIMIT = 1000  # times that a text may be repeated by `*`
WORK_LIMIT = 32 * 1024 * 1024  # characters and items that all templates of one rendering may handle
STEP = 64  # what a round of a loop, a call or a filter counts for, besides what it handles
ITEM = 8  # what a value counts for, besides its characters
TAKEN_AWAY = ("random", "pprint", "urlize", "lipsum", "striptags")
FORBIDDEN = frozenset({"format", "format_map", "translate", "expandtabs", "encode", "to_bytes"})  # methods
# what may give more than it takes: by the size of the value, times its numbers and texts
WIDENING = frozenset({"center", "ljust", "rjust", "zfill", "indent", "batch", "slice", "tojson", "round"})
INSERTING = frozenset({"join", "replace", "wordwrap"})  # here numbers do no harm
_WIDTHS = re.compile(r"%(?:\([^)]*\))?[-#+ 0]*(\*|\d*)(?:\.(\*|\d*))?")  # width and precision
PLAIN = (str, int, float, list, tuple, dict, range, type(None), Undefined)

Context = Mapping[str, Any]
_Operators: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(_Operators)

    def __init__(self, sources: _Sources, cache: BytecodeCache | None) -> None:
        super().__init__(
            loader=sources,
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            autoescape=False,
            bytecode_cache=cache,
            cache_size=-1,
            auto_reload=False,
            finalize=self._shown,
        )
        self.spent = 0
        self.filters = {name: self._counted(name, function) for name, function in self.filters.items()}
        self.tests = {name: self._counted(name, function) for name, function in self.tests.items()}
        self.filters |= {"_rounds": self._rounds, "_concatenated": self._concatenated, "_handled": self._handled}
        for name in TAKEN_AWAY:
            self.filters.pop(name, None)
            self.globals.pop(name, None)

    def charge(self, amount: int) -> None:
        """Count work. Raises SecurityError when the templates have done too much."""
        self.spent += amount
        if self.spent > WORK_LIMIT:
            raise SecurityError(f"the templates do more than {WORK_LIMIT} steps of work")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = all(isinstance(value, (int, float)) and abs(value) <= NUMBER_LIMIT for value in (left, right))
        repeated = operator == "*" and isinstance(left, str) and isinstance(right, int) and right <= REPEAT_LIMIT
        added = operator == "+" and isinstance(left, (str, list, tuple))
        if not (numbers or repeated or added) or (operator == "**" and abs(right) > 16):
            raise SecurityError(f"`{operator}` works on numbers up to {NUMBER_LIMIT} only")
        self.charge(STEP + (_size(left) * max(right, 1) if repeated else _size(left) + _size(right)))
        return _Operators[operator](left, right)

    def join_path(self, template: str, parent: str) -> str:
        """An include is named relative to its component (`templates/NAME`), as Copier has it."""
        return "/".join([*parent.split("/")[:2], template])

    def get_template(self, name: Any, *rest: Any, **more: Any) -> Any:
        """The template, counted each time that it is included."""
        found = super().get_template(name, *rest, **more)
        assert isinstance(self.loader, _Sources)
        self.charge(STEP + self.loader.sizes.get(str(found.name), 0))
        return found

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr not in FORBIDDEN and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if super().wrap_str_format(value) is not None:
            raise SecurityError(f"`str.{value.__name__}` is not available: use `~` or the filter `format`")
        return None

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what a template calls: a macro, or a method of a value."""
        given = tuple(map(_listed, args))
        owner = getattr(obj, "__self__", None)
        name = str(getattr(obj, "__name__", "")) if isinstance(owner, (str, int, float)) else ""
        self._foresee(name, (owner, *given, *kwargs.values()))
        result = super().call(context, obj, *given, **kwargs)
        self.charge(STEP + _size(result))
        return result

    def _counted(self, name: str, function: Any) -> Callable[..., Any]:
        """The filter or test, with what goes in and comes out counted."""
        skipped = 1 if hasattr(function, "jinja_pass_arg") else 0

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            given = tuple(map(_listed, args))
            self._foresee(name, (*given[skipped:], *kwargs.values()))
            result = function(*given, **kwargs)
            self.charge(STEP + _size(result))
            return self._shown(result) if name == "string" else result

        return counted

    def _foresee(self, name: str, values: Sequence[Any]) -> None:
        """Refuse what would grow too much, before it does."""
        self.charge(sum(map(_size, values)))
        if _growth(name, values) > OUTPUT_LIMIT:
            raise SecurityError(f"what `{name}` gives here is larger than {OUTPUT_LIMIT} characters")

    def _rounds(self, values: Iterable[Any], weight: int) -> Iterator[Any]:
        """The values of a loop, each round counted with the text that it writes."""
        for value in values:
            self.charge(STEP + weight)
            yield value

    def _concatenated(self, values: Sequence[Any]) -> str:
        """What `~` gives."""
        return "".join(str(self._shown(value)) for value in values)

    def _handled(self, value: Any) -> Any:
        self.charge(_size(value))
        return value

    def _shown(self, value: Any) -> Any:
        """A value on its way to text. Raises SecurityError for what has no text that is the same each time."""
        if not isinstance(value, PLAIN):
            raise SecurityError(f"a {type(value).__name__} has no text: add `| list`, or call it")
        self.charge(STEP + _size(value))
        return value

    def _generate(self, source: nodes.Template, *rest: Any, **more: Any) -> str:
        return super()._generate(_Counting(self).visit(source), *rest, **more)


class _Counting(NodeTransformer):
    """Rewrites a parsed template so that what Jinja does without asking the sandbox is counted too."""

    def __init__(self, environment: _Sandbox) -> None:
        self.environment = environment

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802, Jinja names it so
        self.generic_visit(node)
        weight = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
        node.iter = self._through("_rounds", node.iter, nodes.Const(weight))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._through("_concatenated", nodes.List(node.nodes, lineno=node.lineno))

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        self.generic_visit(node)
        places: tuple[Any, ...] = (node, *node.ops)
        for place in places:
            place.expr = self._through("_handled", place.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Getitem:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = self._through("_handled", node.node)
        return node

    def _through(self, name: str, node: Any, *arguments: nodes.Expr) -> nodes.Filter:
        made = nodes.Filter(node, name, list(arguments), [], None, None)
        return made.set_lineno(node.lineno).set_environment(self.environment)  # type: ignore[return-value]


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, GeneratorType) else value


def _size(value: Any) -> int:
    """Characters and items of a value, those of inner values included; far beyond the limits it stops counting."""
    total, waiting = 0, [value]
    while waiting and total <= WORK_LIMIT:
        item = waiting.pop()
        total += ITEM + (len(item) if isinstance(item, (str, bytes, range)) else 0)
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple)):
            waiting += item
    return total


def _growth(name: str, values: Sequence[Any]) -> int:
    """An upper bound of the size of what a filter or method gives; 0 where it gives no more than it takes."""
    if name == "sum" and any(isinstance(value, (str, list, tuple)) for value in values[1:]):
        raise SecurityError("`sum` adds numbers only")
    if name == "format":
        return _formatted(str(values[0])) * _size(values[0])
    if name not in WIDENING | INSERTING:
        return 0
    total = _size(values[0])
    for value in values[2:] if name == "replace" else values[1:]:
        number = isinstance(value, int) and not isinstance(value, bool)
        total *= (abs(value) or 1 if name in WIDENING else 1) if number else _size(value)
    return total


def _formatted(text: str) -> int:
    """The largest width that a `%` format asks for."""
    widths = [width for place in _WIDTHS.findall(text) for width in place if width]
    if "*" in widths:
        raise SecurityError("a width in `format` stands in its text, not in `*`")
    return max((int(width[:9]) for width in widths), default=1)


class _Sources(BaseLoader):
    def __init__(self, read: Callable[[str], str | None]) -> None:
        self.read = read
        self.sizes: dict[str, int] = {}

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        source = self.read(template)
        if source is None:
            raise TemplateNotFound(template)
        self.sizes[template] = len(source)
        return source, template, lambda: True


class Templates:
    """Renders the templates that `read` gives by name; names appear in error messages as they are."""

    def __init__(self, read: Callable[[str], str | None], cache: BytecodeCache | None = None) -> None:
        self._texts: dict[str, Template] = {}
        self._environment = _Sandbox(_Sources(read), cache)

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
                self._texts[source] = self._environment.from_string(source)
            return _joined(self._texts[source].generate(dict(context)), where)

    def value(self, expression: str, context: Context, where: str) -> Any:
        """The value of one Jinja expression."""
        with _blaming(where, inline=True):
            return self._environment.compile_expression(expression, undefined_to_none=False)(dict(context))

    def truth(self, expression: bool | str, context: Context, where: str) -> bool:
        """Whether a condition holds: true or false as they stand, `{{ … }}` rendered, else an expression."""
        if isinstance(expression, bool):
            return expression
        if "{{" in expression or "{%" in expression:
            return truthy(self.text(expression, context, where))
        return truthy(self.value(expression, context, where))


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
    MemoryError,
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
