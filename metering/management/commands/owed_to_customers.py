from typing import Any

from metering.operator_api.answers import owed_json
from metering.payments.refunds import payouts
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "What is owed to customers: surpluses, withdrawn credit, failed refunds, and corrections that wait."

    def act(self, **options: Any) -> dict[str, Any]:
        return {"workspaces": [owed_json(each) for each in payouts.owed_to_customers()]}
