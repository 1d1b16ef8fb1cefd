"""The public model list, in OpenAI's list shape with our prices beside it. Any credential is ignored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.price_list import prices_in_force
from metering.components import COMPONENTS, Component, component_named, sorted_components
from metering.errors import NotFound
from metering.money import rate_text
from omixa_billing.api.fields import fields_after
from omixa_billing.api.lists import CursorQuery, limit_field, list_answer, list_serializer, page_of
from omixa_billing.api.requests import parse_query
from omixa_billing.instants import instant_text

MAX_LIMIT = 1_000


class ComponentRateSerializer(serializers.Serializer[Any]):
    component = serializers.CharField(help_text="Such as `audio_input`, `web_search` or `image/high/1024x1024`.")
    unit = serializers.CharField(help_text="What is counted: `token`, `search`, `image`, `ms`, ...")
    rate = serializers.CharField(help_text="USD for as much as `rate_for` says, exact.")
    rate_for = serializers.CharField(help_text="`1M tokens`, `search`, `second`, ...")


class RatesSerializer(serializers.Serializer[Any]):
    always_rated = True

    price_id = serializers.CharField()
    effective_from = serializers.DateTimeField()
    currency = serializers.CharField()
    factor = serializers.CharField(
        allow_null=True, help_text="Where the rates are so many times the default tier's, and follow them; else null."
    )
    components = ComponentRateSerializer(many=True, help_text="Rates of further components that have one of their own.")

    def get_fields(self) -> dict[str, Any]:
        """With the rate of each component behind the currency."""
        return fields_after("currency", super().get_fields(), {each.name: self.rate_field(each) for each in COMPONENTS})

    def rate_field(self, component: Component) -> serializers.CharField:
        fallback = f"; null: at the full {component.fallback_label} rate" if component.fallback else ""
        return serializers.CharField(
            allow_null=bool(component.fallback) or not self.always_rated,
            help_text=f"USD per million {component.unit}s, six places{fallback}.",
        )


class LongContextRatesSerializer(RatesSerializer):
    above_input_tokens = serializers.IntegerField(help_text="Applies to the whole request above so many input tokens.")


class TierPricesSerializer(RatesSerializer):
    """What is null throughout has no price below the first threshold."""

    always_rated = False

    price_id = serializers.CharField(allow_null=True)
    effective_from = serializers.DateTimeField(allow_null=True)
    above_input_tokens = LongContextRatesSerializer(many=True, help_text="Long-context variants, by rising threshold.")


class CapabilitiesSerializer(serializers.Serializer[Any]):
    streaming = serializers.BooleanField()
    tools = serializers.BooleanField()
    attachments = serializers.BooleanField()
    reasoning = serializers.BooleanField()


class ModelSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="What clients send as `model`.")
    object = serializers.ChoiceField(choices=["model"])
    created = serializers.IntegerField(help_text="Seconds since 1970, as OpenAI has it.")
    owned_by = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    provider = serializers.CharField()
    endpoint_type = serializers.CharField()
    context_window = serializers.IntegerField(allow_null=True, help_text="Tokens.")
    max_output_tokens = serializers.IntegerField(allow_null=True)
    capabilities = CapabilitiesSerializer()
    reasoning_efforts = serializers.ListField(child=serializers.CharField())
    service_tiers = serializers.ListField(child=serializers.CharField(), help_text="Accepted as `service_tier`.")
    pricing = serializers.DictField(child=TierPricesSerializer(), help_text="The prices in force now, by service tier.")


ModelListSerializer = list_serializer("ModelListSerializer", ModelSerializer)


class ModelsQuery(CursorQuery):
    limit = limit_field(MAX_LIMIT, help_text="At most so many models; all of them by default.")


class PublicView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)


class ModelsView(PublicView):
    @extend_schema(
        operation_id="models",
        tags=["models"],
        summary="Models and prices",
        parameters=[ModelsQuery],
        responses=ModelListSerializer,
    )
    def get(self, request: Request) -> Response:
        """Every listed model, with its prices in force. Needs no credential."""
        asked = parse_query(request.query_params, ModelsQuery)
        models, next_cursor = page_of(listed_models(), asked, known=LanguageModel.objects.all(), name="slug", plain=True)
        prices = prices_in_force(models, timezone.now())
        data = [model_json(model, prices[model.pk]) for model in models]
        return Response(list_answer(data, next_cursor))


class ModelView(PublicView):
    @extend_schema(
        operation_id="model",
        tags=["models"],
        summary="One model and its prices",
        parameters=[OpenApiParameter("model", str, OpenApiParameter.PATH, description="Its id; may contain slashes.")],
        responses=ModelSerializer,
    )
    def get(self, request: Request, model: str) -> Response:
        found = listed_models().filter(slug=model).first()
        if found is None:
            raise NotFound("There is no such model: GET /api/v1/models lists them.")
        prices = prices_in_force([found], timezone.now())
        return Response(model_json(found, prices[found.pk]))


def listed_models() -> QuerySet[LanguageModel]:
    """The models with a public page, by name."""
    return LanguageModel.objects.filter(status=LanguageModel.Status.LISTED).order_by("slug")


def model_json(model: LanguageModel, prices: list[PriceVersion]) -> dict[str, Any]:
    """A model as the API prints it, with its prices in force as price_list orders them."""
    by_tier: dict[str, list[PriceVersion]] = defaultdict(list)
    for price in prices:
        by_tier[price.service_tier].append(price)
    return {
        "id": model.slug,
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": model.provider,
        "name": model.name,
        "description": model.description,
        "provider": model.provider,
        "endpoint_type": model.endpoint_type,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "capabilities": {
            "streaming": model.streaming,
            "tools": model.tools,
            "attachments": model.attachments,
            "reasoning": bool(model.reasoning_efforts),
        },
        "reasoning_efforts": model.reasoning_efforts,
        "service_tiers": model.service_tiers,
        "pricing": {tier: _tier_json(versions) for tier, versions in by_tier.items()},
    }


def _tier_json(versions: list[PriceVersion]) -> dict[str, Any]:
    base = next((price for price in versions if price.above_input_tokens == 0), None)
    above = [price for price in versions if price.above_input_tokens > 0]
    variants = [_rates_json(price) | {"above_input_tokens": price.above_input_tokens} for price in above]
    return _rates_json(base) | {"above_input_tokens": variants}


def _rates_json(price: PriceVersion | None) -> dict[str, Any]:
    """A version's rates; nulls for a tier that has only long-context variants."""
    return {
        "price_id": price and price.public_id,
        "effective_from": price and instant_text(price.effective_from),
        "currency": "USD" if price is None else price.currency,
        "factor": price and price.factor_text,
        **{each.name: price and rate_text(getattr(price, each.rate)) for each in COMPONENTS},
        "components": [] if price is None else _components_json(price.open_rates),
    }


def _components_json(rates: Mapping[str, str]) -> list[dict[str, str]]:
    kinds = [component_named(name) for name in sorted_components(rates)]
    return [{"component": of.name, "unit": of.unit, "rate": rates[of.name], "rate_for": of.per_label} for of in kinds]
