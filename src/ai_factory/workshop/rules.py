"""What `factory lint` can find, each mistake that an author of components and blueprints can make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ai_factory.errors import FactoryError
from ai_factory.layers import DECLARATION


class Rule(NamedTuple):
    """One mistake: its title, why it matters, and what mends it."""

    title: str
    why: str
    help: str


RULES: Mapping[str, Rule] = {
    "FL001": Rule(
        "file that cannot be read",
        "a key that nobody knows is a word of yours that nobody hears",
        "write what the format's reference page names",
    ),
    "FL002": Rule(
        "components that do not fit together",
        "a project cannot be stamped where a component is missing, or stands before one that it requires",
        "list the required component before the one that requires it",
    ),
    "FL003": Rule(
        "two owners of one path",
        "two components that write one file would overwrite each other",
        "let one own the file, and the other contribute to it",
    ),
    "FL004": Rule(
        "question asked twice",
        "an answer has one meaning and one default, so one component asks for it",
        "let one component ask, and the other require that component",
    ),
    "FL005": Rule(
        "contribution that nothing consumes",
        "what a component adds is lost where no template of the blueprint reads that kind",
        "read `_contributions.KIND` in the file that should hold it, or take the contribution out",
    ),
    "FL006": Rule(
        "variable that is not defined",
        "a component sees its own answers and those of the components that it requires, in every branch; what the "
        "template itself sets, or of which it asks somewhere whether it is defined, counts as known",
        "ask for it, or require the component that does",
    ),
    "FL007": Rule(
        "question without help",
        "a person who starts a project decides by the help alone",
        "say in `help` what the answer changes",
    ),
    "FL008": Rule(
        "condition in a path",
        "nobody can tell from the factory which files a project has",
        "make the file an optional component of its own",
    ),
    "FL009": Rule(
        "stamped file that git ignores",
        "it never reaches the repository, and every check misses it",
        "take the line out of the ignore file, or the file out of the component",
    ),
    "FL010": Rule(
        "evidence that is not there",
        "a control would count as weakened by a file that no project has",
        "name a path that the component stamps or produces, or that another one does",
    ),
    "FL011": Rule(
        "managed code without a control",
        "a component that manages files and is evidence for nothing cannot say what an edit weakens",
        "name in `evidences` the controls that the files serve, or let the team merge them",
    ),
    "FL012": Rule(
        "ownership of nothing",
        "a rule that matches no file protects nothing, and looks as if it did",
        "mend the glob, or take the rule out",
    ),
    "FL013": Rule(
        "template that cannot be rendered",
        "a project with such answers cannot be stamped",
        "mend the template where the message says",
    ),
    "FL014": Rule(
        "rendering that differs from run to run",
        "the same answers have to give the same bytes, or every sync brings a change that nobody made",
        "take the value from an answer",
    ),
    "FL015": Rule(
        "gone without a word",
        "a file or question of the last release that is gone undeclared is lost to the projects that have it",
        "declare it under `changes`: `rename`, `remove`, or `answer`",
    ),
    "FL016": Rule(
        "answer that nothing reads",
        "people answer a question that decides nothing",
        "read it in a template, or take the question out",
    ),
    "FL017": Rule(
        "component of no blueprint",
        "nobody can have it",
        "list it in a blueprint, as a component or as optional, or delete its folder",
    ),
    "FL018": Rule(
        "control that nobody knows",
        "no gate asks for it, and no report can say what it means",
        "name one of the map in `controls/`; `ai-factory explain ID` says what one means",
    ),
    "FL019": Rule(
        "declaration that does not fit",
        "what `factory.yaml` and the extensions say has to match the factory below, or nobody knows which file counts",
        "mend `factory.yaml` or the extension where the message says",
    ),
    "FL020": Rule(
        "edited factory below",
        "the next update would meet changes that nobody declared",
        "move the change into a file of your own, and put `upstream/` back with git",
    ),
    "FL021": Rule(
        "weakened without a word",
        "projects would lose evidence for a control, or a promise about a file, and nobody would hear of it",
        "declare it: a row of `changes` with `weakens: [CONTROL]`, which every plan shows",
    ),
    "FL022": Rule(
        "changed without a word",
        "projects get another file under the same version, and no release notes say why",
        "say what changes under `## Unreleased` in the component's `CHANGELOG.md`, which is made where there is none",
    ),
    "FL023": Rule(
        "conflict that is not resolved",
        "what a merge has left would be stamped into every project as if it were meant",
        "keep the lines that are right, and remove the marks; a text about them writes each in a `.jinja` file as an "
        "expression, such as `{{ '<<<<<<<' }}`",
    ),
    "FL024": Rule(
        "blueprint that offers less",
        "a project of it would lose a component unheard, or could not be synced at all",
        "say why in the blueprint: `retired: { COMPONENT: WHY }`; in the one that takes the place of another: "
        "`replaces: [OTHER]`",
    ),
    "FL025": Rule(
        "change that leads nowhere",
        "every project goes through what is declared: a rename to no file, or to a file outside of the project, would "
        "stop its sync",
        "name a file or a question that there is, or that a later change takes further",
    ),
    "FL026": Rule(
        "answer that is none any more",
        "a project that has given it, or never had to, could not be synced",
        "say under `changes` what becomes of it: `answer: { map: { KEY: { OLD: NEW } } }`; let each question that "
        "projects have not answered keep a default",
    ),
    "FL027": Rule(
        "map that does not keep what it says",
        "the gate of every project reads the documents in `controls/`, and cannot judge by ones that are wrong",
        "mend the document where the message says; `ai-factory map lint` looks at it alone",
    ),
    "FL028": Rule(
        "version that goes back",
        "the first heading of a changelog is a component's version: a project that has a newer one would miss it",
        "let `ai-factory factory release` number it, from `## Unreleased`; or write the newest version on top",
    ),
}


class Flaw(NamedTuple):
    """One mistake and where it is; line 0 where none is known."""

    rule: str
    path: str
    line: int
    message: str


_PLACED = re.compile(r"`(?P<path>[^`]+)`(?: line (?P<line>\d+))?:? (?P<message>.*)", re.DOTALL)


def located(rule: str, error: FactoryError, where: str) -> list[Flaw]:
    """The flaws that an error tells of, each at the place that its sentence names, else at `where`."""
    return [_located(rule, text, where) for text in (error.message, *error.details)]


def _located(rule: str, text: str, where: str) -> Flaw:
    found = _PLACED.fullmatch(text)
    if found is None or not ("/" in found["path"] or found["path"] == DECLARATION):
        return Flaw(rule, where, 0, text)
    return Flaw(rule, found["path"], int(found["line"] or 0), found["message"])
