"""Commands for the audit logs.

`verify`: are they intact?  `checkpoint`: state and sign their ends.  `keygen`: a signing key.
`prove`: show one event, or that a log only grew, without showing the rest; `check` such a proof.
`deliver`: send what sinks have not got.  `backlog`: how much that is, for Prometheus.
`dispose`: apply the retention rule.  `erase`: destroy the payloads about one person,
and the stored cases of their decisions.  `pseudonym`: what a person is called in the logs.
"""

import argparse
import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..paths import Paths
from . import checkpoints, retention
from .chain import STUB, Verification, leaves, split, verify, verify_folder
from .checkpoints import SIGNING_KEY, Checkpoint, Signer, signer_from
from .delivery import Backlog, backlogs, metrics
from .events import canonical, leaf
from .log import AuditUnavailable, WriterBusy, now, open_log
from .privacy import KeyRefused, privacy_from
from .retention import Disposal
from .settings import Settings, settings

Options = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done, intact; 1: something is missing, changed, refused; 2: there is no log."""
    options = _parser().parse_args(arguments)
    paths = Paths.here()
    try:
        return COMMANDS[options.command](paths, options)
    except (AuditUnavailable, KeyRefused, OSError, ValueError) as error:
        print(f"audit {options.command}: {error}", file=sys.stderr)
        return 1


def _verify(paths: Paths, options: Options) -> int:
    """Check every log, also one that is gone but of which there is a checkpoint."""
    known: dict[str, list[Checkpoint]] = {}
    for point in _kept(options.against) if options.against else []:
        known.setdefault(point.log, []).append(point)
    chosen = _settings(paths)
    keys = chosen.checkpoint_keys
    there = {state.path.name: state for state in verify_folder(paths.audit, keys)}
    logs = sorted(there.keys() | known.keys())
    states = [
        verify(paths.audit / log, known[log], keys) if log in known else there[log] for log in logs
    ]
    if not states:
        print(
            f"no audit log in {paths.audit}\nhint: `make run` writes the first events",
            file=sys.stderr,
        )
        return 2
    shown = [_show(state, signed=bool(keys)) for state in states]
    early = [text for state in states for text in _early(state, chosen)]
    print("".join(f"{text}\n" for text in early), end="", file=sys.stderr)
    return 0 if all(shown) and not early else 1


def _kept(file: Path) -> list[Checkpoint]:
    """The checkpoints of a file from elsewhere; ValueError for none: they would check nothing."""
    if not file.exists():
        raise ValueError(f"there is no {file}")
    points = checkpoints.read(file)
    if not points:
        raise ValueError(f"{file} holds no checkpoint")
    return points


def _early(state: Verification, chosen: Settings) -> list[str]:
    """What went too soon; a log that is damaged says nothing of times."""
    sound = state.intact and state.disposed
    found = retention.early(state.path, chosen.retention) if sound else []
    return [f"{state.path.name}: {text}" for text in found]


def _checkpoint(paths: Paths, options: Options) -> int:
    """Keep a checkpoint of each log beside it, and print it, to be kept elsewhere."""
    chosen = _settings(paths)
    signer = signer_from(os.environ, chosen.source)
    for state in verify_folder(paths.audit, chosen.checkpoint_keys):
        point = state.checkpoint()
        line = (signer.sign(point) if signer else point).line()
        with checkpoints.file_of(state.path).open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        print(line, end="")
    if signer is None:
        print(f"not signed: {SIGNING_KEY} is not set", file=sys.stderr)
    return 0


def _keygen(paths: Paths, options: Options) -> int:
    """Print a new private key for the environment, and its public key for ops/audit.yaml."""
    seed = secrets.token_bytes(32)
    print(f"{SIGNING_KEY}={base64.b64encode(seed).decode()}")
    print(f"# checkpoint_keys: [{Signer(_settings(paths).source, seed).public_key()}]")
    return 0


def _prove(paths: Paths, options: Options) -> int:
    """A proof as JSON: of one event, or of growth from an earlier size."""
    log = paths.audit / f"{options.log}.jsonl"
    known = leaves(log)
    size = len(known) if options.size is None else options.size
    if size > len(known):
        raise ValueError(f"{log.name} has {len(known)} events: there is no tree of {size}")
    tree = known[:size]
    root = _text(checkpoints.root(tree))
    proof: dict[str, object] = {"log": log.name, "size": size, "root": root}
    if options.since is not None:
        path = checkpoints.consistency(tree, options.since)
        first = _text(checkpoints.root(tree[: options.since]))
        proof |= {"first": options.since, "first_root": first}
        proof |= {"consistency": [_text(step) for step in path]}
    else:
        path = checkpoints.inclusion(tree, options.sequence - 1)
        event = _event(log, options.sequence)
        proof |= {"event": event, "sequence": options.sequence, "inclusion": list(map(_text, path))}
    print(json.dumps(proof, indent=2))
    return 0


def _event(log: Path, sequence: int) -> str:
    """The line of an event, from which others compute its leaf."""
    line = split(log.read_bytes())[0][sequence - 1].decode()
    if json.loads(line).keys() == STUB:
        raise ValueError(f"event {sequence} of {log.name} was disposed of: only its hash is left")
    return line


def _check(paths: Paths, options: Options) -> int:
    """Check a proof; what is left to do is to compare its roots with a signed checkpoint."""
    try:
        proof = json.loads(options.proof.read_text(encoding="utf-8"))
        holds = _holds(proof)
        said = f"{proof['size']} events, {proof['root']}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{options.proof} is no proof that `prove` printed: {error!r}") from error
    print(f"{'holds' if holds else 'DOES NOT HOLD'} for {said}")
    return 0 if holds else 1


def _holds(proof: Mapping[str, Any]) -> bool:
    """Whether a proof shows what it says. KeyError, TypeError, ValueError where it is none."""
    root = _bytes(proof["root"])
    if "consistency" in proof:
        path = [_bytes(step) for step in proof["consistency"]]
        first = _bytes(proof["first_root"])
        return checkpoints.consistent(proof["first"], proof["size"], path, first, root)
    path = [_bytes(step) for step in proof["inclusion"]]
    own = _leaf(proof["event"])
    return checkpoints.included(own, proof["sequence"] - 1, proof["size"], path, root)


def _leaf(line: str) -> bytes:
    """The leaf of an event's line, from its content and not from the hash that it states."""
    event = json.loads(line)
    content = canonical({name: value for name, value in event.items() if name != "hash"})
    return bytes.fromhex(leaf(content).removeprefix("sha256:"))


