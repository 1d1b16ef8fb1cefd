from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from omixa_billing.command_actor import command_actor
from workspaces import audit
from workspaces.audit import chain
from workspaces.models import Workspace


class Command(BaseCommand):
    help = "Writes the audit trail with its hashes to standard output, oldest first, one JSON object a line."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", metavar="ID", help="Only what happened in this one; default: all.")

    def handle(self, *, workspace: str | None, **options: Any) -> None:
        only = None if workspace is None else Workspace.objects.filter(public_id=workspace).first()
        if workspace is not None and only is None:
            raise CommandError(f"There is no workspace {workspace}.")
        audit.record(command_actor("export_audit"), "trail.exported", workspace or "all workspaces", only, now=timezone.now())
        for link in chain.links(only):
            self.stdout.write(link.line(), ending="")
