"""Texts that are kept in a repository of GitHub: a branch, one file on it, and the pull request that brings it in (REST API, version 2022-11-28)."""

import base64
import binascii
from typing import Any
from urllib.parse import quote

from bot.adapters.github import GitHub
from bot.core.errors import Forbidden, Invalid, Unavailable
from bot.core.library import Text

Json = dict[str, Any]


class PullRequests:
    """Implements `Library`. Every step is looked for before it is taken, so that it can be tried again from anywhere."""

    def __init__(self, github: GitHub, repository: str, folder: str) -> None:
        self.name = f"GitHub {repository}"
        self._github = github
        self._repository = repository
        self._folder = folder.strip("/")

    async def ready(self) -> str:
        """What GitHub says of the token's rights is taken for true; of some tokens it says nothing."""
        where = await self._github.repository(self._repository)
        _, found = await self._ask("GET", "")
        if (found.get("permissions") or {}).get("push") is False:
            raise self._denied()
        return f"{where.name} can be reached; pull requests go to its branch {where.branch}"

    async def put(self, text: Text) -> str:
        """Returns the address of the pull request, also of one that was closed or merged; of the file, where the repository has it as it is already."""
        main = (await self._github.repository(self._repository)).branch
        path, branch = "/".join(part for part in (self._folder, text.name) if part), f"aiec/{text.about}"
        there = await self._file(path, main)
        if there is not None and _content(there) == text.text.encode():
            return str(there.get("html_url") or path)
        await self._branch(branch, main)
        await self._commit(path, branch, text)
        return await self._pull(branch, main, text)

    async def _branch(self, branch: str, main: str) -> None:
        if (await self._ask("GET", f"git/ref/heads/{quote(branch)}"))[0] == 200:
            return
        status, body = await self._ask("GET", f"git/ref/heads/{quote(main)}")
        if status != 200:
            raise Invalid(f"{self._repository} has no branch {main} yet, from which another one could begin.", "Push a first commit.")
        await self._do("POST", "git/refs", {"ref": f"refs/heads/{branch}", "sha": body["object"]["sha"]})

    async def _file(self, path: str, branch: str) -> Json | None:
        status, body = await self._ask("GET", f"contents/{quote(path)}?ref={quote(branch, safe='')}")
        return body if status == 200 else None

    async def _commit(self, path: str, branch: str, text: Text) -> None:
        there = await self._file(path, branch)
        if there is not None and _content(there) == text.text.encode():
            return
        replaced = {"sha": there["sha"]} if there is not None else {}
        content = base64.b64encode(text.text.encode()).decode()
        await self._do("PUT", f"contents/{quote(path)}", {"message": text.title, "content": content, "branch": branch, **replaced})

    async def _pull(self, branch: str, main: str, text: Text) -> str:
        owner = self._repository.partition("/")[0]
        _, found = await self._ask("GET", f"pulls?state=all&head={quote(f'{owner}:{branch}', safe='')}")
        known = next(iter(found if isinstance(found, list) else []), None)
        if known is not None:
            return str(known["html_url"])
        about = "Published by aiec. It was written by people on what the event log says."
        made = await self._do("POST", "pulls", {"title": text.title, "head": branch, "base": main, "body": about})
        return str(made["html_url"])

    async def _do(self, method: str, path: str, body: Json) -> Json:
        """Makes a change. Raises what a refusal means."""
        status, answer = await self._ask(method, path, body)
        if status == 404:  # which GitHub says of what one may not write, too
            raise self._denied()
        if status in (409, 410):
            raise Unavailable(f"GitHub refuses {path.partition('?')[0]} of {self._repository}: {answer.get('message') or 'no reason given'}.")
        return dict(answer)

    async def _ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, Any]:
        response, answer = await self._github.ask(f"repos/{self._repository}/{path}".rstrip("/"), method, body)
        return response.status_code, answer

    def _denied(self) -> Forbidden:
        text = f"GITHUB_TOKEN may not write to {self._repository}, or is not set."
        return Forbidden(text, "Give it write access to Contents and Pull requests (docs/postmortems.md).")


def _content(file: Json) -> bytes | None:
    try:
        return base64.b64decode(str(file.get("content", "")))
    except binascii.Error:
        return None
