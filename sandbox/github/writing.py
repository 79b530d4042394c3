"""What one may change at GitHub: branches, files on them, and pull requests (docs.github.com/rest, version 2022-11-28)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from starlette.requests import Request

from sandbox.github import wire
from sandbox.github.refusal import Refusal
from sandbox.github.state import GitHub, Repository

Json = dict[str, Any]


def _body(request: Request) -> Json:
    found = request.state.given
    if not isinstance(found, dict):
        raise Refusal(400, "Body should be a JSON object")
    return found


def _text(body: Json, *names: str) -> list[str]:
    missing = [name for name in names if not isinstance(body.get(name), str)]
    if missing:
        raise Refusal(422, f"Invalid request.\n\n{', '.join(missing)} wasn't supplied.")
    return [body[name] for name in names]


def reference(github: GitHub, where: Repository, request: Request) -> Json:
    """POST git/refs: a branch at a commit."""
    ref, sha = _text(_body(request), "ref", "sha")
    if not ref.startswith("refs/heads/"):
        raise Refusal(422, "Reference name must begin with 'refs/'")
    name = ref.removeprefix("refs/heads/")
    try:
        github.branch(where.name, name, sha)
    except KeyError:
        raise Refusal(422, "Object does not exist") from None
    except ValueError:
        raise Refusal(422, "Reference already exists") from None
    return wire.reference(where, f"heads/{name}", sha)


def file(github: GitHub, where: Repository, request: Request) -> Json:
    """GET contents/PATH: of the branch `ref`, else the default one."""
    branch, path = request.query_params.get("ref") or where.branch, request.path_params["path"]
    content = where.files.get(branch, {}).get(path)
    if content is None:
        raise Refusal(404, "Not Found" if branch == where.branch or branch in where.branches else f"No commit found for the ref {branch}")
    return _file(where, branch, path, content)


def write(github: GitHub, where: Repository, request: Request) -> Json:
    """PUT contents/PATH: a file, which one that is there replaces only by its own `sha`."""
    body, path = _body(request), request.path_params["path"]
    message, encoded = _text(body, "message", "content")
    branch = body.get("branch") or where.branch
    if branch != where.branch and branch not in where.branches:
        raise Refusal(404, f"Branch {branch} not found")
    try:
        content = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise Refusal(422, "content is not valid Base64") from None
    there = where.files.get(branch, {}).get(path)
    if there is not None and "sha" not in body:
        raise Refusal(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if there is not None and body["sha"] != _blob(there):
        raise Refusal(409, f"{path} does not match {body['sha']}")
    commit = github.write(where.name, branch, path, content, message)
    return {"content": _file(where, branch, path, content), "commit": {"sha": commit, "message": message}}


def pulls(github: GitHub, where: Repository, request: Request) -> list[Json]:
    """GET pulls: those in `state` (open unless given, or all) of the branch `head` (`owner:branch`), the newest first."""
    state, head = request.query_params.get("state", "open"), request.query_params.get("head", "")
    branch = head.partition(":")[2]
    return [wire.pull(where, one) for one in where.pulls[::-1] if state in ("all", one.state) and branch in ("", one.head)]


def pull(github: GitHub, where: Repository, request: Request) -> Json:
    """POST pulls."""
    body = _body(request)
    title, head, base = _text(body, "title", "head", "base")
    if head not in where.branches or base != where.branch:
        raise Refusal(422, "Validation Failed")
    if where.files.get(head, {}) == where.files.get(base, {}):
        raise Refusal(422, f"Validation Failed: No commits between {base} and {head}")
    try:
        return wire.pull(where, github.pull(where.name, title, str(body.get("body") or ""), head, base))
    except ValueError:
        owner = where.name.partition("/")[0]
        raise Refusal(422, f"Validation Failed: A pull request already exists for {owner}:{head}.") from None


def _blob(content: bytes) -> str:
    """A file's id, as git makes it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _file(where: Repository, branch: str, path: str, content: bytes) -> Json:
    return {
        "type": "file",
        "encoding": "base64",
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": _blob(content),
        "size": len(content),
        "content": base64.encodebytes(content).decode(),
        "html_url": f"{wire.HTML}/{where.name}/blob/{branch}/{path}",
    }
