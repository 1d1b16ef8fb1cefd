"""Ending sessions. Django keeps a hash of the account in each session; when the account's generation moves, none fits."""

from collections.abc import Iterable

from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.db.models import F
from django.http import HttpRequest

from workspaces.audit import people
from workspaces.models import User


def end_sessions(user: User) -> None:
    """Ends every session of this person, on every device."""
    User.objects.filter(pk=user.pk).update(session_generation=F("session_generation") + 1)
    user.refresh_from_db(fields=["session_generation"])
    people.record_sessions_ended(user)


def end_other_sessions(request: HttpRequest, user: User) -> None:
    """Ends every session of this person but the one that asks. Its key changes."""
    end_sessions(user)
    update_session_auth_hash(request, user)
    UserSession.objects.create_from_request(request)


class SessionsAdapter(DefaultUserSessionsAdapter):
    """The person's own page of sessions ends them as everything else does, and tells the person."""

    def end_sessions(self, sessions: Iterable[UserSession]) -> None:
        ended, request = list(sessions), context.request
        super().end_sessions(ended)
        if not ended:
            return
        end_other_sessions(request, request.user)
        get_adapter(request).send_notification_mail("account/email/sessions_ended", request.user)
