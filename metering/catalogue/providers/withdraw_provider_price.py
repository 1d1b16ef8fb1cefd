"""Withdraws a provider's cost that is still to come, as a price is. One that a request may have its cost by stands for ever."""

from datetime import datetime

from django.db import transaction

from metering.catalogue.providers.models import ProviderPrice
from metering.catalogue.providers.set_provider_price import describe_provider_price
from metering.catalogue.set_price import lock_prices
from metering.catalogue.withdraw_price import NOTICE, STANDS
from metering.errors import PriceInForce
from workspaces import audit


@transaction.atomic
def withdraw_provider_price(version: ProviderPrice, actor: str, now: datetime) -> None:
    """Deletes a version that nothing can have its cost by, and those that it corrected: a wrong one must not come back.

    Raises PriceInForce.
    """
    lock_prices()
    same_beginning = ProviderPrice.objects.of_scope(version).filter(
        effective_from=version.effective_from, revision__lte=version.revision
    )
    to_come = same_beginning.filter(effective_from__gt=now + NOTICE).select_related("model").order_by("revision")
    described = {each.public_id: describe_provider_price(each) for each in to_come}
    if version.public_id not in described:
        raise PriceInForce(STANDS)
    to_come.delete()
    for public_id, detail in described.items():
        audit.record(actor, "provider_price.withdrawn", public_id, now=now, **detail)
