"""Questions about oneself: SelfSubjectAccessReview (may I?) and SelfSubjectReview (who am I?)."""

from __future__ import annotations

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import timestamp
from sandbox.kubernetes.requests import Request, Response, decode_json, json_response


def answer(core: Core, access: Access, request: Request) -> Response | None:
    """The response, or None when the request is for another part."""
    if request.method != "POST":
        return None
    user = access.authenticate(request, core.now)
    if request.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
        spec = decode_json(request.body, "couldn't get version/kind: ").get("spec", {})
        asked = spec.get("resourceAttributes") or {}
        resource = "/".join(filter(None, (asked.get("resource", "*"), asked.get("subresource"))))
        allowed = user.may(asked.get("verb", "*"), resource, asked.get("namespace", ""))
        review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": spec}
        return json_response({**review, "status": {"allowed": allowed}}, 201)
    if request.path == "/apis/authentication.k8s.io/v1/selfsubjectreviews":
        review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {"creationTimestamp": timestamp(core.now)}}
        groups = ["system:authenticated"]
        return json_response({**review, "status": {"userInfo": {"username": user.name, "groups": groups}}}, 201)
    return None
