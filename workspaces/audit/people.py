"""What happens to people's accounts: sign-ins and sign-outs, passwords and factors, and what a person may do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.utils import timezone

from omixa_billing.command_actor import this_command
from workspaces.audit.entries import record, record_many, record_once
from workspaces.audit.origin import NOBODY, current_actor, current_origin

if TYPE_CHECKING:  # its save() is recorded here
    from workspaces.models import User, Workspace

FLAGS = ("is_active", "is_staff", "is_superuser", "email", "first_name", "last_name")
MOST_WORKSPACES = 50
FAILURES_ARE_ONE_WITHIN = timedelta(hours=1)
MOST_FAILURES = 500
LONGEST_ADDRESS = 254
UNKNOWN_PASSKEY = "an unknown passkey"


def connect_people() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="audit.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="audit.signed_out")
    user_login_failed.connect(_refused, dispatch_uid="audit.sign_in_refused")
    mfa.authentication_failed.connect(_factor_refused, dispatch_uid="audit.factor_refused")
    for signal, action in (
        (mfa.authenticator_added, "factor.added"),
        (mfa.authenticator_removed, "factor.removed"),
        (mfa.authenticator_reset, "factor.reset"),
        (account.email_confirmed, "address.confirmed"),
    ):
        signal.connect(_noted(action), weak=False, dispatch_uid=f"audit.{action}")


@contextmanager
def recorded(user: User, update_fields: Iterable[str] | None) -> Iterator[None]:
    """Around a person's save: a new account, another password and changed rights leave an entry in the same transaction.

    The same password hashed better is none, as Django saves it at a sign-in when its settings have changed: then nothing was
    set that is kept until the save.
    """
    from workspaces.signin import changed

    written = None if update_fields is None else set(update_fields)
    if written is not None and not written & {*FLAGS, "password"}:
        yield
        return
    with transaction.atomic():
        before = None if user.pk is None else type(user).objects.filter(pk=user.pk).first()
        rehashed = getattr(user, "_password", None) is None and user.has_usable_password()
        yield
        now, actor = timezone.now(), current_actor(user.email)
        if before is None:
            rights = {name: getattr(user, name) for name in ("is_staff", "is_superuser")}
            record(actor, "user.created", user.email, now=now, **rights)
            return
        if before.password != user.password and not rehashed and (written is None or "password" in written):
            record_about_person(user, "password.changed", actor)
            if this_command():  # with a request, the page that changes it sends the mail
                transaction.on_commit(lambda: changed.password_by_command(user))
        names = [name for name in FLAGS if written is None or name in written]
        pairs = {name: [getattr(before, name), getattr(user, name)] for name in names}
        if changes := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
            record_about_person(user, "user.changed", actor, changes=changes)


def record_sessions_ended(user: User) -> None:
    """Every session of the person was ended, or every other one."""
    record_about_person(user, "sessions.ended", current_actor(user.email))


def record_about_person(user: User, action: str, actor: str, **detail: Any) -> None:
    """An act on a person, entered in the trail of each workspace that the person belongs to."""
    now = timezone.now()
    if places := _workspaces_of(user=user):
        record_many(actor, action, ((user.email, workspace, detail) for workspace in places), now=now)
    else:
        record(actor, action, user.email, now=now, **detail)


def _workspaces_of(**person: Any) -> list[Workspace]:
    """That this person belongs to, the oldest membership first."""
    from workspaces.models import Membership

    memberships = Membership.objects.filter(**person).select_related("workspace").order_by("pk")
    return [membership.workspace for membership in memberships[:MOST_WORKSPACES]]


def _signed_in(request: Any, user: User, **rest: Any) -> None:
    if current_origin() is not None:
        record_about_person(user, "session.started", user.email)


def _signed_out(request: Any, user: User | None, **rest: Any) -> None:
    if user is not None and current_origin() is not None:
        record_about_person(user, "session.ended", user.email)


def _refused(credentials: dict[str, Any], request: Any = None, **rest: Any) -> None:
    """A wrong password, to sign in or to confirm who acts; the library names no address of a person who has verified none."""
    given = str(credentials.get("email") or credentials.get("username") or "")
    if not given and (user := getattr(request, "user", None)) is not None and user.is_authenticated:
        given = user.email
    _note_refusal(given.replace("\0", "")[:LONGEST_ADDRESS].lower())


def _factor_refused(user: User, authenticator: Any, **rest: Any) -> None:
    """A wrong code or passkey after the right password, or to confirm who acts."""
    _note_refusal(user.email, kind=str(authenticator.type))


def note_unknown_passkey() -> None:
    """One that belongs to nobody was refused."""
    _note_refusal(UNKNOWN_PASSKEY, kind="webauthn")


def _note_refusal(target: str, **detail: Any) -> None:
    """Of an account, a kind of proof and an address one entry an hour, however many come. Accounts that do not exist have so
    many in all.
    """
    from workspaces.models import User

    places: list[Workspace | None] = [*_workspaces_of(user__email=target)]
    made_up = not places and not User.objects.filter(email=target).exists()
    times: dict[str, Any] = {"within": FAILURES_ARE_ONE_WITHIN, "most": MOST_FAILURES if made_up else None}
    for workspace in places or [None]:
        record_once(NOBODY, "session.refused", target, workspace, now=timezone.now(), **times, **detail)


def _noted(action: str) -> Any:
    def note(user: User | None = None, **rest: Any) -> None:
        person = user or getattr(rest.get("email_address"), "user", None)
        if person is not None:
            kind = str(getattr(rest.get("authenticator"), "type", ""))
            record_about_person(person, action, current_actor(person.email), **({"kind": kind} if kind else {}))

    return note
