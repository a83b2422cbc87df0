"""A hostile file harms nothing, persons become tokens, and originals are kept as the rule says."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
import textwrap
import threading
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from document_intake.controls.audit import (
    AuditLog,
    AuditUnavailable,
    EventType,
    Privacy,
)
from document_intake.controls.documents.page import Page, Word, page_of, turned
from document_intake.controls.documents.reader import Bounds, Reader, ReadRefused
from document_intake.controls.documents.records import (
    OriginalChanged,
    OriginalGone,
    Originals,
    Tokens,
    leaks,
)
from document_intake.controls.documents.worker import Refused, pages

UPRIGHT, ASIDE, OVER, OTHER_SIDE = "1 0 0 1", "0 1 -1 0", "-1 0 0 -1", "0 -1 1 0"
TOKENS = Tokens(Privacy(b"k" * 32))
SECRET = "XZ12 3456 7890"
DAY = date(2025, 6, 1)


def pdf(content: str, pages: int = 1, extra: str = "", flate: bool = False) -> bytes:
    """A PDF file whose pages of 600 to 800 points all have this content."""
    stream = zlib.compress(content.encode(), 9) if flate else content.encode()
    filtered = "/Filter /FlateDecode " if flate else ""
    kids = " ".join(f"{5 + number} 0 R" for number in range(pages))
    page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources "
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< {filtered}/Length {len(stream)} >>\nstream\n".encode() + stream + b"\nendstream",
        *[f"{page}<< /Font << /F 3 0 R >> {extra} >> >>".encode()] * pages,
    ]
    out = bytearray(b"%PDF-1.4\n")
    for number, body in enumerate(bodies, start=1):
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    return bytes(out) + b"trailer << /Root 1 0 R /Size 99 >>\n%%EOF\n"


def line(text: str, x: float = 50, y: float = 700, way: str = UPRIGHT) -> str:
    """Text at a place counted from below, in a direction."""
    return f"BT /F 10 Tf {way} {x} {y} Tm ({text}) Tj ET\n"


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One reader for all that is read here."""
    with Reader(Bounds(characters=5000)) as opened:
        yield opened


def test_words_come_with_their_places(reader: Reader) -> None:
    """In the order of the lines, from the left; the place is counted from the top."""
    (page,) = reader.read(
        pdf(line("second line", y=650) + line("Total 12.50") + line("EUR", x=300))
    )
    assert [word.text for word in page.words] == ["Total", "12.50", "EUR", "second", "line"]
    total = page.words[0]
    assert (
        total.x0 == pytest.approx(50, abs=0.5) and 88 < total.top < 95 and 100 < total.bottom < 105
    )
    assert (page.width, page.height, page.turned, page.pictures) == (600, 800, 0, 0)


def test_figures_that_stand_apart_are_two_words(reader: Reader) -> None:
    """Also where no space stands between them."""
    (page,) = reader.read(pdf(line("7") + line("12.50", x=58)))
    assert [word.text for word in page.words] == ["7", "12.50"]


@pytest.mark.parametrize(
    ("way", "places", "degrees"),
    [
        (ASIDE, ((100, 50), (115, 50)), 90),
        (OVER, ((550, 100), (550, 115)), 180),
        (OTHER_SIDE, ((500, 750), (485, 750)), 270),
    ],
)
def test_a_page_that_lies_on_its_side_is_turned(
    reader: Reader, way: str, places: tuple[tuple[float, float], ...], degrees: int
) -> None:
    """Its words are read in order, on their lines, from left to right."""
    texts = ("first line here", "then another")
    drawn = "".join(line(text, *place, way) for text, place in zip(texts, places, strict=True))
    (page,) = reader.read(pdf(drawn))
    assert [word.text for word in page.words] == ["first", "line", "here", "then", "another"]
    assert page.turned == degrees
    assert page.words[0].x0 == pytest.approx(50, abs=1)
    assert page.words[0].top < page.words[3].top
    assert all(0 <= word.x0 < word.x1 <= page.width for word in page.words)
    assert all(0 <= word.top < word.bottom <= page.height for word in page.words)


def test_turning_four_times_brings_a_word_back() -> None:
    """Each quarter moves its box as the page moves."""
    words: tuple[Word, ...] = (Word("a", 10, 20, 30, 40),)
    once = turned(words, 90, 600, 800)
    assert once == (Word("a", 760, 10, 780, 30),)
    assert turned(once, 270, 800, 600) == words
    assert turned(turned(words, 180, 600, 800), 180, 600, 800) == words
    assert turned(words, 0, 600, 800) == words


