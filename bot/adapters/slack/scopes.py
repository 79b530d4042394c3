"""Which scopes Slack's methods need (docs.slack.dev, each method's page), and which of them a token lacks."""

from collections.abc import Mapping

SCOPES: dict[str, tuple[str, ...]] = {
    "the slash command": ("commands",),
    "auth.test": (),
    "chat.getPermalink": (),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.archive": ("channels:manage", "groups:write"),
    "conversations.create": ("channels:manage", "groups:write"),
    "conversations.history": ("channels:history", "groups:history"),
    "conversations.info": ("channels:read", "groups:read"),
    "conversations.invite": ("channels:manage", "groups:write"),
    "conversations.join": ("channels:join",),
    "conversations.list": ("channels:read", "groups:read"),
    "conversations.replies": ("channels:history", "groups:history"),
    "conversations.setPurpose": ("channels:manage", "groups:write"),
    "conversations.setTopic": ("channels:manage", "groups:write"),
    "files.completeUploadExternal": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "the event reaction_added": ("reactions:read",),
    "usergroups.list": ("usergroups:read",),
    "usergroups.users.list": ("usergroups:read",),
    "users.info": ("users:read",),
    "views.open": (),
    "views.publish": (),
}
"""Every method that the chat calls, with all the scopes that it needs for public and private channels."""


def missing(headers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Returns the scopes that are needed and not in an answer's `x-oauth-scopes`, each with the methods that need it; none when Slack does not say."""
    said = {name.lower(): value for name, value in headers.items()}.get("x-oauth-scopes")
    if said is None:
        return {}
    granted = {scope.strip() for scope in said.split(",")}
    needed = {scope: tuple(method for method, scopes in SCOPES.items() if scope in scopes) for scopes in SCOPES.values() for scope in scopes}
    return {scope: methods for scope, methods in sorted(needed.items()) if scope not in granted}
