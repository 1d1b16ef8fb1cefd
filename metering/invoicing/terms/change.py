"""Changing what is agreed with a workspace: checked, in one place, and on the audit trail with before and after."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from metering.invoicing.terms.in_force import in_force, pricing_of, terms_of
from metering.invoicing.terms.models import AgreedPricing, BillingTerms, TaxRate
from metering.limits.changed import note_change
from metering.periods import month_of
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.access.still_allowed import check_may_still_pay
from workspaces.closed import refuse_closed
from workspaces.locks import lock_workspace
from workspaces.models import User, Workspace

# What a customer may change by itself; the rest is agreed with the operator.
PROFILE = ("legal_name", "address", "tax_id", "recipients", "purchase_order")
AGREED = (
    "tax_treatment",
    "tax_note",
    "payment_days",
    "mode",
    "suspend_when_past_due",
)
# Agreed from a month on: months before it keep theirs.
PRICING = ("discount_percent", "minimum_commitment")


@transaction.atomic
def save_profile(
    workspace: Workspace, profile: Mapping[str, Any], actor: str, now: datetime, user: User | None = None
) -> BillingTerms:
    """The customer's own part. `user` is the person who asks for it. Raises InvalidParameter, naming the field, and what
    `check_may_still_pay` raises.
    """
    lock_workspace(workspace.pk)
    check_may_still_pay(workspace, user)
    return _save(workspace, {name: profile[name] for name in PROFILE if name in profile}, None, actor, now)


def save_terms(
    workspace: Workspace, terms: Mapping[str, Any], rates: Sequence[TaxRate] | None, actor: str, now: datetime
) -> BillingTerms:
    """Any part of the terms; `rates` of None leaves them. Drafts follow at their next refresh, finalized invoices never.

    `discount_percent` and `minimum_commitment` hold from the month `pricing_from` on, the running one without it; of a closed
    workspace they stay. Raises InvalidParameter, WorkspaceClosed.
    """
    changes = {name: terms[name] for name in (*PROFILE, *AGREED) if name in terms}
    pricing = {name: terms[name] for name in PRICING if name in terms}
    return _save(workspace, changes, rates, actor, now, pricing, month_of(terms.get("pricing_from") or now).start)


def _save(
    workspace: Workspace,
    changes: Mapping[str, Any],
    rates: Sequence[TaxRate] | None,
    actor: str,
    now: datetime,
    pricing: Mapping[str, Any] | None = None,
    pricing_from: datetime | None = None,
) -> BillingTerms:
    with transaction.atomic():
        held = lock_workspace(workspace.pk)
        if pricing:
            refuse_closed(held)
        terms = terms_of(held)
        before = _facts(terms, pricing_from)
        for name, value in changes.items():
            # A browser ends lines with \r\n; invoices, PDFs and the API print what is kept.
            setattr(terms, name, value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value)
        _check(terms, exclude=["workspace"])
        terms.save()
        if rates is not None:
            terms.tax_rates.set(rates)
        if pricing and pricing_from:
            _agree(held, pricing, pricing_from)
        after = _facts(terms, pricing_from)
        changed = {name: {"before": before[name], "after": after[name]} for name in after if before[name] != after[name]}
        if changed:
            audit.record(actor, "terms.changed", held.public_id, held, now=now, changes=changed)
            note_change(held.pk, now)
        return terms


def end_minimum(workspace: Workspace, actor: str, now: datetime) -> None:
    """No least amount for the running month, nor for any later one."""
    month = month_of(now).start
    save_terms(workspace, {"minimum_commitment": None, "pricing_from": month}, None, actor, now)
    AgreedPricing.objects.filter(workspace=workspace, effective_from__gt=month).delete()


def _agree(workspace: Workspace, pricing: Mapping[str, Any], month: datetime) -> None:
    """Nothing is written where the same holds already."""
    agreed = in_force(pricing_of(workspace), month)
    wanted = {name: pricing.get(name, getattr(agreed, name)) for name in PRICING}
    if wanted == {name: getattr(agreed, name) for name in PRICING}:
        return
    row = AgreedPricing(workspace=workspace, effective_from=month, **wanted)
    _check(row, exclude=["workspace"])
    AgreedPricing.objects.update_or_create(workspace=workspace, effective_from=month, defaults=wanted)


def _check(row: BillingTerms | AgreedPricing, exclude: list[str]) -> None:
    try:
        row.full_clean(exclude=exclude, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        name, problems = next(iter(error.message_dict.items()))
        raise InvalidParameter(f"{name.replace('_', ' ').capitalize()}: {' '.join(problems)}", param=name) from None


def _facts(terms: BillingTerms, month: datetime | None) -> dict[str, Any]:
    values = {name: getattr(terms, name) for name in (*PROFILE, *AGREED)}
    if month is not None:
        agreed = in_force(pricing_of(terms.workspace), month)
        values |= {name: getattr(agreed, name) for name in PRICING} | {"pricing_from": f"{agreed.effective_from:%Y-%m}"}
    facts = {name: value if isinstance(value, (bool, list)) or value is None else str(value) for name, value in values.items()}
    return facts | {"tax_rates": [str(rate) for rate in terms.tax_rates.all()] if terms.pk else []}
