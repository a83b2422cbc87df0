"""A factory at one version: embedded, a folder, or a repository at a tag; and addresses that are refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ai_factory import __version__, catalog, factory, git, newest
from ai_factory.errors import UnreachableError, UsageError
from ai_factory.factory import Wanted, goes_back, open_factory
from ai_factory.lock import Origin
from ai_factory.project import target
from ai_factory.tree import EXECUTABLE, LINK, File, tree_id
from tests.kit import SMALL, SMALL_2, commit, files, put, refusal, small_factory
from tests.kit import git as run

V1 = files(SMALL)
V2 = files({path: text for path, text in {**SMALL, **SMALL_2}.items() if text is not None})
HINT = "give `embedded`, a folder, or an https or ssh address"


# ---- embedded and folders ------------------------------------------------------------------------


def test_the_embedded_factory_is_the_packages_own_at_its_version() -> None:
    found = open_factory("embedded")
    assert found.origin == ("embedded", "embedded", __version__, "", tree_id(found.tree))
    assert "tabular-decision" in found.blueprints()
    assert {path.split("/")[0] for path in found.tree} == {"templates", "blueprints", "controls"}
    again = open_factory("embedded", Wanted(f"v{__version__}"))
    assert (again.origin, again.tree) == (found.origin, found.tree)


def test_another_version_of_the_embedded_factory_needs_another_tool() -> None:
    error = refusal(lambda: open_factory("embedded", Wanted("v99.1")))
    assert (type(error), error.message, error.hint) == (
        UsageError,
        f"the embedded factory is version {__version__}, not v99.1",
        "install that version of the tool: `pip install ai-factory==99.1`",
    )


def test_a_folder_is_a_factory_and_its_version_is_its_content(tmp_path: Path) -> None:
    here = small_factory(tmp_path / "f", tags=False)
    put(here, {"README.md": "not the factory's", "templates/core/__pycache__/x.pyc": "no"})
    found = open_factory(str(here))
    assert found.tree == V1
    assert found.origin == ("folder", str(here), f"tree-{tree_id(V1)[:12]}", "", tree_id(V1))
    assert (found.blueprints(), found.components()) == (["small"], ["core", "extras", "nice"])
    assert found.read("blueprints") == files({"small.yaml": SMALL["blueprints/small.yaml"]})


def test_a_folder_with_a_repository_is_named_after_its_newest_tag(factory: Path) -> None:
    assert open_factory(str(factory)).origin.version == "v2.0.0"
    put(factory, {"templates/core/files/ops/new.md": "newer\n"})
    found = open_factory(str(factory))
    assert (found.origin.version, found.tree) == (
        "v2.0.0-dirty",
        {**V2, "templates/core/files/ops/new.md": File(b"newer\n")},
    )


@pytest.mark.parametrize("part", ["templates", "blueprints"])
def test_a_folder_without_its_parts_is_no_factory(part: str, tmp_path: Path) -> None:
    put(tmp_path, {path: text for path, text in SMALL.items() if not path.startswith(part)})
    error = refusal(lambda: open_factory(str(tmp_path)))
    assert (type(error), error.message) == (UnreachableError, f"`{tmp_path}` is no factory: it has no `{part}/`")


def test_a_folder_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    error = refusal(lambda: open_factory(f"{tmp_path}/none"))
    assert (type(error), error.rule, error.message, error.hint) == (  # type: ignore[attr-defined]
        UnreachableError,
        "AF006",
        f"there is no factory at `{tmp_path}/none`",
        HINT,
    )


def test_a_component_outside_its_folder_is_not_read(tmp_path: Path) -> None:
    """A linked folder is a link, not its content."""
    put(tmp_path, {f"f/{path}": text for path, text in SMALL.items()} | {"secret/component.yaml": "summary: s\n"})
    (tmp_path / "f/templates/evil").symlink_to("../../secret")
    assert open_factory(str(tmp_path / "f")).tree == {**V1, "templates/evil": File(b"../../secret", LINK)}


# ---- repositories --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "version", "tree"),
    [
        (Wanted("v1.0.0"), "v1.0.0", V1),
        (Wanted("v2.0.0"), "v2.0.0", V2),
        (Wanted(bound="<2"), "v1.0.0", V1),
        (Wanted(bound=">=1"), "v2.0.0", V2),
        (Wanted("main"), "main", V2),
    ],
)
@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_repository_is_read_at_a_tag_or_the_newest_within_a_bound(
    form: str, wanted: Wanted, version: str, tree: dict[str, File], factory: Path
) -> None:
    url = form.format(factory)
    found = open_factory(url, wanted)
    assert (found.origin, found.tree) == (
        ("git", url, version, run(factory, "rev-parse", f"{version}^{{commit}}"), tree_id(tree)),
        tree,
    )


def test_a_commit_is_a_version_too(factory: Path) -> None:
    first = run(factory, "rev-parse", "v1.0.0")
    assert open_factory(f"file://{factory}", Wanted(first)).tree == V1


def test_a_bare_repository_in_a_folder_is_read_at_its_newest_release(factory: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", "--bare", str(factory), "bare")
    assert open_factory(str(tmp_path / "bare")).origin.version == "v2.0.0"


def test_modes_and_links_come_through(factory: Path) -> None:
    (factory / "templates/core/files/run").write_text("#!/bin/sh\n")
    (factory / "templates/core/files/run").chmod(0o755)
    (factory / "templates/core/files/link").symlink_to("run")
    commit(factory)
    run(factory, "tag", "v3.0.0")
    found = open_factory(f"file://{factory}", Wanted("v3.0.0")).tree
    assert {path: found.get(f"templates/core/files/{path}") for path in ("run", "link")} == {
        "run": File(b"#!/bin/sh\n", EXECUTABLE),
        "link": File(b"run", LINK),
    }


def test_a_submodule_among_a_components_files_is_refused(factory: Path) -> None:
    sha = commit(factory)
    run(factory, "update-index", "--add", "--cacheinfo", f"160000,{sha},templates/core/files/sub")
    run(factory, "commit", "-q", "-m", "sub")
    run(factory, "tag", "v3.0.0")
    error = refusal(lambda: open_factory(f"file://{factory}", Wanted("v3.0.0")))
    assert error.message == "`templates/core/files/sub` is a submodule, which is never fetched"


def test_a_branch_that_was_moved_by_force_is_followed(factory: Path) -> None:
    url = f"file://{factory}"
    assert open_factory(url, Wanted("main")).tree == V2
    run(factory, "reset", "-q", "--hard", "v1.0.0")
    commit(factory, "other")
    assert open_factory(url, Wanted("main")).tree == V1


def test_a_tag_that_is_gone_is_gone(factory: Path) -> None:
    url = f"file://{factory}"
    open_factory(url)
    run(factory, "tag", "-d", "v2.0.0")
    assert open_factory(url).origin.version == "v1.0.0"


def test_a_tag_wins_over_a_branch_of_its_name(factory: Path) -> None:
    run(factory, "branch", "v1.0.0", "v2.0.0")
    assert open_factory(f"file://{factory}", Wanted("v1.0.0")).tree == V1


def test_without_refresh_the_cached_mirror_is_enough(factory: Path) -> None:
    url = f"file://{factory}"
    first = open_factory(url)
    assert first.tree == V2
    run(factory, "tag", "v3.0.0")
    factory.rename(factory.with_name("moved"))
    again = open_factory(url, Wanted(refresh=False))
    assert (again.origin, again.tree) == (first.origin, first.tree)
    assert type(refusal(lambda: open_factory(url))) is UnreachableError


def test_a_commit_that_is_known_is_read_when_it_is_used(factory: Path) -> None:
    first = open_factory(f"file://{factory}")
    known = first.origin._replace(version="another name", tree="as recorded")
    again = open_factory(f"file://{factory}", known=known)
    assert again.origin == first.origin._replace(tree="as recorded")
    assert again.tree == V2


def test_without_refresh_the_network_is_not_asked(factory: Path) -> None:
    """A folder may be read: nothing travels."""
    url = "https://git.invalid/team/factory.git"
    error = refusal(lambda: open_factory(url, Wanted(refresh=False)))
    assert (type(error), error.message) == (UnreachableError, f"there is no copy of the factory `{url}` here")
    assert open_factory(f"file://{factory}", Wanted(refresh=False)).tree == V2


def test_the_same_content_has_one_id_in_a_folder_and_in_a_repository(factory: Path) -> None:
    (factory / "templates/core/files/run").write_text("#!/bin/sh\n")
    (factory / "templates/core/files/run").chmod(0o755)
    (factory / "templates/core/files/link").symlink_to("run")
    put(factory, {"controls/controls.yaml": "[]\n", "README.md": "not the factory's\n"})
    commit(factory)
    run(factory, "tag", "v3.0.0")
    here, there = open_factory(str(factory)), open_factory(str(factory), Wanted("v3.0.0"))
    assert (here.origin.kind, there.origin.kind) == ("folder", "git")
    assert (here.tree, here.origin.tree) == (there.tree, there.origin.tree)


def test_a_pre_release_is_read_only_when_it_is_named(factory: Path) -> None:
    run(factory, "tag", "v3.0.0rc1", "v1.0.0")
    url = f"file://{factory}"
    assert open_factory(url, Wanted(bound=">=1")).origin.version == "v2.0.0"
    found = open_factory(url, Wanted("v3.0.0rc1"))
    assert (found.origin.version, found.tree) == ("v3.0.0rc1", V1)


def test_a_submodule_is_never_fetched(factory: Path, tmp_path: Path) -> None:
    sha = commit(factory)
    run(factory, "update-index", "--add", "--cacheinfo", f"160000,{sha},templates/sub")
    put(factory, {".gitmodules": f'[submodule "sub"]\n\tpath = templates/sub\n\turl = "ext::touch {tmp_path}/ran"\n'})
    run(factory, "add", ".gitmodules")
    run(factory, "commit", "-q", "-m", "sub")
    run(factory, "tag", "v3.0.0")
    found = open_factory(f"file://{factory}")
    assert (found.origin.version, found.tree, (tmp_path / "ran").exists()) == ("v3.0.0", V2, False)


@contextmanager
def served(folder: Path, location: str = "") -> Iterator[str]:
    """The address at which a folder is served over http; with `location`, whatever is asked for has moved there."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if location:
                self.send_response(302)
                self.send_header("Location", location + self.path)
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/factory.git"
        server.shutdown()


