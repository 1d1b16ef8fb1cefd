"""Sets what a provider charges us: adds the version that succeeds the one in force."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from metering.catalogue.models import LONGEST_TIER
from metering.catalogue.providers.models import LONGEST_PROVIDER, LONGEST_ROUTE, ProviderPrice
from metering.catalogue.set_price import (
    DEFAULT_TIER,
    PRICES_LOCK,
    known_model,
    normal_tier,
    rate_columns,
)
from metering.catalogue.stated_rates import described_rates
from metering.errors import InvalidPrice, PriceAlreadySet
from omixa_billing.instants import instant_text
from workspaces import audit
from workspaces.names import is_storable


def set_provider_price(
    provider: str,
    model: str,
    *,
    actor: str,
    now: datetime,
    route: str = "",
    service_tier: str = DEFAULT_TIER,
    above_input_tokens: int = 0,
    effective_from: datetime | None = None,
    **rates: Decimal | None,
) -> ProviderPrice:
    """Adds a version; its rates, by component, in USD. The same version again is the one already there.

    What is recorded from then on has its cost. Requests that were recorded before get it by `manage.py rerate_provider_costs`.
    Raises InvalidPrice, PriceAlreadySet.
    """
    columns = rate_columns(rates)
    for name, text, longest in (("provider", provider, LONGEST_PROVIDER), ("route", route or "-", LONGEST_ROUTE)):
        if not 0 < len(text) <= longest or not is_storable(text):
            raise InvalidPrice(f"The {name} must be 1 to {longest} characters of text.", param=name)
    if not 0 < len(service_tier.strip()) <= LONGEST_TIER or not is_storable(service_tier):
        raise InvalidPrice(f"The service tier must be 1 to {LONGEST_TIER} characters of text.", param="service_tier")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PRICES_LOCK])
        beginning = {
            "provider": provider,
            "route": route,
            "model": known_model(model),
            "service_tier": normal_tier(service_tier),
            "above_input_tokens": above_input_tokens,
            "effective_from": effective_from or now,
        }
        standing = ProviderPrice.objects.filter(**beginning).order_by("-revision").first()
        if standing is not None:
            if all(getattr(standing, name) == rate for name, rate in columns.items()):
                return standing
            raise PriceAlreadySet(
                f"{standing.model} at {provider} has another price from {instant_text(standing.effective_from)} "
                f"({standing.public_id}): choose a later time.",
                param="effective_from",
            )
        version = ProviderPrice.objects.create(**beginning, **columns)
        audit.record(actor, "provider_price.set", version.public_id, now=now, **_detail(version))
    return version


def add_provider_versions(
    prices: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], actor: str, now: datetime
) -> list[ProviderPrice]:
    """Many new versions in a few statements, each of its beginning and rate columns, where none stands that begins so.

    The caller holds the lock of prices.
    """
    versions = ProviderPrice.objects.bulk_create(ProviderPrice(**beginning, **rates) for beginning, rates in prices)
    audit.record_many(actor, "provider_price.set", ((each.public_id, None, _detail(each)) for each in versions), now=now)
    return versions


def _detail(version: ProviderPrice) -> dict[str, Any]:
    """What the audit trail says of a version."""
    return {
        "provider_price_id": version.public_id,
        "provider": version.provider,
        "route": version.route,
        "model": version.model.slug,
        "service_tier": version.service_tier,
        "above_input_tokens": version.above_input_tokens,
        "effective_from": instant_text(version.effective_from),
        **described_rates(version),
    }
