"""Why an image could not be pulled, from the kubelet's and the registry's words."""

import re
from collections.abc import Sequence
from datetime import timedelta

from bot.core.failures.finding import AT_ONCE, Finding, latest, warnings
from bot.core.ports import Json
from bot.core.template import split_image

REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed"}
)
"""The reasons of a waiting container that `pull_failure` explains."""

# The kubelet tries again after 10, 20, 40 s: this is the fourth attempt at least.
_UNREACHABLE = timedelta(seconds=90)

# Refusal first: «pull access denied, repository does not exist or may require authorization» is what a registry says to strangers.
_CLASSES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("limited", re.compile(r"\b429\b|toomanyrequests|rate limit", re.I)),
    ("refused", re.compile(r"\b40[13]\b|unauthorized|forbidden|\bdenied\b|authentication required|authorization failed|no basic auth", re.I)),
    ("platform", re.compile(r"no match(ing manifest)? for (platform|\w+/\w+)|no match for platform", re.I)),
    ("missing", re.compile(r"not ?found|manifest unknown|name unknown|does not exist", re.I)),
)


def classify(image: str, message: str) -> str:
    """Returns the kind of a failed pull: `limited`, `refused`, `platform`, `missing`, or `unreachable` for what may pass by itself (time-outs, DNS, 5xx)."""
    text = message.replace(image, "")  # a tag may well be called v403
    return next((kind for kind, pattern in _CLASSES if pattern.search(text)), "unreachable")


def pull_failure(pod: Json, container: Json, waiting: Json, events: Sequence[Json]) -> Finding:
    """Returns what a container's waiting state of one of `REASONS` means. An older kubelet's back-off does not say why; then the event of the pull does."""
    image, reason = container["image"], waiting["reason"]
    message = waiting.get("message") or ""
    if ":" not in message.replace(image, ""):
        pull = next((event["message"] for event in reversed(events) if event["reason"] == "Failed" and "pull" in event["message"]), "")
        message = pull or message
    code, said, hint, patience = _words(pod, image, reason, message)
    name = pod["metadata"]["name"]
    return Finding(
        code=code, said=f"{said} ({reason})", hint=hint, patience=patience, pod=name, container=container["name"],
        # The first failure is followed by another attempt at once; only its back-off says that this one failed as well.
        ripe=reason != "ErrImagePull" or code == "ImagePullFailed",
        evidence=warnings(f"events of {name}", events) if latest(events, "Failed", "BackOff") else (),
    )  # fmt: skip


def _words(pod: Json, image: str, reason: str, message: str) -> tuple[str, str, str, timedelta]:
    host = registry(image)
    if reason == "InvalidImageName":
        return "InvalidImageName", f"could not start: {image!r} is not an image reference", "Correct the image in the manifest.", AT_ONCE
    if reason == "ErrImageNeverPull":
        advice = "Set imagePullPolicy to IfNotPresent, or load the image onto the nodes."
        return "ImageNotFound", f"did not find the image {image} on their node, and imagePullPolicy is Never", advice, AT_ONCE
    kind = classify(image, message)
    if kind == "missing":
        advice = f"Push {image}, or deploy a version whose image is in {host}."
        return "ImageNotFound", f"could not pull {image}: the registry {host} has no such image", advice, AT_ONCE
    if kind == "platform":
        advice = "Build the image for the nodes' architecture as well, or restrict the pods to nodes that suit it."
        return "ImageNotFound", f"could not pull {image}: it has no build for the platform of the nodes", advice, AT_ONCE
    if kind == "refused":
        return "ImageUnauthorized", f"could not pull {image}: the registry {host} refused the credentials", _credentials(pod, host), AT_ONCE
    if kind == "limited":
        advice = "Wait for the limit to pass, or pull with an account that has a higher one."
        return "ImagePullFailed", f"could not pull {image}: the registry {host} limits how often it is asked", advice, _UNREACHABLE
    advice = f"See whether {host} is up and whether the nodes reach it; then deploy again."
    return "ImagePullFailed", f"could not pull {image}: {_tail(message, image)}", advice, _UNREACHABLE


def registry(image: str) -> str:
    """Returns the host that an image is pulled from; names without one come from Docker Hub."""
    first, slash, _ = split_image(image)[0].partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _credentials(pod: Json, host: str) -> str:
    secrets = [one["name"] for one in pod["spec"].get("imagePullSecrets") or []]
    if secrets:
        return f"Renew the credentials for {host} in the secret {' or '.join(secrets)}, or ask for the right to pull there."
    account = pod["spec"].get("serviceAccountName") or "default"
    return f"The pods name no imagePullSecrets: add a secret with credentials for {host} to them or to the service account {account}."


def _tail(message: str, image: str) -> str:
    """The end of the runtime's chain of causes, which is the cause itself."""
    parts = [part.strip() for part in message.replace(f'"{image}"', "").split(": ") if part.strip()]
    return ": ".join(parts[-2:])[-160:] or "the kubelet does not say why"
