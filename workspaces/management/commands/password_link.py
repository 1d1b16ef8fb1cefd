from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import transaction

from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.audit import people
from workspaces.errors import NoSuchPerson
from workspaces.models import User
from workspaces.signin.accounts import SECONDS_PER_DAY, password_link


class Command(JsonCommand):
    help = "Print the link by which a person sets their password, for people who cannot be sent a mail. It works once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", metavar="EMAIL")

    def act(self, *, email: str, **options: Any) -> dict[str, Any]:
        address = email.strip().lower()
        user = User.objects.filter(email=address, is_active=True).first()
        if user is None:
            raise NoSuchPerson(f"No person with the address {address} has an account here: add them as a member first.")
        with transaction.atomic():
            people.record_about_person(user, "password_link.printed", command_actor("password_link"))
        return {"email": address, "url": password_link(user), "days": settings.PASSWORD_RESET_TIMEOUT // SECONDS_PER_DAY}
