"""Switching a person's account off and on. Accounts are not deleted: keys and the audit trail name them."""

from datetime import datetime
from typing import Any

from django.db import transaction

from workspaces.audit import people
from workspaces.keys.issue import revoke_chosen
from workspaces.keys.makers import BY_DEFAULT, KeyChoice, keys_of_person
from workspaces.models import User
from workspaces.signin.sessions import end_sessions


@transaction.atomic
def switch_off(user: User, actor: str, now: datetime, keys: KeyChoice = BY_DEFAULT) -> bool:
    """The person signs in nowhere, and their sessions end. False when the account was off already.

    In all workspaces, admin keys that they know are revoked, and of the others what `keys` says: as for a removed member.
    """
    # This holds the person's row: a request of theirs that makes a key is done before it, or finds the account off.
    if not User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
        return False
    end_sessions(user)
    detail: dict[str, Any] = revoke_chosen(keys_of_person(None, user, now), keys, actor, now)
    people.record_about_person(user, "user.switched_off", actor, **detail)
    return True


@transaction.atomic
def switch_on(user: User, actor: str, now: datetime) -> bool:
    """The person may sign in again. Keys that were revoked stay so. False when the account was on already."""
    moved = User.objects.filter(pk=user.pk, is_active=False).update(is_active=True)
    if moved:
        people.record_about_person(user, "user.switched_on", actor)
    return bool(moved)
