"""Who sells and who buys, as an invoice prints them: copied onto it at finalization, read live for a draft."""

from django.conf import settings

from metering.invoicing.terms.in_force import terms_of
from metering.invoicing.terms.models import BillingTerms
from workspaces.models import Workspace


def seller() -> dict[str, str]:
    return {"name": settings.SELLER_NAME, "address": settings.SELLER_ADDRESS, "tax_id": settings.SELLER_TAX_ID}


def buyer(workspace: Workspace) -> dict[str, str]:
    return buyer_by(terms_of(workspace))


def buyer_by(terms: BillingTerms) -> dict[str, str]:
    """The workspace of these terms."""
    workspace = terms.workspace
    return {
        "name": terms.legal_name or workspace.name,
        "email": ", ".join(terms.recipients) or workspace.email,
        "address": terms.address,
        "tax_id": terms.tax_id,
        "workspace_id": workspace.public_id,
    }
