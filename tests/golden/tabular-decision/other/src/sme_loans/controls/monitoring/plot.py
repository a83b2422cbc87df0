"""Small plots as inline SVG, made of text, and their style: no script, no font, no library."""

from collections.abc import Sequence
from html import escape

from .statistics import Binned

ROW = 20
LABEL = 190
WIDTH = 640
TALL = 110
WIDE = 280
STYLE = """\
:root { color-scheme: light dark; --ink: #1d2329; --paper: #ffffff; --soft: #e6e9ed; --grey:
  #8b95a1; --blue: #2463a6; --red: #b3261e; --green: #1b6e3c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --paper: #15191e; --soft:
  #2b323a; --grey: #7d8894; --blue: #78b0ec; --red: #ff8a80; --green: #7fd6a0; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui,
  sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
.wide { overflow-x: auto; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--soft);
  vertical-align: top; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.bad { color: var(--red); font-weight: 600; }
.good { color: var(--green); font-weight: 600; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem
  1.5rem; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
.reference { fill: var(--grey); background: var(--grey); }
.current { fill: var(--blue); background: var(--blue); }
.over { fill: var(--red); }
.limit { stroke: var(--ink); stroke-dasharray: 4 3; }
.axis { stroke: var(--soft); }
.key { display: inline-block; width: .7rem; height: .7rem; margin: 0 .2rem 0 .8rem; }
"""


def bars(values: Sequence[tuple[str, float, bool]], limit: float, title: str) -> str:
    """Horizontal bars (name, value, beyond the limit) with the limit as a dashed line."""
    longest = max([limit, *(value for _, value, _ in values)]) or 1.0
    scale = (WIDTH - LABEL - 60) / longest
    height = ROW * len(values) + 8
    at = LABEL + limit * scale
    rows = "".join(_bar(number, row, scale) for number, row in enumerate(values))
    line = f'<line class="limit" x1="{at:.1f}" y1="0" x2="{at:.1f}" y2="{height}"/>'
    return _svg(WIDTH, height, title, rows + line)


def _bar(number: int, row: tuple[str, float, bool], scale: float) -> str:
    name, value, over = row
    top, length = number * ROW + 4, max(value * scale, 1.0)
    kind = "over" if over else "current"
    return (
        f'<text x="{LABEL - 8}" y="{top + 11}" text-anchor="end">{escape(name)}</text>'
        f'<rect class="{kind}" x="{LABEL}" y="{top}" width="{length:.1f}" height="{ROW - 6}"/>'
        f'<text x="{LABEL + length + 6:.1f}" y="{top + 11}">{value:.3f}</text>\n'
    )


def histogram(name: str, binned: Binned) -> str:
    """Pairs of bars: the share of the reference and of the current window in each bin."""
    largest = max([*binned.reference, *binned.current], default=1.0) or 1.0
    step = WIDE / max(len(binned.labels), 1)
    pairs = zip(binned.labels, binned.reference, binned.current, strict=True)
    body = "".join(
        _column(step * n, step, "reference", label, r / largest, r)
        + _column(step * (n + 0.44), step, "current", label, c / largest, c)
        for n, (label, r, c) in enumerate(pairs)
    )
    caption = f'<text x="0" y="12">{escape(name)}</text>'
    axis = f'<line class="axis" x1="0" y1="{TALL}" x2="{WIDE}" y2="{TALL}"/>'
    ends = _ends(binned.labels)
    return _svg(WIDE, TALL + 16, f"Distribution of {name}", caption + body + axis + ends)


def _column(left: float, step: float, kind: str, label: str, part: float, share: float) -> str:
    tall = part * (TALL - 20)
    return (
        f'<rect class="{kind}" x="{left:.1f}" y="{TALL - tall:.1f}" width="{step * 0.42:.1f}" '
        f'height="{tall:.1f}"><title>{escape(label)}: {kind} {share:.1%}</title></rect>'
    )


def _ends(labels: Sequence[str]) -> str:
    """The first and the last bin, named below the axis."""
    if not labels:
        return ""
    last = f'<text x="{WIDE}" y="{TALL + 13}" text-anchor="end">{escape(labels[-1])}</text>'
    return f'<text x="0" y="{TALL + 13}">{escape(labels[0])}</text>{last}'


def _svg(width: int, height: int, title: str, body: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>\n{body}</svg>"
    )
