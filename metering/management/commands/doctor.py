from typing import Any

from django.utils import timezone

from metering.doctor.examine import examine
from metering.doctor.findings import printed, report
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = (
        "Examines settings, machine, servers and work, and says what to do; exit code 1 if something stops the product's work."
    )

    def text_of(self, result: dict[str, Any]) -> str:
        return printed(result, for_people=self.stdout.isatty())

    def act(self, **options: Any) -> dict[str, Any]:
        found = report(examine(timezone.now()))
        self.exit_code = 0 if found["ok"] else 1
        return found
