"""What imported prices are compared with and added to: our list prices, or what providers charge us.

Both are versions of one shape in scopes; a book knows which scopes are in force, which an import set, and how one is set.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from metering.catalogue.imports.cards import Card, NotImported, PriceEntry
from metering.catalogue.imports.models import ImportedPrice, PriceImport
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.providers.models import ProviderPrice
from metering.catalogue.providers.set_provider_price import add_provider_versions, set_provider_price
from metering.catalogue.set_price import add_versions, known_models, rate_columns, set_price
from metering.catalogue.stated_rates import stated_rates
from metering.catalogue.tiers import DEFAULT_TIER, normal_tier

Rates = Mapping[str, Any]  # decimals by component


class Scope(NamedTuple):
    """What a version prices. `provider` and `route` are empty in the list."""

    model: str
    service_tier: str = DEFAULT_TIER
    above_input_tokens: int = 0
    provider: str = ""
    route: str = ""

    @property
    def part(self) -> tuple[str, str, str, str]:
        """Its model, tier, provider and route: what its thresholds divide."""
        return self.model, self.service_tier, self.provider, self.route


class InForce(NamedTuple):
    """The version of a scope that holds at the import's beginning. With a factor, it follows the default tier's price."""

    rates: Mapping[str, Decimal]
    effective_from: datetime
    imported: bool
    factor: Decimal | None = None


class ListPrices:
    """What every workspace pays that has no price of its own."""

    def scope(self, entry: PriceEntry, card: Card) -> Scope:
        if entry.route:
            raise NotImported("It names a route: customer prices do not depend on the route.")
        return Scope(entry.model, card.service_tier, card.above_input_tokens)

    def in_force(self, at: datetime, file_format: str) -> dict[Scope, InForce]:
        """Versions by scope; those that are `imported` came from a file of this format."""
        versions = PriceVersion.objects.filter(workspace__isnull=True).in_force(at).select_related("model")
        imported = set(_of_format(file_format).values_list("price_id", flat=True))
        return {
            Scope(each.model.slug, each.service_tier, each.above_input_tokens): InForce(
                stated_rates(each), each.effective_from, each.pk in imported, each.factor
            )
            for each in versions
        }

    def to_come(self, after: datetime) -> dict[Scope, datetime]:
        """When the next version of a scope begins, where one is set already."""
        later = PriceVersion.objects.filter(workspace__isnull=True, effective_from__gt=after).order_by("-effective_from")
        names = ("model__slug", "service_tier", "above_input_tokens", "effective_from")
        return {Scope(*scope): start for *scope, start in later.values_list(*names)}

    def add_all(self, prices: Mapping[Scope, Rates], beginning: datetime, of: PriceImport, now: datetime) -> None:
        """In a few statements, but for models that have a version of that beginning, or a tier that follows by a factor.

        The default tier comes last: whatever tier has a rate of its own by then does not follow it.
        """
        models = known_models({scope.model for scope in prices})
        versions = PriceVersion.objects.filter(model__in=models.values(), workspace__isnull=True)
        one_by_one = set(
            versions.filter(Q(effective_from=beginning) | Q(factor__isnull=False)).values_list("model__slug", flat=True)
        )
        added = add_versions(
            [
                (_beginning(scope, models[scope.model], beginning), rate_columns(rates))
                for scope, rates in prices.items()
                if scope.model in models and scope.model not in one_by_one
            ],
            of.actor,
            now,
        )
        added += [
            set_price(
                scope.model,
                **rates,
                service_tier=scope.service_tier,
                above_input_tokens=scope.above_input_tokens,
                effective_from=beginning,
                correct=True,  # without a time of its own the import begins now, as another version may
                actor=of.actor,
                now=now,
            )
            for scope, rates in sorted(prices.items(), key=lambda each: each[0].service_tier == DEFAULT_TIER)
            if scope.model not in models or scope.model in one_by_one
        ]
        ImportedPrice.objects.bulk_create(ImportedPrice(of=of, price=each) for each in added)


class ProviderCosts:
    """What providers charge us. A model of a file is the one that events name: without the provider before it."""

    def scope(self, entry: PriceEntry, card: Card) -> Scope:
        provider = entry.page.provider
        if not provider:
            raise NotImported("The file does not say which provider it is from.")
        return Scope(
            entry.model.removeprefix(f"{provider}/"), card.service_tier, card.above_input_tokens, provider, entry.route
        )

    def in_force(self, at: datetime, file_format: str) -> dict[Scope, InForce]:
        """Versions by scope; those that are `imported` came from a file of this format."""
        versions = ProviderPrice.objects.in_force(at).select_related("model")
        imported = set(_of_format(file_format).values_list("provider_price_id", flat=True))
        return {
            Scope(each.model.slug, each.service_tier, each.above_input_tokens, each.provider, each.route): InForce(
                stated_rates(each), each.effective_from, each.pk in imported
            )
            for each in versions
        }

    def to_come(self, after: datetime) -> dict[Scope, datetime]:
        """When the next version of a scope begins, where one is set already."""
        later = ProviderPrice.objects.filter(effective_from__gt=after).order_by("-effective_from")
        names = ("model__slug", "service_tier", "above_input_tokens", "provider", "route", "effective_from")
        return {Scope(*scope): start for *scope, start in later.values_list(*names)}

    def add_all(self, prices: Mapping[Scope, Rates], beginning: datetime, of: PriceImport, now: datetime) -> None:
        """In a few statements, but for models that have a version of that beginning."""
        models = known_models({scope.model for scope in prices})
        begun = ProviderPrice.objects.filter(model__in=models.values(), effective_from=beginning)
        one_by_one = set(begun.values_list("model__slug", flat=True))
        added = add_provider_versions(
            [
                (
                    {"provider": scope.provider, "route": scope.route} | _beginning(scope, models[scope.model], beginning),
                    rate_columns(rates),
                )
                for scope, rates in prices.items()
                if scope.model in models and scope.model not in one_by_one
            ],
            of.actor,
            now,
        )
        added += [
            set_provider_price(
                scope.provider,
                scope.model,
                **rates,
                route=scope.route,
                service_tier=scope.service_tier,
                above_input_tokens=scope.above_input_tokens,
                effective_from=beginning,
                actor=of.actor,
                now=now,
            )
            for scope, rates in prices.items()
            if scope.model not in models or scope.model in one_by_one
        ]
        ImportedPrice.objects.bulk_create(ImportedPrice(of=of, provider_price=each) for each in added)


def _beginning(scope: Scope, model: LanguageModel, at: datetime) -> dict[str, Any]:
    return {
        "model": model,
        "service_tier": normal_tier(scope.service_tier),
        "above_input_tokens": scope.above_input_tokens,
        "effective_from": at,
    }


def _of_format(file_format: str) -> QuerySet[ImportedPrice]:
    return ImportedPrice.objects.filter(of__file_format=file_format)
