"""Credit that was given to a workspace ends with it; what void invoices give back is there for their reissues first."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.offboarding.as_json import closed_json
from metering.offboarding.close import close_for_good
from metering.offboarding.models import ClosedWorkspace
from metering.payments.balance.balance import balance_of
from metering.payments.balance.expiry import expire_due_credits
from metering.payments.refunds.payouts import owed_to
from tests.kit.billing import OPS, Meter, at, finalized, tokens
from tests.kit.corrections import correct
from tests.kit.corrections import void as take_away
from tests.kit.factories import NOW
from workspaces.models import APIKey, Gateway, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stopped_clock", "books_agree")]
NOTHING = Decimal("0.00")
LATER = NOW + timedelta(days=300)
EXPIRED, WAITS, NONE = {"expired": 1, "waiting": 0}, {"expired": 0, "waiting": 1}, {"expired": 0, "waiting": 0}
GIVEN = pytest.mark.parametrize("kind", ["goodwill", "promotional"])
ENDS = pytest.mark.parametrize("ends", [None, at("12-01T00:00")], ids=["never", "in December"])


def given(workspace: Workspace, kind: str, ends: Any = None, amount: str = "100.00") -> Any:
    return ledger.grant(workspace, kind, Decimal(amount), OPS, at("09-01T00:00"), expires_at=ends)


def closed_with(workspace: Workspace, use: Meter, key: APIKey) -> Invoice:
    """Its last invoice: 90.00 and 60.00 of October, of which credit pays a part."""
    use(key, "10-02T10:00", usage=tokens(input=60_000_000))
    use(key, "10-02T11:00", usage=tokens(input=40_000_000))
    close_for_good(workspace, "moves away", "refund", OPS, NOW)
    workspace.refresh_from_db()
    return Invoice.objects.get(workspace=workspace)


def reissued(invoice: Invoice) -> Invoice:
    draft = reissue(invoice.pk, OPS, NOW)
    assert draft is not None
    return finalize(draft.pk, OPS, NOW)


@GIVEN
@ENDS
def test_what_a_void_gives_back_waits_for_the_reissue_and_is_used_by_it(
    acme: Workspace, use: Meter, key: APIKey, kind: str, ends: Any
) -> None:
    gift = given(acme, kind, ends)
    last = closed_with(acme, use, key)
    assert last.amount_due == Decimal("50.00")
    void(last.pk, "wrong address", OPS, NOW)
    assert [expire_due_credits(NOW), expire_due_credits(LATER)] == [WAITS, WAITS]
    assert (ledger.remaining_of_grant(gift), balance_of(acme, NOW).credits) == (Decimal("100.00"), Decimal("100.00"))
    assert (reissued(last).amount_due, ledger.remaining_of_grant(gift)) == (Decimal("50.00"), NOTHING)
    assert expire_due_credits(LATER) == NONE


@GIVEN
@ENDS
def test_what_the_reissue_does_not_need_ends_with_it(
    acme: Workspace, use: Meter, key: APIKey, gateway: Gateway, kind: str, ends: Any
) -> None:
    gift = given(acme, kind, ends)
    last = closed_with(acme, use, key)
    void(last.pk, "counted twice", OPS, NOW)
    correct(gateway, take_away(key, "req-1"))
    assert balance_of(acme, NOW).credits == Decimal("60.00"), "what is still to be billed of October"
    assert expire_due_credits(NOW) == WAITS
    assert (reissued(last).amount_due, ledger.remaining_of_grant(gift)) == (NOTHING, Decimal("40.00"))
    assert balance_of(acme, NOW).credits == NOTHING
    assert [expire_due_credits(NOW), expire_due_credits(NOW)] == [EXPIRED, NONE]
    assert [(entry.kind, entry.amount) for entry in gift.entries.order_by("id")][-1] == ("expiry", Decimal("-40.00"))
    account = JournalAccount.CREDIT_GOODWILL if kind == "goodwill" else JournalAccount.CREDIT_PROMOTIONAL
    assert balance_of_account(acme.pk, account, "USD") == NOTHING


@GIVEN
def test_it_ends_at_once_where_nothing_is_left_to_be_billed_again(
    acme: Workspace, use: Meter, key: APIKey, gateway: Gateway, kind: str
) -> None:
    gift = given(acme, kind)
    void(closed_with(acme, use, key).pk, "nothing was used", OPS, NOW)
    correct(gateway, take_away(key, "req-1"), take_away(key, "req-2"))
    assert (expire_due_credits(NOW), ledger.remaining_of_grant(gift)) == (EXPIRED, NOTHING)


@GIVEN
def test_late_usage_that_no_invoice_bills_keeps_none(
    acme: Workspace, use: Meter, key: APIKey, gateway: Gateway, kind: str
) -> None:
    """The reissue is the last invoice: what comes after it is recorded and shown."""
    gift = given(acme, kind)
    last = closed_with(acme, use, key)
    void(last.pk, "counted twice", OPS, NOW)
    correct(gateway, take_away(key, "req-1"))
    reissued(last)
    use(key, "10-12T10:00", usage=tokens(input=10_000_000))
    assert (ledger.remaining_of_grant(gift), expire_due_credits(LATER)) == (Decimal("40.00"), EXPIRED)
    assert ledger.remaining_of_grant(gift) == NOTHING


@GIVEN
def test_a_month_that_waits_when_the_workspace_is_closed_keeps_what_its_reissue_needs(
    acme: Workspace, use: Meter, key: APIKey, kind: str
) -> None:
    gift = given(acme, kind)
    use(key, "09-14T10:00", usage=tokens(input=80_000_000))
    use(key, "09-15T10:00", usage=tokens(input=1_000_000))
    (september,) = finalized()
    assert september.amount_due == Decimal("21.50")
    void(september.pk, "wrong address", OPS, NOW)
    close_for_good(acme, "moves away", "refund", OPS, NOW)
    assert (ClosedWorkspace.objects.get().given_expired, ledger.remaining_of_grant(gift)) == (NOTHING, Decimal("100.00"))
    assert expire_due_credits(LATER) == WAITS
    waiting = {"id": september.public_id, "number": "OMX-2026-00001", "workspace_id": acme.public_id, "month": "2026-09"}
    assert closed_json(ClosedWorkspace.objects.get())["waiting_for_reissue"] == [waiting | {"total": str(september.total)}]
    assert reissued(september).amount_due == Decimal("21.50")
    assert closed_json(ClosedWorkspace.objects.get())["waiting_for_reissue"] == []
    assert expire_due_credits(LATER) == NONE


def test_credit_of_a_month_after_the_void_one_ends_at_the_closing(acme: Workspace, use: Meter, key: APIKey) -> None:
    """Promotional credit begins with the month of its grant: the reissue of September cannot use October's."""
    use(key, "09-14T10:00", usage=tokens(input=100_000_000))
    (september,) = finalized()
    void(september.pk, "wrong address", OPS, NOW)
    gift = ledger.grant(acme, "promotional", Decimal("100.00"), OPS, at("10-01T00:00"))
    close_for_good(acme, "moves away", "refund", OPS, NOW)
    assert (ClosedWorkspace.objects.get().given_expired, ledger.remaining_of_grant(gift)) == (Decimal("100.00"), NOTHING)


def test_bought_credit_that_a_void_gives_back_stays_its_customers(acme: Workspace, use: Meter, key: APIKey) -> None:
    paid = given(acme, "purchased")
    last = closed_with(acme, use, key)
    void(last.pk, "wrong address", OPS, NOW)
    assert expire_due_credits(LATER) == NONE
    acme.refresh_from_db()
    assert (ledger.remaining_of_grant(paid), owed_to(acme).credit) == (Decimal("100.00"), Decimal("100.00"))


def test_a_workspace_that_is_not_closed_keeps_credit_without_an_end(acme: Workspace, use: Meter, key: APIKey) -> None:
    gift = given(acme, "goodwill")
    assert (expire_due_credits(LATER), ledger.remaining_of_grant(gift)) == (NONE, Decimal("100.00"))
