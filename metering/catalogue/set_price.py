"""Sets a price: adds the version that succeeds the one in force. Nothing that is in force is ever edited."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from django.db import models, transaction

from metering.catalogue.models import LONGEST_TIER, LanguageModel, PriceVersion, PriceVersionQuerySet
from metering.catalogue.tiers import DEFAULT_TIER, normal_tier
from metering.components import (
    BY_NAME,
    COMPONENTS,
    LISTED,
    MICRO_PLACES,
    Component,
    component_named,
    own_rates,
    sorted_components,
    with_cached_kinds,
)
from metering.errors import InvalidPrice, PriceAlreadySet
from metering.money import ONE_MICRO, WIDE, rate_text
from omixa_billing.advisory_locks import AdvisoryLock, lock
from omixa_billing.instants import instant_text
from omixa_billing.reminders import remind
from workspaces import audit
from workspaces.models import Workspace
from workspaces.names import is_storable

HIGHEST_RATE = Decimal("1000000")  # USD per million tokens: a dollar a token is a typing error
HIGHEST_SINGLE_RATE = Decimal("1000")  # of what is not counted by the million: as a request, or a second
HIGHEST_FACTOR = 100
ANNOUNCED_EVERY = timedelta(hours=1)  # as the timetable of jobs has it
OF_ITS_OWN: dict[str, Any] = {"base": None, "factor": None}  # columns of a version that is no factor of another
LONGEST_NAME = 300  # characters of a model's name, as its column has them


def parse_rate(text: str, name: str) -> Decimal:
    """A rate in USD per million tokens from text, exact. Raises InvalidPrice."""
    return check_rate(_number(text, name), name)


def parse_component_rate(text: str, component: Component, name: str = "") -> Decimal:
    """A rate of this component in USD, for as much of it as its rates are for. Raises InvalidPrice."""
    name = name or component.name
    return check_rate(_number(text, name), name, component)


def parse_open_rates(stated: Iterable[str]) -> dict[str, Decimal]:
    """Rates of components without an option of their own, from texts such as `web_search=0.01`. Raises InvalidPrice."""
    found: dict[str, Decimal] = {}
    for text in stated:
        name, equals, rate = (part.strip() for part in text.partition("="))
        if not equals:
            raise InvalidPrice(
                f"{text.strip()!r} is not the rate of a component: write its name and rate, such as web_search=0.01."
            )
        component = rateable(name)
        if component.rate or name in found:
            raise InvalidPrice(f"{name} is stated twice, or has an option of its own.", param=name)
        found[name] = parse_component_rate(rate, component)
    return found


def _number(text: str, name: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidPrice(f"{name} {text!r} is not a number: write USD per million tokens, as 1.500000.") from None


def check_rate(rate: Decimal, name: str, component: Component = COMPONENTS[0]) -> Decimal:
    """The rate itself if it can be stored exactly. Raises InvalidPrice."""
    if not rate.is_finite() or rate < 0:
        raise InvalidPrice(f"{name} {rate} is not a rate: it must be 0 or more.", param=name)
    highest = HIGHEST_RATE if component.decimals == MICRO_PLACES else HIGHEST_SINGLE_RATE
    if rate > highest:
        raise InvalidPrice(f"{name} {rate} is more than {highest} USD per {per_words(component)}.", param=name)
    if rate != rate.quantize(Decimal(1).scaleb(-component.decimals)):
        decimals = "six" if component.decimals == MICRO_PLACES else str(component.decimals)
        raise InvalidPrice(f"{name} {rate} has more than {decimals} decimals: it could not be billed exactly.", param=name)
    return rate.copy_abs()  # -0 is 0


def per_words(component: Component) -> str:
    """What its rates are for, within a sentence: million tokens, search."""
    return component.per_label.replace("1M ", "million ")


def set_price(
    model: str,
    *,
    actor: str,
    now: datetime,
    service_tier: str = DEFAULT_TIER,
    above_input_tokens: int = 0,
    workspace: Workspace | None = None,
    effective_from: datetime | None = None,
    correct: bool = False,
    **rates_of_components: Decimal | None,
) -> PriceVersion:
    """Adds a version of a model's price and wakes the events that wait for it; its rates, by component, in USD.

    `effective_from` defaults to now. An unknown model is created, unlisted. The same version again is the one already there.
    An `effective_from` in the past prices what is still unpriced; what was rated keeps its version until it is re-rated.
    With `correct`, a version of the same beginning with other rates is corrected: the next revision takes its place.
    Raises InvalidPrice, PriceAlreadySet.
    """
    rates = rate_columns(rates_of_components) | OF_ITS_OWN
    check_price_names(model, service_tier, above_input_tokens)
    with transaction.atomic():
        lock_prices()
        beginning = {
            "model": known_model(model),
            "service_tier": normal_tier(service_tier),
            "workspace": workspace,
            "above_input_tokens": above_input_tokens,
            "effective_from": effective_from or now,
        }
        version, is_new = add_version(beginning, rates, correct, actor, now)
        if is_new:
            follow_base(version, actor, now)
    return version


def check_price_names(model: str, service_tier: str, above_input_tokens: int = 0) -> None:
    """Raises InvalidPrice for names and thresholds that no price can have."""
    if not 0 < len(model) <= LONGEST_NAME or not is_storable(model):
        raise InvalidPrice(f"The model's name must be 1 to {LONGEST_NAME} characters of text.", param="model")
    if not 0 < len(service_tier.strip()) <= LONGEST_TIER or not is_storable(service_tier):
        raise InvalidPrice(f"The service tier must be 1 to {LONGEST_TIER} characters of text.", param="service_tier")
    if above_input_tokens < 0 or above_input_tokens > 2**31 - 1:
        raise InvalidPrice("above_input_tokens must be a token count, 0 or more.", param="above_input_tokens")


def lock_prices() -> None:
    """Alone until the commit: no event is rated meanwhile."""
    lock(AdvisoryLock.PRICES)


def add_version(
    beginning: Mapping[str, Any], rates: Mapping[str, Any], correct: bool, actor: str, now: datetime
) -> tuple[PriceVersion, bool]:
    """The version that begins so with these columns, and whether it is new. The caller holds the lock of prices."""
    standing = PriceVersion.objects.filter(**beginning).order_by("-revision").first()
    if standing is not None and (has_rates(standing, rates) or not correct):
        return same_or_refuse(standing, rates), False
    revision = 0 if standing is None else standing.revision + 1
    version = PriceVersion.objects.create(**beginning, **rates, revision=revision)
    audit.record(actor, "price.set", version.public_id, workspace=version.workspace, now=now, **describe(version))
    _remind_workers(version.effective_from, now)
    return version, True


def add_versions(
    prices: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], actor: str, now: datetime
) -> list[PriceVersion]:
    """Many new versions in a few statements, each of its beginning and rate columns, where none stands that begins so.

    The caller holds the lock of prices, and has looked for tiers that follow by a factor.
    """
    versions = PriceVersion.objects.bulk_create(PriceVersion(**beginning, **rates) for beginning, rates in prices)
    audit.record_many(actor, "price.set", ((each.public_id, each.workspace, describe(each)) for each in versions), now=now)
    for begins in {each.effective_from for each in versions}:
        _remind_workers(begins, now)
    return versions


def _remind_workers(begins: datetime, now: datetime) -> None:
    """Events may wait for the price, and who is concerned is to hear of it."""
    transaction.on_commit(lambda: remind("metering.price_waiting_events"))
    announce_in_time(begins, now)


def announce_in_time(begins: datetime, now: datetime) -> None:
    """Reminds of a coming price that was set or withdrawn, if it begins before the job that announces looks next."""
    if now < begins <= now + ANNOUNCED_EVERY:
        transaction.on_commit(lambda: remind("metering.announce_prices"))


def rate_columns(rates: Mapping[str, Decimal | None]) -> dict[str, Any]:
    """Rates by component as columns of a version, None for one that it does not have.

    Raises InvalidPrice, also for a component that is unknown, and TypeError for a rate that is left out.
    """
    needed = {each.name for each in COMPONENTS if not each.fallback}
    if any(rates.get(name) is None for name in needed):
        raise TypeError(f"A price needs rates for {', '.join(sorted(needed))}.")
    rates = with_cached_kinds(rates)
    known = {name: rateable(name) for name in rates}
    checked = {name: None if rate is None else check_rate(rate, name, known[name]) for name, rate in rates.items()}
    columns: dict[str, Any] = {each.rate: checked.get(each.name) for each in COMPONENTS}
    stated = sorted_components(name for name in checked if checked[name] is not None and not known[name].rate)
    return columns | {"open_rates": {name: f"{checked[name]:.{known[name].decimals}f}" for name in stated}}


def rateable(name: str) -> Component:
    """The component of that name, or variant of one, such as image/high. Raises InvalidPrice."""
    try:
        return component_named(name)
    except KeyError:
        raise InvalidPrice(
            f"{name} is not a component: choose {', '.join(each.name for each in LISTED)}, or a variant such as image/high.",
            param=name,
        ) from None


def known_model(slug: str) -> LanguageModel:
    """The model of that name; created unlisted if need be, and no longer merely discovered. Raises InvalidPrice."""
    model, _ = LanguageModel.objects.get_or_create(
        slug=slug, defaults={"name": slug[:200], "status": LanguageModel.Status.UNLISTED}
    )
    if model.alias_of is not None:
        raise InvalidPrice(f"{slug} is an alias: set the price of {model.alias_of}.", param="model")
    if model.status == LanguageModel.Status.DISCOVERED:
        LanguageModel.objects.filter(pk=model.pk).update(status=LanguageModel.Status.UNLISTED)
    return model


def known_models(slugs: Collection[str]) -> dict[str, LanguageModel]:
    """The same of many at once, by name, without those that are aliases."""
    there = LanguageModel.objects.filter(slug__in=slugs).values_list("slug", flat=True)
    LanguageModel.objects.bulk_create(
        [
            LanguageModel(slug=slug, name=slug[:200], status=LanguageModel.Status.UNLISTED)
            for slug in sorted(set(slugs) - set(there))
        ],
        ignore_conflicts=True,
    )
    found = LanguageModel.objects.filter(slug__in=slugs, alias_of__isnull=True)
    found.filter(status=LanguageModel.Status.DISCOVERED).update(status=LanguageModel.Status.UNLISTED)
    return {each.slug: each for each in found}


def has_rates(version: models.Model, rates: Mapping[str, Any]) -> bool:
    return all(getattr(version, name) == rate for name, rate in rates.items())


def same_or_refuse(version: PriceVersion, rates: Mapping[str, Any]) -> PriceVersion:
    """The version if it has just these rates. Raises PriceAlreadySet: it takes a correction to begin at the same instant."""
    if has_rates(version, rates):
        return version
    raise PriceAlreadySet(
        f"{version.model} already has a {version.service_tier} price from {instant_text(version.effective_from)} "
        f"({version.public_id}): choose a later time, or ask for it to be corrected.",
        param="effective_from",
    )


def describe(version: PriceVersion) -> dict[str, str | int | None]:
    """What the audit trail and the command say of a version."""
    return {
        "price_id": version.public_id,
        "model": version.model.slug,
        "service_tier": version.service_tier,
        "above_input_tokens": version.above_input_tokens,
        "workspace_id": version.workspace.public_id if version.workspace else None,
        "effective_from": instant_text(version.effective_from),
        "revision": version.revision,
        **{name: rate_text(rate) for name, rate in own_rates(version).items()},
        **version.open_rates,
        **({} if version.factor is None else {"factor": version.factor_text}),
    }


# Tiers whose price is a factor of the default tier's


def parse_factor(text: str) -> Decimal:
    """Raises InvalidPrice."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidPrice(f"The factor {text!r} is not a number, such as 0.5.", param="factor") from None


