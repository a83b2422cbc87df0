"""What an update would bring to each project of a fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ai_factory.fleet.each import failure, in_order
from ai_factory.fleet.run import Where, elsewhere
from ai_factory.fleet.updates.carry import Job, Reach, entry
from ai_factory.fleet.updates.draft import Body
from ai_factory.fleet.updates.plan import Entry

Missing = Callable[[Entry], tuple[str, ...]]  # the rights that the identity lacks for an entry


def entries(jobs: Sequence[Job], where: Where, reach: Reach, body: Body, missing: Missing) -> Iterator[Entry]:
    """The entries in the order of the jobs, as they come to hand."""
    with elsewhere(where) as there:
        work = there(partial(entry, reach=reach, body=body))
        yield from in_order(lambda job: _with_rights(work(job), missing), jobs, where.width)


def _with_rights(found: Entry, missing: Missing) -> Entry:
    """The entry with the rights that are missing; where a host does not tell them, that is its failure."""
    if found.outcome != "update":
        return found
    try:
        return found._replace(missing=missing(found))
    except Exception as error:
        told = failure(error)
        return found._replace(outcome="failed", reason=told.message, failure=told.kind, hint=told.hint)
