"""The fields of the sandbox's Kubernetes objects are those that a real API server's OpenAPI names (RECORD_KUBERNETES=1 writes them down)."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import sandbox.kubernetes
from sandbox.kubernetes.resources import RESOURCES

FIELDS = Path(sandbox.kubernetes.__file__).parent / "fields.json"
SIMPLE = {"boolean": "bool", "number": "double"}


@pytest.fixture
def api() -> Iterator[httpx.Client]:
    path = os.environ.get("TEST_KUBECONFIG")
    if not path:
        pytest.skip("TEST_KUBECONFIG names no cluster")
    config = yaml.safe_load(Path(path).read_text())
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cafile=server["certificate-authority"])
    context.load_cert_chain(user["client-certificate"], user["client-key"])
    with httpx.Client(verify=context, base_url=server["server"], timeout=20) as client:
        yield client


class Reader:
    """Walks the schemas from the kinds that the sandbox serves, and names every struct by group, version and name."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas
        self.structs: dict[str, dict[str, str]] = {}

    def struct(self, name: str) -> str:
        short = ".".join(name.split(".")[-3:])
        if short not in self.structs:
            self.structs[short] = {}
            self.structs[short] |= {key: self.field(schema) for key, schema in sorted(self.schemas[name]["properties"].items())}
        return short

    def field(self, schema: dict[str, Any]) -> str:
        if "allOf" in schema:
            return self.field(schema["allOf"][0])
        if "$ref" in schema:
            return self.reference(schema["$ref"].rpartition("/")[2])
        match schema.get("type"):
            case "array":
                return f"[]{self.field(schema['items'])}"
            case "object":
                return f"map {self.field(schema['additionalProperties'])}" if "additionalProperties" in schema else "any"
            case "integer":
                return str(schema.get("format", "int64"))
            case "string":
                return "bytes" if schema.get("format") == "byte" else "string"
            case kind:
                return SIMPLE.get(str(kind), "any")

    def reference(self, name: str) -> str:
        found = self.schemas[name]
        if "properties" in found:
            return self.struct(name)
        if found.get("format") == "int-or-string":
            return "intOrString"
        if name.endswith("resource.Quantity"):
            return "quantity"
        return "time" if found.get("format") == "date-time" else "any"


def test_the_fields_are_those_of_the_api_server(api: httpx.Client) -> None:
    index = api.get("/openapi/v3").json()["paths"]
    schemas: dict[str, Any] = {}
    for group in sorted({"api/v1" if not resource.group else f"apis/{resource.group}/{resource.version}" for resource in RESOURCES}):
        schemas |= api.get(index[group]["serverRelativeURL"]).json()["components"]["schemas"]
    kinds = {}
    for name, schema in schemas.items():
        kinds |= {(kind["group"], kind["version"], kind["kind"]): name for kind in schema.get("x-kubernetes-group-version-kind", ())}
    reader = Reader(schemas)
    for resource in RESOURCES:
        reader.struct(kinds[resource.group, resource.version, resource.kind])
    if os.environ.get("RECORD_KUBERNETES"):
        lines = (f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in sorted(reader.structs.items()))
        FIELDS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    assert json.loads(FIELDS.read_text()) == reader.structs
