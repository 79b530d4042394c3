"""What GitHub knows as the JSON that its REST API shows (version 2022-11-28), with the members that a reader of tags, statuses, checks and runs may need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sandbox.github.state import CheckRun, GitHub, Pull, Repository, Run, Status, Workflow

Json = dict[str, Any]
API, HTML = "https://api.github.com", "https://github.com"


def time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def repository(where: Repository, *, push: bool | None = None) -> Json:
    """`push`: whether whoever asks may write to it (None: nobody known asks)."""
    owner, _, name = where.name.partition("/")
    return {
        "id": where.id,
        "name": name,
        "full_name": where.name,
        "private": where.private,
        "visibility": "private" if where.private else "public",
        "owner": {"login": owner, "type": "Organization"},
        "html_url": f"{HTML}/{where.name}",
        "url": f"{API}/repos/{where.name}",
        "default_branch": where.branch,
        **({} if push is None else {"permissions": {"pull": True, "push": push, "admin": False}}),
    }


def reference(where: Repository, name: str, sha: str, *, tag_object: bool = False) -> Json:
    kind = "tag" if tag_object else "commit"
    target = {"type": kind, "sha": sha, "url": f"{API}/repos/{where.name}/git/{kind}s/{sha}"}
    return {"ref": f"refs/{name}", "node_id": f"REF_{sha[:8]}", "url": f"{API}/repos/{where.name}/git/refs/{name}", "object": target}


def tag(where: Repository, sha: str) -> Json:
    name, kind, target = where.annotations[sha]
    return {
        "node_id": f"TAG_{sha[:8]}",
        "tag": name,
        "sha": sha,
        "url": f"{API}/repos/{where.name}/git/tags/{sha}",
        "message": f"{name}\n",
        "tagger": {"name": "octocat", "email": "octocat@example.com", "date": "2026-01-01T00:00:00Z"},
        "object": {"type": kind, "sha": target, "url": f"{API}/repos/{where.name}/git/{kind}s/{target}"},
    }


def combined(where: Repository, sha: str, statuses: Sequence[Status], shown: Sequence[Status]) -> Json:
    """The combined status: of all statuses, with those of one page."""
    states = {one.state for one in statuses}
    bad, good = states & {"error", "failure"}, states == {"success"}
    url = f"{API}/repos/{where.name}/commits/{sha}"
    return {
        "state": "failure" if bad else "success" if good else "pending",
        "statuses": [status(where, sha, one) for one in shown],
        "sha": sha,
        "total_count": len(statuses),
        "repository": repository(where),
        "commit_url": url,
        "url": f"{url}/status",
    }


def status(where: Repository, sha: str, one: Status) -> Json:
    return {
        "url": f"{API}/repos/{where.name}/statuses/{sha}",
        "avatar_url": None,
        "id": one.id,
        "node_id": f"SC_{one.id}",
        "state": one.state,
        "description": one.description,
        "target_url": one.target_url,
        "context": one.context,
        "created_at": time(one.at),
        "updated_at": time(one.at),
    }


def check(where: Repository, sha: str, one: CheckRun) -> Json:
    url = f"{API}/repos/{where.name}/check-runs/{one.id}"
    done = one.status == "completed"
    return {
        "id": one.id,
        "head_sha": sha,
        "node_id": f"CR_{one.id}",
        "external_id": "",
        "url": url,
        "html_url": f"{HTML}/{where.name}/runs/{one.id}",
        "details_url": f"{HTML}/{where.name}/runs/{one.id}",
        "status": one.status,
        "conclusion": one.conclusion,
        "started_at": time(one.at),
        "completed_at": time(one.at) if done else None,
        "output": {"title": None, "summary": None, "text": None, "annotations_count": 0, "annotations_url": f"{url}/annotations"},
        "name": one.name,
        "check_suite": {"id": one.suite},
        "app": {"id": sum(map(ord, one.app)), "slug": one.app, "name": one.app},
        "pull_requests": [],
    }


def workflow(where: Repository, one: Workflow) -> Json:
    return {
        "id": one.id,
        "node_id": f"W_{one.id}",
        "name": one.name,
        "path": one.path,
        "state": one.state,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
        "url": f"{API}/repos/{where.name}/actions/workflows/{one.id}",
        "html_url": f"{HTML}/{where.name}/blob/{where.branch}/{one.path}",
        "badge_url": f"{HTML}/{where.name}/workflows/{one.name}/badge.svg",
    }


def run(where: Repository, one: Run) -> Json:
    url = f"{API}/repos/{where.name}/actions/runs/{one.id}"
    return {
        "id": one.id,
        "name": one.workflow.name,
        "node_id": f"WFR_{one.id}",
        "check_suite_id": one.suite,
        "check_suite_node_id": f"CS_{one.suite}",
        "head_branch": where.branch,
        "head_sha": one.sha,
        "path": one.workflow.path,
        "run_number": one.number,
        "run_attempt": 1,
        "event": one.event,
        "display_title": f"{one.workflow.name} #{one.number}",
        "status": one.status,
        "conclusion": one.conclusion,
        "workflow_id": one.workflow.id,
        "url": url,
        "html_url": f"{HTML}/{where.name}/actions/runs/{one.id}",
        "pull_requests": [],
        "created_at": time(one.started),
        "updated_at": time(one.updated),
        "run_started_at": time(one.started),
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": f"{API}/repos/{where.name}/check-suites/{one.suite}",
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "workflow_url": f"{API}/repos/{where.name}/actions/workflows/{one.workflow.id}",
    }


def described(github: GitHub, where: Repository) -> Json:
    """A repository as the control API shows it: what it was told."""
    return {
        "private": where.private,
        "tags": {name: github.commit(where.name, name) for name in where.tags},
        "statuses": {sha: {one.context: one.state for one in known} for sha, known in where.statuses.items()},
        "checks": {sha: {one.name: one.conclusion or one.status for one in known} for sha, known in where.checks.items()},
        "workflows": {one.name: one.file for one in where.workflows},
        "issues": {one.number: one.state for one in where.issues if not one.deleted},
        "runs": [{"workflow": one.workflow.name, "commit": one.sha, "result": one.conclusion or one.status} for one in where.runs],
    }


def pull(where: Repository, one: Pull) -> Json:
    owner = where.name.partition("/")[0]
    return {
        "number": one.number,
        "state": one.state,
        "title": one.title,
        "body": one.body,
        "html_url": f"{HTML}/{where.name}/pull/{one.number}",
        "url": f"{API}/repos/{where.name}/pulls/{one.number}",
        "head": {"ref": one.head, "label": f"{owner}:{one.head}", "sha": where.branches.get(one.head, "")},
        "base": {"ref": one.base, "label": f"{owner}:{one.base}"},
    }
