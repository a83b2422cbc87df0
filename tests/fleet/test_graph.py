"""What each project says becomes one graph: the same thing is one node, and what does not fit is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ai_factory.errors import UsageError
from ai_factory.fleet.governance.affected import Suspect, affected
from ai_factory.fleet.governance.graph import Graph, downstream, graph
from ai_factory.fleet.governance.papers import matching
from ai_factory.fleet.governance.parts import Parts, Thing, Use, parts
from ai_factory.fleet.registry import Member
from ai_factory.fleet.survey import Way, survey
from tests.fleet.systems import DIGESTS, about, bom, contract, evidence, system
from tests.kit import commit, git, put, refusal


def said(key: str, *, names: tuple[str, ...] = (), uses: dict[str, str] | None = None, **more: Any) -> Parts:
    """A system that uses things, given by id and the words for it."""
    me = Thing(f"system:{key}", "system", key)
    things = [Thing(one, one.partition(":")[0], one.partition(":")[2]) for one in uses or {}]
    return Parts(
        key,
        "team",
        "",
        "",
        (key, *names),
        (me, *things, *more.get("things", ())),
        tuple(Use(me.id, one, "file", words) for one, words in (uses or {}).items()) + tuple(more.get("uses", ())),
    )


def one(folder: Path) -> Parts:
    (found,) = survey([Member(str(folder))], parts)
    assert found.said, found.why
    return found.said


def edges(found: Parts | Graph) -> set[tuple[str, str, str]]:
    return {(use.source, use.target, use.where) for use in found.uses}


def test_a_system_is_read_from_its_own_files(project: Path, tmp_path: Path) -> None:
    """Components of the lock, contracts, the bill of materials, packages, declared services and consumers."""
    place = system(
        tmp_path / "credit",
        project,
        {
            "governance/system.yaml": about("credit", "risk"),
            "contracts/a.odcs.yaml": contract("applications", "2.0.0"),
            "constraints.txt": "# pins\nSome.Package==1.2 \\\n    --hash=sha256:0\nnot a pin\n",
            "bom/sbom.cdx.json": {"components": [{"type": "library", "name": "some-package", "version": "1.3"}]},
            "evidence/bom.json": bom(services=("bureau", "own_tool")),
            "evidence/lineage.json": evidence("lineage", {"sources": ["contracts/a.odcs.yaml"]}),
            "evidence/model.json": evidence("model", {"facts": {"answerer": "openai:big-model"}}),
            "governance/dependencies.yaml": {
                "services": [{"name": "bureau", "purpose": "histories", "outside": True}],
                "consumers": [{"name": "portal", "purpose": "shows it"}],
            },
        },
    )
    found = one(Path(place))
    me, model = f"system:{place}", f"model:{DIGESTS['model']}"
    assert (found.names, found.owner, found.contact, found.odd) == (("credit",), "risk", "risk@example.org", ())
    assert edges(found) == {
        (me, "component:core@1.0.0", ".ai-factory/lock.json"),
        (me, "component:extras@v1.0.0", ".ai-factory/lock.json"),
        (me, "dataset:applications", "contracts/a.odcs.yaml"),
        (me, model, "evidence/bom.json"),
        (model, f"data:{DIGESTS['data']}", "evidence/bom.json"),
        (model, f"prompt:{DIGESTS['prompt']}", "evidence/bom.json"),
        (model, "dataset:applications", "evidence/lineage.json"),
        (me, "service:bureau", "evidence/bom.json"),
        (me, f"service:{place}/own_tool", "evidence/bom.json"),
        (me, "model:openai:big-model", "evidence/model.json"),
        (me, "service:bureau", "governance/dependencies.yaml"),
        ("service:portal", me, "governance/dependencies.yaml"),
        (me, "package:some-package@1.2", "constraints.txt"),
        (me, "package:some-package@1.3", "bom/sbom.cdx.json"),
    }
    assert [one.thing.id for one in graph([found]).unprovided] == ["service:portal"]


def test_a_catalogue_of_several_documents(project: Path, tmp_path: Path) -> None:
    """Components, APIs and resources of Backstage, with and without kind and namespace."""
    entries = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: shop }
spec:
  providesApis: [orders]
  consumesApis: [default/prices]
  dependsOn: ["component:default/credit", "resource:applications", "Resource:bucket"]
  dependencyOf: [portal]
---
kind: Resource
metadata: { name: bucket }
"""
    found = one(Path(system(tmp_path / "shop", project, {"catalog-info.yaml": entries})))
    me = found.id
    assert {(a, b) for a, b, where in edges(found) if where == "catalog-info.yaml"} == {
        ("api:orders", me),
        (me, "api:prices"),
        (me, "service:credit"),
        (me, "resource:applications"),
        (me, "resource:bucket"),
        ("service:portal", me),
        ("resource:bucket", me),
    }
    credit = said("/c", names=("credit",), uses={"dataset:applications": "works on it"})
    whole = graph([found, credit])
    assert {(me, "system:/c"), (me, "dataset:applications")} <= {(a, b) for a, b, _ in edges(whole)}
    assert [one.thing.id for one in whole.unprovided] == ["api:prices", "service:portal"]


