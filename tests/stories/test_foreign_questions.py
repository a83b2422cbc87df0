"""What the templates of Copier and Cookiecutter ask on a terminal: in their words, with their validators."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.kit import cli, converse, git, put, snapshot
from tests.outside import released

COPIER = {
    "copier.yml": """\
_subdirectory: project
name:
  type: str
  help: What is it called?
  validator: "{% if not name.islower() %}small letters, please{% endif %}"
title:
  type: str
  default: "{{ name | capitalize }} it is"
count:
  type: int
  help: How many of {{ name }}?
  default: 3
kind:
  help: Which kind?
  choices: {A library: library, A service: service}
  default: library
port:
  type: int
  help: On which port?
  default: 80
  when: "{{ kind == 'service' }}"
extras:
  type: str
  multiselect: true
  choices: [docs, bench, ci]
  default: [docs]
public:
  type: bool
  default: false
more:
  type: yaml
  default: {a: 1}
token:
  type: str
  secret: true
  default: none yet
module:
  default: "{{ name }}_{{ kind }}"
  when: false
""",
    "project/out.txt.jinja": "{{ name }}|{{ title }}|{{ count }}|{{ kind }}|{{ port }}|{{ extras }}|"
    "{{ public }}|{{ more.a }}\n",
    "project/secret.txt.jinja": "{{ token }}\n",
    "project/module.txt.jinja": "{{ module }}\n",
}
COOKIECUTTER = {
    "cookiecutter.json": json.dumps(
        {
            "name": "my thing",
            "slug": "{{ cookiecutter.name | replace(' ', '-') }}",
            "kind": ["library", "service"],
            "call": ["{{ cookiecutter.slug }}", "run-{{ cookiecutter.slug }}"],
            "ci": True,
            "ports": {"http": "80", "admin": "{{ cookiecutter.slug }}-admin"},
            "_copy_without_render": ["*.raw"],
            "__upper": "{{ cookiecutter.name | upper }}",
            "__prompts__": {
                "name": "What is it called?",
                "kind": {"__prompt__": "Which kind?", "library": "A library", "service": "A service"},
            },
        }
    ),
    "{{cookiecutter.slug}}/out.txt": "{{ cookiecutter.__upper }}|{{ cookiecutter.kind }}|{{ cookiecutter.call }}|"
    "{{ cookiecutter.ci }}|{{ cookiecutter.ports.http }}|{{ cookiecutter.ports.admin }}\n",
}


def talk(folder: Path, answers: list[str], *arguments: str) -> str:
    """What was said on a terminal while these were answered."""
    command = [sys.executable, "-m", "ai_factory", *arguments]
    return converse(command, folder, [f"{answer}\n" for answer in answers], prompt=":")


def asked(said: str) -> list[str]:
    """What was shown, line by line, without colours and what was typed."""
    lines = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]|\r", "", said).splitlines()
    return [line.strip() for line in lines if line.strip()]


# ---- Copier --------------------------------------------------------------------------------------


def test_copier_asks_in_the_words_of_the_template(tmp_path: Path) -> None:
    released(tmp_path / "template", COPIER)
    answers = ["Big", "thing", "", "many", "4", "boat", "2", "8080", "docs, bunch", "bench, 3", "maybe", "y", ""]
    said = talk(tmp_path, [*answers, "hush"], "new", "./template", "made")
    assert (tmp_path / "made/out.txt").read_text() == "thing|Thing it is|4|service|8080|['bench', 'ci']|True|1\n"
    assert (tmp_path / "made/module.txt").read_text() == "thing_service\n"
    told = asked(said)
    for line in (
        "What is it called?",
        "small letters, please",
        "How many of thing?",
        "'many' is no int",
        "Which kind?",
        "1. A library",
        "On which port?",
        "'maybe' is no bool",
    ):
        assert line in told, said
    assert "title [Thing it is]:" in told
    assert "count [3]:" in told
    assert any(line.startswith("extras (comma-separated) [docs]:") for line in told)
    assert any(line.startswith("Invalid choice for 'extras': 'bunch'") for line in told)
    assert 'more [{"a": 1}]:' in told
    assert "module [" not in said


def test_a_secret_is_neither_shown_nor_kept(tmp_path: Path) -> None:
    released(tmp_path / "template", COPIER)
    said = talk(tmp_path, ["thing", "", "", "", "", "", "", "hush"], "new", "./template", "made")
    assert (tmp_path / "made/secret.txt").read_text() == "hush\n"
    assert "hush" not in said
    assert "none yet" not in said
    kept = "".join(path.read_text() for path in (tmp_path / "made/.ai-factory").glob("*.*"))
    assert "hush" not in kept
    assert (
        json.loads((tmp_path / "made/.ai-factory/lock.json").read_text())["paths"]["secret.txt"]["ownership"]
        == "seeded"
    )


def test_what_is_given_is_not_asked_and_what_does_not_apply_neither(tmp_path: Path) -> None:
    released(tmp_path / "template", COPIER)
    given = ["--data", "name=thing", "--data", "title=T", "--data", "count=1", "--data", "extras=docs, ci"]
    said = talk(tmp_path, ["1", "", "", ""], "new", "./template", "made", *given)
    assert (tmp_path / "made/out.txt").read_text() == "thing|T|1|library|80|['docs', 'ci']|False|1\n"
    assert [word for word in ("called", "many", "port [", "extras (") if word in said] == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("extras=docs, bunch", "`extras`: Invalid choice for 'extras': 'bunch' is not in ['docs', 'bench', 'ci']"),
        ("count=many", "`count`: 'many' is no int"),
        ("name=Big", "`name`: small letters, please"),
    ],
)
def test_what_is_given_is_held_against_the_same(tmp_path: Path, data: str, said: str) -> None:
    released(tmp_path / "template", COPIER)
    done = cli(
        "new", str(tmp_path / "template"), str(tmp_path / "made"), "--data", "name=thing", "--data", data, "--defaults"
    )
    assert (done.code, (tmp_path / "made").exists(), done.err.splitlines()[1].strip()) == (2, False, said)


# ---- Cookiecutter --------------------------------------------------------------------------------


def test_cookiecutter_asks_in_the_words_of_the_template(tmp_path: Path) -> None:
    released(tmp_path / "template", COOKIECUTTER)
    answers = [
        "big thing",
        "{{ nothing",
        "big",
        "boat",
        "A service",
        "2",
        "perhaps",
        "no",
        "eighty",
        '{"http": "8080"}',
    ]
    said = talk(tmp_path, answers, "new", "./template", "made", "--trust")
    assert (tmp_path / "made/out.txt").read_text() == "BIG THING|service|run-big|False|8080|big-admin\n"
    told = asked(said)
    for line in ("What is it called?", "name [my thing]:", "slug [big-thing]:", "Which kind?"):
        assert line in told, said
    for line in ("1. A library", "2. A service", "'boat' is not one of library, service", "2. run-big"):
        assert line in told, said
    assert 'ports [{"http": "80", "admin": "big-admin"}]:' in told
    assert [word for word in ("_copy", "__upper", "MY THING") if word in said] == []
    answers_kept = json.loads((tmp_path / "made/.ai-factory/lock.json").read_text())["answers"]
    assert answers_kept == {
        "name": "big thing",
        "slug": "big",
        "kind": "service",
        "call": "run-big",
        "ci": False,
        "ports": {"http": "8080", "admin": "big-admin"},
    }


def test_answers_of_every_kind_outlive_a_sync(tmp_path: Path) -> None:
    """A choice that is a template, and a dictionary that has got a key: the team's answer stays, what is new comes."""
    variables = json.loads(COOKIECUTTER["cookiecutter.json"])
    ports = {**variables["ports"], "debug": "9"}
    template = released(
        tmp_path / "template",
        COOKIECUTTER,
        {
            "cookiecutter.json": json.dumps({**variables, "ports": ports}),
            "{{cookiecutter.slug}}/new.txt": "{{ cookiecutter.call }} {{ cookiecutter.ports.debug }}\n",
        },
    )
    made = tmp_path / "made"
    given = ("--data", "call=run-my-thing", "--data", 'ports={"http": "8080", "admin": "x"}')
    done = cli("new", str(template), str(made), "--version", "v1.0.0", "--trust", "--defaults", *given)
    assert done.code == 0, done.err
    assert (made / "out.txt").read_text() == "MY THING|library|run-my-thing|True|8080|x\n"
    assert cli("check", "--verify", "--trust", cwd=made).code == 0
    done = cli("sync", "--trust", cwd=made)
    assert done.code == 0, done.err
    assert (made / "new.txt").read_text() == "run-my-thing 9\n"
    assert (made / "out.txt").read_text() == "MY THING|library|run-my-thing|True|8080|x\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("ports=eighty", "`ports`: "),
        ("kind=boat", "`kind`: 'boat' is not one of library, service"),
        ("ci=perhaps", "`ci`: "),
    ],
)
def test_wrong_answers_of_cookiecutter_write_nothing(tmp_path: Path, data: str, said: str) -> None:
    released(tmp_path / "template", COOKIECUTTER)
    done = cli("new", str(tmp_path / "template"), str(tmp_path / "made"), "--trust", "--data", data, "--defaults")
    assert (done.code, (tmp_path / "made").exists()) == (2, False)
    assert said in done.err


