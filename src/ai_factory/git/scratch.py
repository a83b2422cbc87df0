"""Bare repositories that live as long as a block: what goes wrong in one leaves nothing in the project's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ai_factory.git.objects import ONE_PACK, object_format, project_objects
from ai_factory.git.process import quoted, run
from ai_factory.workspace import unusable

SLACK = 64 * 1024  # bytes that an index and the rounding to blocks take besides the contents
_CONFIG = {  # of a bare repository, for each hash: what `git init` would write, without a process
    "sha1": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    "sha256": "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n",
}


@contextmanager
def scratch(*objects: str) -> Iterator[str]:
    """A bare repository that lives as long as the block, and may read the objects of others, all of one hash."""
    with tempfile.TemporaryDirectory(prefix="ai-factory-") as folder:
        others = list(filter(None, objects))
        form = object_format(others[0] if others else "")
        for place in ("objects/info", "objects/pack", "refs"):
            os.makedirs(os.path.join(folder, place))
        files = {"HEAD": b"ref: refs/heads/main\n", "config": _CONFIG[form].encode()}
        files |= {"objects/info/alternates": b"".join(quoted(one) + b"\n" for one in others)} if others else {}
        for name, content in files.items():
            with open(os.path.join(folder, name), "wb") as stream:
                stream.write(content)
        yield folder


def store(root: str, contents: Iterable[bytes]) -> dict[bytes, str]:
    """Write contents as objects of the project's repository, in one pack; content to id.

    They are packed in a scratch repository: a `fast-import` that is killed leaves a lock on its pack, for ever.
    """
    wanted = list(dict.fromkeys(contents))
    if not wanted:
        return {}
    stream = b"".join(
        b"blob\nmark :%d\ndata %d\n%s\n" % (number, len(content), content) for number, content in enumerate(wanted, 1)
    )
    asked = b"".join(b"get-mark :%d\n" % number for number in range(1, len(wanted) + 1))
    objects = project_objects(root)
    _require_space(objects, len(stream))
    with scratch(objects) as repository:
        ids = run([*ONE_PACK, "fast-import", "--quiet", "--done"], repository, stream + asked + b"done\n")
        adopt(objects, repository)
    return dict(zip(wanted, ids.decode().split(), strict=True))


def adopt(objects: str, repository: str) -> None:
    """Bring what was packed in a scratch repository into the objects folder of another one."""
    for pack in _packs(repository):
        run(["index-pack", "--stdin"], os.path.dirname(objects), pack)  # in a subfolder it writes a `.git` there


def _require_space(folder: str, size: int) -> None:
    """On a full disk git fails all the same, but leaves half a pack behind."""
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(bytes(size + SLACK))
            stream.flush()
    except OSError as error:
        raise unusable(folder, "write", error) from None


def _packs(repository: str) -> list[bytes]:
    """What was packed there: nothing where the project's repository had it all."""
    folder = os.path.join(repository, "objects/pack")
    places = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".pack")]
    found = []
    for place in places:
        with open(place, "rb") as stream:
            found.append(stream.read())
    return found
