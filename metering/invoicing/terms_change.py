"""Changing what is agreed with a workspace: checked, in one place, and on the audit trail with before and after."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from metering.errors import InvalidParameter
from metering.invoicing.draft import hold
from metering.invoicing.terms import terms_of
from metering.invoicing.terms_models import BillingTerms, TaxRate
from metering.periods import month_of
from workspaces import audit
from workspaces.models import Workspace

# What a customer may change by itself; the rest is agreed with the operator.
PROFILE = ("legal_name", "address", "tax_id", "recipients", "purchase_order")
AGREED = (
    "tax_treatment",
    "tax_note",
    "payment_days",
    "discount_percent",
    "minimum_commitment",
    "minimum_from",
    "mode",
    "suspend_when_past_due",
)


def save_profile(workspace: Workspace, profile: Mapping[str, Any], actor: str, now: datetime) -> BillingTerms:
    """The customer's own part. Raises InvalidParameter, naming the field."""
    return _save(workspace, {name: profile[name] for name in PROFILE if name in profile}, None, actor, now)


def save_terms(
    workspace: Workspace, terms: Mapping[str, Any], rates: Sequence[TaxRate] | None, actor: str, now: datetime
) -> BillingTerms:
    """Any part of the terms; `rates` of None leaves them. Drafts follow at once, finalized invoices never.

    A minimum commitment without a first month begins with the running one. Raises InvalidParameter.
    """
    changes = {name: terms[name] for name in (*PROFILE, *AGREED) if name in terms}
    if "minimum_commitment" in changes:
        minimum, since = changes["minimum_commitment"], changes.get("minimum_from")
        changes["minimum_from"] = None if minimum is None else month_of(since or now).start
    return _save(workspace, changes, rates, actor, now)


def _save(
    workspace: Workspace, changes: Mapping[str, Any], rates: Sequence[TaxRate] | None, actor: str, now: datetime
) -> BillingTerms:
    with transaction.atomic():
        held = hold(workspace.pk)
        terms = terms_of(held)
        before = _told(terms)
        for name, value in changes.items():
            setattr(terms, name, value)
        _check(terms)
        terms.save()
        if rates is not None:
            terms.tax_rates.set(rates)
        after = _told(terms)
        changed = {name: {"before": before[name], "after": after[name]} for name in after if before[name] != after[name]}
        if changed:
            audit.record(actor, "terms.changed", held.public_id, held, now=now, changes=changed)
        return terms


def _check(terms: BillingTerms) -> None:
    try:
        terms.full_clean(exclude=["workspace"], validate_unique=False)
    except ValidationError as error:
        name, problems = next(iter(error.message_dict.items()))
        param = None if name == "__all__" else name
        raise InvalidParameter(f"{name.replace('_', ' ').capitalize()}: {' '.join(problems)}", param=param) from None


def _told(terms: BillingTerms) -> dict[str, Any]:
    values = {name: getattr(terms, name) for name in (*PROFILE, *AGREED)}
    shown = {name: value if isinstance(value, (bool, list)) or value is None else str(value) for name, value in values.items()}
    return shown | {"tax_rates": [str(rate) for rate in terms.tax_rates.all()] if terms.pk else []}
