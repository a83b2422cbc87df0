"""A folder on disk and its files: every read, write and delete of a project goes through `Folder`.

Rules of this file: `check` imports it, so it stays with the standard library's lightest modules; no path
leaves the folder, whatever a lock, a template or a symbolic link says.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple, Protocol

from ai_factory.errors import FactoryError, LockError, MachineError, ProjectError
from ai_factory.lock import FOLDER, LOCK
from ai_factory.tree import EXECUTABLE, LINK, REGULAR, File, above, check_path, digest

DRAFT = ".ai-factory-new"  # the end of a file's name while it is being written
BLOCK = 1024 * 1024  # bytes read at once
UNUSABLE = "check its owner and permissions, and the space left on the disk"
NAME_LIMIT = 255  # bytes of a name
SIZE_LIMIT = 64 * 1024 * 1024  # bytes of one file; a larger one is nobody's template


class Files(Protocol):
    """The files of a project at one moment, by POSIX path: those of a folder, or those of a commit."""

    @property
    def root(self) -> str:
        """Where they lie, for messages, and for what git is asked there."""

    @property
    def objects(self) -> str:
        """The folder of the objects of their repository; empty outside of one."""

    @property
    def modes(self) -> bool:
        """Whether the executable bit means anything."""

    def read(self, path: str) -> File | None:
        """The file at the path, or None when there is none."""

    def read_all(self, paths: Iterable[str]) -> dict[str, File]:
        """The files at those paths that exist."""

    def reaches(self, path: str) -> bool:
        """Whether the path can be reached without following a link."""

    def is_elsewhere(self, path: str) -> bool:
        """Whether the path lies in another repository."""

    def is_folder(self, path: str) -> bool:
        """Whether a folder lies at the path."""

    def walk(self, folder: str = "") -> Iterator[str]:
        """All files and links below `folder`, sorted."""


class Folder:
    """The files below one folder, by POSIX path."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._known: set[str] = {""}  # folders that have been found to lie inside
        self._own: set[str] = {""}  # and of them those that are no other repository's

    @property
    def objects(self) -> str:
        """The folder of the objects of the repository that this lies in; empty outside of one."""
        found = find_repository(self.root)
        return os.path.join(found.common, "objects") if found else ""

    @property
    def modes(self) -> bool:
        """Whether the executable bit means anything here."""
        return keeps_modes(self.root)

    def locate(self, path: str) -> str:
        """The place of the path on disk, to be written.

        Raises FactoryError when it would lie outside the folder, beyond a link (git tracks the link alone), or in
        another repository.
        """
        place = self._look(path)
        if place is None:
            raise ProjectError(f"`{path}` lies beyond a folder that is a link", "put a real folder there")
        if other := self._other_repository(path):
            raise ProjectError(f"`{path}` lies in another repository, `{other}`", "move that one elsewhere")
        return place

    def _other_repository(self, path: str) -> str:
        """The folder above the path that is another repository: a submodule, or one that somebody put there."""
        folder = path.rpartition("/")[0]
        while folder not in self._own:
            if os.path.lexists(f"{self.root}/{folder}/.git"):
                return folder
            self._own.add(folder)
            folder = folder.rpartition("/")[0]
        return ""

    def _look(self, path: str) -> str | None:
        """The place of the path on disk; None when it lies beyond a link that stays inside."""
        parent = check_path(path).rpartition("/")[0]
        if parent not in self._known and self._is_linked(parent):
            self._refuse_outside(path, parent)
            return None
        return f"{self.root}/{path}"

    def _is_linked(self, folder: str) -> bool:
        """Whether a link lies on the way to the folder; what is not there is no link, and is looked at again."""
        try:
            for place in above(f"{folder}/"):
                if place not in self._known:
                    if stat.S_ISLNK(os.lstat(f"{self.root}/{place}").st_mode):
                        return True
                    self._known.add(place)
        except OSError:
            pass
        return False

    def _refuse_outside(self, path: str, parent: str) -> None:
        """Raise ProjectError where a link leads the path out of the folder."""
        real = _resolved(os.path.join(self.root, parent))
        if real and real != self.root and not real.startswith(self.root + os.sep):
            raise ProjectError(
                f"`{path}` lies outside the project: a folder above it is a link to `{real}`",
                "remove the link, or move the project",
            )

    def is_elsewhere(self, path: str) -> bool:
        """Whether the path lies in another repository."""
        return bool(self._other_repository(path))

    def reaches(self, path: str) -> bool:
        """Whether the path can be reached without following a link."""
        return self._look(path) is not None

    def read(self, path: str) -> File | None:
        """The file at the path, or None when there is none (a folder is none)."""
        place = self._look(path)
        if place is None:
            return None
        try:
            status = os.lstat(place)
            if stat.S_ISLNK(status.st_mode):
                return File(os.fsencode(os.readlink(place)), LINK)
            if not stat.S_ISREG(status.st_mode):
                return None
            return File(_content(place, status.st_size), mode_of(status.st_mode))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unusable(place, "read", error) from None

    def head(self, path: str, size: int) -> bytes | None:
        """The first bytes of the file at the path; None where there is no regular file."""
        place = self._look(path)
        try:
            if place is None or not stat.S_ISREG(os.lstat(place).st_mode):
                return None
            descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                return os.read(descriptor, size)
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unusable(place or path, "read", error) from None

    def names(self, folder: str = "") -> list[str]:
        """What lies directly in the folder, sorted; nothing where there is none, or a link."""
        if folder and not self.is_folder(folder):
            return []
        place = os.path.join(self.root, folder)
        try:
            return sorted(os.listdir(place))
        except OSError as error:
            raise unusable(place, "read", error) from None

    def read_all(self, paths: Iterable[str]) -> dict[str, File]:
        """The files at those paths that exist."""
        found = ((path, self.read(path)) for path in paths)
        return {path: file for path, file in found if file is not None}

    def write(self, path: str, file: File) -> None:
        """Put the file at the path, whole or not at all; folders are made as needed.

        Who may read and write one that is replaced stays as it is, unless it becomes executable or is so no more.
        """
        place = self.locate(path)
        temporary = _draft(place)
        try:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if file.mode == LINK:
                _forget(temporary)
                os.symlink(os.fsdecode(file.content), temporary)
            else:
                _write_new(temporary, file)
                _allow_as_before(place, temporary, file.mode)
            if self.is_folder(path):
                os.rmdir(place)  # empty, or this fails
            os.replace(temporary, place)
        except (OSError, ValueError) as error:
            _forget(temporary)
            raise unusable(place, "write", error) from None
        except BaseException:  # interrupted
            _forget(temporary)
            raise

    def delete(self, path: str, folders: Container[str] | None = None) -> None:
        """Remove the file at the path, if it is there, and what `prune` removes."""
        place = self.locate(path)
        try:
            _forget(place)
        except OSError as error:
            raise unusable(place, "delete", error) from None
        self.prune(path, folders)

    def prune(self, path: str, folders: Container[str] | None = None) -> None:
        """Remove the folders above the path that are empty: all of them, or only those."""
        above = path.rpartition("/")[0]
        while above and (folders is None or above in folders):
            place = os.path.join(self.root, above)
            try:
                if os.path.isdir(place):
                    if os.listdir(place):
                        return
                    os.rmdir(place)
            except OSError as error:
                raise unusable(place, "delete", error) from None
            above = above.rpartition("/")[0]

    def missing_above(self, path: str) -> list[str]:
        """The folders above the path that are not there, outermost first."""
        return [folder for folder in above(path) if not os.path.isdir(os.path.join(self.root, folder))]

    def forget_draft(self, path: str) -> None:
        """Remove what a writing that was cut off left beside the path."""
        if place := self._look(path):  # beyond a link nothing is ever written
            _forget(_draft(place))

    def is_folder(self, path: str) -> bool:
        """Whether a folder lies at the path."""
        place = self._look(path)
        return place is not None and os.path.isdir(place) and not os.path.islink(place)

    def obstacle(self, path: str) -> str:
        """What keeps a file from lying at the path, by its own path; empty when nothing does.

        A folder there with something in it, another repository, or a file above.
        """
        if self.is_folder(path) and os.listdir(os.path.join(self.root, path)):
            return path
        return self._other_repository(path) or next((folder for folder in above(path) if self.read(folder)), "")

    def walk(self, folder: str = "") -> Iterator[str]:
        """All files and links below `folder`, sorted, without git's own; none below a link."""
        if folder and not self.is_folder(folder):
            return
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            files, folders = self._within(here)
            yield from sorted(files)
            waiting += sorted(folders, reverse=True)

    def _within(self, folder: str) -> tuple[list[str], list[str]]:
        """The files and links of a folder, and the folders in it, by path; nothing of one that cannot be read."""
        found: tuple[list[str], list[str]] = ([], [])
        prefix = f"{folder}/" if folder else ""
        try:
            with os.scandir(f"{self.root}/{folder}") as entries:
                for entry in entries:
                    if entry.name.lower() != ".git":
                        found[entry.is_dir(follow_symlinks=False)].append(prefix + entry.name)
        except OSError:
            pass
        return found


