"""What can go wrong, sorted by who must act; knows nothing else and never prints."""

from __future__ import annotations


class FactoryError(Exception):
    """The run cannot go on: one clear sentence, and a hint with the command that mends it.

    `exit_code` is what the process returns; `details` are further lines (all that is wrong, not only the first).
    """

    exit_code = 2
    kind = "error"

    def __init__(self, message: str, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class AuthorError(FactoryError):
    """The author of a component or blueprint must act."""

    kind = "author"


class UsageError(FactoryError):
    """The person at the command line must act: an option, an answer, a folder."""

    kind = "usage"


class AnswersError(UsageError):
    """Answers are missing or invalid; `problems` maps each key to what is wrong with it."""

    kind = "answers"

    def __init__(self, problems: dict[str, str], hint: str) -> None:
        lines = tuple(f"`{key}`: {problem}" for key, problem in problems.items())
        count = "an answer is" if len(problems) == 1 else f"{len(problems)} answers are"
        super().__init__(f"{count} missing or invalid", hint, lines)
        self.problems = problems

    def __reduce__(self) -> tuple[type[AnswersError], tuple[dict[str, str], str]]:
        return AnswersError, (self.problems, self.hint)  # it may cross from a child process


class ProjectError(FactoryError):
    """The team that owns the project must act: a dirty tree, a broken lock, an open conflict."""

    kind = "project"


class HoldError(ProjectError):
    """The project is on hold: it is left alone, and shown."""

    kind = "hold"


class LockError(ProjectError):
    """Lock or base is missing, broken, edited or of another origin (rule AF005)."""

    kind = "lock"
    rule = "AF005"


class MachineError(FactoryError):
    """The machine is in the way: no git, no permission, no space, no network."""

    kind = "machine"


class UnreachableError(MachineError):
    """The factory cannot be read (rule AF006)."""

    kind = "unreachable"
    rule = "AF006"


class SignatureError(FactoryError):
    """The owners of a factory must act: a release is not signed by anybody whom the person named."""

    kind = "signature"


FAILURES = {  # of which kind a failure in a fleet is: whether another try may help
    "transient": "try again later",
    "permission": "a right is missing: whoever gives rights must act",
    "conflict": "somebody else has moved on: look, then plan again",
    "policy": "a rule forbids it: whoever owns the rule must act",
    "bug": "nobody thought of it: it is ours, or the host's",
}


class ForgeError(FactoryError):
    """A code host refuses, or cannot be reached; `failure` is one of FAILURES, `after` the seconds to wait first."""

    kind = "forge"

    def __init__(self, message: str, failure: str, hint: str = "", after: float = 0) -> None:
        super().__init__(message, hint)
        self.failure = failure
        self.after = after

    def __reduce__(self) -> tuple[type[ForgeError], tuple[str, str, str, float]]:
        return ForgeError, (self.message, self.failure, self.hint, self.after)  # it may cross from another machine


class ConsentError(FactoryError):
    """A person must agree first."""

    kind = "consent"
    exit_code = 4


def unexpected(error: Exception) -> FactoryError:
    """The error for what nobody thought of: it is no verdict about a project."""
    return FactoryError(f"unexpected {type(error).__name__}: {error}", "`--verbose` shows where")
