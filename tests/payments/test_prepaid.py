"""A prepaid workspace's keys work while there is credit, and again as soon as there is some."""

from datetime import timedelta
from decimal import Decimal

import pytest

from metering.credits import ledger
from metering.invoicing.models import Invoice
from metering.invoicing.terms_models import BillingTerms
from metering.payments import top_ups
from metering.payments.attempts import recover
from metering.payments.collect import collect_invoice
from metering.payments.dunning import dun
from metering.payments.prepaid import watch_prepaid
from tests.factories import NOW, make_key
from tests.invoicing.conftest import Meter, tokens
from tests.payments.stripe_server import StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db


def why(workspace: Workspace) -> str:
    workspace.refresh_from_db()
    return workspace.suspended_because


@pytest.fixture
def prepaid(acme: Workspace) -> Workspace:
    BillingTerms.objects.create(workspace=acme, mode="prepaid", suspend_when_past_due=True)
    return acme


def test_used_up_credit_suspends_and_a_top_up_lifts_it_at_once(stripe: StripeServer, prepaid: Workspace, use: Meter) -> None:
    ledger.grant(prepaid, "purchased", Decimal("2.00"), "ops", NOW)
    use(make_key(prepaid), "10-14T10:00", usage=tokens(input=1_000_000))
    assert (watch_prepaid(NOW), why(prepaid)) == ({"used_up": 0, "failed": 0}, "")
    use(make_key(prepaid), "10-14T11:00", usage=tokens(input=1_000_000))
    assert [watch_prepaid(NOW)["used_up"] for _ in range(2)] == [1, 1]
    assert why(prepaid) == "Its prepaid credit is used up."
    bought = top_ups.buy(prepaid, Decimal("50.00"), "ops", NOW)
    stripe.complete(bought.attempts.get().session_id)
    recover(NOW)
    assert why(prepaid) == ""
    actions = AuditEntry.objects.filter(action__startswith="workspace.").values_list("action", flat=True)
    assert list(actions) == ["workspace.unsuspended", "workspace.suspended"]


def test_postpaid_workspaces_are_left_alone(acme: Workspace, use: Meter) -> None:
    use(make_key(acme), "10-14T10:00", usage=tokens(input=1_000_000))
    assert (watch_prepaid(NOW), why(acme)) == ({"used_up": 0, "failed": 0}, "")


def test_who_changes_to_postpaid_works_again(prepaid: Workspace) -> None:
    assert watch_prepaid(NOW)["used_up"] == 1
    BillingTerms.objects.update(mode="postpaid")
    assert (watch_prepaid(NOW)["used_up"], why(prepaid)) == (0, "")


def test_new_credit_does_not_lift_what_is_past_due(prepaid: Workspace, invoice: Invoice) -> None:
    assert watch_prepaid(NOW)["used_up"] == 1
    for day in (14, 17, 19, 21):
        dun(NOW + timedelta(days=day), collect_invoice)
    ledger.grant(prepaid, "goodwill", Decimal("5.00"), "ops", NOW)
    watch_prepaid(NOW + timedelta(days=22))
    assert why(prepaid) == f"The invoice {invoice.number} is past due."