def test_a_page_without_text_shows_its_picture(reader: Reader) -> None:
    """So that a scan is not taken for an empty page."""
    picture = "BI /W 2 /H 2 /CS /G /BPC 8 ID abcd\nEI"
    (page,) = reader.read(pdf(f"q 600 0 0 800 0 0 cm {picture} Q"))
    assert (page.words, page.pictures) == ((), 1)


def test_a_page_survives_the_way_between_processes() -> None:
    """As plain data and back."""
    page = Page(600, 800, 90, 1, (Word("a", 1, 2, 3, 4),))
    assert page_of(page.content()) == page


REFUSED = {
    "kind": b"MZ this is a program",
    "damaged": b"%PDF-1.4\nnothing of use",
    "pages": pdf(line("a"), pages=21),
    "characters": pdf(
        "".join(line(f"many words {n}", n * 13 % 500, n * 7 % 800) for n in range(600))
    ),
    "size": b"%PDF-" + b"0" * 10_000_000,
}


@pytest.mark.parametrize("reason", sorted(REFUSED))
def test_what_is_beyond_the_bounds_is_refused(reader: Reader, reason: str) -> None:
    """With a word that says why, and the next file is read."""
    with pytest.raises(ReadRefused) as refused:
        reader.read(REFUSED[reason])
    assert refused.value.reason == reason
    assert len(reader.read(pdf(line("a")))) == 1


def test_a_page_has_so_many_words_at_most() -> None:
    """What is made of them takes time that grows with their square; beside the page none count."""
    crowded = "".join(line("a", n % 10 * 50, n // 10 * 50) for n in range(11))
    with Reader(Bounds(words=10)) as bounded:
        with pytest.raises(ReadRefused, match="words"):
            bounded.read(pdf(crowded))
        beside = "".join(line("a", 2000, n * 50) for n in range(11))
        assert len(bounded.read(pdf(line("Total") + beside))[0].words) == 1


def test_a_bomb_does_not_reach_the_service(reader: Reader) -> None:
    """A small file that unpacks to ninety times its size is refused; the next file is read."""
    bomb = pdf("".join(line("ab " * 99, y=y) for y in range(800)) * 250, flate=True)
    assert len(bomb) < 1_000_000
    with Reader(Bounds(seconds=1.0, memory=800_000_000)) as bounded:
        with pytest.raises(ReadRefused):
            bounded.read(bomb)
        assert len(bounded.read(pdf(line("a")))) == 1


def test_the_bounds_hold_inside_the_process_too() -> None:
    """As the process itself applies them."""
    for reason, content in {"damaged": b"%PDF-1.4", "pages": pdf(line("a"), pages=3)}.items():
        with pytest.raises(Refused, match=reason):
            pages(content, 2, 1000)
    with pytest.raises(Refused, match="characters"):
        pages(pdf(line("a" * 50)), 2, 10)


def fake(folder: Path, body: str) -> tuple[str, str]:
    """A reader process that does something else."""
    file = folder / "fake.py"
    file.write_text("import os, sys, time\n" + textwrap.dedent(body))
    return (sys.executable, str(file))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("time.sleep(60)", "time"),
        ("os._exit(9)", "crash"),
        ("print('no answer', flush=True); time.sleep(60)", "crash"),
        ("sys.stdin.buffer.read(20); os.abort()", "crash"),
    ],
)
def test_whatever_happens_to_the_process_is_a_refusal(
    tmp_path: Path, body: str, reason: str
) -> None:
    """It hangs, dies or talks nonsense: the caller gets a word, within its time."""
    with Reader(Bounds(seconds=1.0), fake(tmp_path, body)) as strange:
        for _ in range(2):
            with pytest.raises(ReadRefused) as refused:
                strange.read(pdf(line("a")))
            assert refused.value.reason == reason


