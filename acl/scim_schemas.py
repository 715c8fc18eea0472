"""What this SCIM service says of itself (RFC 7643, sections 5 to 7): features, kinds of resource, attributes."""

from __future__ import annotations

from acl.scim import PRINCIPAL
from acl.scim_messages import ENTERPRISE, GROUP, USER
from vouch.core.types import Json

MAX_RESULTS = 200
_META = "urn:ietf:params:scim:schemas:core:2.0:"


def service_provider_config(base: str) -> Json:
    """Section 5."""
    no = {"supported": False}
    return {
        "schemas": [_META + "ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {**no, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": MAX_RESULTS},
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "API key",
                "description": "An API key of Vouch with the scope `directory`, as a bearer token.",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }


def resource_types(base: str) -> list[Json]:
    """Section 6."""
    return [
        _resource_type(base, "User", USER, (ENTERPRISE, PRINCIPAL)),
        _resource_type(base, "Group", GROUP, (PRINCIPAL,)),
    ]


def schemas(base: str) -> list[Json]:
    """Section 7: what is understood. Other attributes of core and extension are kept and given back as they came."""
    value = [_attribute("value"), _attribute("type"), _attribute("primary", kind="boolean")]
    name = [_attribute(part) for part in ("formatted", "familyName", "givenName")]
    member = [_attribute(part, mutability="immutable") for part in ("value", "$ref", "type", "display")]
    title = _attribute("displayName")
    user = [
        _attribute("userName", required=True, uniqueness="server"),
        _attribute("name", kind="complex", parts=name),
        title,
        _attribute("emails", kind="complex", parts=value, many=True),
        _attribute("active", kind="boolean"),
    ]
    group = [
        {**title, "required": True, "uniqueness": "server"},
        _attribute("members", kind="complex", parts=member, many=True),
    ]
    ours = [_attribute("value", mutability="readOnly", uniqueness="server")]
    named = ((USER, "User", user), (GROUP, "Group", group), (PRINCIPAL, "Principal", ours))
    return [
        {
            "schemas": [_META + "Schema"],
            "id": schema,
            "name": title,
            "description": title,
            "attributes": attributes,
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{schema}"},
        }
        for schema, title, attributes in named
    ]


def _resource_type(base: str, kind: str, schema: str, extensions: tuple[str, ...]) -> Json:
    return {
        "schemas": [_META + "ResourceType"],
        "id": kind,
        "name": kind,
        "endpoint": f"/{kind}s",
        "schema": schema,
        "schemaExtensions": [{"schema": extension, "required": False} for extension in extensions],
        "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{kind}"},
    }


def _attribute(
    name: str,
    *,
    kind: str = "string",
    many: bool = False,
    required: bool = False,
    mutability: str = "readWrite",
    uniqueness: str = "none",
    parts: list[Json] | None = None,
) -> Json:
    return {
        "name": name,
        "type": kind,
        "multiValued": many,
        "description": name,
        "required": required,
        "caseExact": False,
        "mutability": mutability,
        "returned": "default",
        "uniqueness": uniqueness,
        **({"subAttributes": parts} if parts is not None else {}),
    }
