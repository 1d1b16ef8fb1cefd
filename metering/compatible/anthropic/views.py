"""What Anthropic's endpoints have in common: the header that names a version, and filters by what is not kept here."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from metering.compatible.queries import parse_foreign_query
from metering.compatible.views import AdminKeyView
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.fields import InstantField, NamesField

VERSION = "anthropic-version"


class AnthropicQuery(serializers.Serializer[Any]):
    """`not_kept` are filters that nothing here could be compared with: ignoring one would show too much."""

    not_kept: tuple[str, ...] = ()

    starting_at = InstantField()
    ending_at = InstantField(required=False)
    limit = serializers.IntegerField(required=False)
    page = serializers.CharField(required=False)
    # Their own client says so in the query.
    beta = serializers.CharField(required=False)

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | {name: NamesField() for name in self.not_kept}


class AnthropicView(AdminKeyView):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not request.headers.get(VERSION):
            raise InvalidParameter(f"{VERSION}: header is required, such as 2023-06-01.", param=VERSION)

    def read_query(self, request: Request, kind: type[AnthropicQuery]) -> dict[str, Any]:
        """Raises InvalidParameter."""
        asked = parse_foreign_query(request.query_params, kind)
        for name in kind.not_kept:
            if name in asked:
                raise InvalidParameter(f"{name}: filtering by it is not supported here.", param=name)
        return asked
