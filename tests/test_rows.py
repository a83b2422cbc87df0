"""A row of a list is written line by line: comments, order, quotes and layout of everything else stay."""

from __future__ import annotations

import pytest

from ai_factory import documents
from ai_factory.rows import with_part, with_row

REGISTER = """\
# head
roles: ['risk']

approvals:
  # about risk
  - role: risk  # inside
    # deep inside
    covers:
      a: b

  # about the owner
  - role: "owner"   # as it is
    covers: {a: b}
    note: |
      of two
      lines
  # last
after: 1
"""
NEW = {"role": "risk", "covers": {"a": "c"}}
TEXT = "  - role: risk\n    covers:\n      a: c\n"
RISK = "  - role: risk  # inside\n    # deep inside\n    covers:\n      a: b\n"
OWNER = '  - role: "owner"   # as it is\n    covers: {a: b}\n    note: |\n      of two\n      lines\n'


def put(text: str, *gone: int, key: str = "approvals") -> str:
    return with_row(text.encode(), gone, NEW, key).decode()


def test_a_row_takes_the_place_of_another() -> None:
    """With what stands in that one; comments before and after stay."""
    assert put(REGISTER, 0) == REGISTER.replace(RISK, TEXT)
    assert put(REGISTER, 1) == REGISTER.replace(OWNER, TEXT)
    assert put(REGISTER, 0, 1) == REGISTER.replace(RISK, TEXT).replace(OWNER, "")


def test_a_row_comes_at_the_end() -> None:
    assert put(REGISTER) == REGISTER.replace(OWNER, OWNER + TEXT)


def test_a_part_comes_at_the_end_of_its_row_or_in_its_own_place() -> None:
    once = with_part(REGISTER.encode(), "approvals", 0, "confirmed", {"by": "x"}).decode()
    assert once == REGISTER.replace(RISK, RISK + "    confirmed:\n      by: x\n")
    again = with_part(once.encode(), "approvals", 0, "confirmed", {"by": "y", "on": "z"}).decode()
    assert again == once.replace("      by: x\n", "      by: y\n      on: z\n")
    assert with_part(REGISTER.encode(), "approvals", 1, "confirmed", {"by": "x"}).decode() == REGISTER.replace(
        OWNER, OWNER + "    confirmed:\n      by: x\n"
    )


def test_the_layout_of_the_file_is_kept() -> None:
    """Dashes at the left, the line ends of Windows, and no line end at the end."""
    flat = "approvals:\n- role: owner\n  covers:\n    a: b"
    assert put(flat) == f"{flat}\n- role: risk\n  covers:\n    a: c\n"
    assert put(flat.replace("\n", "\r\n")) == f"{flat}\n- role: risk\n  covers:\n    a: c\n".replace("\n", "\r\n")


def test_a_list_at_the_top() -> None:
    assert put("# head\n- a: 1 # x\n", key="") == "# head\n- a: 1 # x\n- role: risk\n  covers:\n    a: c\n"
    assert put("# head\n", key="") == "# head\n  - role: risk\n    covers:\n      a: c\n"
    flow = "# head\n- {a: 1} # x\n# between\n- {a: 2} # y\n"
    assert put(flow, 0, key="") == "# head\n- role: risk\n  covers:\n    a: c\n# between\n- {a: 2} # y\n"


@pytest.mark.parametrize(
    "text",
    [
        "approvals: []\n",
        "approvals:\n",
        "approvals: [{role: owner, covers: {}}]\n",
        "approvals:\n  - {role: owner, covers: {}}\n",
        "approvals:\n  - &x\n    role: owner\n    covers: {}\n",
        "approvals:\n  -\n    role: owner\n    covers: {}\n",
        "approvals: &all\n  - role: owner\n    covers: {}\nother: *all\n",
    ],
)
def test_another_layout_holds_the_same_rows_afterwards(text: str) -> None:
    """Whatever its lines."""
    before = documents.load(text.encode(), "x")["approvals"] or []
    assert documents.load(put(text).encode(), "x")["approvals"] == [*before, NEW]
    if before:
        assert documents.load(put(text, 0).encode(), "x")["approvals"] == [NEW]
        row = {**before[0], "confirmed": {"by": "x"}}
        made = with_part(text.encode(), "approvals", 0, "confirmed", {"by": "x"})
        assert documents.load(made, "x")["approvals"] == [row]
