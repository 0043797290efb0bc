"""The discovery endpoints: ServiceProviderConfig, Schemas, ResourceTypes (RFC 7644 section 4) and OpenAPI."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import orjson
from flask import Response

from ... import apps, errors
from ...apps import app_profile
from ...events import sets
from ...scim import messages, openapi, quirks
from .call import Call
from .responses import scim_response
from .view import View

Json = Any


class ServiceProviderConfigView(View):
    """`/ServiceProviderConfig`, the only endpoint without authentication.

    `changePassword` is false for an unknown slug, and for an app that does not keep passwords.
    """

    public = True

    def get(self, call: Call, slug: str) -> Response:
        call.parameters()
        location = f"{call.base}/ServiceProviderConfig"
        app = apps.find(call.db, slug)
        agent = call.request.headers.get("User-Agent", "")
        config = messages.service_provider_config(
            location,
            max_results=call.limits.max_results,
            page_size=None if quirks.refuses_pagination(agent) else call.limits.default_count,
            max_operations=call.limits.max_operations,
            max_payload_size=call.limits.max_body,
            change_password=app is not None and app.settings.passwords == "hash",
            keeps_profile=app is not None and not app_profile.differences(app_profile.STRICT, app.settings),
            event_uris=sets.EVENT_URIS if app is not None and app.settings.security_events else (),
            types=app.resource_types.values() if app is not None else (),
        )
        return scim_response(orjson.dumps(config))


class _DeclarationsView(View):
    """An endpoint that lists declarations, and shows one of them by its id."""

    for_subjects = True

    #: The type in `meta.resourceType`, and the endpoint in `meta.location`.
    kind = ""
    endpoint = ""

    def declarations(self, call: Call) -> list[Json]:
        """Returns the declarations of the caller's app as JSON, without `meta`."""
        raise NotImplementedError

    def get(self, call: Call, slug: str, id: str | None = None) -> Response:
        # RFC 7644 section 4: a filter on these endpoints is answered with 403.
        if call.parameters().get("filter") and id is None:
            raise errors.Forbidden(f"/{self.endpoint} cannot be filtered.")
        base = call.base
        declarations = [self._with_meta(declaration, base) for declaration in self.declarations(call)]
        if id is None:
            texts = (orjson.dumps(declaration).decode() for declaration in declarations)
            return scim_response(messages.list_response(texts, len(declarations), 1))
        for declaration in declarations:
            if declaration["id"].lower() == id.lower():
                return scim_response(orjson.dumps(declaration))
        raise errors.NotFound(f"There is no {self.kind} {id[:200]!r} here.")

    def _with_meta(self, declaration: Json, base: str) -> Json:
        location = f"{base}/{self.endpoint}/{declaration['id']}"
        return {**declaration, "meta": {"resourceType": self.kind, "location": location}}


class SchemasView(_DeclarationsView):
    """`/Schemas`: the schemas and extensions of the app's resource types."""

    kind, endpoint = "Schema", "Schemas"

    def declarations(self, call: Call) -> list[Json]:
        types = call.app.resource_types.values()
        schemas = {each["id"]: each for resource_type in types for each in resource_type.schema_declarations()}
        return list(schemas.values())


class ResourceTypesView(_DeclarationsView):
    """`/ResourceTypes`: the app's resource types."""

    kind, endpoint = "ResourceType", "ResourceTypes"

    def declarations(self, call: Call) -> list[Json]:
        return [resource_type.declaration() for resource_type in call.app.resource_types.values()]


class OpenApiView(View):
    """`/openapi.json`: the app's endpoint as an OpenAPI 3.1 document."""

    for_subjects = True

    def get(self, call: Call, slug: str) -> Response:
        call.parameters()
        servers = [{"url": call.base}]
        return openapi_response(openapi.document(call.app.resource_types.values(), servers, version("scimlite")))


def openapi_response(document: Json) -> Response:
    """Returns a response with an OpenAPI document as its body."""
    return Response(orjson.dumps(document), content_type="application/json")


class ServiceConfigurationView(ServiceProviderConfigView):
    """`/serviceConfiguration`: the ServiceProviderConfig, where AzureAD/SCIMReferenceCode has it.

    It is 404 unless the app's feature `service-configuration` is on.
    """

    public = False
    for_subjects = True

    def get(self, call: Call, slug: str) -> Response:
        if not call.app.settings.service_configuration:
            raise errors.NotFound("There is nothing at /serviceConfiguration.")
        return super().get(call, slug)


ROUTES = (
    ("/<slug>/ServiceProviderConfig", ServiceProviderConfigView, "ServiceProviderConfig"),
    ("/<slug>/serviceConfiguration", ServiceConfigurationView, "ServiceConfiguration"),
    ("/<slug>/openapi.json", OpenApiView, "OpenApi"),
    ("/<slug>/Schemas", SchemasView, "Schemas"),
    ("/<slug>/Schemas/<id>", SchemasView, "Schema"),
    ("/<slug>/ResourceTypes", ResourceTypesView, "ResourceTypes"),
    ("/<slug>/ResourceTypes/<id>", ResourceTypesView, "ResourceType"),
)
