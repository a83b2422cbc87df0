"""Opens a factory at one version: embedded in the package, a folder, or a git repository at a tag."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache as once
from functools import lru_cache
from shlex import quote
from typing import NamedTuple

from ai_factory import __version__, cache, catalog, foreign, git, layers, versions
from ai_factory.engines import MARKS, engine_of
from ai_factory.errors import AuthorError, FactoryError, SignatureError, UnreachableError, UsageError
from ai_factory.lock import Origin, check_address
from ai_factory.newest import DECLARATION, PARTS, folder_paths, mirror_place
from ai_factory.tree import File, Tree, tree_id, under
from ai_factory.workspace import Folder, is_bare

EMBEDDED = "embedded"
SIZE_LIMIT = 256 * 1024 * 1024  # bytes of a whole factory
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


class Factory(NamedTuple):
    """A source of components and blueprints at one version; `files` gives what its repository holds, read when used."""

    origin: Origin
    files: Callable[[], Tree]
    signed_by: str = ""  # who signed the release, where that was to be checked
    listed: bool = False  # whether a fleet names it among those that it takes from
    trusted: bool = False  # whether somebody agrees that the code of a foreign template runs

    @property
    def tree(self) -> Tree:
        """The files as projects see them: where it stands on another factory, joined with those of that one."""
        return _joined(self.files)

    @property
    def engine(self) -> str:
        """The library that renders a foreign template (`copier`, `cookiecutter`); empty for a factory of ours."""
        return engine_of(self.tree)

    def read(self, folder: str) -> Tree:
        """The files below a folder of the factory; of a foreign template, as a factory of ours would have them."""
        return under(foreign.presented(self.tree, self.origin.version) if self.engine else self.tree, folder)

    def place(self, path: str) -> str:
        """Where its repository holds the file of that path: as it is, or in the copy of a factory that it stands on."""
        return layers.place_of(self.files(), path)

    def blueprints(self) -> list[str]:
        """The names of the blueprints on offer."""
        return catalog.blueprint_names(self.read(catalog.BLUEPRINTS))

    def components(self) -> list[str]:
        """The names of the components on offer."""
        paths = self.read(catalog.COMPONENTS)
        return sorted(
            {path.split("/")[0] for path in paths if path.endswith("/component.yaml") and path.count("/") == 1}
        )


class Wanted(NamedTuple):
    """Which version of a git factory: a named one, or the newest release within a bound."""

    reference: str = ""
    bound: str = ""
    refresh: bool = True  # whether the mirror may ask the network
    signers: str = ""  # a file of those of whom one must have signed the tag


NEWEST = Wanted()


def open_factory(url: str, wanted: Wanted = NEWEST, known: Origin | None = None) -> Factory:
    """Find the factory at `url` at the version that is wanted; a commit that is `known` is read only when it is used.

    Raises UsageError for an address or version that means nothing, UnreachableError when it cannot be read,
    SignatureError for a release that none of the wanted signers signed.
    """
    found = _found(url, wanted)
    origin = found.origin
    if known and known.tree and origin.commit and origin.commit == known.commit:
        return found._replace(origin=origin._replace(tree=known.tree))
    return found._replace(origin=origin._replace(tree=origin.tree or tree_id(found.files())))


@lru_cache(maxsize=8)
def _joined(files: Callable[[], Tree]) -> Tree:
    return layers.compose(files(), cache.document)


def _found(url: str, wanted: Wanted) -> Factory:
    if url == EMBEDDED:
        return _embedded(wanted)
    if is_remote(url):
        return _in_repository(url, _mirror(url, wanted), wanted)
    folder = os.path.realpath(os.path.expanduser(url))
    if not os.path.isdir(folder):
        raise UnreachableError(
            f"there is no factory at `{url}`", "give `embedded`, a folder, or an https or ssh address"
        )
    if wanted.reference or wanted.bound or is_bare(folder):
        return _in_repository(folder, _local(folder), wanted)
    if wanted.signers:
        raise SignatureError(
            f"the folder `{folder}` as it stands is no release, so nobody signed it",
            "name a tag of it, or leave out the allowed signers",
        )
    return _in_folder(folder)


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
    if url.startswith("-") or "::" in url or "://" in url or re.match(r"[^/]*@[^/]*:", url):
        raise UsageError(f"`{url}` is no address of a factory", "give `embedded`, a folder, or an https or ssh address")
    return False


def embedded_folder() -> str:
    """Where the package carries its own factory: beside the modules, or in the checkout it was installed from."""
    here = os.path.dirname(os.path.abspath(__file__))
    packed = os.path.join(here, EMBEDDED)
    return packed if os.path.isdir(packed) else os.path.dirname(os.path.dirname(here))


def _embedded(wanted: Wanted) -> Factory:
    if wanted.reference and not versions.are_equal(wanted.reference, __version__):
        raise UsageError(
            f"the embedded factory is version {__version__}, not {wanted.reference}",
            f"install that version of the tool: `pip install {_package('==' + wanted.reference.removeprefix('v'))}`",
        )
    if wanted.bound and versions.newest([__version__], wanted.bound) is None:
        raise UsageError(
            f"the embedded factory is version {__version__}, not within `{wanted.bound}`",
            f"install a version of the tool that is: `pip install {_package(wanted.bound)}`",
        )
    return Factory(Origin(EMBEDDED, EMBEDDED, __version__, "", ""), once(lambda: _folder_tree(embedded_folder())))


def _package(bound: str) -> str:
    return quote(f"ai-factory{bound}")


def _in_folder(folder: str) -> Factory:
    tree = _folder_tree(folder)
    _require_contents(tree, folder)
    identity = tree_id(tree)
    is_repository = os.path.exists(os.path.join(folder, ".git"))
    version = (git.describe(folder) if is_repository else "") or f"tree-{identity[:12]}"
    return Factory(Origin("folder", folder, version, "", identity), lambda: tree)


def _folder_tree(folder: str) -> dict[str, File]:
    disk, total = Folder(folder), 0
    tree: dict[str, File] = {}
    for path in folder_paths(disk):
        file = disk.read(path)
        total += len(file.content) if file else 0
        if total > SIZE_LIMIT:
            raise UnreachableError(f"the factory `{folder}` holds more than {SIZE_LIMIT} bytes")
        tree |= {path: file} if file else {}
    return tree


def _require_contents(tree: Mapping[str, object], url: str) -> None:
    if engine_of(tree.keys()):
        return
    for part in (catalog.COMPONENTS, catalog.BLUEPRINTS):
        if not any(path.startswith((f"{part}/", f"{layers.UPSTREAM}/{part}/")) for path in tree):
            raise UnreachableError(
                f"`{url}` is no factory: it has no `{part}/`",
                "a factory has `templates/NAME/component.yaml` and `blueprints/NAME.yaml`; "
                "a template of Copier or Cookiecutter has `copier.yml` or `cookiecutter.json`",
            )


def _in_repository(url: str, repository: str, wanted: Wanted) -> Factory:
    release, tagged = _choose(repository, url, wanted)
    if wanted.signers and not tagged:
        raise SignatureError(
            f"the version `{release.tag}` of the factory is no tag, so nobody signed it", "name a tag that is signed"
        )
    signed_by = git.signer(repository, release, wanted.signers) if wanted.signers else ""

    @once
    def files() -> Tree:
        listed = git.list_tree(repository, release.commit, (*PARTS, DECLARATION, *MARKS), SIZE_LIMIT)
        if engine_of(listed):
            listed = git.list_tree(repository, release.commit, (), SIZE_LIMIT)
        else:
            listed = {path: entry for path, entry in listed.items() if path not in MARKS}
        _require_contents(listed, url)
        _refuse_submodules(path for path, entry in listed.items() if entry.mode == git.SUBMODULE)
        contents = git.read_blobs(repository, (entry.id for entry in listed.values() if entry.mode != git.SUBMODULE))
        return {path: File(contents[entry.id], entry.mode) for path, entry in listed.items() if entry.id in contents}

    return Factory(Origin("git", url, release.tag, release.commit, ""), files, signed_by)


def _local(folder: str) -> str:
    """A repository in a folder is read where it lies. Raises UnreachableError when there is none."""
    if not (is_bare(folder) or os.path.exists(os.path.join(folder, ".git"))):
        raise UnreachableError(
            f"`{folder}` is no git repository: it has no versions", "leave out the version, or name a repository"
        )
    return folder


def _mirror(url: str, wanted: Wanted) -> str:
    """The mirror of a repository elsewhere, brought up to date where that is wanted."""
    mirror = mirror_of(url)
    if wanted.refresh or not (os.path.exists(mirror) or _over_network(url)):
        git.update_mirror(url, mirror)
    elif not os.path.exists(mirror):
        raise UnreachableError(f"there is no copy of the factory `{url}` here", "ask for it once with network")
    return mirror


def _refuse_submodules(paths: Iterable[str]) -> None:
    """No submodule is fetched: one among a component's files would leave its projects without them, unsaid."""
    for path in paths:
        if path.split("/")[2:3] == [catalog.FILES] or not path.startswith(tuple(f"{part}/" for part in PARTS)):
            raise AuthorError(f"`{path}` is a submodule, which is never fetched", "copy its files into the factory")


