"""The way in: hands `check` and `--version` to their own small parsers, everything else to `cli`."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise

from ai_factory import __version__
from ai_factory.errors import FactoryError, unexpected


def main() -> None:
    """Run the command line and leave with its exit code."""
    arguments = sys.argv[1:]
    if sys.stdout is None:  # closed by the shell (`>&-`): nobody would see a result
        _leave(_closed())
    _show_all()
    if arguments in (["--version"], ["-V"]):
        _leave(guarded(_version, arguments))
    _listen(arguments)
    try:
        code = guarded(_command(arguments), arguments)
    except OSError:  # the error could not even be told: standard error may lie on the disk that is full
        code = 2
    _leave(code)


def _show_all() -> None:
    """What a terminal cannot show goes there escaped, as JSON does it: no letter is to end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":  # not where it was closed
            codecs.register_error("shown", _shown)
            stream.reconfigure(errors="shown")


def _shown(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


def _closed() -> int:
    """Say that there is no standard output, where that can be said: a result that nobody sees is none."""
    if sys.stderr is not None:
        sys.stderr.write("error: standard output is closed\nhint: leave it open, or send it to /dev/null\n")
    return 2


def _leave(code: int) -> None:
    """End the process at once: taking the interpreter down takes a tenth of a check, and nothing is left to do."""
    with suppress(OSError, AttributeError):  # standard error may be closed
        sys.stderr.flush()
    os._exit(code)


def _version() -> int:
    sys.stdout.write(f"ai-factory {__version__}\n")
    return 0


def _command(arguments: Sequence[str]) -> Callable[[], int]:
    if arguments[:1] == ["check"]:
        from ai_factory.cli.check import main as check

        return lambda: check(arguments[1:])
    from ai_factory.cli.app import main as app

    return lambda: app(arguments)


def _listen(arguments: Sequence[str]) -> None:
    if arguments[:1] != ["check"]:  # which writes nothing that would have to be put back
        from ai_factory.interruption import tidy_endings

        tidy_endings()


def guarded(command: Callable[[], int], arguments: Sequence[str]) -> int:
    """The exit code of a command; what it raises is one sentence and a hint, never a traceback unless asked for."""
    try:
        code = command()
        sys.stdout.flush()
    except FactoryError as error:
        return _tell(error, arguments)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except BrokenPipeError:  # nobody reads on; a verdict would have been returned all the same, see `cli.check`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        return _tell(_refused(error), arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no verdict about the project
        if "--verbose" in arguments:
            sys.excepthook(type(error), error, error.__traceback__)
        return _tell(unexpected(error), arguments)
    return code


def _refused(error: OSError) -> FactoryError:
    """What the machine refuses in a place that no other sentence speaks of, such as its folder for temporary files."""
    from ai_factory.errors import MachineError
    from ai_factory.workspace import UNUSABLE

    what = f"cannot use `{error.filename}`: " if error.filename else ""
    return MachineError(what + (error.strerror or str(error)).lower(), UNUSABLE)


def _tell(error: FactoryError, arguments: Sequence[str]) -> int:
    from ai_factory.report.plain import error_text

    if name := _format(arguments):
        from ai_factory.report.formats import Own, document, failed

        with suppress(OSError):  # standard output may be what is full: then standard error says so
            sys.stdout.write(document(name, failed(arguments[0], error), Own()) + "\n")
            sys.stdout.flush()
            return error.exit_code
    sys.stderr.write(error_text(error) + "\n")
    return error.exit_code


def _format(arguments: Sequence[str]) -> str:
    """The format for machines that was asked for: an error is a valid document of it too."""
    after = [value for option, value in pairwise(arguments) if option == "--format"]
    after += [item.removeprefix("--format=") for item in arguments if item.startswith("--format=")]
    if "--json" in arguments or "json" in after:
        return "json"
    known = ("jsonl", "sarif", "github", "gitlab", "junit", "markdown")
    return next((name for name in after if name in known), "") if arguments[:1] in (["check"], ["gate"]) else ""


if __name__ == "__main__":
    main()
