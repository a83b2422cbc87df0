"""A firm's overlay on a map: it asks for more, maps controls to the firm's own policies, and takes no law away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ai_factory.governance.regulation import TIERS

Parts = Mapping[str, Any]  # the documents of a map, by name
ROWS = ("conditions", "instruments", "requirements", "retention", "clocks")  # documents whose rows an overlay adds to


class Refused(NamedTuple):
    """What an overlay may not do, and where it does."""

    place: tuple[str | int, ...]
    message: str


def problems(parts: Parts, overlay: Parts) -> Iterator[Refused]:
    """Rows that the map has already, floors that are lowered, names that lead nowhere, law that is taken away."""
    for kind in ROWS:
        for name in overlay.get(kind, {}):
            if name in parts[kind][kind]:
                yield Refused((kind, name), f"the map has `{name}` already: an overlay adds rows, and changes none")
    known = {row["id"]: row for row in parts["controls"]["controls"]}
    for number, row in enumerate(overlay.get("controls", ())):
        if row["id"] in known:
            yield Refused(("controls", number, "id"), f"the map has {row['id']} already: an overlay changes no control")
    ours = {**known, **{row["id"]: row for row in overlay.get("controls", ())}}
    yield from _floors(overlay, ours)
    yield from (_unknown("policies", name) for name in overlay.get("policies", {}) if name not in ours)
    yield from _promoted(parts, overlay)
    yield from _removed(parts, overlay)


def overlaid(parts: Parts, overlay: Parts) -> dict[str, Any]:
    """The documents of the map with the overlay on them; it has no `problems`."""
    made: dict[str, Any] = {name: dict(document) for name, document in parts.items()}
    for kind in ROWS:
        made[kind][kind] = {**parts[kind][kind], **overlay.get(kind, {})}
    for name in overlay.get("binding", ()):
        made["instruments"]["instruments"][name] = {**made["instruments"]["instruments"][name], "binding": True}
    gone = {row["requirement"] for row in overlay.get("remove", ())}
    rows = made["requirements"]["requirements"]
    made["requirements"]["requirements"] = {name: row for name, row in rows.items() if name not in gone}
    for kind in ("retention", "clocks"):
        kept = {name: row for name, row in made[kind][kind].items() if row.get("requirement") not in gone}
        made[kind][kind] = kept
    controls = [*parts["controls"]["controls"], *overlay.get("controls", ())]
    made["controls"]["controls"] = [_control(row, overlay, gone) for row in controls]
    return made


def _control(row: Mapping[str, Any], overlay: Parts, gone: set[str]) -> dict[str, Any]:
    floor = overlay.get("floors", {}).get(row["id"], row["tier_floor"])
    policies = [*row.get("policies", ()), *overlay.get("policies", {}).get(row["id"], ())]
    refs = [ref for ref in row["refs"] if ref not in gone]
    return {**row, "tier_floor": floor, "refs": refs, **({"policies": policies} if policies else {})}


def _floors(overlay: Parts, known: Mapping[str, Any]) -> Iterator[Refused]:
    for name, tier in overlay.get("floors", {}).items():
        if name not in known:
            yield _unknown("floors", name)
        elif TIERS.index(tier) > TIERS.index(known[name]["tier_floor"]):
            least = known[name]["tier_floor"]
            message = f"{name} is required from tier {least} on: an overlay asks for no less"
            yield Refused(("floors", name), message)


def _promoted(parts: Parts, overlay: Parts) -> Iterator[Refused]:
    named = {**parts["instruments"]["instruments"], **overlay.get("instruments", {})}
    rows = {**parts["requirements"]["requirements"], **overlay.get("requirements", {})}
    for number, name in enumerate(overlay.get("binding", ())):
        undated = [key for key, row in rows.items() if row["instrument"] == name and row["applies_from"] is None]
        if name not in named:
            yield Refused(("binding", number), f"there is no instrument `{name}`")
        elif undated:
            message = f"`{name}` cannot bind: {', '.join(undated)} say from no day on"
            yield Refused(("binding", number), message)


def _removed(parts: Parts, overlay: Parts) -> Iterator[Refused]:
    rows, named = parts["requirements"]["requirements"], parts["instruments"]["instruments"]
    for number, row in enumerate(overlay.get("remove", ())):
        found = rows.get(row["requirement"])
        if found is None:
            yield Refused(("remove", number), f"there is no requirement `{row['requirement']}`")
        elif named[found["instrument"]]["binding"]:
            yield Refused(("remove", number), f"`{row['requirement']}` is law: an overlay takes none away")
        elif found["instrument"] in overlay.get("binding", ()):
            message = (
                f"`{row['requirement']}` is of `{found['instrument']}`, which this overlay binds: it takes none away"
            )
            yield Refused(("remove", number), message)


def _unknown(kind: str, name: str) -> Refused:
    return Refused((kind, name), f"there is no control `{name}`")
