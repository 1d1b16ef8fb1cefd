"""The rate table a worker keeps between transactions, and the lock that makes a new price exact.

Rating holds the lock shared until commit; setting a price holds it alone. So a price is never set while an
event it covers is being rated by its predecessor, and a rate table read under the lock stays true until commit.
"""

from django.db import connection

from metering.pricing.provider_costs import load_providers
from metering.pricing.rates import RateTable, load_aliases, load_rates
from omixa_billing.advisory_locks import AdvisoryLock, share

# Versions are only added or withdrawn and aliases are few, so these tell whether anything changed.
STAMP = """
SELECT (SELECT (max(id), count(*))::text FROM metering_priceversion),
       (SELECT (max(id), count(*))::text FROM metering_providerprice),
       (SELECT array_agg((id, alias_of_id)::text ORDER BY id) FROM metering_languagemodel WHERE alias_of_id IS NOT NULL)
"""

_kept: tuple[object, RateTable] | None = None


def current_rates() -> RateTable:
    """The rate table as of now, valid until the calling transaction ends. Must be called inside one."""
    global _kept
    share(AdvisoryLock.PRICES)
    with connection.cursor() as cursor:
        cursor.execute(STAMP)
        stamp = cursor.fetchone()
    if _kept is None or _kept[0] != stamp:
        _kept = (stamp, load_rates())
        _kept[1].providers = load_providers(load_aliases())
    return _kept[1]


def forget_rates() -> None:
    """Makes the next call read the table again."""
    global _kept
    _kept = None
