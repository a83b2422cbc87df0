"""Writes small PDF files: text in two standard fonts, lines, and a picture of a page.

Only the generator of synthetic documents needs it. The same pages give the same bytes: there is no
date, no identifier and no compression in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 595, 842  # A4 in points
FONTS = ("Helvetica", "Helvetica-Bold")
# Widths of Helvetica in thousandths, as far as figures need them; 600 stands in for the rest.
WIDTHS = {**dict.fromkeys("0123456789", 556), **dict.fromkeys("., ", 278), "-": 333}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of black (0) and white (1) points, eight in a byte, each row filled up."""

    width: int
    height: int
    bits: bytes


@dataclass(slots=True)
class Page:
    """One page; `y` runs down from the top, as in what is read from it.

    `shake` moves each text a little up or down, as on a scan; `sideways` lays the page on its side.
    """

    sideways: bool = False
    shake: Callable[[], float] = lambda: 0.0
    picture: Picture | None = None
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, size: float = 10, bold: bool = False) -> None:
        """Text whose left end stands at x, on the line y."""
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        place = f"1 0 0 1 {x:.2f} {HEIGHT - y + self.shake():.2f} Tm"
        self.parts.append(f"BT /F{int(bold)} {size:g} Tf {place} ({escaped}) Tj ET")

    def right(self, x: float, y: float, text: str, size: float = 10, bold: bool = False) -> None:
        """Figures whose right end stands at x, on the line y."""
        width = sum(WIDTHS.get(letter, 600) for letter in text) * size / 1000
        self.text(x - width, y, text, size, bold)

    def rule(self, x: float, y: float, to: float) -> None:
        """A thin line from x to `to`."""
        self.parts.append(f"0.5 w {x:g} {HEIGHT - y:g} m {to:g} {HEIGHT - y:g} l S")


def written(pages: Sequence[Page]) -> bytes:
    """The pages as a PDF file."""
    fonts = [f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} >>".encode() for name in FONTS]
    first = 3 + len(fonts)
    bodies = [part for number, page in enumerate(pages) for part in _page(page, first + 3 * number)]
    kids = " ".join(f"{first + 3 * number} 0 R" for number in range(len(pages)))
    tree = f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()
    return _file([b"<< /Type /Catalog /Pages 2 0 R >>", tree, *fonts, *bodies])


def _page(page: Page, number: int) -> list[bytes]:
    """Three objects: the page, its content, and its picture (or nothing)."""
    drawn = [f"q {WIDTH} 0 0 {HEIGHT} 0 0 cm /P Do Q"] if page.picture else []
    laid = [f"0 1 -1 0 {HEIGHT} 0 cm"] if page.sideways else []
    width, height = (HEIGHT, WIDTH) if page.sideways else (WIDTH, HEIGHT)
    content = "\n".join([*laid, *drawn, *page.parts]).encode("cp1252")
    named = f" /XObject << /P {number + 2} 0 R >>" if page.picture else ""
    head = (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}]"
        f" /Resources << /Font << /F0 3 0 R /F1 4 0 R >>{named} >> /Contents {number + 1} 0 R >>"
    )
    return [head.encode(), _stream("", content), _picture(page.picture)]


def _picture(picture: Picture | None) -> bytes:
    if picture is None:
        return b"null"
    size = f"/Width {picture.width} /Height {picture.height}"
    kind = "/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 1 "
    return _stream(kind + size, picture.bits)


def _stream(head: str, content: bytes) -> bytes:
    return f"<< {head} /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream"


def _file(objects: Sequence[bytes]) -> bytes:
    """Objects, the table of where each begins, and the trailer."""
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    start = len(out)
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
    out += f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)
