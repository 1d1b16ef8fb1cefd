"""Credit moves between workspaces of one payer: what it is stays as it is, and both books say so."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metering.catalogue.models import PriceVersion
from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.terms.change import save_profile
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.limits.authorize import release
from metering.limits.budgets.compare import limit_differences
from metering.payments.balance.suspension import update_suspension
from metering.payments.balance.transfer import transfer_credit, why_one_payer
from metering.periods import month_of
from metering.reconcile.everything import money_differences
from metering.reports.deferred_revenue import deferred_revenue
from metering.reports.statement import statement_of
from tests.kit.billing import OPS, Meter, agree, at, credit, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_key, make_workspace
from tests.limits.cast import ask
from workspaces.models import AuditEntry, Gateway, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stopped_clock", "journal_agrees")]
NOTHING = Decimal("0.00")


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("transfer_credit", *arguments, stdout=out)
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed


@pytest.fixture
def labs(db: None) -> Workspace:
    """Of the same payer as Acme: its invoices go to the same address."""
    return make_workspace("Acme Labs", email="Bills@Acme.example")


def balance(workspace: Workspace, account: JournalAccount) -> Decimal:
    return balance_of_account(workspace.pk, account, "USD")


def lefts(workspace: Workspace) -> list[tuple[str, Decimal, Any]]:
    return [(each.grant.kind, each.left, each.grant.expires_at) for each in ledger.remaining_grants(workspace)]


def test_bought_credit_stays_bought_and_promotional_credit_keeps_its_end(acme: Workspace, labs: Workspace) -> None:
    end = at("12-01T00:00")
    credit(acme, "30.00", "promotional", expires_at=end)
    credit(acme, "100.00", "purchased")
    printed = run(acme.public_id, labs.public_id, "70.00", "--reference", "split 1", "--reason", "new team")
    assert (printed["amount"], printed["one_payer"]) == ("70.00", "the same address for invoices")
    assert [(each["kind"], each["amount"]) for each in printed["credits"]] == [("promotional", "30.00"), ("purchased", "40.00")]
    assert lefts(labs) == [("promotional", Decimal("30.00"), end), ("purchased", Decimal("40.00"), None)]
    assert lefts(acme) == [("purchased", Decimal("60.00"), None)]
    assert (balance(acme, JournalAccount.CREDIT_BOUGHT), balance(labs, JournalAccount.CREDIT_BOUGHT)) == (
        Decimal("60.00"),
        Decimal("40.00"),
    )
    assert (balance(acme, JournalAccount.CREDIT_PROMOTIONAL), balance(labs, JournalAccount.CREDIT_PROMOTIONAL)) == (
        NOTHING,
        Decimal("30.00"),
    )
    # Nothing was earned, bought or refunded by it, and both trails and statements show it.
    (month,) = deferred_revenue(month_of(NOW))
    assert (month.bought, month.used, month.refunded, month.closing) == (10_000 - month.opening, 0, 0, 10_000)
    assert [each.workspace for each in AuditEntry.objects.filter(action="credit.transferred").order_by("pk")] == [acme, labs]
    for workspace, change in ((acme, -7_000), (labs, 7_000)):
        moved = [row.change.credit for row in statement_of(workspace, month_of(NOW)).entries if row.entry.kind == "transfer"]
        assert moved == [change]
    assert money_differences() == []


def test_one_kind_only_may_be_transferred(acme: Workspace, labs: Workspace) -> None:
    credit(acme, "30.00", "promotional")
    credit(acme, "100.00", "purchased")
    run(acme.public_id, labs.public_id, "100.00", "--reference", "split 1", "--kind", "purchased")
    assert (lefts(acme), lefts(labs)) == (
        [("promotional", Decimal("30.00"), None)],
        [("purchased", Decimal("100.00"), None)],
    )


def test_it_happens_once_for_each_reference_and_never_beyond_what_is_left(acme: Workspace, labs: Workspace) -> None:
    credit(acme, "100.00", "purchased")
    run(acme.public_id, labs.public_id, "70.00", "--reference", "split 1")
    with pytest.raises(CommandError, match="'split 1' was recorded before"):
        run(acme.public_id, labs.public_id, "30.00", "--reference", "split 1")
    with pytest.raises(CommandError, match=r"30\.00 of the credit of Acme can be transferred, not 30\.01"):
        run(acme.public_id, labs.public_id, "30.01", "--reference", "split 2")
    # And back, by the same rule.
    run(labs.public_id, acme.public_id, "70.00", "--reference", "split 1")
    assert lefts(labs) == []
    assert sum(left for _, left, _ in lefts(acme)) == Decimal("100.00")


def test_what_a_prepaid_workspace_has_used_is_not_transferred(acme: Workspace, labs: Workspace, use: Meter) -> None:
    agree(acme, mode="prepaid")
    credit(acme, "100.00", "purchased")
    use(make_key(acme), "10-02T10:00", usage=tokens(input=20_000_000))
    with pytest.raises(CommandError, match=r"70\.00 of the credit of Acme can be transferred, not 70\.01"):
        run(acme.public_id, labs.public_id, "70.01", "--reference", "split 1")
    run(acme.public_id, labs.public_id, "70.00", "--reference", "split 1")


def test_what_is_held_for_running_requests_is_not_transferred(
    acme: Workspace, labs: Workspace, gateway: Gateway, codex_mini: PriceVersion
) -> None:
    agree(acme, mode="prepaid")
    credit(acme, "100.00", "purchased")
    update_suspension(acme.pk, NOW)
    hold = ask(make_key(acme), gateway, input_tokens=20_000_000, max_output_tokens=0)
    assert hold["held"] == "30.000000000000"
    with pytest.raises(CommandError, match=r"70\.00 of the credit of Acme can be transferred, not 70\.01"):
        run(acme.public_id, labs.public_id, "70.01", "--reference", "split 1")
    run(acme.public_id, labs.public_id, "70.00", "--reference", "split 1")
    assert list(limit_differences(NOW)) == []
    release(hold["hold_id"], gateway, NOW)
    run(acme.public_id, labs.public_id, "30.00", "--reference", "split 2")


def test_expired_credit_stays(acme: Workspace, labs: Workspace) -> None:
    credit(acme, "30.00", "promotional", expires_at=NOW - timedelta(days=1))
    with pytest.raises(CommandError, match=r"0\.00 of the credit of Acme can be transferred"):
        run(acme.public_id, labs.public_id, "1.00", "--reference", "split 1")


def test_both_are_one_payer_or_an_operator_says_why(acme: Workspace) -> None:
    other = make_workspace("Bolt", email="pay@bolt.example")
    credit(acme, "100.00", "purchased")
    with pytest.raises(CommandError, match="say why they are one payer"):
        run(acme.public_id, other.public_id, "10.00", "--reference", "split 1")
    printed = run(acme.public_id, other.public_id, "10.00", "--reference", "split 1", "--statement", "Bolt was bought by Acme")
    assert printed["one_payer"] == "Bolt was bought by Acme"


@pytest.mark.parametrize(
    ("profile", "because"),
    [
        ({"tax_id": "DE 123"}, "the same tax id"),
        ({"legal_name": "Acme Inc.", "address": "1 Road\nTown"}, "the same legal name and address"),
        ({"legal_name": "Acme Inc."}, ""),
    ],
)
def test_what_billing_profiles_have_in_common(acme: Workspace, profile: dict[str, str], because: str) -> None:
    other = make_workspace("Bolt", email="pay@bolt.example")
    for workspace in (acme, other):
        save_profile(workspace, profile, OPS, NOW)
    assert why_one_payer(acme, other) == because


@pytest.mark.parametrize("what", ["itself", "sandbox", "closed"])
def test_where_credit_makes_no_sense_none_arrives(acme: Workspace, labs: Workspace, what: str) -> None:
    credit(acme, "100.00", "purchased")
    Workspace.objects.filter(pk=labs.pk).update(sandbox=what == "sandbox", closed_at=NOW if what == "closed" else None)
    target = acme if what == "itself" else labs
    with pytest.raises(CommandError):
        run(acme.public_id, target.public_id, "1.00", "--reference", "split 1")


@pytest.mark.django_db(transaction=True)
def test_transfers_both_ways_at_once_wait_for_each_other(acme: Workspace, labs: Workspace) -> None:
    credit(acme, "100.00", "purchased")
    credit(labs, "100.00", "purchased")
    acts = [
        lambda one=one, other=other, number=number: transfer_credit(one, other, Decimal("60.00"), f"at once {number}", OPS, NOW)
        for number, (one, other) in enumerate([(acme, labs), (labs, acme)] * 2)
    ]
    done = at_once(*acts)
    moved = sum(not isinstance(each, Exception) for each in done)
    assert moved >= 2, done
    whole = sum(left for workspace in (acme, labs) for _, left, _ in lefts(workspace))
    assert whole == Decimal("200.00")
    assert CreditGrant.objects.filter(source__startswith="transfer:").count() >= moved
