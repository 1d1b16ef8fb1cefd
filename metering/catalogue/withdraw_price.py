"""Withdraws a price that is still to come. One that any event may have been rated by already stands for ever."""

from datetime import datetime, timedelta

from django.db import transaction

from metering.catalogue.models import PriceVersion
from metering.catalogue.set_price import announce_in_time, describe, lock_prices
from metering.errors import PriceInForce
from workspaces import audit

# Events may be dated this far ahead of the clock, and are rated at their own time; a margin for clocks that disagree.
NOTICE = timedelta(minutes=15)
STANDS = (
    f"This price is in force, or is within {NOTICE // timedelta(minutes=1)} minutes: it cannot be withdrawn. Set a price that "
    "succeeds it instead."
)


@transaction.atomic
def withdraw_price(version: PriceVersion, actor: str, now: datetime) -> None:
    """Deletes a version that nothing can have been rated by, and those that it corrected: a wrong one must not come back.

    Prices of other tiers that are a factor of it go with it.

    Raises PriceInForce.
    """
    lock_prices()
    same_beginning = PriceVersion.objects.of_scope(version).filter(
        effective_from=version.effective_from, revision__lte=version.revision
    )
    to_come = same_beginning.filter(effective_from__gt=now + NOTICE).select_related("model", "workspace")
    derived = PriceVersion.objects.filter(base__in=to_come).select_related("model", "workspace")
    described = [(each.public_id, describe(each)) for each in (*to_come.order_by("revision"), *derived.order_by("pk"))]
    derived.delete()
    to_come.delete()
    if version.public_id not in dict(described):
        raise PriceInForce(STANDS)
    for public_id, detail in described:
        audit.record(actor, "price.withdrawn", public_id, version.workspace, now=now, **detail)
    announce_in_time(version.effective_from, now)
