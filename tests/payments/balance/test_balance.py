"""What is left is what invoicing would leave: expired credit pays for its own time only, and tax counts."""

from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.upcoming import upcoming
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.terms.change import save_terms
from metering.invoicing.terms.models import TaxRate
from metering.payments.balance.balance import balance_of
from metering.payments.balance.expiry import expire_due_credits
from tests.kit.billing import Meter, at, finalized, tokens
from tests.kit.factories import NOW
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
MILLION, HUNDRED_MILLION = tokens(input=1_000_000), tokens(input=100_000_000)


def credit(workspace: Workspace, amount: str, kind: str = "goodwill", expires: str | None = None) -> Any:
    until = at(f"{expires}T00:00") if expires else None
    return ledger.grant(workspace, kind, Decimal(amount), OPS, at("07-01T00:00"), expires_at=until)


# --- Balance -----------------------------------------------------------------------------------------------------


def test_expired_credit_pays_for_usage_of_its_own_time_only(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    use(key, "10-02T10:00", usage=HUNDRED_MILLION)
    credit(acme, "100.00", expires="09-25")
    balance = balance_of(acme, at("10-03T00:00"))
    assert (balance.credits, balance.unbilled, balance.left) == (Decimal("1.50"), Decimal("151.5"), Decimal("-150"))


def test_credit_that_expired_before_any_usage_is_nothing(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "10-01T10:00", usage=HUNDRED_MILLION)
    credit(acme, "200.00", expires="10-01")
    balance = balance_of(acme, at("10-02T00:00"))
    assert (balance.credits, balance.left) == (Decimal("0.00"), Decimal("-150"))


@pytest.mark.parametrize(("promotional", "due"), [("0", "28.50"), ("50.00", "0.00")])
def test_the_balance_is_what_the_invoice_will_leave(
    use: Meter, key: APIKey, acme: Workspace, promotional: str, due: str
) -> None:
    save_terms(acme, {"mode": "prepaid"}, [TaxRate.objects.create(name="VAT", percent=Decimal(19))], OPS, at("09-01T00:00"))
    credit(acme, "150.00", "purchased")
    if Decimal(promotional):
        credit(acme, promotional, "promotional")
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    before = balance_of(acme, at("09-20T00:00"))
    (invoice,) = finalized()
    after = balance_of(acme, NOW)
    assert (before.tax, invoice.amount_due) == (invoice.tax, Decimal(due))
    assert before.left == after.left - invoice.amount_due
    assert after.tax == 0


@pytest.mark.parametrize(("late", "more"), [("0.5", "0"), ("3", "0"), ("60", "2.75")])
def test_a_billed_minimum_makes_up_for_late_usage_until_that_exceeds_it(
    use: Meter, key: APIKey, acme: Workspace, late: str, more: str
) -> None:
    """September used 12.75 of a minimum of 100.00. Late usage costs nothing more until the month comes to more than that."""
    save_terms(acme, {"mode": "prepaid", "minimum_commitment": Decimal(100)}, None, OPS, at("09-01T00:00"))
    use(key, "09-14T10:00", usage=tokens(input=8_500_000))
    (invoice,) = finalized()
    assert invoice.subtotal == Decimal("100.00")
    use(key, "09-15T10:00", usage=tokens(input=int(Decimal(late) * 1_000_000)))
    own_minimum = Decimal(100)
    unbilled, preview = balance_of(acme, NOW).unbilled, upcoming(acme, NOW).subtotal_exact
    assert (unbilled, preview - own_minimum) == (Decimal(more), Decimal(more))


@pytest.mark.parametrize("late", ["2.505333", "30", "70"])
def test_the_minimum_of_a_month_that_another_ones_invoice_billed_makes_up_too(
    use: Meter, key: APIKey, acme: Workspace, late: str
) -> None:
    """August has no invoice of its own: September's billed its minimum."""
    save_terms(acme, {"mode": "prepaid", "minimum_commitment": Decimal(100)}, None, OPS, at("08-01T00:00"))
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    (invoice,) = finalized()
    assert invoice.subtotal == Decimal(250)
    use(key, "08-15T10:00", usage=tokens(input=int(Decimal(late) * 1_000_000)))
    unbilled, preview = balance_of(acme, NOW).unbilled, upcoming(acme, NOW).subtotal_exact
    more = max(Decimal(0), Decimal(late) * Decimal("1.5") - 100)
    assert (unbilled, preview - 100) == (more, more)


# --- Expiry ------------------------------------------------------------------------------------------------------


def test_credit_waits_for_its_month_however_late_that_is_closed(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    credit(acme, "100.00", expires="09-25")
    assert expire_due_credits(at("10-10T03:15")) == {"expired": 0, "waiting": 1}
    close_months_due(at("10-10T03:20"))
    assert acme.invoices.get().credits_applied == Decimal("100.00")


def test_credit_of_a_voided_month_is_not_written_off_before_its_reissue(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    credit(acme, "100.00", expires="10-01")
    close_months_due(at("10-04T02:45"))
    (invoice,) = acme.invoices.all()
    void(invoice.pk, "wrong address", OPS, at("10-10T12:00"))
    assert expire_due_credits(at("10-11T03:15")) == {"expired": 0, "waiting": 1}
    assert reissue(invoice.pk, OPS, at("10-11T09:00")).credits_applied == Decimal("100.00")
