"""The answers of the usage endpoints, as the OpenAPI document describes them. rows.py makes the values."""

from typing import Any

from rest_framework import serializers

from metering.components import COUNTED, Component
from metering.ingest.models import EventCorrection, EventStatus, UsageSource
from metering.usage.query import BUCKETS, GROUPS
from omixa_billing.api.fields import fields_after
from omixa_billing.api.lists import list_serializer

STATUSES = [status.label for status in EventStatus]


class AmountField(serializers.CharField):
    """Exact USD as a decimal string with twelve places, such as `0.002649000000`."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(**({"help_text": "Exact USD: a decimal string with twelve places."} | extra))


# Has a field for everything that is counted, in its place. No docstring: the OpenAPI document would print it.
class QuantitiesSerializer(serializers.Serializer[Any]):
    quantities_after: str
    says_what_is_included = True

    def get_fields(self) -> dict[str, Any]:
        quantities = {each.quantity: self.quantity_field(each) for each in COUNTED}
        return fields_after(self.quantities_after, super().get_fields(), quantities)

    def quantity_field(self, component: Component) -> serializers.IntegerField:
        included = " and ".join(each.label for each in COUNTED if each.part_of == component.name)
        says = included and self.says_what_is_included
        return serializers.IntegerField(help_text=f"{included.capitalize()} included." if says else None)


class QuantitySerializer(serializers.Serializer[Any]):
    component = serializers.CharField(help_text="Such as `audio_input`, `web_search` or `image/high/1024x1024`.")
    quantity = serializers.IntegerField(help_text="Each includes those that are a part of it.")
    unit = serializers.CharField(help_text="What is counted: `token`, `search`, `image`, `ms`, ...")


OTHERS_HELP = "What was used of components that have no field of their own; mostly none."


class UsageSumsSerializer(QuantitiesSerializer):
    quantities_after = "requests"

    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="Not included.")
    requests = serializers.IntegerField()
    unpriced_requests = serializers.IntegerField(help_text="Recorded, and waiting for a price: not yet in `cost`.")
    components = QuantitySerializer(many=True, help_text=OTHERS_HELP)
    cost = AmountField()
    currency = serializers.CharField()


class UsageRowSerializer(UsageSumsSerializer):
    """Sums of one bucket, and of one value of each group asked for."""

    model = serializers.CharField(required=False, help_text="Only when grouped by it, as the next four.")
    key_id = serializers.CharField(required=False)
    service_tier = serializers.CharField(required=False)
    provider = serializers.CharField(required=False, help_text="Empty where the gateway named none.")
    status = serializers.ChoiceField(choices=STATUSES, required=False)


UsageSerializer = list_serializer(
    "UsageSerializer",
    UsageRowSerializer,
    "Only buckets and groups with usage, by start, then by group.",
    start=serializers.DateTimeField(),
    end=serializers.DateTimeField(),
    bucket=serializers.ChoiceField(choices=BUCKETS),
    group_by=serializers.ListField(child=serializers.ChoiceField(choices=GROUPS)),
    total=UsageSumsSerializer(help_text="Of the whole range, whatever page this is."),
)


class UsageEventSerializer(QuantitiesSerializer):
    quantities_after = "usage_source"

    request_id = serializers.CharField()
    attempt = serializers.IntegerField()
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    key_id = serializers.CharField()
    model = serializers.CharField(help_text="As the client asked for it.")
    service_tier = serializers.CharField(help_text="The tier that served it.")
    provider = serializers.CharField(help_text="Empty where the gateway named none.")
    status = serializers.ChoiceField(choices=STATUSES)
    usage_source = serializers.ChoiceField(choices=[source.label for source in UsageSource])
    components = QuantitySerializer(many=True, help_text=OTHERS_HELP)
    cost = AmountField(allow_null=True, help_text="Exact USD, twelve places; null while no price is known for it.")
    currency = serializers.CharField()
    price_id = serializers.CharField(allow_null=True, help_text="The price version it was rated with.")
    stream = serializers.BooleanField(allow_null=True)
    latency_ms = serializers.IntegerField(allow_null=True)
    time_to_first_token_ms = serializers.IntegerField(allow_null=True)
    endpoint = serializers.CharField(allow_null=True)
    route = serializers.CharField(allow_null=True)
    user = serializers.CharField(allow_null=True)
    metadata = serializers.DictField(allow_null=True)


UsageEventListSerializer = list_serializer("UsageEventListSerializer", UsageEventSerializer)


class ComponentSerializer(serializers.Serializer[Any]):
    component = serializers.CharField(help_text="`input` is the input without what is billed as another component.")
    quantity = serializers.IntegerField()
    unit = serializers.CharField(help_text="What is counted: `token`, `search`, `image`, `ms`, ...")
    tokens = serializers.IntegerField(allow_null=True, help_text="The quantity of what is counted in tokens.")
    rate = serializers.CharField(allow_null=True, help_text="USD for as much as `rate_for` says, exact.")
    rate_for = serializers.CharField(help_text="`1M tokens`, `search`, `second`, ...")
    rate_per_million = serializers.CharField(allow_null=True, help_text="USD per million tokens, six places.")
    cost = AmountField(allow_null=True)


class PastStateSerializer(QuantitiesSerializer):
    quantities_after = "usage_source"
    says_what_is_included = False

    status = serializers.ChoiceField(choices=STATUSES)
    usage_source = serializers.ChoiceField(choices=[source.label for source in UsageSource])
    components = QuantitySerializer(many=True)
    cost = AmountField(allow_null=True)
    price_id = serializers.CharField(allow_null=True)
    currency = serializers.CharField()


class CorrectionSerializer(serializers.Serializer[Any]):
    action = serializers.ChoiceField(
        choices=EventCorrection.Action.values,
        help_text="`void`: taken back; `replace`: counted again; `rerate`: rated again after its price was corrected.",
    )
    reason = serializers.CharField(allow_blank=True)
    recorded_at = serializers.DateTimeField()
    took_effect = serializers.BooleanField(help_text="False where a void, or a count sent later, was in force already.")
    before = PastStateSerializer()
    after = PastStateSerializer()


class AttemptSerializer(UsageEventSerializer):
    components = ComponentSerializer(  # type: ignore[assignment]
        many=True, help_text="The four common parts, and what else is billed by itself; their costs add up to `cost`."
    )
    corrections = CorrectionSerializer(many=True, help_text="What was corrected since it was recorded, oldest first.")


AttemptListSerializer = list_serializer(
    "AttemptListSerializer", AttemptSerializer, "By attempt.", request_id=serializers.CharField()
)
