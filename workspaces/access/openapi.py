"""How the OpenAPI document describes our ways in."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "workspaces.access.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        scheme: dict[str, Any] = build_bearer_security_scheme_object("Authorization", "Bearer")
        return scheme | {"description": "An `omx_live_`, `omx_test_` or `omx_admin_` key."}


class OperatorScheme(OpenApiAuthenticationExtension):
    target_class = "workspaces.operators.authentication.OperatorAuthentication"
    name = "operator"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        scheme: dict[str, Any] = build_bearer_security_scheme_object("Authorization", "Bearer")
        return scheme | {"description": "An `omx_operator_` key, of those who run the product."}


class MemberScheme(OpenApiAuthenticationExtension):
    target_class = "workspaces.access.authentication.MemberAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "A signed-in member; other methods than GET also take the header `X-CSRFToken`.",
        }