def _resolved(place: str) -> str | None:
    """The real path of a place, which may not exist; None where links lead round and round."""
    try:
        return os.path.realpath(place, strict=True)
    except OSError as error:
        return None if error.errno == errno.ELOOP else os.path.realpath(place)


def _content(place: str, size: int) -> bytes:
    if size > SIZE_LIMIT:
        raise ProjectError(f"`{place}` is larger than {SIZE_LIMIT} bytes")
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)  # a buffered file costs more than reading it
    try:
        parts = [os.read(descriptor, size + 1)]
        if len(parts[0]) == size:
            return parts[0]
        while parts[-1]:
            parts.append(os.read(descriptor, BLOCK))
            if (size := size + BLOCK) > SIZE_LIMIT + BLOCK:
                raise ProjectError(f"`{place}` grows while it is read")
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _write_new(place: str, file: File) -> None:
    permissions = 0o777 if file.mode == EXECUTABLE else 0o666
    _forget(place)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, permissions)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(file.content)


def _allow_as_before(place: str, draft: str, mode: str) -> None:
    """Give the draft the permissions of the regular file that it replaces, where both are executable or neither is."""
    try:
        before = os.lstat(place).st_mode
    except OSError:
        return
    if stat.S_ISREG(before) and mode_of(before) == mode:
        os.chmod(draft, stat.S_IMODE(before) & 0o777)


