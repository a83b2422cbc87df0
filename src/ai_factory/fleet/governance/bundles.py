"""Copies of the history of systems that an incident reaches, as git bundles in a folder of this machine."""

from __future__ import annotations

import hashlib
import os

from ai_factory.errors import FactoryError, UsageError
from ai_factory.fleet.governance.incident_files import file_name
from ai_factory.fleet.governance.incidents import Incident, Reached
from ai_factory.fleet.registry import Registry
from ai_factory.fleet.survey import Reach, nobody
from ai_factory.git import remote

CHUNK = 1024 * 1024  # bytes read at once


def with_bundles(incident: Incident, registry: Registry, folder: str, reach: Reach = nobody) -> Incident:
    """The incident, with a bundle of each system's frozen commit; one that cannot be had is told as unread.

    Raises UsageError for a folder that cannot be made.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make `{folder}`: {(error.strerror or '').lower()}", "name another folder") from None
    urls = {one.key: one.url for one in registry.members}
    systems, lost = [], []
    for one in incident.systems:
        try:
            systems.append(_bundled(one, urls[one.key], folder, reach))
        except FactoryError as error:
            systems.append(one)
            lost.append({"system": one.key, "why": f"no bundle: {error.message}", "failure": "policy"})
    return incident._replace(systems=tuple(systems), unread=(*incident.unread, *lost))


def _bundled(one: Reached, url: str, folder: str, reach: Reach) -> Reached:
    place = os.path.join(os.path.realpath(folder), f"{file_name(one.key)}-{one.frozen.commit[:12]}.bundle")
    remote.bundled(url, one.frozen.commit, place, reach(url))
    digest = hashlib.sha256()
    with open(place, "rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return one._replace(bundle={"file": os.path.basename(place), "digest": f"sha256:{digest.hexdigest()}"})
