"""Takes over a project of Copier, cruft or Cookiecutter."""

from __future__ import annotations

SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}


def address(url: str) -> str:
    """An address as git takes it: Copier's short ones spelled out."""
    url = url.removeprefix("git+")
    for short, whole in SHORT.items():
        if url.startswith(short):
            return f"{whole}{url.removeprefix(short).removesuffix('.git')}.git"
    return url