def test_http_is_for_this_machine_alone(factory: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", "--bare", str(factory), "www/factory.git")
    run(tmp_path / "www/factory.git", "update-server-info")
    with served(tmp_path / "www") as url:
        found = open_factory(url)
        assert (found.origin.url, found.origin.version, found.tree) == (url, "v2.0.0", V2)
        with served(tmp_path, url.removesuffix("/factory.git")) as moved:
            error = refusal(lambda: open_factory(moved))
            assert (type(error), error.message.partition(": ")[0]) == (
                UnreachableError,
                f"the factory `{moved}` cannot be reached",
            )


@pytest.mark.parametrize("bound", ["<1", ">2", "~=3.0"])
def test_no_release_within_the_bound_is_said(bound: str, factory: Path) -> None:
    error = refusal(lambda: open_factory(f"file://{factory}", Wanted(bound=bound)))
    assert (type(error), error.message) == (
        UsageError,
        f"the factory `file://{factory}` has no release within `{bound}`",
    )


def test_a_repository_without_releases_is_said(tmp_path: Path) -> None:
    run(tmp_path, "init", "-q", "f")
    put(tmp_path / "f", SMALL)
    commit(tmp_path / "f")
    url = f"file://{tmp_path}/f"
    assert refusal(lambda: open_factory(url)).message == f"the factory `{url}` has no release"


@pytest.mark.parametrize(
    "version", ["v9", "-h", "--upload-pack=touch x", "a\nb", "HEAD:templates", "v1.0.0^{tree}", "", " "]
)
def test_a_version_that_there_is_not_is_refused(version: str, factory: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    open_factory(f"file://{factory}")
    error = refusal(lambda: git.resolve(factory_mirror(factory), version))
    assert (type(error), error.message) == (UsageError, f"the factory has no version `{version}`")
    assert sorted(tmp_path.iterdir()) == before


def factory_mirror(folder: Path) -> str:
    return newest.mirror_place(f"file://{folder}")


def test_what_cannot_be_reached_is_said_once_and_leaves_no_mirror(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/none"
    for _ in range(2):
        error = refusal(lambda: open_factory(url))
        assert (type(error), error.message.partition(":")[0], error.hint) == (
            UnreachableError,
            "the factory `file",
            "check the address, the network and your access to it",
        )
        assert error.message.startswith(f"the factory `{url}` cannot be reached: ")
    assert not Path(newest.mirror_place(url)).exists()


def test_a_tag_that_names_no_commit_is_no_release(factory: Path) -> None:
    run(factory, "tag", "v9.0.0", run(factory, "rev-parse", "HEAD:blueprints"))
    found = refusal(lambda: open_factory(f"file://{factory}", Wanted("v9.0.0")))
    assert (type(found), found.message) == (UsageError, "the factory has no version `v9.0.0`")


# ---- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *("https://git.example.org/f.git", "ssh://git@example.org/f", "file:///f", "git@example.org:team/f.git"),
        *("http://localhost:3000/f.git", "http://127.0.0.1/f", "http://[::1]:80/f"),
    ],
)
def test_an_address_of_a_repository_is_remote(url: str) -> None:
    assert factory.is_remote(url) is True


@pytest.mark.parametrize("path", ["f", "./f", "../f", "/f", "~/f", "a@b/c", "a:b"])
def test_a_path_is_a_folder(path: str) -> None:
    assert factory.is_remote(path) is False


@pytest.mark.parametrize(
    "url",
    [
        *("ext::sh -c 'touch pwned'", "EXT::sh -c x", "fd::7", "transport::address", "a@b::c"),
        *("http://git.example.org/f.git", "http://localhost.evil.org/f", "git://example.org/f", "ftp://example.org/f"),
        *(
            "--upload-pack=touch pwned",
            "-oProxyCommand=touch pwned",
            "ssh://-oProxyCommand=touch pwned/x",
            "-x@host:path",
        ),
        *("file://-x", "javascript://x", "://"),
    ],
)
def test_other_transports_and_options_are_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = refusal(lambda: open_factory(url))
    assert (type(error), error.message, error.hint) == (UsageError, f"`{url}` is no address of a factory", HINT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [("ext::touch pwned", "transport 'ext' not allowed"), ("--upload-pack=touch pwned", "")],
)
def test_git_itself_would_not_run_them_either(url: str, reason: str, tmp_path: Path) -> None:
    mirror = str(tmp_path / "m.git")
    assert reason in refusal(lambda: git.update_mirror(url, mirror)).message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("after", "before", "back"),
    [
        ("v1.9", "v1.10", True),
        ("2", "v2.0", False),
        ("v3", "v2", False),
        ("main", "v1", False),
        ("v1", "tree-x", False),
    ],
)
def test_numbers_tell_whether_a_project_would_go_back(after: str, before: str, back: bool) -> None:
    one, other = (Origin("folder", "url", version, "", "") for version in (before, after))
    assert goes_back(one, other) is back


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_history_tells_it_where_a_version_is_no_number(scheme: str, factory: Path) -> None:
    run(factory, "checkout", "-q", "-b", "side", "v1.0.0")
    commit(factory, "side")
    main, side, first = (open_factory(f"{scheme}{factory}", Wanted(name)).origin for name in ("main", "side", "v1.0.0"))
    pairs = [
        (main, first),
        (side, first),
        (first, main),
        (side, main),
        (main, main),
        (main._replace(commit="0" * 40), first),
    ]
    assert [goes_back(before, after) for before, after in pairs] == [True, True, False, False, False, False]