def test_a_system_is_read_again_at_the_commit_at_which_it_was_read(project: Path, tmp_path: Path) -> None:
    """However far its branch has gone since."""
    place = Path(system(tmp_path / "it", project, {"governance/system.yaml": about("before", "risk")}))
    first = git(place, "rev-parse", "HEAD")
    put(place, {"governance/system.yaml": "name: after\n"})
    commit(place)
    (found,) = survey([Member(str(place))], parts, Way(commits={str(place): first}))
    assert found.said
    assert (found.said.names, found.commit, one(place).names) == (("before",), first, ("after",))


ODD: list[tuple[str, str | bytes, str]] = [
    ("contracts/a.odcs.yaml", b"a: " + b"x" * 300_000, "is larger than"),
    ("contracts/a.odcs.yaml", "a: [", "line 1"),
    ("evidence/bom.json", "{", "is no JSON"),
    ("evidence/bom.json", "[" * 100_000, "is no JSON"),
    ("evidence/bom.json", '{"content": NaN}', "is no JSON"),
    ("evidence/model.json", b" " * 5_000_000, "is larger than"),
    ("evidence/bom.json", '{"content": {"components": [1], "dependencies": {"a": [1, {}], "b": 3}}}', ""),
    ("governance/dependencies.yaml", "services: {a: b}\nconsumers: [1, {name: [x]}]\n", ""),
    ("catalog-info.yaml", "- a list\n---\n---\nspec: {dependsOn: 7}\nkind: Component\nmetadata: []\n", ""),
    ("contracts/a.odcs.yaml", "id: [1]\n", ""),
]


@pytest.mark.parametrize(("path", "content", "problem"), ODD)
def test_what_strangers_write_is_read_with_care(
    path: str, content: str | bytes, problem: str, project: Path, tmp_path: Path
) -> None:
    """What is no such document is told, what has another shape names nothing, and the rest is read all the same."""
    found = one(Path(system(tmp_path / "odd", project, {path: content})))
    assert [problem in told and path in told for told in found.odd] == ([True] if problem else [])
    assert {use.target.partition(":")[0] for use in found.uses} == {"component"}


def test_nobody_can_fill_the_memory(project: Path, tmp_path: Path) -> None:
    """What one system names is bounded, and that is told."""
    pins = "".join(f"package-{number}==1\n" for number in range(3_000))
    found = one(Path(system(tmp_path / "many", project, {"constraints.txt": pins})))
    assert len(found.things) + len(found.uses) == 2_001
    assert found.odd == ("it names more than 2000 things: the rest is left out",)


