"""The ways to the check that our pages show: each is followed here, on a project that drifts and heals."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ai_factory import lock
from ai_factory.tree import blob_id
from tests import golden, kit, markdown, recipes, valid
from tests.shell import BIN, Shell, clean

pytestmark = pytest.mark.product

# What a release holds of this checkout, for those who install from it.
RELEASE = (
    *("src", "templates", "blueprints", "controls", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"),
    *("action.yml", ".pre-commit-hooks.yaml"),
)
VERSION = "0.1.0"
AUDIT = "src/small_thing/controls/audit.py"
EDITED = "def record() -> None:\n    return\n"
CLEAN = "1 project (v2.0.0): as the factory promised\n"
DRIFT = [("AF002", AUDIT)]
_CARRYING = markdown.steps((recipes.HOW_TO / "install-without-a-network.md").read_text("utf-8"))
FILLING, INSTALLING = _CARRYING[:3], _CARRYING[3:]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of a release, in a repository of its own."""
    folder = tmp_path_factory.mktemp("release") / "ai-factory"
    folder.mkdir()
    for name in RELEASE:
        place = golden.ROOT / name
        copy = shutil.copytree if place.is_dir() else shutil.copy
        copy(place, folder / name)
    kit.git(folder, "init", "-q", "-b", "main")
    kit.commit(folder, "a release")
    kit.git(folder, "tag", f"v{VERSION}")
    return folder


def python_in(folder: Path) -> Path:
    """An environment that holds pip and nothing else; the folder of its programs."""
    subprocess.run([str(BIN / "python"), "-m", "venv", str(folder)], check=True, timeout=120)
    return folder / "bin"