def test_the_components_of_a_factory_can_all_be_read(factory: Path) -> None:
    found = open_factory(f"file://{factory}")
    versions = {name: catalog.component(name, found.read, found.origin.version).version for name in found.components()}
    assert versions == {"core": "2.0.0", "extras": "v2.0.0", "nice": "v2.0.0"}


# ---- some of a blueprint's components --------------------------------------------------------------

PARTS = {
    "blueprints/b.yaml": "summary: B\ncomponents: [base, audit, web]\noptional: [nice, nicer]\n",
    "templates/base/component.yaml": "summary: Base\n",
    "templates/audit/component.yaml": "summary: Audit\nrequires: [base]\n",
    "templates/web/component.yaml": "summary: Web\nrequires: [base]\n",
    "templates/nice/component.yaml": "summary: Nice\nrequires: [audit]\n",
    "templates/nicer/component.yaml": "summary: Nicer\nrequires: [nice, web]\n",
    "templates/alone/component.yaml": "summary: In no blueprint\n",
}


@pytest.mark.parametrize(
    ("names", "taken", "dropped"),
    [
        (["base"], (), ("audit", "web")),
        (["audit"], (), ("web",)),
        (["web", "audit"], (), ()),
        (["nice"], ("nice",), ("web",)),  # what it requires, and what that requires
        (["nicer"], ("nice", "nicer"), ()),
        (["audit", "audit"], (), ("web",)),
    ],
)
def test_only_some_components_and_what_they_require(
    tmp_path: Path, names: list[str], taken: tuple[str, ...], dropped: tuple[str, ...]
) -> None:
    put(tmp_path, PARTS)
    assert target.only(open_factory(str(tmp_path)), "b", names) == (taken, dropped)


@pytest.mark.parametrize("name", ["alone", "nowhere", ""])
def test_only_what_the_blueprint_offers(tmp_path: Path, name: str) -> None:
    put(tmp_path, PARTS)
    error = refusal(lambda: target.only(open_factory(str(tmp_path)), "b", ["base", name]))
    assert (error.exit_code, error.message.startswith(f"`blueprints/b.yaml` does not offer `{name}`")) == (2, True)
