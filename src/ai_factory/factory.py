"""Opens a factory at one version: embedded in the package, a folder, or a git repository at a tag."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ai_factory import __version__, cache, catalog, git
from ai_factory.errors import FactoryError, UnreachableError, UsageError
from ai_factory.lock import Origin, check_address
from ai_factory.newest import PARTS, folder_paths, mirror_place
from ai_factory.tree import File, Tree, tree_id, under
from ai_factory.workspace import Folder

EMBEDDED = "embedded"
_HOST = r"(\w[\w.-]*|\[[0-9A-Fa-f:.]+\])"
_PATH = r"(?!.*%[01]|.*%7f)[^\s\\<>\"'^`{|}$&;*?#()]*"  # what a shell or a line could take for more than a path
_ADDRESSES = (
    rf"https://{_HOST}(:\d+)?/{_PATH}",
    rf"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?/{_PATH}",
    rf"ssh://(\w[\w.+-]*@)?{_HOST}(:\d+)?/{_PATH}",
    rf"\w[\w.+-]*@\w[\w.-]*:(?![:-]){_PATH}",
    r"file:///[^\n]*",
)
_REMOTE = re.compile("|".join(_ADDRESSES), re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Factory:
    """A source of components and blueprints at one version, read whole."""

    origin: Origin
    tree: Tree

    def read(self, folder: str) -> Tree:
        """The files below a folder of the factory."""
        return under(self.tree, folder)

    def blueprints(self) -> list[str]:
        """The names of the blueprints on offer."""
        return catalog.blueprint_names(self.read(catalog.BLUEPRINTS))

    def components(self) -> list[str]:
        """The names of the components on offer."""
        paths = self.read(catalog.COMPONENTS)
        return sorted(
            {path.split("/")[0] for path in paths if path.endswith("/component.yaml") and path.count("/") == 1}
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which version of a git factory: a named one, or the newest release within a bound."""

    reference: str = ""
    bound: str = ""
    refresh: bool = True  # whether the mirror may ask the network


def open_factory(url: str, wanted: Wanted = Wanted()) -> Factory:
    """Read the factory at `url`.

    Raises UsageError for an address or version that means nothing, UnreachableError when it cannot be read.
    """
    if url == EMBEDDED:
        return _embedded(wanted)
    if is_remote(url):
        return _from_git(url, wanted)
    folder = os.path.realpath(os.path.expanduser(url))
    if not os.path.isdir(folder):
        raise UnreachableError(
            f"there is no factory at `{url}`", "give `embedded`, a folder, or an https or ssh address"
        )
    if wanted.reference or wanted.bound or _is_bare(folder):
        return _from_git(folder, wanted)
    return _from_folder(folder)


def is_remote(url: str) -> bool:
    """Whether the address is one of a repository, not of a folder.

    Raises UsageError for other transports, for a password in it, and for characters that are more than an address.
    """
    try:
        check_address(url)
    except FactoryError as error:
        raise UsageError(error.message, error.hint) from None
    if _REMOTE.fullmatch(url):
        return True
    if url.startswith("-") or "::" in url or "://" in url:
        raise UsageError(f"`{url}` is no address of a factory", "give `embedded`, a folder, or an https or ssh address")
    return False


def _is_bare(folder: str) -> bool:
    return all(os.path.exists(os.path.join(folder, name)) for name in ("HEAD", "objects", "refs"))


def embedded_folder() -> str:
    """Where the package carries its own factory: beside the modules, or in the checkout it was installed from."""
    here = os.path.dirname(os.path.abspath(__file__))
    packed = os.path.join(here, EMBEDDED)
    return packed if os.path.isdir(packed) else os.path.dirname(os.path.dirname(here))


def _embedded(wanted: Wanted) -> Factory:
    if wanted.reference and _number(wanted.reference) != Version(__version__):
        raise UsageError(
            f"the embedded factory is version {__version__}, not {wanted.reference}",
            f"install that version of the tool: `pip install {_package('==' + wanted.reference.removeprefix('v'))}`",
        )
    if wanted.bound and newest_release([__version__], wanted.bound) is None:
        raise UsageError(
            f"the embedded factory is version {__version__}, not within `{wanted.bound}`",
            f"install a version of the tool that is: `pip install {_package(wanted.bound)}`",
        )
    tree = _folder_tree(embedded_folder())
    return Factory(Origin(EMBEDDED, EMBEDDED, __version__, "", tree_id(tree)), tree)


