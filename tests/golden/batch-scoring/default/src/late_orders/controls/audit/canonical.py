"""Canonical JSON as in RFC 8785, so that equal values have equal bytes."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

# RFC 8785 keeps to I-JSON (RFC 7493): an integer beyond 2**53 is not the same number everywhere.
LARGEST_INTEGER = 2**53 - 1
_WORDS = {None: "null", True: "true", False: "false"}


def canonical(value: object) -> bytes:
    """The RFC 8785 bytes of a JSON value; ValueError for what JSON cannot carry."""
    return _text(value).encode("utf-8")


def _text(value: object) -> str:
    """By type, the frequent ones first: a log spends much of its time here."""
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, bool) or value is None:
        return _WORDS[value]
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return f"[{','.join([_text(item) for item in value])}]"
    if isinstance(value, Mapping):
        return _object(value)
    raise ValueError(f"{type(value).__name__} is not a JSON value")


def _object(value: Any) -> str:
    write, text = encode_basestring, _text
    members = [
        f"{write(key)}:{write(item) if type(item := value[key]) is str else text(item)}"
        for key in _ordered(value)
    ]
    return "{" + ",".join(members) + "}"


def _ordered(keys: Iterable[Any]) -> list[str]:
    """By UTF-16 units, which for ASCII is the order that Python has."""
    try:
        plain = "".join(keys).isascii()
    except TypeError as error:
        raise ValueError(f"an object key must be text: {error}") from error
    return sorted(keys) if plain else sorted(keys, key=lambda key: str(key).encode("utf-16-be"))


def _integer(value: int) -> str:
    if abs(value) > LARGEST_INTEGER:
        raise ValueError(f"{value} is beyond 2**53: write it as text")
    return str(value)


def _number(value: float) -> str:
    """ECMAScript's shortest form (RFC 8785, section 3.2.2.3)."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    if value == 0:
        return "0"
    if "e" not in (plain := repr(value)):
        return plain.removesuffix(".0")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent)
    return "-" * sign + _placed(text, point)


def _placed(digits: str, point: int) -> str:
    """The decimal point after `point` digits: plain from 1e-6 to 1e21, else with an exponent."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
