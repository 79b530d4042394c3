"""Who else manages a workload, and will put back what a person or aiec changes in it."""

from bot.core.ports import Json
from bot.core.workload import title

_ARGO_TRACKING = "argocd.argoproj.io/tracking-id"
_ARGO_INSTANCE = "argocd.argoproj.io/instance"
_FLUX_KUSTOMIZATION = "kustomize.toolkit.fluxcd.io/name"
_FLUX_HELM_RELEASE = "helm.toolkit.fluxcd.io/name"
_HELM_RELEASE = "meta.helm.sh/release-name"
_MANAGED_BY = "app.kubernetes.io/managed-by"


def managed_by(workload: Json) -> str | None:
    """Returns who manages the workload and when he reverts a change to it, in one sentence; None when nobody is known to.

    Told by the labels and annotations that the tools put on what they apply, else by the names in `managedFields`. Flux and Argo CD come before Helm, because
    they apply Helm charts too and are those that revert without being asked.
    """
    metadata = workload["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    managers = {entry.get("manager", "") for entry in metadata.get("managedFields") or []}
    name = title(workload)
    if tracking := annotations.get(_ARGO_TRACKING) or labels.get(_ARGO_INSTANCE):
        return f"{name} is applied by Argo CD (application {tracking.partition(':')[0]}): its next sync, or self-heal at once, reverts the change."
    if release := labels.get(_FLUX_HELM_RELEASE):
        return f"{name} is applied by Flux (HelmRelease {release}): its next upgrade, or drift correction, reverts the change."
    if kustomization := labels.get(_FLUX_KUSTOMIZATION):
        return f"{name} is applied by Flux (Kustomization {kustomization}): its next reconciliation reverts the change."
    if release := annotations.get(_HELM_RELEASE):
        return f"{name} belongs to the Helm release {release}: the next helm upgrade reverts the change."
    for manager, tool in (("argocd", "Argo CD"), ("kustomize-controller", "Flux"), ("helm-controller", "Flux"), ("helm", "Helm")):
        if any(one.startswith(manager) for one in managers):
            return f"{name} was last applied by {tool} (field manager): its next run may revert the change."
    if (other := labels.get(_MANAGED_BY)) and other != "kubectl":
        return f"{name} says that {other} manages it ({_MANAGED_BY}): that may revert the change."
    return None
