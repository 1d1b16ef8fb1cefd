"""Who sells and who buys, as an invoice prints them: copied onto it at finalization, read live for a draft."""

from django.conf import settings

from workspaces.models import Workspace


def seller() -> dict[str, str]:
    return {"name": settings.SELLER_NAME, "address": settings.SELLER_ADDRESS, "tax_id": settings.SELLER_TAX_ID}


def buyer(workspace: Workspace) -> dict[str, str]:
    return {
        "name": workspace.name,
        "email": workspace.email,
        "address": "",
        "tax_id": "",
        "workspace_id": workspace.public_id,
    }
