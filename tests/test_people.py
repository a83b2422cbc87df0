"""People are told apart by their addresses, however these are written."""

from __future__ import annotations

import pytest

from ai_factory.people import is_address, person

ONE = "bo@bank.example"
NONE = [
    *("bo@bank.-.example", "bo@bank..example", "bo@-", "bo@bank", ".bo@bank.example", "bo.@bank.example"),
    *("bo@.bank.example", "b..o@bank.example", "bo@-bank.example", "bo@bank-.example", "@bank.example", "bo@"),
    *("bo", "", " ", "bo@b\u00fccher.example", "bo@bank.example@bank.example", f"{'b' * 250}@x.example"),
]


@pytest.mark.parametrize("text", [ONE, "Bo@BANK.example", " bo@bank.example ", "b.o+1@a-b.bank.example", "1@2.co"])
def test_an_address_is_one(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize("text", [*NONE, "bo@bank.example.", "Bo <bo@bank.example>", "mailto:bo@bank.example"])
def test_what_is_no_bare_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_address_is_nobody(text: str) -> None:
    assert person(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        *(ONE, " BO@Bank.Example", "Bo <bo@bank.example>", "mailto:bo@bank.example", "bo+risk@bank.example"),
        *("bo@bank.example.", "bo@bank.example..", "bo@bank.example\u00ad"),
        *("b\u200bo@bank.example", "\uff42o@bank\uff0eexample"),
    ],
)
def test_all_spellings_are_one_person(text: str) -> None:
    """Letters that look the same in other widths, what is not seen, a name around it, a tag, last dots."""
    assert person(text) == ONE