def test_the_process_is_given_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads files from strangers does not know the key of the pseudonyms."""
    monkeypatch.setenv("AUDIT_KEY", "s" * 40)
    seen = tmp_path / "seen"
    body = f"open({str(seen)!r}, 'w').write(' '.join(os.environ)); os._exit(0)"
    with Reader(command=fake(tmp_path, body)) as strange, pytest.raises(ReadRefused):
        strange.read(pdf(line("a")))
    assert "PYTHONPATH" in seen.read_text() and "AUDIT_KEY" not in seen.read_text()


def test_the_same_value_has_the_same_token() -> None:
    """Whatever its spaces and case; another kind, value or key has another."""
    token = TOKENS.token("account", SECRET)
    assert token == TOKENS.token("account", "xz1234567890")
    others = {
        TOKENS.token("policy", SECRET),
        TOKENS.token("account", "XZ12 3456 7891"),
        Tokens(Privacy(b"j" * 32)).token("account", SECRET),
    }
    assert token not in others and len(others) == 3
    assert token.startswith("tok:") and "1234" not in token


def test_a_token_passes_redaction_as_it_is() -> None:
    """In the audit log it can be compared."""
    token = TOKENS.token("account", SECRET)
    assert TOKENS.privacy.redact({"value": token}) == {"value": token}


def text(folder: Path) -> None:
    """A log line."""
    (folder / "a.log").write_text("paid to XZ1234567890 today")


def spaced(folder: Path) -> None:
    """Grouped, and in small letters."""
    (folder / "a.json").write_text('{"to": "xz12 3456  7890"}')


def parquet(folder: Path) -> None:
    """A packed column."""
    pl.DataFrame({"a": [SECRET] * 50}).write_parquet(folder / "a.parquet")


def database(folder: Path) -> None:
    """A row of SQLite."""
    with contextlib.closing(sqlite3.connect(folder / "a.db")) as opened:
        opened.execute("create table t (a text)")
        opened.execute("insert into t values (?)", (SECRET,))
        opened.commit()


def archive(folder: Path) -> None:
    """A vocabulary within a packaged model."""
    with zipfile.ZipFile(folder / "a.skops", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("schema.json", f"words: {SECRET}")


@pytest.mark.parametrize("leak", [text, spaced, parquet, database, archive])
def test_a_value_in_clear_is_found(tmp_path: Path, leak: object) -> None:
    """Wherever it hides; but not where it may be, and not in a file without it."""
    (tmp_path / "clean.txt").write_text("nothing of note")
    assert leaks(tmp_path, {SECRET}) == []
    assert callable(leak)
    leak(tmp_path)
    found = leaks(tmp_path, {SECRET})
    assert len(found) == 1 and found[0].startswith("a.")
    assert leaks(tmp_path, {SECRET}, skip=[tmp_path]) == []
    assert leaks(tmp_path, {"another value"}) == []


def test_short_values_are_not_looked_for(tmp_path: Path) -> None:
    """They stand anywhere by chance."""
    (tmp_path / "a.txt").write_text("12 Lane")
    assert leaks(tmp_path, {"12"}) == []


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    """An audit log of its own."""
    with AuditLog(tmp_path / "audit" / "a.jsonl", "/test", Privacy(b"k" * 32)) as opened:
        yield opened


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    """An empty store."""
    return Originals(tmp_path / "originals")


def test_an_original_comes_back_as_it_was(originals: Originals) -> None:
    """By its digest; the same content is kept once, and nobody else may read the file."""
    digest = originals.put(b"content", DAY)
    assert originals.put(b"content", DAY) == digest
    assert originals.get(digest) == b"content"
    assert [kept.digest for kept in originals.all()] == [digest]
    assert (originals.folder / f"{digest}.pdf").stat().st_mode & 0o077 == 0


def test_a_changed_original_is_not_given_out(originals: Originals) -> None:
    """Evidence that was touched is none."""
    digest = originals.put(b"content", DAY)
    (originals.folder / f"{digest}.pdf").write_bytes(b"other")
    with pytest.raises(OriginalChanged):
        originals.get(digest)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "f" * 63, "F" * 64, "0" * 64])
def test_what_is_no_digest_of_an_original_is_not_there(originals: Originals, digest: str) -> None:
    """A path is not followed."""
    with pytest.raises(OriginalGone):
        originals.get(digest)


def test_what_is_due_is_deleted_and_on_record(
    originals: Originals, log: AuditLog, tmp_path: Path
) -> None:
    """Older than its time, not on hold, not in use; a later receipt starts the time anew."""
    names = ("old", "held", "used", "again", "new")
    kept = {name: originals.put(name.encode(), DAY) for name in names[:-1]}
    kept["new"] = originals.put(b"new", date(2025, 8, 1))
    originals.put(b"again", date(2025, 8, 1))
    originals.hold(kept["held"], "dispute 12")
    gone = originals.dispose(date(2025, 8, 31), 60, log, in_use={kept["used"]})
    assert gone == [kept["old"]]
    with pytest.raises(OriginalGone):
        originals.get(kept["old"])
    assert {one.digest for one in originals.all()} == set(kept.values()) - {kept["old"]}
    (event,) = [json.loads(text) for text in log.path.read_text().splitlines()]
    assert (event["type"], event["data"]["after_days"]) == (EventType.DISPOSAL, 60)
    assert kept["old"] in event["data"]["digest"]


def test_a_hold_that_is_lifted_holds_no_more(originals: Originals, log: AuditLog) -> None:
    """And nothing is deleted on its last day."""
    digest = originals.put(b"a", DAY)
    originals.hold(digest, "dispute")
    assert originals.dispose(date(2026, 6, 1), 30, log) == []
    originals.hold(digest, "")
    assert originals.dispose(date(2025, 7, 1), 30, log) == []
    assert originals.dispose(date(2025, 7, 2), 30, log) == [digest]
    with pytest.raises(OriginalGone):
        originals.hold(digest, "too late")


def test_what_cannot_be_recorded_is_not_deleted(
    originals: Originals, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an original would be gone without a trace."""

    def broken(*_: object) -> None:
        raise AuditUnavailable("disk full")

    digest = originals.put(b"a", DAY)
    monkeypatch.setattr(log, "record", broken)
    with pytest.raises(AuditUnavailable):
        originals.dispose(date(2027, 1, 1), 30, log)
    assert originals.get(digest) == b"a"


