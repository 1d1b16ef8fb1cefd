"""What a request may cost at most, by our own prices, before it runs."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings

from metering.catalogue.tiers import DEFAULT_TIER, normal_tier
from metering.components import BY_NAME, REQUEST, priced_parts, with_wholes
from metering.limits.known import model_named, price_public_id
from metering.money import from_pico
from metering.pricing.rates import Rates
from metering.pricing.recent import recent_rates

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """`fixed` USD, and `per_token` USD for each token of output, of which there are at most `max_output_tokens`.

    Without a price, `price_id` is None and both amounts are 0. `is_priced` is false as well where only the default tier has
    one, and another was asked for.
    """

    fixed: Decimal
    per_token: Decimal
    max_output_tokens: int
    price_id: str | None
    is_priced: bool


def cost_estimate(
    model: str, workspace_id: int, tier: str | None, input_tokens: int, max_output_tokens: int | None, at: datetime
) -> Estimate:
    """What a request may cost at most: in the most expensive tier that it may be served in, with every input token at the
    highest input rate, and what a request itself costs. Searches, images and the like are not known before it runs.

    A request that says nothing of its output may write as much as the model can; of a model that does not say, a setting's.
    """
    known = model_named(model)
    most = max_output_tokens
    if most is None:
        most = (known and known.max_output_tokens) or settings.AUTHORIZE_OUTPUT_TOKENS
    asked = DEFAULT_TIER if tier is None else normal_tier(tier)
    found = {} if known is None else _possible(known.model_id, workspace_id, asked, input_tokens, at)
    rates = list(found.values())
    if not rates:
        return Estimate(NOTHING, NOTHING, most, None, is_priced=False)
    fixed = max(input_tokens * _dearest(each, "input") + _dearest(each, REQUEST) for each in rates)
    dearest = max(rates, key=lambda each: _dearest(each, "output"))
    return Estimate(
        from_pico(fixed), from_pico(_dearest(dearest, "output")), most, price_public_id(dearest.price_id), asked in found
    )


def _dearest(rates: Rates, name: str) -> int:
    """The highest rate that one of this component can cost: its own, or that of a part of it."""
    if not rates.open and name != REQUEST:
        component = BY_NAME[name]
        return max(getattr(rates, each.name) for each in (component, *priced_parts(component)))
    return max((rate for each, rate in rates.by_component.items() if name in with_wholes(each)), default=0)


def _possible(model_id: int, workspace_id: int, asked: str, input_tokens: int, at: datetime) -> dict[str, Rates]:
    """The rates of the tier that was asked for, and of the default one, in which anything may be served."""
    table = recent_rates()
    found = {each: table.find(model_id, each, workspace_id, at, input_tokens) for each in (asked, DEFAULT_TIER)}
    return {tier: rates for tier, rates in found.items() if rates is not None}