def _deliver(paths: Paths, options: Options) -> int:
    """Open each log that nobody writes, so that its sinks get what waits; 1 if some still does.

    A log in use is passed over: its writer started the deliveries when it opened it.
    """
    names = [log.stem for log in sorted(paths.audit.glob("*.jsonl"))]
    states = {name: _delivered(paths, name) for name in names}
    waiting = [one for one in _backlogs(paths) if one.events and states.get(one.log) != "busy"]
    for one in waiting:
        print(f"{one.sink}: {one.events} events of {one.log} wait", file=sys.stderr)
    return 1 if waiting or "refused" in states.values() else 0


def _delivered(paths: Paths, name: str) -> str:
    """Open and close one log: done, busy or refused, so that the logs behind it get their turn."""
    try:
        open_log(paths, name).close()
    except WriterBusy:
        print(f"{name}: in use, passed over: its writer delivers it itself", file=sys.stderr)
        return "busy"
    except AuditUnavailable as error:
        print(f"audit deliver: {error}", file=sys.stderr)
        return "refused"
    return "done"


def _backlog(paths: Paths, options: Options) -> int:
    system = _settings(paths).source.rsplit("/", 1)[-1]
    print(metrics(system, _backlogs(paths)), end="")
    return 0


def _backlogs(paths: Paths) -> list[Backlog]:
    sinks = [sink for sink in _settings(paths).sinks if sink != "file"]
    return backlogs(paths.audit, sinks, now())


def _dispose(paths: Paths, options: Options) -> int:
    """Say what is due, and which holds keep nothing; with --apply, do it."""
    for subject in retention.idle(paths):
        print(f"the hold of {subject} keeps nothing: no event is about it", file=sys.stderr)
    return _disposed(paths, retention.due(paths, now()), options.apply)


def _erase(paths: Paths, options: Options) -> int:
    """Say what there is about a person; with --apply, destroy it."""
    found = retention.erasure(paths, _names(options.subject))
    if not found:
        print("nothing is found of this person under the present key", file=sys.stderr)
        return 1
    return _disposed(paths, found, options.apply)


def _pseudonym(paths: Paths, options: Options) -> int:
    """Print the pseudonyms of a person under the present key, for `holds` of ops/audit.yaml."""
    print("\n".join(_names(options.identifier)))
    return 0


def _names(person: str) -> list[str]:
    """A record about a person has the one, what a person asked for by an address has the other."""
    privacy = privacy_from(os.environ)
    return list(dict.fromkeys([privacy.pseudonym(person), privacy.actor(person)]))


def _disposed(paths: Paths, found: list[Disposal], apply: bool) -> int:
    for disposal in found:
        print(disposal)
    if apply:
        retention.dispose(paths, found)
    print("done" if apply else "dry run: nothing was touched, add --apply", file=sys.stderr)
    return 0


def _settings(paths: Paths) -> Settings:
    file = paths.ops / "audit.yaml"
    return settings(file) if file.is_file() else Settings("", ())


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _show(state: Verification, signed: bool) -> bool:
    verdict = "intact" if state.intact else "NOT INTACT"
    gone = f", {state.disposed} of them disposed of" if state.disposed else ""
    since = f", {state.events - state.checked} since the last checkpoint" if state.checked else ""
    word = "" if signed or not state.checked else " (signatures not checked: no checkpoint_keys)"
    print(f"{state.path}: {verdict}, {state.events} events{gone}{since}{word}", file=sys.stderr)
    for finding in state.findings:
        print(f"  {finding.kind}: {finding.message}", file=sys.stderr)
    return state.intact


COMMANDS: Mapping[str, Callable[[Paths, Options], int]] = {
    "verify": _verify,
    "checkpoint": _checkpoint,
    "keygen": _keygen,
    "prove": _prove,
    "check": _check,
    "deliver": _deliver,
    "backlog": _backlog,
    "dispose": _dispose,
    "erase": _erase,
    "pseudonym": _pseudonym,
}


def _count(text: str) -> int:
    """A number of events or a place among them: both begin at 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="audit", description="Look after the audit logs.")
    commands = parser.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name, help=run.__doc__) for name, run in COMMANDS.items()}
    made["verify"].add_argument("--against", type=Path, help="file of checkpoints kept elsewhere")
    made["prove"].add_argument("--log", required=True, help="name of the writer, such as service")
    made["prove"].add_argument("--size", type=_count, help="size of the tree (default: all events)")
    one = made["prove"].add_mutually_exclusive_group(required=True)
    one.add_argument("--sequence", type=_count, help="the event to show")
    one.add_argument("--since", type=_count, help="the earlier size from which the log grew")
    made["check"].add_argument("proof", type=Path, help="what `prove` printed")
    made["erase"].add_argument("--subject", required=True, help="the person, as given to `record`")
    made["pseudonym"].add_argument("identifier", help="the person, as given to `record`")
    for name in ("dispose", "erase"):
        made[name].add_argument("--apply", action="store_true", help="do it (default: dry run)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
