"""The terms that a workspace's invoices follow."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from metering.invoicing.composing.taxes import TaxShare
from metering.invoicing.terms.models import AgreedPricing, BillingTerms
from workspaces.models import Workspace

DEFAULT_NOTES = {
    BillingTerms.TaxTreatment.EXEMPT: "Exempt from tax.",
    BillingTerms.TaxTreatment.REVERSE_CHARGE: "Reverse charge: the recipient of the service accounts for the tax.",
}


def terms_of(workspace: Workspace) -> BillingTerms:
    """The workspace's terms; the defaults, not saved, where nothing was agreed."""
    return terms_by_workspace([workspace])[workspace.pk]


def terms_by_workspace(workspaces: Sequence[Workspace]) -> dict[int, BillingTerms]:
    """The same of many, by their primary keys, with their tax rates."""
    saved = BillingTerms.objects.filter(workspace__in=[each.pk for each in workspaces]).prefetch_related("tax_rates")
    found = {terms.workspace_id: terms for terms in saved}
    for workspace in workspaces:
        found.setdefault(workspace.pk, BillingTerms()).workspace = workspace
    return found


def tax_rates_of(terms: BillingTerms) -> tuple[TaxShare, ...]:
    """The rates that its invoices are taxed at: none for the exempt and under reverse charge."""
    if terms.pk is None or terms.tax_treatment != BillingTerms.TaxTreatment.TAXED:
        return ()
    return tuple(TaxShare(rate.name, rate.percent) for rate in terms.tax_rates.all())


def terms_notes(terms: BillingTerms) -> dict[str, str]:
    """What its invoices must or may say: `tax_note`, `purchase_order`; empty texts are left out."""
    tax_note = ""
    if terms.tax_treatment != BillingTerms.TaxTreatment.TAXED:
        tax_note = terms.tax_note or DEFAULT_NOTES[BillingTerms.TaxTreatment(terms.tax_treatment)]
    found = {"tax_note": tax_note, "purchase_order": terms.purchase_order}
    return {name: text for name, text in found.items() if text}


def pricing_of(workspace: Workspace) -> list[AgreedPricing]:
    """All that was ever agreed about discount and minimum, oldest first."""
    return pricing_by_workspace([workspace])[workspace.pk]


def pricing_by_workspace(workspaces: Sequence[Workspace]) -> dict[int, list[AgreedPricing]]:
    """The same of many, by their primary keys."""
    found: dict[int, list[AgreedPricing]] = {each.pk: [] for each in workspaces}
    for agreed in AgreedPricing.objects.filter(workspace__in=list(found)).order_by("effective_from"):
        found[agreed.workspace_id].append(agreed)
    return found


def in_force(agreed: Sequence[AgreedPricing], month: datetime) -> AgreedPricing:
    """What holds for the month that begins then; neither discount nor minimum where nothing was agreed for it."""
    found = [each for each in agreed if each.effective_from <= month]
    return found[-1] if found else AgreedPricing(effective_from=month)


def days_until_due(terms: BillingTerms) -> int:
    return int(settings.INVOICE_DUE_DAYS) if terms.payment_days is None else terms.payment_days


def due_at(terms: BillingTerms, finalized_at: datetime) -> datetime:
    return finalized_at + timedelta(days=days_until_due(terms))
