from typing import Any

from metering.money import cents_text
from metering.payments.refunds import payouts
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "What is owed to customers: surpluses, withdrawn credit, refunds that failed, and corrections that wait."

    def act(self, **options: Any) -> dict[str, Any]:
        return {"workspaces": [owed_json(each) for each in payouts.owed_to_customers()]}


def owed_json(owed: payouts.OwedToCustomer) -> dict[str, Any]:
    return {
        "workspace_id": owed.workspace.public_id,
        "name": owed.workspace.name,
        "surplus": cents_text(owed.surplus),
        "withdrawn_credit": cents_text(owed.withdrawn),
        "failed_refunds": cents_text(owed.failed),
        "corrections": cents_text(owed.corrected),
        "total": cents_text(owed.total),
        "currency": owed.workspace.currency,
    }