@pytest.fixture(scope="module")
def carried(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of wheels and the list of digests, made by the commands of the page."""
    home = tmp_path_factory.mktemp("filling")
    shell = Shell(release, home)
    shell.must(f"export PATH={python_in(home / 'python')}:$PATH")
    for step in FILLING:
        shell.must(step.command)
    folder = tmp_path_factory.mktemp("carried")
    shutil.move(release / "wheels", folder / "wheels")
    shutil.move(release / "requirements.txt", folder / "requirements.txt")
    return folder


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build server has on its PATH: a Python with pip, into which jobs install."""
    return python_in(tmp_path_factory.mktemp("server") / "python")


@pytest.fixture
def project(tmp_path: Path, factory: Path) -> Path:
    """A project at the newest version of the small factory."""
    return kit.small_project(tmp_path / "small-thing", factory, version="v2.0.0")


@pytest.fixture
def behind(tmp_path: Path, factory: Path) -> Path:
    """A project that is behind it."""
    folder = kit.small_project(tmp_path / "behind/small-thing", factory)
    kit.git(folder, "branch", "-M", "main")
    return folder


@pytest.fixture
def server(programs: Path, carried: Path, project: Path, tmp_path: Path) -> Shell:
    """A shell of that build server in the project, without network; pip finds the folder of wheels."""
    shell = Shell(project, tmp_path / "home", offline=True)
    shell.must(f"export PATH={programs}:$PATH PIP_NO_INDEX=1 PIP_FIND_LINKS={carried / 'wheels'}")
    return shell


# ---- pre-commit ----------------------------------------------------------------------------------


def test_pre_commit_stops_an_edit_and_lets_it_pass_when_it_is_restored(
    release: Path, project: Path, tmp_path: Path
) -> None:
    """With hooks from a repository of hooks; only their installation may need a network."""
    text = recipes.named("run-check-before-each-commit", ".pre-commit-config.yaml")
    own = text.replace("https://git.example.org/platform/ai-factory.git", str(release))
    assert own != text
    kit.put(project, {".pre-commit-config.yaml": own})
    kit.commit(project, "hooks")
    online = Shell(project, tmp_path / "home")
    online.must(f"export PIP_CONSTRAINT={release / 'constraints.txt'}")
    online.must("pre-commit install --install-hooks")
    shell = Shell(project, tmp_path / "home", offline=True)
    passed = shell.must("echo more >> docs/extra.md && git commit --quiet --all --message 'a page'")
    assert re.fullmatch(r"ai-factory check\.+Passed\n", passed)
    kit.put(project, {AUDIT: EDITED})
    stopped = shell.run("git commit --quiet --all --message 'an edit'")
    assert (stopped.code, f"AF002 error: {AUDIT}:2 was edited" in stopped.text) == (1, True)
    assert kit.git(project, "log", "--format=%s", "-1") == "a page"
    shell.must("ai-factory restore --all && echo end >> docs/extra.md && git commit --quiet --all --message healed")
    assert (kit.rules(project), kit.git(project, "log", "--format=%s", "-1")) == ([], "healed")
    gate = shell.run("pre-commit run --hook-stage manual ai-factory-gate")
    assert (gate.code, "`governance/facts.yaml`" in gate.text, "ai-factory check" in gate.text) == (1, True, False)


# ---- GitHub --------------------------------------------------------------------------------------


def action() -> dict[str, Any]:
    return dict(yaml.safe_load((golden.ROOT / "action.yml").read_text("utf-8")))


def act(shell: Shell, temp: Path, release: Path, **given: str) -> recipes.Ran:
    """Run the action with these inputs, as the commit that lies in the folder."""
    page = temp / "page.md"
    temp.mkdir(parents=True, exist_ok=True)
    known, env = recipes.inputs_of(action(), **given), {"GITHUB_ACTION_PATH": str(release)}
    return recipes.run_steps(shell, temp, action()["runs"]["steps"], known, GITHUB_STEP_SUMMARY=str(page), **env)


def act_installed(shell: Shell, temp: Path, **given: str) -> recipes.Ran:
    """Run the step of the action that checks, with this checkout's own program in the place of what it installs."""
    (temp / "ai-factory/bin").mkdir(parents=True, exist_ok=True)
    if not (temp / "ai-factory/bin/ai-factory").exists():
        (temp / "ai-factory/bin/ai-factory").symlink_to(BIN / "ai-factory")
    steps = [step for step in action()["runs"]["steps"] if step.get("id") == "check"]
    return recipes.run_steps(shell, temp, steps, recipes.inputs_of(action(), **given))


def test_the_action_and_the_workflow_are_sound(tmp_path: Path) -> None:
    """By GitHub's schemas and by zizmor; each action of others is pinned by commit."""
    clean("check-jsonschema", "--builtin-schema", "vendor.github-actions", golden.ROOT / "action.yml")
    places = [
        recipes.written("run-check-on-github", ".github/workflows/ai-factory.yml", tmp_path),
        recipes.written("hear-of-new-versions", ".github/workflows/ai-factory-update.yml", tmp_path),
    ]
    clean("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *places)
    shutil.copy(golden.ROOT / "action.yml", tmp_path)
    clean("zizmor", "--offline", "--no-config", "--pedantic", "--strict-collection", tmp_path)


def test_the_page_tells_the_inputs_of_the_action() -> None:
    text = (recipes.HOW_TO / "run-check-on-github.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| (?:`(\S+)` )?\|$", text, re.MULTILINE)
    assert dict(rows) == {name: rules["default"] for name, rules in action()["inputs"].items()}


@pytest.mark.slow
def test_the_action_installs_its_own_commit(release: Path, project: Path, tmp_path: Path) -> None:
    """With the exact packages of its constraints; that needs a package index. Then drift, and healed again."""
    shell, temp = Shell(project, tmp_path / "home"), tmp_path / "temp"
    ran = act(shell, temp, release)
    assert (ran.code, ran.text, ran.skipped) == (0, CLEAN, ("actions/setup-python",))
    sarif = temp / "ai-factory.sarif"
    assert ran.outputs == {"steps.check.outputs.sarif": str(sarif), "steps.check.outputs.exit-code": "0"}
    listed = (
        shell.must(f"{temp}/ai-factory/bin/python -m pip freeze").lower().replace("ruamel.", "ruamel-").splitlines()
    )
    exact = (release / "constraints.txt").read_text().lower().splitlines()
    assert [row for row in listed if not row.startswith("ai-factory @") and row.partition(" ;")[0] not in exact] == []


def test_the_action_fails_on_drift_and_says_where(server: Shell, release: Path, project: Path, tmp_path: Path) -> None:
    """From a pinned requirement, without network: annotations, the page of the job, and the files asked for.

    What a pull request brings under the name of a module decides nothing.
    """
    temp, pinned = tmp_path / "temp", f"ai-factory=={VERSION}"
    modules = ("pip/__main__.py", "venv/__main__.py", "json.py", "argparse.py")
    kit.put(project, {AUDIT: EDITED, **dict.fromkeys(modules, "raise SystemExit(0)\n")})
    ran = act(server, temp, release, install=pinned, outputs=f"junit={temp}/drift.xml\n")
    assert (ran.code, ran.outputs["steps.check.outputs.exit-code"]) == (1, "1")
    assert [(one.rule, one.path, one.line) for one in valid.read("github", ran.text)] == [("AF002", AUDIT, 2)]
    for name, place in (("sarif", "ai-factory.sarif"), ("junit", "drift.xml"), ("markdown", "page.md")):
        assert [(one.rule, one.path) for one in valid.read(name, (temp / place).read_text())] == DRIFT
    server.must("ai-factory restore --all")
    assert act(server, temp, release, install=pinned).text == CLEAN


@pytest.mark.parametrize("install", ["ai-factory", "ai-factory>=0.1", "-r requirements.txt", "git+https://x/y"])
def test_the_action_installs_nothing_that_floats(install: str, server: Shell, release: Path, tmp_path: Path) -> None:
    ran = act(server, tmp_path / "temp", release, install=install)
    said = "::error::the input install names neither a version (NAME==VERSION) nor a wheel\n"
    assert (ran.code, ran.text, dict(ran.outputs)) == (2, said, {})


def synced(here: Path) -> None:
    """An honest sync, committed on a branch."""
    kit.git(here, "checkout", "-q", "-b", "feature")
    assert kit.cli("sync", "--commit", cwd=here).code == 0


def cheated(here: Path) -> None:
    """A sync with an edit of a managed file, and a lock that fits it, committed on a branch."""
    synced(here)
    forged(here, AUDIT)
    kit.commit(here, "more")


LIES = [("AF005", AUDIT), ("AF002", AUDIT)]
REQUESTS: Mapping[str, tuple[Callable[[Path], object], int, list[tuple[str, str]]]] = {
    # what a branch brings to a project that is behind, the exit code, and what is found
    "a sync": (synced, 0, []),
    "a sync that is not one": (cheated, 2, LIES),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_action_judges_a_pull_request_by_the_branch_that_it_changes(
    name: str, behind: Path, factory: Path, tmp_path: Path
) -> None:
    """In the clone that the workflow of the page asks for, with the inputs that it gives."""
    change, code, found = REQUESTS[name]
    change(behind)
    workflow = yaml.safe_load(recipes.named("run-check-on-github", ".github/workflows/ai-factory.yml"))
    checkout, step = workflow["jobs"]["check"]["steps"]
    assert checkout["with"] == {"persist-credentials": False, "fetch-depth": 0}
    assert step["with"].pop("against") == "${{ github.base_ref && format('origin/{0}', github.base_ref) }}"
    assert step["with"].pop("factory").startswith("https://")
    given = {key: str(value).lower() for key, value in step["with"].items()}
    shell = Shell(behind, tmp_path / "home", offline=True)
    shell.must(f"git clone -q {behind} {tmp_path}/clone && cd {tmp_path}/clone && git checkout -q feature")
    ran = act_installed(shell, tmp_path / "temp", against="origin/main", factory=str(factory), **given)
    assert [(one.rule, one.path) for one in valid.read("github", ran.text)] == found, ran.text
    assert ran.code == code
    assert "against `origin/main`: version v1.0.0 becomes v2.0.0" in ran.text


def test_an_input_that_is_empty_is_none(project: Path, tmp_path: Path) -> None:
    """What fails is what always fails then; and what should be true or false is."""
    kit.put(project, {AUDIT: EDITED})
    shell = Shell(project, tmp_path / "home", offline=True)
    empty = dict.fromkeys(("fail_on", "against", "verify", "factory", "remote", "max_behind", "baseline"), "")
    assert act_installed(shell, tmp_path / "temp", **empty).code == 1
    ran = act_installed(shell, tmp_path / "temp", verify="yes")
    assert (ran.code, ran.text) == (2, "::error::the input verify is neither true nor false\n")


def test_the_action_knows_a_baseline_and_a_limit(behind: Path, factory: Path, tmp_path: Path) -> None:
    kit.put(behind, {AUDIT: EDITED})
    kit.cli("check", "--write-baseline", "known.json", cwd=behind)
    shell = Shell(behind, tmp_path / "home", offline=True)
    known = {"baseline": "known.json", "factory": str(factory)}
    assert act_installed(shell, tmp_path / "temp", **known).code == 0
    assert act_installed(shell, tmp_path / "temp", **known, max_behind="0").code == 1


def test_no_input_of_the_action_is_run(server: Shell, tmp_path: Path) -> None:
    """Whatever it holds, it reaches the command as one word, and an option cannot be smuggled in."""
    odd = "$(touch ran) `touch ran` \"; touch ran; ' && * -x"
    temp = tmp_path / "temp"
    told = temp / "told.py"
    kit.put(temp, {"told.py": f"#!{BIN / 'python'}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"})
    told.chmod(0o755)
    steps = [step for step in action()["runs"]["steps"] if step.get("id") == "check"]
    (temp / "ai-factory/bin").mkdir(parents=True)
    (temp / "ai-factory/bin/ai-factory").symlink_to(told)
    words = ("fail_on", "against", "factory", "max_behind", "baseline")
    known = recipes.inputs_of(
        action(), paths=f"{odd}\n\n--json\n", outputs=f"{odd}\n--json", **dict.fromkeys(words, odd)
    )
    ran = recipes.run_steps(server, temp, steps, known)
    options = [f"--output=sarif={temp}/ai-factory.sarif", *(f"--{name.replace('_', '-')}={odd}" for name in words)]
    options.append(f"--output={odd}")
    assert json.loads(ran.text) == ["check", *options, "--output=--json", "--", odd, "--json"]
    assert not (server.folder / "ran").exists()


# ---- GitLab --------------------------------------------------------------------------------------


def jobs(factory: str = "embedded") -> Mapping[str, dict[str, Any]]:
    """Both jobs of the page, the second with the factory that it trusts."""
    alone = yaml.safe_load(recipes.named("run-check-on-gitlab", ".gitlab/ai-factory.yml"))
    return {"alone": alone, "component": component(factory=factory)}


def component(**given: str) -> dict[str, Any]:
    """The jobs of the component of the page, with these inputs."""
    text = recipes.named("run-check-on-gitlab", "templates/check.yml")
    return recipes.component(text, **{"install": f"ai-factory=={VERSION}", "factory": "embedded", **given})


@pytest.mark.parametrize("name", ["alone", "component"])
def test_the_job_of_gitlab_reports_what_drifts(
    name: str, server: Shell, project: Path, factory: Path, tmp_path: Path
) -> None:
    """And heals; the files that it hands to GitLab are there, and valid, whatever was found."""
    job = jobs(str(factory))[name]["ai-factory"]
    assert job["artifacts"]["reports"] == {"codequality": "drift.json", "junit": "drift.xml"}
    assert job["artifacts"]["when"] == "always"
    for content, code, found in ((None, 0, []), (EDITED, 1, DRIFT), (None, 0, [])):
        if content:
            kit.put(project, {AUDIT: content, "pip/__main__.py": "", "json.py": "raise SystemExit(0)\n"})
        else:
            server.must("ai-factory restore --all")
        done = recipes.run_job(server, tmp_path / "job", job, AI_FACTORY=f"ai-factory=={VERSION}")
        assert done.code == code, done.text
        assert [(one.rule, one.path) for one in valid.read("gitlab", (project / "drift.json").read_text())] == found
        tests = valid.read("junit", (project / "drift.xml").read_text())
        assert [(one.rule, one.path) for one in tests if one.grade != "passed"] == found


def test_the_jobs_of_gitlab_meet_its_schema(tmp_path: Path) -> None:
    """The component as it is included; its head too; and the job that opens a merge request."""
    files = {f"{name}.yml": yaml.safe_dump(job) for name, job in jobs().items()}
    head = recipes.named("run-check-on-gitlab", "templates/check.yml").split("\n---\n")[0]
    update = recipes.named("hear-of-new-versions", ".gitlab/ai-factory-update.yml")
    kit.put(tmp_path, {**files, "head.yml": f"{head}\n", "update.yml": update})
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    clean("check-jsonschema", *schema, *tmp_path.glob("*.yml"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("install", text) for text in ("ai-factory", "-r x==1", "a==1 b", "--index-url=x==1", "a.whl; b")),
        *(("paths", text) for text in ("-x", "a; touch ran", "$(x)", "a  b", "a\nb", "")),
        *(("fail_on", text) for text in ("", "drift; x", "$x")),
        *(("factory", text) for text in ("", "a", "a b", "$(x)", "https://u:p@h/x", "http://h/x", "-x")),
        *(("max_behind", text) for text in ("x", "1w", "-1", "$(x)")),
        *(("baseline", text) for text in ("-x", "a b", "/etc/x", "$(x)")),
    ],
)
def test_the_component_refuses_inputs_that_are_none(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        component(**{name: value})


def test_the_component_checks_several_projects(server: Shell, project: Path, factory: Path, tmp_path: Path) -> None:
    """Each named by its path; the worst decides."""
    kit.small_project(project / "services/other", factory, version="v2.0.0")
    edited = "services/other/src/other/controls/audit.py"
    kit.put(project, {edited: EDITED})
    job = component(paths=". services/other", factory=str(factory))["ai-factory"]
    assert recipes.run_job(server, tmp_path / "job", job).code == 1
    found = valid.read("gitlab", (project / "drift.json").read_text())
    assert [one.path for one in found] == [edited]


@pytest.mark.parametrize("name", REQUESTS)
def test_the_component_judges_a_merge_request_by_its_target(
    name: str, server: Shell, behind: Path, factory: Path, tmp_path: Path
) -> None:
    """In the clone of one branch that GitLab makes."""
    change, code, found = REQUESTS[name]
    change(behind)
    server.must(f"cd {tmp_path} && git clone -q --single-branch --branch feature {behind} clone && cd clone")
    job = component(factory=str(factory), max_behind="9")["ai-factory"]
    assert job["variables"]["GIT_DEPTH"] == "0"
    done = recipes.run_job(server, tmp_path / "job", job, CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")
    told = valid.read("gitlab", (tmp_path / "clone/drift.json").read_text())
    assert ([(one.rule, one.path) for one in told], done.code) == (found, code), done.text


def fork_of(here: Path, place: Path, path: str) -> dict[str, str]:
    """A fork whose own main branch waives an edit, with a merge request that makes it; what GitLab tells the job."""
    kit.git(here.parent, "clone", "-q", "--bare", str(here), f"{place}/target.git")
    kit.git(here, "checkout", "-q", "main")
    waived(here, path)
    kit.git(here, "add", lock.WAIVERS)
    kit.git(here, "commit", "-q", "-m", "a waiver")
    kit.git(here, "checkout", "-q", "-b", "feature")
    kit.commit(here, "an edit")
    kit.git(here.parent, "clone", "-q", "--bare", str(here), f"{place}/fork.git")
    kit.git(place, "clone", "-q", "--single-branch", "--branch", "feature", f"{place}/fork.git", "clone")
    return {
        "CI_PROJECT_URL": f"file://{place}/fork",
        "CI_MERGE_REQUEST_PROJECT_URL": f"file://{place}/target",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }


def test_a_fork_cannot_excuse_itself_by_its_own_branch(
    server: Shell, behind: Path, factory: Path, tmp_path: Path
) -> None:
    """The target branch is that of the project of the target."""
    told = fork_of(behind, tmp_path, AUDIT)
    server.must(f"cd {tmp_path}/clone")
    done = recipes.run_job(server, tmp_path / "job", component(factory=str(factory))["ai-factory"], **told)
    found = valid.read("gitlab", (tmp_path / "clone/drift.json").read_text())
    told_of = [(one.rule, one.path, one.grade) for one in found if one.rule != "AF001"]
    assert (told_of, done.code) == ([("AF002", AUDIT, "major")], 1)
    (tmp_path / "target.git").rename(tmp_path / "private.git")
    assert recipes.run_job(server, tmp_path / "job", component(factory=str(factory))["ai-factory"], **told).code == 128


# ---- stamped projects ----------------------------------------------------------------------------


def test_the_jobs_of_a_stamped_project_report_what_drifts(server: Shell, tmp_path: Path) -> None:
    """On both hosts, with what the answers say: files for each host, annotations, the page of the job."""
    answers = f"--data ai_factory_install=ai-factory=={VERSION} --data code_scanning=true --data package=small"
    server.must(f"cd {tmp_path} && ai-factory new blank small --defaults --with ci-gitlab {answers} && cd small")
    folder, path = tmp_path / "small", "src/small/controls/stages.py"
    workflow = yaml.safe_load((folder / ".github/workflows/ci.yml").read_text())["jobs"]["factory"]
    job = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())["factory"]
    assert job["artifacts"]["reports"] == {
        "codequality": "var/reports/drift.json",
        "junit": "var/reports/drift.xml",
    }
    upload = workflow["steps"].pop()
    assert (workflow["permissions"], upload["with"]["sarif_file"]) == (
        {"contents": "read", "security-events": "write"},
        "var/reports/drift.sarif",
    )
    for content, code, found in ((b"", 0, []), (b"# more\n", 1, [("AF002", path)])):
        (folder / path).write_bytes((folder / path).read_bytes() + content)
        ran = recipes.run_steps(server, tmp_path / "temp", workflow["steps"], {})
        assert (ran.code, recipes.run_job(server, tmp_path / "job", job).code) == (code, code), ran.text
        files = {"sarif": upload["with"]["sarif_file"], "gitlab": job["artifacts"]["reports"]["codequality"]}
        for name, file in files.items():
            assert [(one.rule, one.path) for one in valid.read(name, (folder / file).read_text())] == found
        assert [(one.rule, one.path) for one in valid.read("github", ran.text)] == found
    assert kit.git(folder, "status", "--porcelain") == f"M {path}"


STAGES = "src/small/controls/stages.py"
PULL_REQUESTS: Mapping[str, tuple[Callable[[Path], object], int, list[tuple[str, str]]]] = {
    # what the branch brings, the exit code, and what is found
    "an honest change": (lambda here: kit.put(here, {"docs/more.md": "more"}), 0, []),
    "an edit with a lock that fits it": (lambda here: forged(here, STAGES), 2, [("AF005", STAGES), ("AF002", STAGES)]),
    "an edit that waives itself": (lambda here: waived(here, STAGES), 1, [("AF002", STAGES)]),
    "another answer, applied": (
        lambda here: kit.cli("sync", "--data", "owner_team=other", "--commit", cwd=here),
        0,
        [],
    ),
}


def forged(here: Path, path: str) -> None:
    """Edit a managed file, and its row in the lock."""
    place = here / path
    place.write_bytes(place.read_bytes() + b"# more\n")
    data = json.loads((here / lock.LOCK).read_text())
    data["paths"][path]["base"] = blob_id(place.read_bytes())
    kit.put(here, {lock.LOCK: json.dumps(data)})


def waived(here: Path, path: str) -> None:
    """Edit a managed file, and add the waiver to the same branch."""
    (here / path).write_bytes((here / path).read_bytes() + b"# more\n")
    row = f"- {{rule: AF002, path: {path}, reason: a fix, owner: a@x, approver: b@x, until: '2999-12-31'}}\n"
    kit.put(here, {lock.WAIVERS: row})


@pytest.mark.parametrize("name", PULL_REQUESTS)
def test_a_pull_request_of_a_stamped_project_cannot_excuse_itself(name: str, server: Shell, tmp_path: Path) -> None:
    """On both hosts, in the clone that each makes: all branches of GitHub's checkout, the one branch of GitLab's."""
    change, code, found = PULL_REQUESTS[name]
    answers = f"--data ai_factory_install=ai-factory=={VERSION} --data package=small"
    server.must(f"cd {tmp_path} && ai-factory new blank small --defaults --with ci-gitlab {answers} && cd small")
    folder = tmp_path / "small"
    kit.git(folder, "checkout", "-q", "-b", "feature")
    change(folder)
    kit.commit(folder, name)
    job = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())["factory"]
    steps = yaml.safe_load((folder / ".github/workflows/ci.yml").read_text())["jobs"]["factory"]["steps"]
    assert steps[0]["with"] == {"persist-credentials": False, "fetch-depth": 0}
    assert job["variables"] == {"GIT_DEPTH": "0"}
    server.must(f"cd {tmp_path} && git clone -q {folder} github && git -C github checkout -q feature && cd github")
    ran = recipes.run_steps(server, tmp_path / "temp", steps, {}, GITHUB_BASE_REF="main")
    assert [(one.rule, one.path) for one in valid.read("github", ran.text)] == found, ran.text
    server.must(f"cd {tmp_path} && git clone -q --single-branch --branch feature {folder} gitlab && cd gitlab")
    done = recipes.run_job(server, tmp_path / "job", job, CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")
    report = (tmp_path / "gitlab" / job["artifacts"]["reports"]["codequality"]).read_text()
    assert [(one.rule, one.path) for one in valid.read("gitlab", report)] == found
    assert (ran.code, done.code) == (code, code), done.text


def test_a_fork_of_a_stamped_project_cannot_excuse_itself(server: Shell, tmp_path: Path) -> None:
    """On GitLab, where the pipeline of a fork takes the fork for its origin."""
    answers = f"--data ai_factory_install=ai-factory=={VERSION} --data package=small"
    server.must(f"cd {tmp_path} && ai-factory new blank small --defaults --with ci-gitlab {answers} && cd small")
    folder = tmp_path / "small"
    kit.git(folder, "branch", "-M", "main")
    job = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())["factory"]
    told = fork_of(folder, tmp_path, STAGES)
    server.must(f"cd {tmp_path}/clone")
    done = recipes.run_job(server, tmp_path / "job", job, **told)
    found = valid.read("gitlab", (tmp_path / "clone" / job["artifacts"]["reports"]["codequality"]).read_text())
    assert ([(one.rule, one.path, one.grade) for one in found], done.code) == ([("AF002", STAGES, "major")], 1)


# ---- without a network ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(carried: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that the page's commands install from the folder, without network."""
    place = tmp_path_factory.mktemp("inside") / "carried"
    shutil.copytree(carried, place)
    shell = Shell(place, place.parent / "home", offline=True)
    for step in INSTALLING:
        shell.must(step.command)
    return place / "ai-factory/bin/ai-factory"


def test_the_folder_of_wheels_installs_without_a_network(installed: Path, project: Path, tmp_path: Path) -> None:
    """What is installed checks a project, and stamps one."""
    shell = Shell(tmp_path, tmp_path / "home", offline=True)
    assert shell.must(f"{installed} check {project}") == CLEAN
    shell.must(f"{installed} new blank stamped --defaults && {installed} check stamped")


def test_a_wheel_that_was_changed_on_the_way_is_refused(carried: Path, programs: Path, tmp_path: Path) -> None:
    """And so is one whose digest nobody wrote down."""
    place = shutil.copytree(carried, tmp_path / "carried")
    (place / "ai-factory").symlink_to(programs.parent)
    shell = Shell(place, tmp_path / "home", offline=True)
    (wheel,) = (place / "wheels").glob("ai_factory-*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    install = INSTALLING[-1].command
    done = shell.run(install)
    assert (done.code, "DO NOT MATCH THE HASHES" in done.text) == (1, True)
    (place / "requirements.txt").write_text(f"./wheels/{wheel.name}\n")
    done = shell.run(install)
    assert (done.code, "Hashes are required" in done.text) == (1, True)


@pytest.mark.slow
def test_the_image_installs_as_the_page_does(installed: Path, project: Path, tmp_path: Path) -> None:
    """From the same folder and list, by the same command; its own command checks a project. Hadolint finds nothing."""
    place = recipes.written("install-without-a-network", "image/Containerfile", tmp_path)
    clean("hadolint", place)
    text = place.read_text()
    (run,), (command,) = (re.findall(rf"^{word} (.+)$", text, re.MULTILINE) for word in ("RUN", "CMD"))
    same = run.replace("python", "ai-factory/bin/python").replace("--no-cache-dir", "--quiet")
    assert same == INSTALLING[-1].command
    assert re.findall(r"^COPY (\S+)", text, re.MULTILINE) == ["wheels", "requirements.txt"]
    shell = Shell(project, tmp_path / "home", offline=True)
    assert shell.must(f"PATH={installed.parent} {shlex.join(json.loads(command))}") == CLEAN


# ---- newer versions ------------------------------------------------------------------------------

GH = """\
#!/usr/bin/env python3
# The five commands of GitHub's client that the page uses, on a file that holds the issues.
import json, os, sys
NUMBERS = ["--json", "number", "--jq", ".[].number"]
store = os.environ["GH_STORE"]
issues = json.load(open(store)) if os.path.exists(store) else []
assert os.environ["GH_TOKEN"] and os.environ["GH_REPO"] == "platform/small-thing"
match sys.argv[1:]:
    case ["label", "create", name, "--force", "--description", _]:
        pass
    case ["issue", "list", "--state", "open", "--label", name, "--limit", "1", *rest] if rest == NUMBERS:
        print(*[one["number"] for one in issues if one["open"] and one["label"] == name][:1])
    case ["issue", "create", "--title", title, "--label", name, "--body-file", place]:
        number, body = len(issues) + 1, open(place).read()
        issues.append({"number": number, "open": True, "label": name, "title": title, "body": body})
    case ["issue", "edit", number, "--title", title, "--body-file", place]:
        issues[int(number) - 1] |= {"title": title, "body": open(place).read()}
    case ["issue", "close", number, "--comment", _]:
        issues[int(number) - 1]["open"] = False
    case other:
        sys.exit(f"gh: {other}")
json.dump(issues, open(store, "w"))
"""


def test_one_issue_on_github_while_there_is_a_newer_version(
    server: Shell, behind: Path, factory: Path, tmp_path: Path
) -> None:
    """Opened once, refreshed, and closed when the project is up to date; then nothing."""
    workflow = yaml.safe_load(recipes.named("hear-of-new-versions", ".github/workflows/ai-factory-update.yml"))
    store, temp = tmp_path / "issues.json", tmp_path / "temp"
    kit.put(tmp_path, {"programs/gh": GH})
    (tmp_path / "programs/gh").chmod(0o755)
    server.must(f"cd {behind} && export PATH={tmp_path}/programs:$PATH GH_STORE={store}")
    known = {
        "vars.AI_FACTORY": f"ai-factory=={VERSION}",
        "vars.AI_FACTORY_SOURCE": str(factory),
        "github.token": "secret",
        "github.repository": "platform/small-thing",
    }

    def issues() -> list[tuple[int, bool, str, str]]:
        ran = recipes.run_steps(server, temp, workflow["jobs"]["look"]["steps"], known)
        assert (ran.code, ran.skipped) == (0, ("actions/checkout", "actions/setup-python")), ran.text
        rows = json.loads(store.read_text())
        return [(one["number"], one["open"], one["title"], one["body"].partition("\n")[0]) for one in rows]

    open_ = (1, True, "ai-factory: update to v2.0.0", "# Update from v1.0.0 to v2.0.0")
    assert [issues(), issues()] == [[open_], [open_]]
    kit.git(factory, "tag", "v2.1.0")
    newer = (1, True, "ai-factory: update to v2.1.0", "# Update from v1.0.0 to v2.1.0")
    assert issues() == [newer]
    assert kit.cli("sync", "--commit", cwd=behind).code == 0
    closed = (newer[0], False, *newer[2:])
    assert issues() == [closed]


def test_the_job_of_github_fails_where_nothing_could_be_determined(server: Shell, tmp_path: Path) -> None:
    workflow = yaml.safe_load(recipes.named("hear-of-new-versions", ".github/workflows/ai-factory-update.yml"))
    known = {"vars.AI_FACTORY": f"ai-factory=={VERSION}", "vars.AI_FACTORY_SOURCE": str(tmp_path / "nowhere")}
    known |= {"github.token": "secret", "github.repository": "platform/small-thing"}
    ran = recipes.run_steps(server, tmp_path / "temp", workflow["jobs"]["look"]["steps"], known)
    assert (ran.code, "error: " in ran.text, "gh" in ran.text) == (1, True, False)


HOOK = """\
#!/bin/sh
for number in $(seq 0 $((GIT_PUSH_OPTION_COUNT - 1))); do eval echo "\\$GIT_PUSH_OPTION_$number"; done >> "$PWD/asked"
"""
BRANCH = "ai-factory/update"
MAILS = "--format=%ce"


@pytest.fixture
def hosted(behind: Path, tmp_path: Path) -> Path:
    """The project on a server that takes options with a push, and writes them down."""
    bare = tmp_path / "small-thing.git"
    kit.git(tmp_path, "clone", "-q", "--bare", str(behind), str(bare))
    kit.git(bare, "config", "receive.advertisePushOptions", "true")
    kit.put(bare, {"hooks/post-receive": HOOK})
    (bare / "hooks/post-receive").chmod(0o755)
    return bare


def updated(server: Shell, hosted: Path, factory: Path, place: Path) -> tuple[int, str]:
    """Run the weekly job in a fresh clone of the main branch, as a runner makes it; its exit code and last line."""
    job = yaml.safe_load(recipes.named("hear-of-new-versions", ".gitlab/ai-factory-update.yml"))["ai-factory-update"]
    server.must(f"git clone -q --depth 20 file://{hosted} {place} && cd {place} && git checkout -q --detach")
    told = {
        "AI_FACTORY": f"ai-factory=={VERSION}",
        "AI_FACTORY_SOURCE": str(factory),
        "AI_FACTORY_TOKEN": "secret",
        "CI_DEFAULT_BRANCH": "main",
        "CI_PROJECT_URL": f"file://{hosted}".removesuffix(".git"),
    }
    done = recipes.run_job(server, place.parent / "script", job, **told)
    return done.code, done.text.rstrip("\n").rpartition("\n")[2]


def test_one_merge_request_on_gitlab_while_there_is_a_newer_version(
    server: Shell, hosted: Path, factory: Path, tmp_path: Path
) -> None:
    """Opened, left as it is while nothing changed, refreshed, and not opened again when the project is up to date."""
    asked = [
        "merge_request.create",
        "merge_request.title=ai-factory: Update from v1.0.0 to v2.0.0",
        "merge_request.target=main",
        "merge_request.remove_source_branch",
    ]
    assert updated(server, hosted, factory, tmp_path / "one")[0] == 0
    assert (hosted / "asked").read_text().splitlines() == asked
    first = kit.git(hosted, "rev-parse", BRANCH)
    title, _, plan = kit.git(hosted, "log", "-1", "--format=%B", BRANCH).split("\n", 2)
    assert (title, plan.partition("\n")[0]) == (
        "ai-factory: Update from v1.0.0 to v2.0.0",
        "# Update from v1.0.0 to v2.0.0",
    )
    assert kit.git(hosted, "rev-list", "--count", f"main..{BRANCH}") == "1"
    assert updated(server, hosted, factory, tmp_path / "two") == (0, f"{BRANCH} is up to date")
    kit.git(factory, "tag", "v2.1.0")
    assert updated(server, hosted, factory, tmp_path / "three")[0] == 0
    assert kit.git(hosted, "rev-parse", BRANCH) != first
    assert kit.git(hosted, "rev-list", "--count", f"main..{BRANCH}") == "1"
    assert (hosted / "asked").read_text().splitlines()[4:] == [row.replace("v2.0", "v2.1") for row in asked]
    kit.git(hosted, "update-ref", "refs/heads/main", BRANCH)
    assert updated(server, hosted, factory, tmp_path / "four") == (0, "nothing to do")


def test_somebodys_commit_on_the_branch_is_left_alone(
    server: Shell, hosted: Path, factory: Path, tmp_path: Path
) -> None:
    updated(server, hosted, factory, tmp_path / "one")
    kit.git(tmp_path, "clone", "-q", "-b", BRANCH, str(hosted), "theirs")
    kit.put(tmp_path / "theirs", {"notes.md": "mine\n"})
    theirs = kit.commit(tmp_path / "theirs")
    kit.git(tmp_path / "theirs", "push", "-q")
    kit.git(factory, "tag", "v2.1.0")
    said = (0, f"somebody works on {BRANCH}: left alone")
    assert updated(server, hosted, factory, tmp_path / "two") == said
    assert kit.git(hosted, "rev-parse", BRANCH) == theirs


def test_an_update_with_conflicts_is_left_to_a_person(
    server: Shell, hosted: Path, behind: Path, factory: Path, tmp_path: Path
) -> None:
    """The job fails, and nothing is pushed."""
    kit.put(behind, {"ops/runbook.md": kit.LINES.replace("line 2\n", "line II\n")})
    kit.commit(behind)
    kit.git(behind, "push", "-q", str(hosted), "HEAD:main")
    assert updated(server, hosted, factory, tmp_path / "one")[0] == 1
    assert kit.git(hosted, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def renovate() -> Iterator[str]:
    text = (recipes.HOW_TO / "hear-of-new-versions.md").read_text("utf-8")
    return ("\n".join(block.lines) for block in markdown.blocks(text) if block.word == "json")


def test_renovate_finds_the_version_that_a_project_wants(behind: Path, factory: Path, tmp_path: Path) -> None:
    """The setting meets Renovate's schema; what its pattern finds is replaced, and a sync goes there and no further."""
    (text,) = renovate()
    kit.put(tmp_path, {"renovate.json": text})
    clean("check-jsonschema", "--builtin-schema", "vendor.renovate", tmp_path / "renovate.json")
    (manager,) = json.loads(text)["customManagers"]
    (place,), (pattern,) = manager["managerFilePatterns"], manager["matchStrings"]
    assert re.search(place.strip("/"), ".ai-factory/project.yaml")
    python = re.sub(r"\(\?<(\w+)>", r"(?P<\1>", pattern)
    shown = recipes.named("hear-of-new-versions", ".ai-factory/project.yaml")
    (found,) = re.finditer(python, shown)
    assert found.groupdict() == {
        "packageName": "https://git.example.org/platform/factory.git",
        "currentValue": "1.4.0",
    }
    version = re.sub(r"\(\?<(\w+)>", r"(?P<\1>", manager["extractVersionTemplate"])
    wish = behind / ".ai-factory/project.yaml"
    kit.git(factory, "tag", "v3.0.0")
    for tag in ("v1.0.0", "v2.0.0"):
        (number,) = re.findall(version, tag)
        address, rest = (behind / ".ai-factory/project.yaml").read_text().split("\n", 1)
        wish.write_text(f'{address}\nversion: "=={number}"\n' + re.sub(r"^version: .*\n", "", rest))
        kit.commit(behind)
        assert re.search(python.replace("https://", ""), wish.read_text())
        assert kit.cli("sync", "--commit", cwd=behind).code == 0
        assert json.loads((behind / ".ai-factory/lock.json").read_text())["factory"]["version"] == tag