def _package(bound: str) -> str:
    return quote(f"ai-factory{bound}")


def _from_folder(folder: str) -> Factory:
    tree = _folder_tree(folder)
    _require_contents(tree, folder)
    identity = tree_id(tree)
    is_repository = os.path.exists(os.path.join(folder, ".git"))
    version = (git.describe(folder) if is_repository else "") or f"tree-{identity[:12]}"
    return Factory(Origin("folder", folder, version, "", identity), tree)


def _folder_tree(folder: str) -> dict[str, File]:
    disk = Folder(folder)
    return disk.read_all(folder_paths(disk))


def _require_contents(tree: Mapping[str, object], url: str) -> None:
    for part in (catalog.COMPONENTS, catalog.BLUEPRINTS):
        if not any(path.startswith(part + "/") for path in tree):
            raise UnreachableError(
                f"`{url}` is no factory: it has no `{part}/`",
                "a factory has `templates/NAME/component.yaml` and `blueprints/NAME.yaml`",
            )


def _from_git(url: str, wanted: Wanted) -> Factory:
    mirror = mirror_of(url)
    if wanted.refresh or not (os.path.exists(mirror) or _over_network(url)):
        git.update_mirror(url, mirror)
    elif not os.path.exists(mirror):
        raise UnreachableError(f"there is no copy of the factory `{url}` here", "ask for it once with network")
    release = _choose(mirror, url, wanted)
    listed = git.list_tree(mirror, release.commit, PARTS)
    _require_contents(listed, url)
    contents = git.read_blobs(mirror, (entry.id for entry in listed.values() if entry.mode != git.SUBMODULE))
    tree = {path: File(contents[entry.id], entry.mode) for path, entry in listed.items() if entry.id in contents}
    return Factory(Origin("git", url, release.tag, release.commit, tree_id(tree)), tree)


def _over_network(url: str) -> bool:
    return is_remote(url) and not url.startswith("file://")


def mirror_of(url: str) -> str:
    """The place of the cached bare mirror of that repository; it may not exist yet."""
    cache.folder("mirrors")
    return mirror_place(url)


def _choose(mirror: str, url: str, wanted: Wanted) -> git.Release:
    if wanted.reference:
        return git.Release(wanted.reference, git.resolve(mirror, wanted.reference))
    tags = git.releases(mirror)
    newest = newest_release([release.tag for release in tags], wanted.bound)
    if newest is None:
        bound = f" within `{wanted.bound}`" if wanted.bound else ""
        raise UsageError(f"the factory `{url}` has no release{bound}", "tag one, such as `v1.0.0`, or name a version")
    return next(release for release in tags if release.tag == newest)


def newest_release(tags: list[str], bound: str = "") -> str | None:
    """The tag of the newest release within the bound; pre-releases do not count, nor tags that are no versions."""
    try:
        allowed = SpecifierSet(bound)
    except InvalidSpecifier:
        raise UsageError(f"`{bound}` is no bound on versions", "write it like `<2` or `>=1.4,<2`") from None
    numbered = [(number, tag) for tag in tags if (number := _number(tag)) and not number.is_prerelease]
    return max((pair for pair in numbered if allowed.contains(pair[0])), default=(None, None))[1]


def _number(tag: str) -> Version | None:
    try:
        return Version(tag)
    except InvalidVersion:
        return None


def is_older(one: str, other: str) -> bool:
    """Whether version `one` lies before `other`; false where either is no version number."""
    first, second = _number(one), _number(other)
    return first is not None and second is not None and first < second


def is_tag(origin: Origin) -> bool:
    """Whether the version of a git factory is a tag of it, not a branch or a commit."""
    return any(release.tag == origin.version for release in git.releases(mirror_of(origin.url)))
