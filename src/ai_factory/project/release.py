"""Which version of its factory a project goes to: what was asked, what the project wishes, what the lock allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ai_factory.errors import ProjectError, UsageError
from ai_factory.factory import Factory, Wanted, goes_back, is_tag, open_factory
from ai_factory.lock import Lock, Origin
from ai_factory.manifest import Manifest
from ai_factory.project import origins, states
from ai_factory.project.opening import Project


class Request(NamedTuple):
    """What was asked of a sync."""

    to: str = ""
    factory: str = ""
    accept: str = ""  # an origin that a person accepts although the lock names another
    answers: Mapping[str, Any] = {}
    refresh: bool = True
    today: str = ""  # an ISO date, for a hold
    trusted_only: bool = False  # in CI, an origin never comes from the project
    signers: str = ""  # a file of those of whom one must have signed the release
    trust: bool = False  # whether the code of a foreign template may run
    takes: tuple[str, ...] = ()  # components that the project is to have
    drops: tuple[str, ...] = ()  # and those that it is not to have

    @property
    def asks(self) -> bool:
        """Whether answers or components are asked for: unless a version is named too, that of the project stays."""
        return bool(self.answers or self.takes or self.drops)


def opened(project: Project, wish: Manifest, request: Request) -> Factory:
    """The factory at the version that is asked for, wished, or the newest, with the trust that it was given.

    Raises as `_opened` does.
    """
    return _opened(project, wish, request)._replace(trusted=request.trust)


def _opened(project: Project, wish: Manifest, request: Request) -> Factory:
    """The factory at the version that is asked for, wished, or the newest.

    Raises ProjectError for one that the project cannot go to, ConsentError for an origin that nobody accepted,
    UsageError for a version that does not exist.
    """
    origin = origins.origin(project.lock, wish, request.factory, request.accept, request.trusted_only)
    origins.refuse_own_signers(project.root, request.signers)
    if request.asks and not request.to:
        return _open_as_applied(project.lock.factory, origin, request)
    bound = wish.version if not request.to else ""
    version = request.to or states.reference(project.lock, origin, wish)
    factory = open_factory(origin, Wanted(version, bound, request.refresh, request.signers), project.lock.factory)
    _refuse_moved_tag(project.lock.factory, factory)
    _refuse_downgrade(project.lock, factory, request)
    return factory


def _open_as_applied(applied: Origin, origin: str, request: Request) -> Factory:
    """The factory at the version that the project has, be its tag gone or moved: an answer alone changes no version.

    A folder has one version, the one that lies there.
    """
    reference = {"git": applied.commit, "embedded": applied.version}.get(applied.kind, "")
    if request.signers and applied.kind == "git":
        reference = applied.version  # only a tag can be signed
    try:
        factory = open_factory(origin, Wanted(reference, refresh=request.refresh, signers=request.signers), applied)
    except UsageError as error:
        hint = "answer together with a version: `ai-factory sync --to VERSION --data KEY=VALUE`"
        if request.takes or request.drops:
            hint = "name the version to go to as well: `--to VERSION`"
        raise ProjectError(f"the factory does not hold the project's version any more: {error.message}", hint) from None
    if request.signers:
        _refuse_moved_tag(applied, factory)
    if applied.kind == "git":
        factory = factory._replace(origin=factory.origin._replace(version=applied.version))
    return factory


def _refuse_moved_tag(old: Origin, factory: Factory) -> None:
    """A tag names one content for ever: the same tag with another one is no version to bring anybody to."""
    new = factory.origin
    if (new.kind, new.version) == (old.kind, old.version) and new.commit != old.commit and is_tag(new):
        raise ProjectError(
            f"the tag `{new.version}` of the factory has moved: it was {old.commit[:12]}, and is {new.commit[:12]}",
            "ask for a new release, and sync to that one: `ai-factory sync --to VERSION`",
        )


def _refuse_downgrade(record: Lock, factory: Factory, request: Request) -> None:
    if goes_back(record.factory, factory.origin):
        named = "a sync never goes back: revert the commit of the sync instead"
        raise ProjectError(
            f"the project is at version {record.factory.version}, newer than {factory.origin.version}",
            named if request.to else "name the version, branch or commit to go to: `ai-factory sync --to REF`",
        )