def test_two_systems_meet_in_what_both_name() -> None:
    """A dataset by its contract's id, with all versions; a service that is a system; a name that two go by."""
    credit = said("/a", names=("credit",), uses={"dataset:applications": ""})
    fraud = said("/b", uses={"service:credit": "asks it"}, things=(Thing("dataset:applications", "dataset", "x", "2"),))
    twin = said("/c", names=("credit",))
    found = graph([fraud, credit, twin])
    assert [thing for thing in found.things if thing.startswith("dataset")] == ["dataset:applications"]
    assert found.things["dataset:applications"].version == "2"
    assert edges(found) == {
        ("system:/a", "dataset:applications", "file"),
        ("system:/b", "system:/a", "file"),
        ("system:/b", "system:/c", "file"),
    }
    assert [(one.name, one.systems) for one in found.shared_names] == [("credit", ("system:/a", "system:/c"))]


def test_circles_are_told_once() -> None:
    """Of systems that depend on each other, also through an API; a chain is none."""
    api = Thing("api:x", "api", "x")
    back = Use("api:x", "system:/a", "file", "is provided by it")
    found = graph(
        [
            said("/a", uses={"service:/b": ""}, things=(api,)),
            said("/b", uses={"service:/c": ""}),
            said("/c", uses={"api:x": ""}, things=(api,)),
            Parts("/d", "", "", "", ("/d",), (api,), (back,)),
            said("/e", uses={"service:/a": ""}),
        ]
    )
    assert found.cycles == (("system:/a", "system:/b", "system:/c"),)
    assert found.unprovided == ()


def test_downstream_goes_a_shortest_way() -> None:
    """From what is at fault to all that depend on it, each with the uses that lead there, also round a circle."""
    found = graph(
        [
            said("/a", uses={"dataset:x": "works on it"}),
            said("/b", uses={"service:/a": "asks it"}),
            said("/c", uses={"service:/b": "asks it", "service:/a": "asks it too"}),
            said("/d", uses={"dataset:y": ""}),
            said("/a2", uses={"dataset:x": "works on it", "service:/c": ""}),
        ]
    )
    reached = {one.id: [use.source for use in one.way] for one in downstream(found, ["dataset:x"])}
    assert reached == {
        "dataset:x": [],
        "system:/a": ["system:/a"],
        "system:/a2": ["system:/a2"],
        "system:/b": ["system:/b", "system:/a"],
        "system:/c": ["system:/c", "system:/a"],
    }


def package(version: str) -> Thing:
    return Thing(f"package:some-package@{version}", "package", "some-package", version)


@pytest.mark.parametrize(
    ("version", "systems"),
    [
        ("", ["/1.0", "/2.0rc1", "/odd"]),
        ("1.0", ["/1.0"]),
        ("1.0.0", ["/1.0"]),
        (">=1,<2", ["/1.0", "/odd"]),
        ("<2.1", ["/1.0", "/2.0rc1", "/odd"]),
        ("3", []),
    ],
)
def test_a_version_or_a_bound(version: str, systems: list[str]) -> None:
    """Equal versions in other words, pre-releases within a bound; one that is no number is within every bound."""
    found = graph(
        Parts(
            f"/{one}",
            "",
            "",
            "",
            (),
            (Thing(f"system:/{one}", "system", one), package(one)),
            (Use(f"system:/{one}", package(one).id, "file"),),
        )
        for one in ("1.0", "2.0rc1", "odd")
    )
    reached = affected(found, Suspect("component", "Some.Package", version))
    assert [one.id.removeprefix("system:") for one in reached] == systems


def test_a_name_that_nobody_knows_is_refused() -> None:
    """It may be misspelt, and then nobody would be told."""
    found = graph([said("/a", uses={"dataset:applications": ""})])
    error = refusal(lambda: affected(found, Suspect("dataset", "aplications")))
    assert isinstance(error, UsageError)
    assert error.message.startswith("no system that could be read names a dataset `aplications`")
    assert "applications" in error.message.removeprefix("no system that could be read names a dataset `aplications`")


def test_files_are_wanted_by_name_or_pattern() -> None:
    """A pattern reaches below folders; a name is itself."""
    paths = ["contracts/a.odcs.yaml", "evidence/x/y.json", "a[1].txt", "a1.txt"]
    assert matching(paths, ["evidence/*", "a[1].txt"]) == ["a[1].txt", "evidence/x/y.json"]
