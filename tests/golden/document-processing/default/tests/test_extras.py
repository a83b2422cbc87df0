"""OCR and a language model behind their ports: a stub engine, and a real server on this machine."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from document_intake import data, extraction, intake, model, ocr
from document_intake.controls.documents.page import Page
from document_intake.controls.documents.reader import Reader, ReadRefused
from document_intake.controls.documents.worker import Refused
from document_intake.controls.paths import Paths
from document_intake.extraction import LanguageModel, NotConfigured, Rules
from document_intake.segments import candidates, segments


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """A plain invoice and a picture."""
    made = data.extract(a_month=30)
    kinds = dict(made.planted.iter_rows())
    picture = next(s for s in made.submissions if kinds.get(s.document_id) == "image only")
    plain = next(s for s in made.submissions if s.source == "plain" and s.document_id not in kinds)
    return {"picture": picture.content, "plain": plain.content}


def lines(_: Any) -> list[ocr.Line]:
    """What an engine finds."""
    return [("Total due", 0.9, (100, 100, 280, 130)), ("smudge", 0.2, (0, 0, 10, 10))]


def test_a_picture_is_read_and_said_to_be(files: dict[str, bytes]) -> None:
    """In points of the page, word by word; a line that is hardly read is left out."""
    (page, *_) = ocr.pages(files["picture"], 20, 10_000, lines)
    assert page.by_ocr and [word.text for word in page.words] == ["Total", "due"]
    total, due = page.words
    assert (total.x0, total.x1, due.x1) == (36.0, 72.0, 100.8)


def test_a_text_layer_is_not_read_again(files: dict[str, bytes]) -> None:
    """And bounds hold as without OCR."""
    (page, *_) = ocr.pages(files["plain"], 20, 10_000, lines)
    assert not page.by_ocr and len(page.words) > 30
    with pytest.raises(Refused):
        ocr.pages(files["plain"], 0, 10_000, lines)


def test_what_ocr_has_read_goes_to_a_person(built: Paths, files: dict[str, bytes]) -> None:
    """Whatever its confidence: it was not measured."""
    from dataclasses import replace

    from document_intake.controls.audit import Privacy

    with Reader() as reader:
        serving = intake.processor(built, reader, Privacy(b"k" * 32))
        pages = reader.read(files["plain"])
    read = serving.understanding.read(tuple(replace(page, by_ocr=True) for page in pages))
    assert read.findings[-1] == intake.BY_OCR and read.values
    assert intake.BY_OCR not in serving.understanding.read(pages).findings


def test_the_engine_is_asked_as_its_package_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corners become boxes; a page on which it finds nothing is empty."""
    corners = [[(10, 20), (50, 20), (50, 40), (10, 40)]]
    full = SimpleNamespace(txts=("12.00",), scores=(0.99,), boxes=corners)
    answers = [full, SimpleNamespace(txts=None, scores=None, boxes=None)]
    module = ModuleType("rapidocr")
    module.RapidOCR = lambda: lambda picture: answers.pop(0)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rapidocr", module)
    engine = ocr.rapidocr()
    assert list(engine(None)) == [("12.00", 0.99, (10.0, 20.0, 50.0, 40.0))]
    assert list(engine(None)) == []


def test_ocr_is_off_unless_it_is_chosen(files: dict[str, bytes]) -> None:
    """And where it is chosen but not installed, the document is refused, not lost."""
    with intake.reader_of({}) as reader:
        assert reader.read(files["picture"])[0].words == ()
    with intake.reader_of({"DOCUMENT_OCR": "rapidocr"}) as reader:
        try:
            assert all(isinstance(page, Page) for page in reader.read(files["picture"]))
        except ReadRefused as refused:
            assert refused.reason == "crash"


class Stub(BaseHTTPRequestHandler):
    """An endpoint that chooses the phrases that it is told to."""

    answer: ClassVar[Any] = None
    asked: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        """Remember what was asked, and answer."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Stub.asked.append((self.path, self.headers["Authorization"], body))
        content = json.dumps(Stub.answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint, on this machine, to which no proxy leads."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Stub) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        Stub.asked = []
        yield f"http://127.0.0.1:{served.server_port}/v1"
        served.shutdown()
        thread.join()


def said(text: str) -> dict[str, Any]:
    """An answer of the chat protocol."""
    return {"choices": [{"message": {"content": text}}]}


def test_a_language_model_chooses_phrases(server: str, files: dict[str, bytes]) -> None:
    """Over the wire: numbers of the right kind count, all else is dropped."""
    with Reader() as reader:
        found = candidates(segments(reader.read(files["plain"])[:1]))
    right = Rules().read("invoice", found)
    places = {
        name: next(n for n, c in enumerate(found) if c.segment == one.segment)
        for name, one in right.items()
    }
    made_up = {"due_date": 9999, "net_total": "12.00", "colour": 1, "tax_total": -1}
    wrong_kind = {"gross_total": places["issue_date"]}
    chosen = {**places, **made_up, **wrong_kind}
    Stub.answer = said(f"Here you are: {json.dumps(chosen)} Anything else?")
    asked = LanguageModel.of({"LLM_BASE_URL": server, "LLM_MODEL": "m", "LLM_API_KEY": "k"})
    read = asked.read("invoice", found)
    assert set(read) == set(right) - {"due_date", "net_total", "tax_total", "gross_total"}
    assert read["invoice_number"].text == right["invoice_number"].text
    ((path, key, body),) = Stub.asked
    assert (path, key, body["model"], body["temperature"]) == (
        "/v1/chat/completions",
        "Bearer k",
        "m",
        0,
    )
    assert right["invoice_number"].text in body["messages"][0]["content"]


@pytest.mark.parametrize(
    "answer", [said("no JSON here"), said("[1, 2]"), {"error": "busy"}, {"choices": []}, said("{")]
)
def test_an_answer_without_sense_reads_nothing(server: str, answer: Any) -> None:
    """The fields are missing then, and a person decides."""
    Stub.answer = answer
    asked = LanguageModel(extraction.endpoint(server, "m", ""))
    assert asked.read("invoice", []) == {}


def test_an_endpoint_that_is_gone_reads_nothing() -> None:
    """Nobody waits for ever, and nothing is made up."""
    asked = LanguageModel(extraction.endpoint("http://127.0.0.1:9/v1", "m", ""))
    assert asked.read("claim", []) == {}


def test_a_language_model_competes_only_where_an_endpoint_is_set() -> None:
    """Else the trained extractor does; a version that needs one says so."""
    assert model.kinds({}) == {"champion": "rules", "challenger": "trained on candidates"}
    assert model.kinds({"LLM_BASE_URL": "x"})["challenger"] == "language model"
    with pytest.raises(NotConfigured, match="LLM_BASE_URL"):
        LanguageModel.of({})
    parts = {"fields": None}
    assert isinstance(intake.extractor_of(parts, "rules"), Rules)