def _draft(place: str) -> str:
    """Where a file lies while it is being written, beside its place; a name may be as long as a disk allows."""
    folder, name = os.path.split(place)
    known = name if len(os.fsencode(name + DRAFT)) <= NAME_LIMIT else digest(os.fsencode(name))
    return os.path.join(folder, known + DRAFT)


def _forget(place: str) -> None:
    """Remove the file, if there is one: where its name is too long for the disk there is none."""
    try:
        os.unlink(place)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise


def mode_of(permissions: int) -> str:
    """Git's mode for a regular file with these permission bits."""
    return EXECUTABLE if permissions & stat.S_IXUSR else REGULAR


def unusable(place: str, verb: str, error: OSError | ValueError) -> MachineError:
    """The error for a file that the machine does not let us read or write."""
    return MachineError(
        f"cannot {verb} `{place}`: {(getattr(error, 'strerror', '') or str(error)).lower()}",
        UNUSABLE,
    )


def find_project(start: str) -> str:
    """The root of the project that `start` lies in. Raises LockError when it lies in none."""
    here = os.path.realpath(start)
    if not os.path.exists(here):
        raise FactoryError(f"there is no `{start}`")
    while True:
        if is_project(here):
            return here
        parent = os.path.dirname(here)
        if parent == here:
            raise _no_project(start)
        here = parent


def link_within(path: str) -> str:
    """The link over which a path leads within a repository; empty where none does, or outside of one."""
    here, found = os.path.abspath(path), ""
    while (parent := os.path.dirname(here)) != here:
        if os.path.islink(here):
            found = here
        elif os.path.lexists(os.path.join(here, ".git")):
            return found
        here = parent
    return ""


def is_project(folder: str) -> bool:
    """Whether the folder is the root of a project, be its lock sound or not."""
    return os.path.lexists(os.path.join(folder, LOCK))


def in_project(start: str) -> bool:
    """Whether `start` lies in a project, be its lock sound or not."""
    try:
        find_project(start)
    except LockError:
        return False
    return True


def _no_project(start: str) -> LockError:
    if os.path.isdir(os.path.join(start, FOLDER)):
        return LockError(f"`{start}/{LOCK}` is missing", f"bring it back with `git checkout -- {LOCK}`")
    return LockError(
        f"`{start}` is no project of ai-factory: there is no `{LOCK}` in it or above it",
        "make one with `ai-factory new BLUEPRINT DEST`; where one was, `git log -- .ai-factory` says what became of it",
    )


class Repository(NamedTuple):
    """Where git keeps its data for a work tree: `top` is the work tree, `private` this tree's own folder."""

    top: str
    private: str
    common: str


def find_repository(start: str) -> Repository | None:
    """The git repository that `start` lies in, told from its files, without starting git.

    None also where git would find a repository without a work tree first: anybody can commit the files of one, and
    git would obey the settings in it.
    """
    here = os.path.realpath(start)
    while True:
        private = _git_folder(os.path.join(here, ".git"))
        if private:
            return Repository(here, private, _common(private))
        if is_bare(here):
            return None
        parent = os.path.dirname(here)
        if parent == here:
            return None
        here = parent


def is_bare(folder: str) -> bool:
    """Whether git would take the folder itself for a repository."""
    if not os.path.lexists(os.path.join(folder, "HEAD")):
        return False
    own = all(os.path.exists(os.path.join(folder, name)) for name in ("objects", "refs"))
    return own or os.path.exists(os.path.join(folder, "commondir"))


def _git_folder(place: str) -> str:
    if os.path.isfile(os.path.join(place, "HEAD")):
        return place
    text = _short_text(place) if os.path.isfile(place) else ""
    if text.startswith("gitdir:"):
        return os.path.realpath(os.path.join(os.path.dirname(place), text.removeprefix("gitdir:").strip()))
    return ""


def _common(private: str) -> str:
    text = _short_text(os.path.join(private, "commondir")).strip()
    return os.path.realpath(os.path.join(private, text)) if text else private


def keeps_modes(root: str) -> bool:
    """Whether the executable bit means anything here (git's `core.fileMode`)."""
    repository = find_repository(root)
    config = _short_text(os.path.join(repository.common, "config")) if repository else ""
    return re.search(r"^\s*filemode\s*=\s*(false|no|off|0)\s*$", config, re.IGNORECASE | re.MULTILINE) is None


def _short_text(place: str) -> str:
    if not os.path.isfile(place):  # a pipe would wait for ever
        return ""
    try:
        with open(place, encoding="utf-8", errors="replace") as stream:
            return stream.read(1024 * 1024)
    except OSError:
        return ""
