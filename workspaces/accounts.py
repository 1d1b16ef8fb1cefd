"""People's accounts. Members are invited, so signing up is closed unless the operator opens it (`OPEN_SIGNUP`)."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(getattr(settings, "OPEN_SIGNUP", False))
