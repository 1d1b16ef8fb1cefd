"""What happens to a workspace while it is closed comes wholly before it or wholly after it."""

from decimal import Decimal
from typing import Any

import pytest

from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.offboarding.close import close_for_good
from metering.offboarding.models import ClosedWorkspace
from metering.payments.collecting.manual import record_transfer
from metering.payments.models import Payment, TopUp
from metering.payments.refunds.payouts import owed_to
from metering.payments.top_ups import purchase
from tests.kit.billing import OPS, SEPTEMBER, Meter, an_invoice, credit, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_key
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.errors import WorkspaceClosed
from workspaces.keys.issue import create_key
from workspaces.models import APIKey, Workspace

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stopped_clock", "books_agree")]


def test_a_month_that_closes_a_payment_and_new_keys_at_once(acme: Workspace, use: Meter) -> None:
    august = an_invoice(acme, use, month="08")
    use(make_key(acme), "09-14T10:00", "10-02T10:00", usage=tokens(input=10_000_000))
    credit(acme, "5.00", "purchased")
    acts: list[Any] = [
        lambda: close_for_good(acme, "moves away", "refund", OPS, NOW),
        lambda: close_workspaces(SEPTEMBER, NOW, finalize=True),
        lambda: record_transfer([august.pk], Decimal("150.00"), "transfer 1", OPS, NOW),
        lambda: create_key(acme, "live", "late", OPS, NOW),
        lambda: close_for_good(acme, "moves away", "refund", OPS, NOW),
    ]
    done = at_once(*acts)
    assert [type(each) for each in done if isinstance(each, Exception)] in ([], [WorkspaceClosed])
    assert (done[0].closed_at, ClosedWorkspace.objects.count()) == (done[4].closed_at, 1)
    totals = list(Invoice.objects.order_by("period_start").values_list("period_start__month", "total", "status"))
    assert [(month, total) for month, total, _ in totals] == [
        (8, Decimal("150.00")),
        (9, Decimal("15.00")),
        (10, Decimal("15.00")),
    ]
    assert totals[0][2] == "paid"
    assert not APIKey.objects.filter(kind="live", revoked_at__isnull=True).exists()


def test_credit_that_is_bought_at_once_is_refunded_or_refused(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    done = at_once(
        lambda: purchase.buy_credit(acme, Decimal("50.00"), purchase.SAVED, "a-key", OPS, NOW),
        lambda: close_for_good(acme, "moves away", "refund", OPS, NOW),
    )
    acme.refresh_from_db()
    bought, charged = done[0], Payment.objects.first()
    if charged is None:
        assert isinstance(bought, WorkspaceClosed) or not TopUp.objects.filter(status="paid").exists()
    else:
        assert charged.refunded + owed_to(acme).total == Decimal("50.00")