def set_factor(
    model: str,
    service_tier: str,
    factor: Decimal,
    *,
    actor: str,
    now: datetime,
    workspace: Workspace | None = None,
    effective_from: datetime | None = None,
) -> list[PriceVersion]:
    """Prices a tier at so many times the default tier, for each of its thresholds, and follows it from then on.

    Explicit versions with the rates worked out. Whenever the default tier of the same scope gets another version, so does the
    tier, until it is given rates of its own. Raises InvalidPrice, PriceAlreadySet.
    """
    tier, start = normal_tier(service_tier), effective_from or now
    with transaction.atomic():
        lock_prices()
        in_force = bases_of_factor(model, service_tier, factor, workspace, start)
        found = [_derive(base, tier, factor, start, False, actor, now) for base in in_force]
        later = PriceVersion.objects.filter(model=found[0].model, service_tier=DEFAULT_TIER, workspace=workspace)
        for base in later.filter(effective_from__gt=start).order_by("effective_from", "revision"):
            follow_base(base, actor, now, (tier,))
    return found


def factored_rates(
    model: str, service_tier: str, factor: Decimal, *, at: datetime, workspace: Workspace | None = None
) -> list[tuple[PriceVersion, dict[str, Decimal]]]:
    """What `set_factor` would set then: each version of the default tier, and its rates so many times. Raises InvalidPrice."""
    bases = bases_of_factor(model, service_tier, factor, workspace, at)
    return [(base, {name: rate for name, rate in _rates_times(base, factor).items() if rate is not None}) for base in bases]


