"""Small templates of Copier and Cookiecutter with two releases, as their authors write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.kit import commit, git, put

LINES = "".join(f"line {number}\n" for number in range(1, 21))

COPIER: Mapping[str, str] = {
    "copier.yml": """\
_subdirectory: project
_skip_if_exists: [docs/start.md]
_exclude: ["*.secret.md"]

name:
  type: str
  help: What is it called?
kind:
  choices: {A library: library, A service: service}
  default: library
extras:
  type: str
  multiselect: true
  choices: [docs, bench]
  default: [docs]
module:
  type: str
  default: "{{ name | replace('-', '_') }}"
  when: false
token:
  type: str
  secret: true
  default: none yet
""",
    "README.md": "# A template\n",
    "project/{{ _copier_conf.answers_file }}.jinja": "# Changes here will be overwritten by Copier\n"
    "{{ _copier_answers | to_nice_yaml -}}\n",
    "project/README.md.jinja": "# {{ name }}, a {{ kind }} in {{ _folder_name }}\n",
    "project/src/{{ module }}/main.py.jinja": 'NAME = "{{ name }}"\n' + LINES,
    "project/{% if 'docs' in extras %}docs{% endif %}/start.md": "Start here.\n",
    "project/notes.secret.md": "never\n",
    "project/.gitignore": ".env\n",
    "project/.env.jinja": "KIND={{ kind }}\n",
    "project/deploy.ini.jinja": "token = {{ token }}\n",
    "project/run.sh": "#!/bin/sh\necho run\n",
    "project/old.txt": "old\n",
}

COOKIECUTTER: Mapping[str, str] = {
    "cookiecutter.json": """\
{
  "name": "my thing",
  "slug": "{{ cookiecutter.name | replace(' ', '-') }}",
  "kind": ["library", "service"],
  "ci": true,
  "_copy_without_render": ["*.raw"],
  "__upper": "{{ cookiecutter.name | upper }}"
}
""",
    "hooks/post_gen_project.py": "import os\nif not {{ cookiecutter.ci }}:\n    os.remove('ci.yml')\nprint('hooked')\n",
    "{{cookiecutter.slug}}/README.md": "# {{ cookiecutter.__upper }}, a {{ cookiecutter.kind }}\n",
    "{{cookiecutter.slug}}/ci.yml": "on: push\n",
    "{{cookiecutter.slug}}/as-it-is.raw": "{{ not rendered }}\n",
    "{{cookiecutter.slug}}/main.py": LINES,
}


def released(folder: Path, first: Mapping[str, str | None], *later: Mapping[str, str | None]) -> Path:
    """A template as a repository: v1.0.0 with those files, then a release for each further set of changes."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for number, files in enumerate((first, *later), 1):
        put(folder, files)
        commit(folder, f"release {number}")
        git(folder, "tag", f"v{number}.0.0")
    return folder