def _over_network(url: str) -> bool:
    return not url.startswith("file://")


def mirror_of(url: str) -> str:
    """The place of the cached bare mirror of that repository; it may not exist yet."""
    cache.folder("mirrors")
    return mirror_place(url)


def _choose(repository: str, url: str, wanted: Wanted) -> tuple[git.Release, bool]:
    """The release that is wanted, and whether it is a tag."""
    tags = git.releases(repository)
    named = wanted.reference or versions.newest([release.tag for release in tags], wanted.bound)
    if named is None and not wanted.bound:
        named = _followed(repository)
    if named is None:
        bound = f" within `{wanted.bound}`" if wanted.bound else ""
        raise UsageError(f"the factory `{url}` has no release{bound}", "tag one, such as `v1.0.0`, or name a version")
    tagged = next((release for release in tags if release.tag == named), None)
    return tagged or git.Release(named, git.resolve(repository, named)), bool(tagged)


def _followed(repository: str) -> str | None:
    """The branch on which a foreign template is followed that nobody releases, as many are; a factory releases."""
    branch = git.main_branch(repository)
    paths = git.list_tree(repository, git.resolve(repository, branch), (*PARTS, *MARKS)) if branch else {}
    return branch if engine_of(paths) else None


def is_tag(origin: Origin) -> bool:
    """Whether the version of a git factory is a tag of it, not a branch or a commit."""
    return any(release.tag == origin.version for release in git.releases(_repository_of(origin.url)))


def goes_back(before: Origin, after: Origin) -> bool:
    """Whether a project at `before` would go back: by number, else by the history of the repository that both share."""
    older, newer = versions.numbers([after.version, before.version])
    if older is not None and newer is not None:
        return bool(older < newer)
    if after.kind != "git" or before.commit in ("", after.commit):
        return False
    return git.is_ancestor(_repository_of(after.url), after.commit, before.commit)


def _repository_of(url: str) -> str:
    return mirror_of(url) if is_remote(url) else url
