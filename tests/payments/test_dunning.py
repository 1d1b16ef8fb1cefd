"""After a decline: retries after 3, 5 and 7 days with a mail at each step, then past due; paid, everything lifts."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from metering.invoicing.models import Invoice
from metering.invoicing.terms_models import BillingTerms
from metering.payments.by_hand import mark_paid
from metering.payments.collect import collect_due, collect_invoice
from metering.payments.dunning import dun
from metering.payments.models import Dunning, Notice
from tests.factories import NOW, make_workspace
from tests.invoicing.conftest import Meter
from tests.payments.conftest import an_invoice, with_method
from tests.payments.stripe_server import DECLINED, GOOD, StripeServer
from workspaces import issue
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db


def on_day(day: float) -> datetime:
    return NOW + timedelta(days=day)


def run(day: float) -> dict[str, int]:
    return dun(on_day(day), collect_invoice)


def notices() -> list[tuple[str, str]]:
    return [(each.kind, each.created_at.strftime("%m-%d")) for each in Notice.objects.order_by("id")]


def asks(workspace: Workspace, kind: str) -> Any:
    _, secret = issue.create_key(workspace, kind, "server", "tests", NOW)
    path = "/api/v1/key" if kind == "live" else "/api/v1/invoices"
    return APIClient(headers={"authorization": f"Bearer {secret}"}).get(path)


def test_three_retries_on_their_days_then_past_due(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    outcomes = {day: run(day)["retried"] for day in (1, 2.9, 3, 4, 5, 6.5, 7, 8, 30)}
    assert outcomes == {1: 0, 2.9: 0, 3: 1, 4: 0, 5: 1, 6.5: 0, 7: 1, 8: 0, 30: 0}
    assert notices() == [
        ("payment_failed", "10-15"),
        ("payment_failed", "10-18"),
        ("payment_failed", "10-20"),
        ("past_due", "10-22"),
    ]
    dunning = Dunning.objects.get()
    assert (dunning.state, dunning.retries, dunning.past_due_at, dunning.next_retry_at) == ("past_due", 3, on_day(7), None)
    assert [each.number for each in invoice.attempts.order_by("number")] == [1, 2, 3, 4]
    assert Notice.objects.first().context["message"] == "Your card has insufficient funds."  # type: ignore[union-attr]


def test_the_days_are_a_setting(stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: Any) -> None:
    settings.DUNNING_RETRY_DAYS = [1]
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    assert run(1)["retried"] == 1
    assert Dunning.objects.get().state == "past_due"


def test_a_retry_that_succeeds_ends_it(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    account = with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    account.method_id = stripe.save_method(str(account.customer_id), GOOD)
    account.save()
    assert run(3) == {"retried": 1, "reminded": 0, "failed": 0}
    invoice.refresh_from_db()
    assert (invoice.status, Dunning.objects.get().state) == ("paid", "settled")
    assert [kind for kind, _ in notices()] == ["payment_failed", "invoice_paid"]


def test_a_late_run_makes_up_for_one_step_at_a_time(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    assert [run(20)["retried"] for _ in range(5)] == [1, 1, 1, 0, 0]
    assert Dunning.objects.get().state == "past_due"


def test_without_a_method_reminders_begin_on_the_due_day(acme: Workspace, invoice: Invoice) -> None:
    assert run(13.9) == {"retried": 0, "reminded": 0, "failed": 0}
    assert [run(day)["reminded"] for day in (14, 14.5, 17, 19, 21, 22)] == [1, 0, 1, 1, 1, 0]
    assert [kind for kind, _ in notices()] == ["payment_failed"] * 3 + ["past_due"]


@pytest.mark.parametrize("agreed", [True, False])
def test_past_due_suspends_the_live_keys_if_agreed_and_payment_lifts_it(
    acme: Workspace, invoice: Invoice, agreed: bool
) -> None:
    BillingTerms.objects.create(workspace=acme, suspend_when_past_due=agreed)
    for day in (14, 17, 19, 21):
        run(day)
    answer = asks(acme, "live")
    assert answer.status_code == (403 if agreed else 200)
    if agreed:
        assert answer.json()["error"] == {
            "message": f"This workspace is suspended. The invoice {invoice.number} is past due. "
            "Its keys work again when it is paid.",
            "type": "permission_error",
            "code": "workspace_suspended",
            "param": None,
        }
    assert asks(acme, "admin").status_code == 200
    mark_paid(invoice.pk, "transfer", "ops", on_day(22))
    assert asks(acme, "live").status_code == 200
    actions = list(AuditEntry.objects.filter(action__startswith="workspace.").values_list("action", flat=True))
    assert actions == (["workspace.unsuspended", "workspace.suspended"] if agreed else [])


def test_it_lifts_when_the_last_past_due_invoice_is_paid(acme: Workspace, invoice: Invoice, use: Meter) -> None:
    BillingTerms.objects.create(workspace=acme, suspend_when_past_due=True)
    second = an_invoice(acme, use, "08")
    for day in (14, 17, 19, 21):
        run(day)
    mark_paid(invoice.pk, "transfer", "ops", on_day(22))
    assert asks(acme, "live").status_code == 403
    mark_paid(second.pk, "transfer", "ops", on_day(22))
    assert asks(acme, "live").status_code == 200


def test_events_of_a_suspended_workspace_are_still_counted(acme: Workspace, invoice: Invoice, use: Meter) -> None:
    Workspace.objects.filter(pk=acme.pk).update(suspended_at=NOW, suspended_because="x")
    assert an_invoice(acme, use, "08").total == invoice.total


def test_one_invoices_failure_does_not_stop_the_others(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, use: Meter
) -> None:
    beta = make_workspace("Beta")
    an_invoice(beta, use)
    with_method(acme, stripe, DECLINED)
    with_method(beta, stripe, DECLINED)
    collect_due(NOW)
    stripe.fail_at(1, "die_before")
    stripe.fail_at(2, "die_before")
    assert run(3) == {"retried": 1, "reminded": 0, "failed": 1}
