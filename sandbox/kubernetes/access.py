"""Who may do what: bearer tokens, which are all good for everything until some are declared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.kubernetes.errors import ApiError, unauthorized
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.requests import Request, Target

OPEN_PATHS = ("/api", "/apis", "/healthz", "/livez", "/readyz", "/version", "/openapi")


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs on resources (`deployments`, `deployments/scale`, `*`), in one namespace or, when empty, anywhere."""

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    namespace: str = ""

    def allows(self, verb: str, resource: str, namespace: str) -> bool:
        here = not self.namespace or self.namespace == namespace
        return here and bool({verb, "*"} & {*self.verbs}) and bool({resource, "*"} & {*self.resources})


@dataclass(frozen=True, slots=True)
class User:
    """`rules` of None: everything is allowed."""

    name: str
    rules: tuple[Rule, ...] | None = None

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        return self.rules is None or any(rule.allows(verb, resource, namespace) for rule in self.rules)


ADMINISTRATOR = User("kubernetes-admin")
ANONYMOUS = User("system:anonymous", rules=())


class Access:
    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._expiries: dict[str, datetime] = {}

    def declare(self, token: str, user: User) -> None:
        """From the first declaration on, only declared tokens are good. One that had expired is good again."""
        self._users[token] = user
        self._expiries.pop(token, None)

    def expire(self, token: str, when: datetime) -> None:
        """The token, declared or not, is refused from `when` on."""
        self._expiries[token] = when

    def authenticate(self, request: Request, now: datetime) -> User:
        """Raises ApiError 401 for a token that is unknown or has expired."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return ANONYMOUS if self._users else ADMINISTRATOR
        user = self._users.get(token.strip()) if self._users else ADMINISTRATOR
        if user is None or self._expiries.get(token.strip(), datetime.max.replace(tzinfo=UTC)) <= now:
            raise unauthorized()
        return user

    def check(self, user: User, verb: str, target: Target) -> None:
        """Raises ApiError 403 in the API server's words."""
        resource = target.resource
        name = f"{resource.plural}/{target.subresource}" if target.subresource else resource.plural
        if user.may(verb, name, target.namespace):
            return
        where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        what = f'{resource.key} "{target.name}"' if target.name else resource.key
        message = f'{what} is forbidden: User "{user.name}" cannot {verb} resource "{name}" in API group "{resource.group}" {where}'
        details: Object = ({"name": target.name} if target.name else {}) | ({"group": resource.group} if resource.group else {})
        raise ApiError(403, "Forbidden", message, {**details, "kind": resource.plural})

    def check_path(self, user: User, request: Request) -> None:
        """Paths that are no resources: discovery and health are open to every user who has a name."""
        open_to_all = request.path.startswith(OPEN_PATHS) and user is not ANONYMOUS
        if user.rules is not None and not open_to_all:
            message = f'forbidden: User "{user.name}" cannot {request.method.lower()} path "{request.path}"'
            raise ApiError(403, "Forbidden", message, {})
