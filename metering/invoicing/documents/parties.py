"""Who sells and who buys, as an invoice prints them: copied onto it at finalization, read live for a draft."""

from django.conf import settings

from metering.invoicing.terms.in_force import terms_of
from workspaces.models import Workspace


def seller() -> dict[str, str]:
    return {"name": settings.SELLER_NAME, "address": settings.SELLER_ADDRESS, "tax_id": settings.SELLER_TAX_ID}


def buyer(workspace: Workspace) -> dict[str, str]:
    terms = terms_of(workspace)
    return {
        "name": terms.legal_name or workspace.name,
        "email": ", ".join(terms.recipients) or workspace.email,
        "address": terms.address,
        "tax_id": terms.tax_id,
        "workspace_id": workspace.public_id,
    }
