"""Sets what a provider charges us: adds the version that succeeds the one in force."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from metering.catalogue.providers.models import LONGEST_PROVIDER, LONGEST_ROUTE, ProviderPrice
from metering.catalogue.set_price import (
    DEFAULT_TIER,
    check_price_names,
    has_rates,
    known_model,
    lock_prices,
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
    correct: bool = False,
    **rates: Decimal | None,
) -> ProviderPrice:
    """Adds a version; its rates, by component, in USD. The same version again is the one already there.

    What is recorded from then on has its cost. Requests that were recorded before get it by `manage.py rerate_provider_costs`.
    With `correct`, a version of the same beginning with other rates is corrected: the next revision takes its place.
    Raises InvalidPrice, PriceAlreadySet.
    """
    columns = rate_columns(rates)
    check_price_names(model, service_tier, above_input_tokens)
    for name, text, longest in (("provider", provider, LONGEST_PROVIDER), ("route", route or "-", LONGEST_ROUTE)):
        if not 0 < len(text) <= longest or not is_storable(text):
            raise InvalidPrice(f"The {name} must be 1 to {longest} characters of text.", param=name)
    with transaction.atomic():
        lock_prices()
        beginning = {
            "provider": provider,
            "route": route,
            "model": known_model(model),
            "service_tier": normal_tier(service_tier),
            "above_input_tokens": above_input_tokens,
            "effective_from": effective_from or now,
        }
        standing = ProviderPrice.objects.filter(**beginning).order_by("-revision").first()
        if standing is not None and has_rates(standing, columns):
            return standing
        if standing is not None and not correct:
            raise PriceAlreadySet(
                f"{standing.model} at {provider} has another price from {instant_text(standing.effective_from)} "
                f"({standing.public_id}): choose a later time, or ask for it to be corrected.",
                param="effective_from",
            )
        revision = 0 if standing is None else standing.revision + 1
        version = ProviderPrice.objects.create(**beginning, **columns, revision=revision)
        audit.record(actor, "provider_price.set", version.public_id, now=now, **describe_provider_price(version))
    return version


def add_provider_versions(
    prices: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], actor: str, now: datetime
) -> list[ProviderPrice]:
    """Many new versions in a few statements, each of its beginning and rate columns, where none stands that begins so.

    The caller holds the lock of prices.
    """
    versions = ProviderPrice.objects.bulk_create(ProviderPrice(**beginning, **rates) for beginning, rates in prices)
    audit.record_many(
        actor,
        "provider_price.set",
        ((each.public_id, None, describe_provider_price(each)) for each in versions),
        now=now,
    )
    return versions


def describe_provider_price(version: ProviderPrice) -> dict[str, Any]:
    """What the audit trail and the command say of a version."""
    return {
        "provider_price_id": version.public_id,
        "provider": version.provider,
        "route": version.route,
        "model": version.model.slug,
        "service_tier": version.service_tier,
        "above_input_tokens": version.above_input_tokens,
        "effective_from": instant_text(version.effective_from),
        "revision": version.revision,
        **described_rates(version),
    }