def bases_of_factor(
    model: str, service_tier: str, factor: Decimal, workspace: Workspace | None, at: datetime
) -> list[PriceVersion]:
    """The versions of the default tier that a factor is of then, one for each threshold. Raises InvalidPrice."""
    check_price_names(model, service_tier)
    if normal_tier(service_tier) == DEFAULT_TIER:
        raise InvalidPrice("A factor multiplies the default tier's price: choose another tier.", param="service_tier")
    if not factor.is_finite() or not 0 <= factor <= HIGHEST_FACTOR or factor != factor.quantize(ONE_MICRO):
        raise InvalidPrice(f"The factor must be 0 to {HIGHEST_FACTOR}, with at most six decimals.", param="factor")
    versions = PriceVersion.objects.filter(model__slug=model, service_tier=DEFAULT_TIER, workspace=workspace)
    in_force = list(versions.in_force(at).select_related("model", "workspace"))
    if not any(base.above_input_tokens == 0 for base in in_force):
        raise InvalidPrice(f"{model} has no default price at that time for a factor to multiply.", param="model")
    return in_force


def follow_base(base: PriceVersion, actor: str, now: datetime, tiers: Iterable[str] | None = None) -> None:
    """Gives each tier that is a factor of the default one its version after `base`, a new one of the default tier."""
    if base.service_tier != DEFAULT_TIER:
        return
    same = PriceVersion.objects.filter(model=base.model_id, workspace=base.workspace_id)
    if tiers is None:
        tiers = same.filter(factor__isnull=False).order_by("service_tier").values_list("service_tier", flat=True).distinct()
    for tier in list(tiers):
        factor = _factor_at(same.filter(service_tier=tier), base)
        if factor is not None:
            _derive(base, tier, factor, base.effective_from, True, actor, now)
        for start, factor in _built_on_its_predecessor(same.filter(service_tier=tier), base):
            _derive(base, tier, factor, start, True, actor, now)


