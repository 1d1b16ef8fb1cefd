from typing import Any

from django.db import transaction
from django.utils import timezone

from metering.catalogue.seeds import load_catalogue
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces import audit


class Command(JsonCommand):
    help = "Loads the seed models and prices where they are missing; changes nothing that is there."

    def act(self, **options: Any) -> dict[str, Any]:
        with transaction.atomic():
            added: dict[str, Any] = load_catalogue()
            if any(added.values()):
                actor = command_actor("load_catalogue")
                audit.record(actor, "catalogue.loaded", "the seed catalogue", now=timezone.now(), **added)
        return added
