"""Who else manages a workload."""

from typing import Any

import pytest

from bot.core.management import managed_by
from tests.unit.kubernetes_objects import deployment


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/gateway"}}, "Argo CD (application shop)"),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD (application shop)"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux (Kustomization apps)"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}, "annotations": {"meta.helm.sh/release-name": "shop"}}, "Flux (HelmRelease shop)"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm release shop"),
        ({"managedFields": [{"manager": "argocd-controller"}]}, "Argo CD (field manager)"),
        ({"managedFields": [{"manager": "kustomize-controller"}]}, "Flux (field manager)"),
        ({"managedFields": [{"manager": "helm"}]}, "Helm (field manager)"),
        ({"labels": {"app.kubernetes.io/managed-by": "pulumi"}}, "pulumi manages it"),
    ],
)
def test_names_the_tool_and_what_it_will_do(metadata: dict[str, Any], said: str) -> None:
    workload = deployment()
    workload["metadata"] |= metadata
    found = managed_by(workload)
    assert found is not None
    assert said in found
    assert "revert" in found


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "kube-controller-manager", "aiec"])
def test_a_persons_kubectl_reverts_nothing(manager: str) -> None:
    workload = deployment()
    workload["metadata"]["managedFields"] = [{"manager": manager}]
    assert managed_by(workload) is None
