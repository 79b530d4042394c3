"""What the stand-in of GitHub knows: repositories with their tags, commit statuses, check runs, workflows and runs, issues; who may
read and write; how much is left to ask.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from sandbox.clock import Clock
from sandbox.github.issues import Issue

HOURLY = 5000
ACTIONS = "github-actions"


@dataclass(frozen=True)
class Status:
    """What an outside system says of a commit. `state`: error, failure, pending or success; of several with one `context` the newest counts."""

    id: int
    context: str
    state: str
    at: datetime
    description: str | None = None
    target_url: str | None = None


@dataclass(frozen=True)
class CheckRun:
    """One check of a suite, by an app (`github-actions` for the jobs of a workflow's run)."""

    id: int
    suite: int
    app: str
    name: str
    status: str
    conclusion: str | None
    at: datetime


@dataclass(frozen=True)
class Workflow:
    """`file` is the name of its file below .github/workflows."""

    id: int
    name: str
    file: str
    state: str = "active"

    @property
    def path(self) -> str:
        return f".github/workflows/{self.file}"


@dataclass(frozen=True)
class Run:
    """A run of a workflow; its jobs are check runs of the suite `suite`."""

    id: int
    number: int
    workflow: Workflow
    sha: str
    suite: int
    event: str
    status: str
    conclusion: str | None
    started: datetime
    updated: datetime


@dataclass
class Pull:
    """A pull request of the branch `head` into `base`."""

    number: int
    title: str
    body: str
    head: str
    base: str
    state: str = "open"


@dataclass
class Repository:
    """`tags` and `branches` name objects; `annotations` are the tag objects among them, each with the object that it is of."""

    id: int
    name: str
    private: bool = False
    branch: str = "main"
    tags: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    commits: set[str] = field(default_factory=set)
    statuses: dict[str, list[Status]] = field(default_factory=dict)
    checks: dict[str, list[CheckRun]] = field(default_factory=dict)
    workflows: list[Workflow] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    pulls: list[Pull] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    has_issues: bool = True

    def issue(self, title: str, body: str | None, user: str, now: datetime, *, pull: bool = False) -> Issue:
        """Makes an issue, or what is numbered as one: a pull request."""
        made = Issue(len(self.issues) + 1, title, body, user, now, now, pull=pull)
        self.issues.append(made)
        return made


class GitHub:
    """The repositories by `owner/name`, in any case. `tokens` says what each token may read (empty: any token may read everything); without a token only
    public repositories are seen. `left` is how many requests are still answered before `resets` (None: as many as one likes).
    """

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self.clock = clock
        self.seed = seed
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, frozenset[str]] = {}
        self.expires: dict[str, datetime] = {}
        self.left: int | None = None
        self.resets = clock.now()
        self._ids = count(1000 + seed)

    def add(self, name: str, *, private: bool = False, branch: str = "main") -> Repository:
        """Makes a repository with one commit on its default branch, or returns the one of that name."""
        owner, slash, rest = name.partition("/")
        if not (owner and slash and rest) or "/" in rest:
            raise ValueError(f"{name!r} is not owner/name")
        found = self.repositories.setdefault(name.lower(), Repository(next(self._ids), name))
        found.private, found.branch = private, branch
        found.commits.add(self.sha(name, branch))
        return found

    def __getitem__(self, name: str) -> Repository:
        """Raises KeyError when there is none of that name."""
        if name.lower() not in self.repositories:
            raise KeyError(f"repository {name}")
        return self.repositories[name.lower()]

    def sha(self, *words: str) -> str:
        """Returns a commit's id, always the same for the same words."""
        return hashlib.sha1("\n".join([str(self.seed), *words]).encode()).hexdigest()

    def tag(self, repository: str, tag: str, *, commit: str | None = None, annotated: int = 0) -> str:
        """Puts a tag on a commit (None: one of its own), through so many tag objects, and returns the commit."""
        where = self[repository]
        sha = commit or self.sha(where.name, tag)
        where.commits.add(sha)
        target, kind = sha, "commit"
        for level in range(annotated):
            above = self.sha(where.name, tag, "tag", str(level), target)
            where.annotations[above] = (tag, kind, target)
            target, kind = above, "tag"
        where.tags[tag] = target
        return sha

    def untag(self, repository: str, tag: str) -> None:
        """Takes a tag away. KeyError when there is none."""
        del self[repository].tags[tag]

    def commit(self, repository: str, ref: str) -> str:
        """Returns the commit that a tag, a branch or a sha names. Raises KeyError."""
        where = self[repository]
        found = where.tags.get(ref, ref)
        while found in where.annotations:
            found = where.annotations[found][2]
        if ref == where.branch:
            found = self.sha(where.name, ref)
        if found not in where.commits:
            raise KeyError(f"commit {ref} in {where.name}")
        return found

    def status(self, repository: str, ref: str, context: str, state: str, description: str | None = None, target_url: str | None = None) -> None:
        """An outside system says something of a commit."""
        said = self[repository].statuses.setdefault(self.commit(repository, ref), [])
        said.append(Status(next(self._ids), context, state, self.clock.now(), description, target_url))

    def check(self, repository: str, ref: str, name: str, *, status: str = "completed", conclusion: str | None = "success", app: str = "shop-ci") -> None:
        """An app checks a commit. A check of that name and app is replaced, as when it is run again."""
        known = self[repository].checks.setdefault(self.commit(repository, ref), [])
        same = next((one for one in known if (one.app, one.name) == (app, name)), None)
        if same is not None:
            known.remove(same)
        suite = next((one.suite for one in known if one.app == app), None) or (same.suite if same else next(self._ids))
        known.append(CheckRun(next(self._ids), suite, app, name, status, conclusion if status == "completed" else None, self.clock.now()))

    def workflow(self, repository: str, name: str, file: str | None = None, state: str = "active") -> Workflow:
        """A workflow of that name (its file is called like it unless given), made where there is none."""
        where = self[repository]
        found = next((one for one in where.workflows if one.name == name and file in (None, one.file)), None)
        if found is None:
            found = Workflow(next(self._ids), name, file or f"{name}.yml", state)
            where.workflows.append(found)
        return found

    def run(
        self,
        repository: str,
        workflow: str,
        ref: str,
        *,
        status: str = "completed",
        conclusion: str | None = "success",
        event: str = "push",
        jobs: tuple[str, ...] = (),
        ago: float = 0.0,
    ) -> Run:
        """A run of a workflow on a commit, with its jobs (one called like the workflow, unless given), last changed `ago` seconds before now."""
        where, sha, of = self[repository], self.commit(repository, ref), self.workflow(repository, workflow)
        at = self.clock.now() - timedelta(seconds=ago)
        number = sum(run.workflow.id == of.id for run in where.runs) + 1
        done = conclusion if status == "completed" else None
        made = Run(next(self._ids), number, of, sha, next(self._ids), event, status, done, at, at)
        where.runs.append(made)
        known = where.checks.setdefault(sha, [])
        known += [CheckRun(next(self._ids), made.suite, ACTIONS, job, status, done, at) for job in jobs or (workflow,)]
        return made

    def limit(self, left: int | None, resets_in: float) -> None:
        """So many requests are answered before the limit is reset (None: no limit)."""
        self.left, self.resets = left, self.clock.now() + timedelta(seconds=resets_in)

    def branch(self, repository: str, name: str, sha: str) -> None:
        """Makes a branch at a commit, with the files that the default one has. KeyError when there is no such commit, ValueError when the branch is there."""
        where = self[repository]
        if name in where.branches or name == where.branch:
            raise ValueError(f"branch {name}")
        if sha not in where.commits:
            raise KeyError(f"commit {sha}")
        where.branches[name] = sha
        where.files[name] = dict(where.files.get(where.branch, {}))

    def write(self, repository: str, branch: str, path: str, content: bytes, message: str) -> str:
        """Commits a file to a branch, and returns the commit."""
        where = self[repository]
        sha = self.sha(where.name, branch, path, message, hashlib.sha1(content).hexdigest())
        where.commits.add(sha)
        if branch in where.branches:
            where.branches[branch] = sha
        where.files.setdefault(branch, {})[path] = content
        return sha

    def pull(self, repository: str, title: str, body: str, head: str, base: str) -> Pull:
        """Opens a pull request. ValueError when the branch has an open one."""
        where = self[repository]
        if any(one.head == head and one.state == "open" for one in where.pulls):
            raise ValueError(head)
        made = Pull(len(where.pulls) + 1, title, body, head, base)
        where.pulls.append(made)
        return made

    def may(self, token: str | None, permission: str) -> bool:
        """Whether the token (a known one) may read that of a private repository, or write it of any."""
        return token is not None and (not self.tokens or permission in self.tokens.get(token, ()))
