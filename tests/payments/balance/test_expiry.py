"""Credit expires once no month of its own can be billed any more, and again where it comes back after that."""

from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.void import reissue, void
from metering.payments.balance.expiry import expire_due_credits
from metering.reconcile.everything import money_differences
from tests.kit.billing import AUGUST, Meter, at, finalized, tokens
from tests.kit.factories import NOW
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
HUNDRED_MILLION = tokens(input=100_000_000)
EXPIRED, WAITS = {"expired": 1, "waiting": 0}, {"expired": 0, "waiting": 1}


def credit(workspace: Workspace, granted: str, expires: str, kind: str = "goodwill", amount: str = "200") -> Any:
    return ledger.grant(workspace, kind, Decimal(amount), OPS, at(f"{granted}T00:00"), expires_at=at(f"{expires}T00:00"))


@pytest.mark.parametrize("kind", ["goodwill", "purchased", "promotional"])
def test_a_void_month_keeps_only_the_credit_that_was_valid_in_it(use: Meter, key: APIKey, acme: Workspace, kind: str) -> None:
    use(key, "08-14T10:00", usage=HUNDRED_MILLION)
    (august,) = finalized(AUGUST)
    void(august.pk, "waived", OPS, NOW)
    later = credit(acme, "09-02", "10-01", kind)
    assert expire_due_credits(at("10-20T03:15")) == EXPIRED
    assert ledger.remaining_of_grant(later) == 0
    credit(acme, "08-20", "10-01", kind)
    assert expire_due_credits(at("10-20T03:15")) == WAITS


def test_a_month_that_is_reissued_keeps_none_any_longer(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "08-14T10:00", usage=HUNDRED_MILLION)
    (august,) = finalized(AUGUST)
    void(august.pk, "wrong address", OPS, NOW)
    credit(acme, "08-20", "10-01")
    draft = reissue(august.pk, OPS, NOW)
    assert draft is not None
    assert expire_due_credits(at("10-20T03:15")) == WAITS
    assert finalize(draft.pk, OPS, at("10-20T04:00")).credits_applied == Decimal(150)
    assert expire_due_credits(at("10-20T05:00")) == EXPIRED


def test_credit_that_returns_after_it_expired_is_written_off_again(use: Meter, key: APIKey, acme: Workspace) -> None:
    gift = credit(acme, "09-01", "10-01", amount="100")
    use(key, "09-14T10:00", usage=tokens(input=60_000_000))
    ledger.grant(acme, "promotional", Decimal(50), OPS, at("09-01T00:00"))
    close_months_due(at("10-04T02:45"))
    (september,) = acme.invoices.all()
    assert (september.status, september.credits_applied) == ("paid", Decimal(40))
    assert [expire_due_credits(at("10-20T03:15")) for _ in range(2)] == [EXPIRED, {"expired": 0, "waiting": 0}]
    # A month that credit covers only in part can be voided.
    use(key, "09-15T10:00", "10-02T10:00", usage=HUNDRED_MILLION)
    assert ledger.remaining_of_grant(gift) == 0


def test_it_is_written_off_as_often_as_it_comes_back(use: Meter, key: APIKey, acme: Workspace) -> None:
    gift = credit(acme, "09-01", "10-01", amount="100")
    use(key, "09-14T10:00", usage=HUNDRED_MILLION)
    close_months_due(at("10-04T02:45"))
    (september,) = acme.invoices.all()
    for day in ("07", "17"):
        void(september.pk, "wrong address", OPS, at(f"10-{day}T12:00"))
        assert ledger.remaining_of_grant(gift) == Decimal(100)
        assert expire_due_credits(at(f"10-{day}T13:00")) == WAITS
        draft = reissue(september.pk, OPS, at(f"10-{day}T14:00"))
        assert draft is not None
        september = finalize(draft.pk, OPS, at(f"10-{day}T15:00"))
        assert expire_due_credits(at(f"10-{day}T16:00")) == {"expired": 0, "waiting": 0}


def test_what_a_refund_gives_back_after_the_expiry_is_written_off_once_more(acme: Workspace) -> None:
    gift = credit(acme, "09-01", "10-01", amount="100")
    ledger.reverse(gift, "refunded", OPS, at("09-20T00:00"), Decimal(40))
    assert expire_due_credits(at("10-20T03:15")) == EXPIRED
    ledger.restore(gift, Decimal(40), "the refund failed", OPS, at("10-21T00:00"))
    assert [expire_due_credits(at("10-22T03:15")) for _ in range(2)] == [EXPIRED, {"expired": 0, "waiting": 0}]
    moved = [(entry.kind, entry.amount) for entry in gift.entries.order_by("id")]
    assert moved[2:] == [("expiry", -60), ("reversal", 40), ("expiry", -40)]
    assert money_differences() == []