def _factor_at(of_tier: PriceVersionQuerySet, base: PriceVersion) -> Decimal | None:
    """By which the tier follows at this threshold, or where that is new, at the lowest; None where its price is explicit."""
    in_force = {each.above_input_tokens: each.factor for each in of_tier.in_force(base.effective_from)}
    return in_force.get(base.above_input_tokens, in_force.get(0))


def _built_on_its_predecessor(of_tier: PriceVersionQuerySet, base: PriceVersion) -> list[tuple[datetime, Decimal]]:
    """Beginnings and factors of derived versions between `base` and its successor: they were made of one that it succeeds."""
    later = of_tier.filter(above_input_tokens=base.above_input_tokens, effective_from__gt=base.effective_from)
    following = PriceVersion.objects.succeeding(base).order_by("effective_from").first()
    if following is not None:
        later = later.filter(effective_from__lt=following.effective_from)
    current = later.order_by("effective_from", "-revision").distinct("effective_from")
    return [(each.effective_from, each.factor) for each in current if each.factor is not None]


def _derive(
    base: PriceVersion, tier: str, factor: Decimal, start: datetime, correct: bool, actor: str, now: datetime
) -> PriceVersion:
    beginning = {
        "model": base.model,
        "service_tier": tier,
        "workspace": base.workspace,
        "above_input_tokens": base.above_input_tokens,
        "effective_from": start,
    }
    rates = rate_columns(_rates_times(base, factor)) | {"base": base, "factor": factor}
    version, _ = add_version(beginning, rates, correct, actor, now)
    return version


def _rates_times(base: PriceVersion, factor: Decimal) -> dict[str, Decimal | None]:
    """By component."""
    own = {name: _times(rate, factor, BY_NAME[name]) for name, rate in own_rates(base).items()}
    return own | {name: _times(Decimal(rate), factor, component_named(name)) for name, rate in base.open_rates.items()}


def _times(rate: Decimal | None, factor: Decimal, component: Component) -> Decimal | None:
    """Rounded half up to the decimals that a rate may have."""
    if rate is None:
        return None
    return WIDE.multiply(rate, factor).quantize(Decimal(1).scaleb(-component.decimals), ROUND_HALF_UP, WIDE)
