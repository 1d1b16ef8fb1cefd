"""Withdraws a price that is still to come. One that any event may have been rated by already stands for ever."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from metering.catalogue.models import PriceVersion
from metering.catalogue.set_price import PRICES_LOCK, describe
from metering.errors import PriceInForce
from workspaces import audit

# Events may be dated this far ahead of the clock, and are rated at their own time; a margin for clocks that disagree.
NOTICE = timedelta(minutes=15)


@transaction.atomic
def withdraw_price(version: PriceVersion, actor: str, now: datetime) -> None:
    """Deletes a version that nothing can have been rated by. Raises PriceInForce."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PRICES_LOCK])
    described = describe(version)
    withdrawn, _ = PriceVersion.objects.filter(pk=version.pk, effective_from__gt=now + NOTICE).delete()
    if not withdrawn:
        raise PriceInForce(
            f"This price is in force, or is within {NOTICE // timedelta(minutes=1)} minutes: it stands. Succeed it instead."
        )
    audit.record(actor, "price.withdrawn", version.public_id, version.workspace, now=now, **described)