# ---- interrupted ---------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [COPIER, COOKIECUTTER], ids=["copier", "cookiecutter"])
@pytest.mark.parametrize("before", [[], ["thing\n"]], ids=["at once", "later"])
def test_ctrl_c_leaves_nothing(tmp_path: Path, files: dict[str, str], before: list[str]) -> None:
    template = released(tmp_path / "template", files)
    found = snapshot(template)
    script = f"{sys.executable} -m ai_factory new ./template made --trust; echo code $?; stty -a | grep -c ' echo '"
    said = converse(["sh", "-ic", script], tmp_path, [*before, "\x03"], prompt=":")
    assert "interrupted" in said
    assert "code 130" in said
    assert "Traceback" not in said
    assert (sorted(path.name for path in tmp_path.iterdir()), snapshot(template)) == (["template"], found)


def test_ctrl_c_at_a_hidden_answer_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    released(tmp_path / "template", COPIER)
    given = "--data name=thing --data title=t --data count=1 --data kind=library --data extras=docs --data public=no"
    script = f"{sys.executable} -m ai_factory new ./template made {given} --data more=1; echo code $?; stty -a"
    said = converse(["sh", "-ic", script], tmp_path, ["\x03"], prompt="token:")
    assert ("code 130" in said, " echo " in said.replace("\n", " "), (tmp_path / "made").exists()) == (
        True,
        True,
        False,
    )


# ---- adopted with a blueprint --------------------------------------------------------------------


def test_adopt_asks_the_same(tmp_path: Path) -> None:
    template, made = released(tmp_path / "template", COPIER), tmp_path / "made"
    put(made, {"own.txt": "ours\n"})
    git(made, "init", "-q", "-b", "main")
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "ours")
    answers = ["Big", "thing", "", "", "", "", "", "", ""]
    said = talk(made, answers, "adopt", "--blueprint", "template", "--factory", str(template))
    assert "small letters, please" in asked(said), said
    assert (made / "out.txt").read_text() == "thing|Thing it is|3|library|80|['docs']|False|1\n"