@pytest.mark.parametrize(
    "drawn",
    [
        "3 Tr " + line("Total"),
        "7 Tr " + line("Total"),
        "1 1 1 rg " + line("Total"),
        "0.97 g " + line("Total"),
    ],
)
def test_a_page_with_text_that_nobody_sees_says_so(reader: Reader, drawn: str) -> None:
    """Painted in no colour, or in that of paper; black text beside it changes nothing."""
    (page,) = reader.read(pdf(drawn + "0 Tr 0 g " + line("Visible", y=650)))
    assert page.hidden and "Visible" in {word.text for word in page.words}


def test_text_beside_the_page_is_not_read(reader: Reader) -> None:
    """Neither beyond the paper nor outside what is shown of it; that there is some is told."""
    beside = pdf(line("Total") + line("off", x=2000))
    cropped = pdf(line("Total") + line("off", y=100)).replace(
        b"/MediaBox", b"/CropBox [0 400 600 800] /MediaBox"
    )
    for content in (beside, cropped):
        (page,) = reader.read(content)
        assert ([word.text for word in page.words], page.hidden) == (["Total"], True)
    (page,) = reader.read(pdf("0.3 g " + line("Total due")))
    assert not page.hidden


@pytest.mark.parametrize(
    ("text", "x", "hidden"), [("LOGISTICS", 548, False), ("123456", 572, True)]
)
def test_a_name_may_run_off_the_page_by_a_letter(
    reader: Reader, text: str, x: float, hidden: bool
) -> None:
    """As long names do; a figure may not."""
    (page,) = reader.read(pdf(line(text, x=x)))
    assert (page.hidden, page.words[0].x1 > 600) == (hidden, not hidden)


def test_the_same_original_from_many_at_once_is_kept_once(originals: Originals) -> None:
    """None of them fails, and no draft stays."""
    failed: list[Exception] = []

    def work() -> None:
        try:
            originals.put(b"x" * 1_000_000, DAY)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and len(originals.all()) == 1
    assert {file.suffix for file in originals.folder.iterdir()} == {".pdf", ".json"}


def test_what_a_kill_left_behind_is_disposed_of_too(originals: Originals, log: AuditLog) -> None:
    """An original without a record, and a draft: by their age, and on record."""
    originals.folder.mkdir()
    old = [originals.folder / f"{'a' * 64}.pdf", originals.folder / f"{'b' * 64}.1.new"]
    for file in old:
        file.write_bytes(b"personal")
        os.utime(file, (1_500_000_000, 1_500_000_000))
    assert originals.received("a" * 64) == date(2017, 7, 14)
    assert originals.dispose(DAY, 30, log) == ["a" * 64, "b" * 64]
    assert not any(file.exists() for file in old)


def test_an_original_is_never_there_without_its_time(
    originals: Originals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed while writing leaves a record, not a file that nobody disposes of."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Originals, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        originals.put(b"content", DAY)
    assert not list(originals.folder.glob("*.pdf"))
