"""Images, pipelines and manifests are clean at birth: hadolint, published schemas, and rules of our own."""

from __future__ import annotations

import fnmatch
import importlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ai_factory.errors import AnswersError
from tests import golden
from tests.components.rendered import rendered
from tests.shell import BIN, clean

OPTIONAL = ("ci-gitlab", "infra", "monitoring-stack")
GIVEN: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "installed": {"ai_factory_install": "ai-factory==0.1.0", "code_scanning": True},
}
SYSTEMS = [name for name in golden.BLUEPRINTS if name != "monitoring-stack"]


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The tree of a blueprint with all that can be taken besides."""
    made: dict[str, Path] = {}

    def make(blueprint: str) -> Path:
        if blueprint not in made:
            more = OPTIONAL if blueprint in SYSTEMS else OPTIONAL[:1]
            made[blueprint] = rendered(tmp_path_factory.mktemp(blueprint) / "project", blueprint, more)
        return made[blueprint]

    return make


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest, of: Callable[[str], Path]) -> Path:
    return of(request.param)


@pytest.fixture(params=golden.BLUEPRINTS)
def project(request: pytest.FixtureRequest, of: Callable[[str], Path]) -> Path:
    return of(request.param)


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / tool), *arguments], capture_output=True, text=True, check=False, timeout=120)


# ---- container -----------------------------------------------------------------------------------


def test_the_dockerfile_is_clean(system: Path) -> None:
    """No finding of hadolint, without any exception."""
    clean("hadolint", "--no-color", "--failure-threshold", "style", str(system / "Dockerfile"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FROM ${PYTHON_IMAGE} AS build", "FROM python:latest AS build"),
        ('CMD ["python", "-m", ', 'CMD python -m "'),
        ("USER 10001:10001", "USER root"),
    ],
)
def test_a_careless_dockerfile_is_seen(of: Callable[[str], Path], tmp_path: Path, old: str, new: str) -> None:
    """A moving base, a command in a shell, root."""
    sound = (of("forecasting") / "Dockerfile").read_text()
    assert old in sound
    (tmp_path / "Dockerfile").write_text(sound.replace(old, new))
    assert run("hadolint", "--failure-threshold", "style", str(tmp_path / "Dockerfile")).returncode != 0


def test_it_runs_as_a_number_and_not_as_root(system: Path) -> None:
    """From the last stage on, with a check of health where there is a port."""
    text = (system / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM ") :]
    assert re.findall(r"^USER (\S+)$", last, re.MULTILINE) == ["10001:10001"]
    serves = (system / "src").glob("*/api.py")
    assert ("HEALTHCHECK NONE" in last) != bool(list(serves))
    installs = re.findall(r"pip install ([^\n&]*)", text)
    assert len(installs) == 2  # hadolint does not know `pip` by its whole path
    assert all(line.startswith("--constraint constraints.txt ") for line in installs)
    assert not re.search(r"(?i)(secret|password|token|_key)\s*=", text)


def let_through(folder: Path) -> list[str]:
    """The files that .dockerignore lets into the build, by its rules: the last pattern that matches wins."""
    lines = (folder / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    def kept(path: str) -> bool:
        parts, included = path.split("/"), True
        for rule in rules:
            pattern = rule.removeprefix("!")
            places = ["/".join(parts[: number + 1]) for number in range(len(parts))]
            names = parts if pattern.startswith("**/") else places[:1] if pattern == "*" else places
            if any(fnmatch.fnmatchcase(name, pattern.removeprefix("**/")) for name in names):
                included = rule.startswith("!")
        return included

    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [name for name in (path.relative_to(folder).as_posix() for path in files) if kept(name)]


def test_code_and_settings_go_into_the_image_and_nothing_else(system: Path, tmp_path: Path) -> None:
    """What the run reads is there; what could hold secrets, data or a history is not."""
    shutil.copytree(system, tmp_path / "project")
    bad = [
        ".env",
        "src/.env",
        "ops/signing.pem",
        "governance/audit.key",
        "var/audit/a.jsonl",
        ".git/config",
        "notes.txt",
    ]
    for name in [*bad, "evidence/model.json", "src/x/__pycache__/y.pyc"]:
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text("x")
    names = let_through(tmp_path / "project")
    assert not {*bad, "src/x/__pycache__/y.pyc"} & set(names)
    settings = {"contracts", "corpus", "docs", "evals", "features", "governance", "ops", "src"}
    code = ("tests", "deploy", "stack")
    there = {path.name for path in system.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in code}
    assert there <= settings
    assert {name.split("/")[0] for name in names} == there | {
        "evidence",
        "constraints.txt",
        "pyproject.toml",
        "README.md",
    }


# ---- pipelines -----------------------------------------------------------------------------------


def gitlab(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / ".gitlab-ci.yml").read_text()))


@pytest.fixture(scope="module")
def of_gitlab(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], Path]:
    """Each blueprint with pipelines for both hosts, by its name and that of the answers."""
    folder = tmp_path_factory.mktemp("pipelines")
    return {
        (blueprint, name): rendered(folder / blueprint / name, blueprint, ["ci-gitlab"], answers)
        for blueprint in golden.BLUEPRINTS
        for name, answers in GIVEN.items()
    }


def test_the_gitlab_pipelines_meet_their_schema(
    of: Callable[[str], Path], of_gitlab: Mapping[tuple[str, str], Path]
) -> None:
    """The one that GitLab publishes."""
    places = [folder / ".gitlab-ci.yml" for folder in (*map(of, golden.BLUEPRINTS), *of_gitlab.values())]
    clean("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", *places)


def _commands(lines: list[str]) -> list[str]:
    """Without what an `echo` says, how the target branch is named and brought, and which files a check writes."""
    own = r"^(echo) .*| --output .*|(?:\b(?:origin|target)/\$)?(CI_MERGE_REQUEST_TARGET_BRANCH_NAME|GITHUB_BASE_REF)"
    return [
        re.sub(own, lambda found: found[1] or (found[2] and "TARGET") or "", line)
        for line in lines
        if "git fetch" not in line
    ]


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("blueprint", golden.BLUEPRINTS)
def test_both_pipelines_do_the_same(blueprint: str, given: str, of_gitlab: Mapping[tuple[str, str], Path]) -> None:
    """The same jobs, each with the same commands in the same order, but for what only one of them knows."""
    project = of_gitlab[blueprint, given]
    workflow = yaml.safe_load((project / ".github" / "workflows" / "ci.yml").read_text())
    here = gitlab(project)
    assert here["stages"] == list(workflow["jobs"])
    for name, job in workflow["jobs"].items():
        steps = [step["run"] for step in job["steps"] if "run" in step and "GITHUB_STEP_SUMMARY" not in step["run"]]
        assert _commands(here[name]["script"]) == _commands(steps)
    targets = set(re.findall(r"^([a-z-]+):", (project / "Makefile").read_text(), re.MULTILINE))
    named = {
        word for name in here["stages"] for line in here[name]["script"] for word in re.findall(r"^make (\S+)", line)
    }
    assert named <= targets
    assert {"lint", "test"} <= named


PINNED = {"ai_factory_install": "ai-factory==0.1.0"}


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({}, {}),
        ({"code_scanning": True}, {}),
        (PINNED, {}),
        ({**PINNED, "code_scanning": True}, {"security-events": "write"}),
    ],
)
def test_a_job_may_write_alerts_where_it_has_any(given: dict[str, Any], more: dict[str, str], tmp_path: Path) -> None:
    """And nothing else: the right is given with the upload."""
    project = rendered(tmp_path / "project", "blank", (), given)
    jobs = yaml.safe_load((project / ".github/workflows/ci.yml").read_text())["jobs"]
    reads = {"contents": "read"}
    rights = {name: job["permissions"] for name, job in jobs.items()}
    assert rights == {"project": reads, "factory": {**reads, **more}, "release": reads}


# ---- code owners ---------------------------------------------------------------------------------


def owners_of(text: str, path: str) -> list[str]:
    """Who has to review the path: by the last rule that fits, as code hosts read the file."""
    rules = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    fits = {pattern: pattern == "*" or path == pattern[1:] or f"/{path}".startswith(pattern) for pattern, *_ in rules}
    fitting = [who for pattern, *who in rules if fits[pattern]]
    return fitting[-1]


@pytest.mark.parametrize("blueprint", golden.BLUEPRINTS)
def test_who_accepts_the_risk_reviews_what_was_promised(blueprint: str, tmp_path: Path) -> None:
    """Each managed file, our record, waivers included, governance, and what runs the check."""
    target = golden.target(blueprint, {})
    lock, answers = golden.lock_of(target), target.answers
    team, risk = (f"@example-org/{answers[key]}" for key in ("owner_team", "risk_owner"))
    project = rendered(tmp_path, blueprint, ["ci-gitlab"])
    wanted = [
        path for path, entry in lock.paths.items() if entry.ownership == "managed" or path.startswith("governance/")
    ]
    wanted += [".ai-factory/lock.json", ".ai-factory/base", ".ai-factory/waivers.yaml", ".ai-factory/project.yaml"]
    own = {".github": ".github/workflows/ci.yml", ".gitlab": ".gitlab-ci.yml"}
    for folder, pipeline in own.items():
        text = (project / folder / "CODEOWNERS").read_text()
        missed = [path for path in [*wanted, pipeline, f"{folder}/CODEOWNERS"] if risk not in owners_of(text, path)]
        assert missed == []
        assert owners_of(text, "README.md") == [team]


def test_the_gitlab_pipeline_asks_for_nothing(project: Path) -> None:
    """No token, no cache, no service, no include, no privileged runner, and an image that stands still."""
    text = (project / ".gitlab-ci.yml").read_text()
    content = gitlab(project)
    assert not re.findall(r"^ *(id_tokens|secrets|cache|services|include|trigger|environment):", text, re.MULTILINE)
    assert "CI_JOB_TOKEN" not in text
    assert re.fullmatch(r"\S+:\d+\.\d+-\w+|\S+@sha256:\w{64}", content["default"]["image"])


def test_a_broken_gitlab_pipeline_is_seen(of: Callable[[str], Path], tmp_path: Path) -> None:
    """The schema can fail."""
    text = (of("forecasting") / ".gitlab-ci.yml").read_text()
    (tmp_path / "x.yml").write_text(text.replace("interruptible: true", "interruptible: perhaps"))
    arguments = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", str(tmp_path / "x.yml"))
    assert run("check-jsonschema", *arguments).returncode != 0


def test_the_monitors_run_on_a_schedule(system: Path) -> None:
    """Weekly on GitHub, and each night in a cluster; the stage that is named there exists."""
    workflow = (system / ".github" / "workflows" / "ci.yml").read_text()
    assert re.search(r"schedule:\n *- cron:", workflow)
    assert "make run" in workflow
    jobs = [one for one in manifests(system) if one["kind"] == "CronJob" and not one["spec"]["suspend"]]
    (job,) = jobs
    (command,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    (package,) = (path.name for path in (system / "src").iterdir())
    assert f"python -m {package} monitor && " in command
    assert 'Stage("monitor"' in (system / "src" / package / "pipeline.py").read_text()


# ---- compose and Kubernetes ----------------------------------------------------------------------


def manifests(folder: Path, under: str = "deploy/kubernetes") -> list[dict[str, Any]]:
    place = folder / under
    files = sorted(place.glob("*.yaml")) if place.is_dir() else [place]
    found = [one for file in files for one in yaml.safe_load_all(file.read_text())]
    return [one for one in found if one["kind"] not in ("Kustomization", "Component")]


def pods(found: list[dict[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in found:
        spec = one.get("spec", {})
        spec = spec["jobTemplate"]["spec"] if one["kind"] == "CronJob" else spec
        if "template" in spec:
            yield one["metadata"]["name"], spec["template"]["spec"]


COMPOSED = ("deploy/compose.yaml", "stack/compose.yaml")


def test_compose_files_meet_the_specification(of: Callable[[str], Path]) -> None:
    """The published schema of Compose."""
    places = [of(blueprint) / name for blueprint in SYSTEMS for name in COMPOSED]
    clean("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *places)


@pytest.mark.parametrize("name", COMPOSED)
def test_every_service_is_hardened_and_limited(system: Path, name: str) -> None:
    """It writes nothing, gains nothing, and takes no more than it may."""
    for service in yaml.safe_load((system / name).read_text())["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()
        assert not service["user"].startswith("0")
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert not service["image"].endswith(":latest")
        assert "docker.sock" not in str(service)


MANIFESTS = ["deploy/kubernetes/workloads.yaml", "deploy/kubernetes/network.yaml", "stack/kubernetes.yaml"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_meet_the_schemas_of_kubernetes(system: Path, name: str) -> None:
    """Of a recent and of an older release; unknown fields are refused."""
    validator: Any = importlib.import_module("kubernetes_validate")
    for one in yaml.safe_load_all((system / name).read_text()):
        for version in ("1.37", "1.33"):
            validator.validate(one, version, strict=True)


@pytest.mark.parametrize("place", ["deploy/kubernetes", "stack/kubernetes.yaml"])
def test_pods_keep_the_restricted_standard(system: Path, place: str) -> None:
    """Kubernetes' pod security standard `restricted`, and what it leaves open: limits, probes, no token, no writing."""
    found = manifests(system, place)
    namespaces = [one for one in found if one["kind"] == "Namespace"]
    assert [one["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] for one in namespaces] == ["restricted"]
    checked = list(pods(found))
    assert len(checked) >= 3
    for name, pod in checked:
        secure = pod["securityContext"]
        assert secure["runAsNonRoot"], name
        assert secure["runAsUser"] > 0, name
        assert secure["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            inner = container["securityContext"]
            assert inner["allowPrivilegeEscalation"] is False
            assert inner["readOnlyRootFilesystem"] is True
            assert inner["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
            assert container["resources"]["requests"]
            if pod.get("restartPolicy") != "Never":
                assert {"livenessProbe", "readinessProbe"} <= container.keys()


def test_secrets_are_named_and_never_written(system: Path) -> None:
    """No Secret is among the manifests; each variable that is secret comes from one, each other from the ConfigMap."""
    found = manifests(system)
    assert [one for one in found if one["kind"] == "Secret"] == []
    example = (system / ".env.example").read_text()
    secret = set(re.findall(r"\(secret: .*\)\n(\w+)=", example))
    every = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert "AUDIT_KEY" in secret
    (plain,) = (one["data"] for one in found if one["kind"] == "ConfigMap")
    for _, pod in pods(found):
        variables = {item["name"]: item for item in pod["containers"][0].get("env", [])}
        if variables:
            assert {name for name, item in variables.items() if "secretKeyRef" in item.get("valueFrom", {})} == secret
            assert variables.keys() | plain.keys() == every
            assert not secret & plain.keys()


def test_nothing_is_reached_that_is_not_listed(system: Path) -> None:
    """Everything is denied first; the service is open to the gateway and to Prometheus, the exporter to Prometheus."""
    policies = {one["metadata"]["name"]: one["spec"] for one in manifests(system) if one["kind"] == "NetworkPolicy"}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        for rule in policy.get("ingress", []):
            assert rule["from"], name
            assert rule["ports"], name
        for rule in policy.get("egress", []):
            assert rule["to"], name
            assert rule["ports"], name


def test_names_meet(system: Path) -> None:
    """Targets are services of the manifests and aliases of the compose file; volumes, claims and labels exist."""
    found = manifests(system)
    services = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "Service"}
    targets = yaml.safe_load((system / "ops" / "targets.json").read_text())
    hosts = [target.split(":") for group in targets for target in group["targets"]]
    compose = yaml.safe_load((system / "deploy" / "compose.yaml").read_text())
    networks = [
        one["networks"]["monitoring"]["aliases"][0] for one in compose["services"].values() if "networks" in one
    ]
    (namespace,) = {one["metadata"]["name"] for one in found if one["kind"] == "Namespace"}
    assert {host for host, _ in hosts} == {f"{name}.{namespace}.svc" for name in services} == set(networks)
    for host, port in hosts:
        assert services[host.split(".")[0]]["ports"][0]["port"] == int(port)
    claims = {one["metadata"]["name"] for one in found if one["kind"] == "PersistentVolumeClaim"}
    labels = {
        one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for one in found
        if one["kind"] == "Deployment"
    }
    assert {service["selector"]["app.kubernetes.io/name"] for service in services.values()} == labels
    for _, pod in pods(found):
        named = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == named
        used = {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["volumes"]
            if "persistentVolumeClaim" in volume
        }
        assert used <= claims


def test_what_the_kustomizations_name_is_there(system: Path) -> None:
    """Resources, components, and the files of ConfigMaps; and the workloads use no other."""
    for folder in ("deploy/kubernetes", "stack", "stack/systems"):
        content = yaml.safe_load((system / folder / "kustomization.yaml").read_text())
        files = [name.split("=")[-1] for one in content.get("configMapGenerator", []) for name in one["files"]]
        for name in [*content.get("resources", []), *content.get("components", []), *files]:
            assert (system / folder / name).exists(), name
    maps = {
        one["name"]
        for one in yaml.safe_load((system / "stack" / "kustomization.yaml").read_text())["configMapGenerator"]
    }
    used = {
        v["configMap"]["name"]
        for _, pod in pods(manifests(system, "stack/kubernetes.yaml"))
        for v in pod["volumes"]
        if "configMap" in v
    }
    assert used == maps | {"systems"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("replicas: 1", "replicas: one"),
        ("runAsNonRoot: true", "runAsNonRot: true"),
        ("timeZone: Etc/UTC", "timezone: Etc/UTC"),
    ],
)
def test_a_broken_manifest_is_seen(of: Callable[[str], Path], tmp_path: Path, old: str, new: str) -> None:
    """The schemas can fail: a wrong type, a word that Kubernetes does not know."""
    text = (of("forecasting") / "deploy/kubernetes/workloads.yaml").read_text()
    assert old in text
    (tmp_path / "x.yaml").write_text(text.replace(old, new))
    assert run("kubernetes-validate", "--strict", "--quiet", str(tmp_path / "x.yaml")).returncode != 0


@pytest.mark.parametrize(
    ("more", "given", "message"),
    [
        ((), {"container_python": "python:latest"}, "tag other than latest"),
        ((), {"container_python": "python"}, "tag other than latest"),
        (("infra",), {"monitoring_schedule": "daily"}, "five fields"),
        (("ci-gitlab",), {"gitlab_image": "python:latest"}, "tag other than latest"),
        (("monitoring-stack",), {"alert_webhook": "https://me:word@example.org"}, "without credentials"),
    ],
)
def test_careless_answers_are_refused(
    tmp_path: Path, more: tuple[str, ...], given: dict[str, str], message: str
) -> None:
    """Tags that move, times that are none, credentials in an address."""
    with pytest.raises(AnswersError) as refused:
        rendered(tmp_path / "x", "forecasting", more, given)
    assert message in str(refused.value.problems)
