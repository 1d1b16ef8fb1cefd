from typing import Any

from metering.catalogue.seeds import load_catalogue
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Loads the seed models and prices where they are missing; changes nothing that is there."

    def act(self, **options: Any) -> dict[str, Any]:
        return dict(load_catalogue())
