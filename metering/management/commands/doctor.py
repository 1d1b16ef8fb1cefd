from typing import Any

from django.utils import timezone

from metering.doctor.examine import examine
from metering.doctor.findings import report
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = (
        "Examines settings, machine, servers and work, and says what to do; exit code 1 if something stops the product's work."
    )

    def act(self, **options: Any) -> dict[str, Any]:
        found = report(examine(timezone.now()))
        self.exit_code = 0 if found["ok"] else 1
        return found
