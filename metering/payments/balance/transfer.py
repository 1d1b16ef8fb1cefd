"""Transferring credit between two workspaces of one payer.

One payer are workspaces whose invoices go to the same customer: of the same tax id, or the same legal name and address, or the
same address for invoices. Of others an operator says why they are one, and that is kept. A customer at Stripe belongs to one
workspace here, so it says nothing.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from metering.checked_inputs import LONGEST_REASON, checked_amount, checked_reference, refuse_repeated_reference
from metering.credits.ledger import remaining_grants
from metering.credits.models import CreditGrant, CreditTransfer
from metering.credits.transfers import movable, move_credit, sources_of
from metering.errors import NothingToCredit, NotOnePayer
from metering.invoicing.terms.in_force import terms_of
from metering.limits.accounts import held_of_balance
from metering.limits.changed import note_change
from metering.money import ONE_CENT, cents_text
from metering.payments.balance.balance import balance_of
from metering.payments.balance.spendable import is_prepaid, update_spendable
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.closed import refuse_closed
from workspaces.locks import lock_workspaces
from workspaces.models import Workspace

NOTHING = Decimal("0.00")


def transfer_credit(
    source: Workspace,
    target: Workspace,
    amount: Decimal,
    reference: str,
    actor: str,
    now: datetime,
    reason: str = "",
    kind: str | None = None,
    statement: str = "",
) -> CreditTransfer:
    """Moves `amount` of the credit of one workspace to another, in the order of use, of one `kind` or of all; once for each
    reference. `statement` says why both are one payer where their billing profiles do not.

    Raises InvalidParameter, NotOnePayer, WorkspaceClosed, and NothingToCredit for more than is left, of a prepaid workspace
    more than its balance, or for a transfer that was recorded before.
    """
    reason, statement = reason.strip(), statement.strip()
    _check(source, target, amount, reason, statement)
    reference = checked_reference(reference, "transfer")
    with transaction.atomic():
        held = {each.pk: each for each in lock_workspaces([source.pk, target.pk])}
        source, target = held[source.pk], held[target.pk]
        for each in (source, target):
            refuse_closed(each)
        refuse_repeated_reference(CreditTransfer.objects.filter(from_workspace=source), reference, "transfer")
        because = why_one_payer(source, target) or statement
        if not because:
            raise NotOnePayer(
                f"{source} and {target} have neither a tax id, nor a legal name and address, nor an address for invoices in "
                "common: say why they are one payer.",
                param="statement",
            )
        lefts = movable(remaining_grants(source), kind, now)
        _check_left(source, amount, sum((each.left for each in lefts), NOTHING), now)
        made = CreditTransfer.objects.create(
            from_workspace=source,
            to_workspace=target,
            amount=amount,
            currency=source.currency,
            reference=reference,
            reason=reason,
            one_payer=because,
            at=now,
            by=actor,
        )
        move_credit(made, lefts, actor, now)
        details = {"amount": cents_text(amount), "reference": reference, "reason": reason, "one_payer": because}
        ends = {"from_workspace": source.public_id, "to_workspace": target.public_id}
        for each in (source, target):
            audit.record(actor, "credit.transferred", made.public_id, each, now=now, **details, **ends)
            note_change(each.pk, now)
        # No request is allowed from here to the commit; one that was allowed since the look above must be paid for as well.
        terms = terms_of(source)
        balance = update_spendable(source, terms, now) if is_prepaid(source, terms) else None
        if balance is not None and balance.left < held_of_balance(source):
            raise NothingToCredit(f"Requests that just began hold some of the credit of {source}: try again.", param="amount")
        return made


def why_one_payer(one: Workspace, other: Workspace) -> str:
    """What of their billing profiles says that the same customer pays for both; empty where nothing does."""
    terms = terms_of(one), terms_of(other)
    tax_ids, names, addresses = (
        [_plain(getattr(each, name)) for each in terms] for name in ("tax_id", "legal_name", "address")
    )
    if _same(tax_ids):
        return "the same tax id"
    if _same(names) and _same(addresses):
        return "the same legal name and address"
    if _same([_plain(one.email), _plain(other.email)]):
        return "the same address for invoices"
    return ""


def _check(source: Workspace, target: Workspace, amount: Decimal, reason: str, statement: str) -> None:
    if source.pk == target.pk:
        raise InvalidParameter("Credit is transferred from one workspace to another.", param="to")
    if source.sandbox or target.sandbox:
        raise InvalidParameter("Nothing in a sandbox costs money: it has no credit.", param="to")
    if source.currency != target.currency:
        raise InvalidParameter(f"{source} pays in {source.currency} and {target} in {target.currency}.", param="to")
    checked_amount(amount)
    for name, text in (("reason", reason), ("statement", statement)):
        if len(text) > LONGEST_REASON:
            raise InvalidParameter(f"The {name} has at most {LONGEST_REASON} characters.", param=name)


def _check_left(source: Workspace, amount: Decimal, left: Decimal, now: datetime) -> None:
    """Refuses more than is left; of a prepaid workspace also what it has used already, or holds for running requests."""
    if is_prepaid(source, terms_of(source)):
        left = min(left, max(balance_of(source, now).left - held_of_balance(source), NOTHING))
    if amount > left:
        most = cents_text(left.quantize(ONE_CENT, rounding="ROUND_DOWN"))
        raise NothingToCredit(f"{most} of the credit of {source} can be transferred, not {cents_text(amount)}.", param="amount")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _same(texts: list[str]) -> bool:
    return bool(texts[0]) and texts[0] == texts[1]


def grants_of_transfer(transfer: CreditTransfer) -> list[CreditGrant]:
    """What it became in the other workspace."""
    sources = CreditGrant.objects.filter(workspace=transfer.to_workspace, source__startswith=sources_of(transfer.public_id))
    return list(sources.order_by("pk"))
