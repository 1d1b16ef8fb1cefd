"""What follows from a sign-in or a changed factor, wherever it happens. The libraries announce these by signals only."""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.utils import timezone

from workspaces.models import User
from workspaces.signin.second_factor import FACTORS
from workspaces.signin.sessions import end_other_sessions


def connect_signals() -> None:
    user_logged_in.connect(fix_the_end, dispatch_uid="workspaces.fix_the_end")
    signals.authenticator_added.connect(after_a_factor_was_added, dispatch_uid="workspaces.factor_added")
    signals.authenticator_removed.connect(after_a_factor_was_removed, dispatch_uid="workspaces.factor_removed")


def fix_the_end(request: HttpRequest, **rest: Any) -> None:
    """A session's hours count from its sign-in."""
    request.session.note_sign_in(timezone.now())  # type: ignore[attr-defined]


def after_a_factor_was_added(request: HttpRequest, user: User, authenticator: Authenticator, **rest: Any) -> None:
    """This session has shown the factor by setting it up; the others have not, and end."""
    if authenticator.type in FACTORS:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=str(authenticator.type))
        end_other_sessions(request, user)


def after_a_factor_was_removed(request: HttpRequest, user: User, authenticator: Authenticator, **rest: Any) -> None:
    if authenticator.type in FACTORS:
        end_other_sessions(request, user)
