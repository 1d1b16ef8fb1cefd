"""Keys that expire: their owners and admins are notified in time, once, and the pages count the days."""

from datetime import datetime, timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from metering.payments.mails.expiring_keys import tell_of_expiring_keys
from metering.payments.mails.models import Notice
from metering.payments.mails.sending import send_waiting
from tests.kit.factories import NOW
from tests.kit.people import a_key, a_member, acme
from tests.kit.tenants import TESTS
from workspaces.keys.issue import change_key, revoke_key
from workspaces.models import AuditEntry, Workspace

__all__ = ["acme"]

DAY = timedelta(days=1)


def people(workspace: Workspace) -> None:
    for role in ("owner", "admin", "billing", "viewer"):
        a_member(workspace, role)
    gone = a_member(workspace, "owner", "gone@acme.example").user
    gone.is_active = False
    gone.save()


def test_owners_and_admins_are_told_once_two_weeks_before(acme: Workspace) -> None:
    people(acme)
    key, _ = a_key(acme, "admin", "Deploy", expires_at=NOW + 30 * DAY)
    assert [tell_of_expiring_keys(NOW), tell_of_expiring_keys(NOW + 16 * DAY - timedelta(seconds=1))] == [0, 0]
    entries = AuditEntry.objects.count()
    assert [tell_of_expiring_keys(NOW + 16 * DAY), tell_of_expiring_keys(NOW + 17 * DAY)] == [1, 1]
    assert AuditEntry.objects.count() == entries
    assert send_waiting(NOW + 17 * DAY) == {"sent": 1, "failed": 0}
    assert send_waiting(NOW + 18 * DAY) == {"sent": 0, "failed": 0}
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("An API key expires on 2026-11-14", ["admin@acme.example", "owner@acme.example"])
    assert "Deploy" in sent.body
    assert f"/keys/{key.public_id}?workspace={acme.public_id}" in sent.body


def test_a_moved_expiry_is_told_of_before_the_new_one(acme: Workspace) -> None:
    key, _ = a_key(acme, "live", expires_at=NOW + DAY)
    tell_of_expiring_keys(NOW)
    change_key(key, {"expires_at": NOW + 60 * DAY}, TESTS, NOW)
    assert tell_of_expiring_keys(NOW + 40 * DAY) == 0
    assert tell_of_expiring_keys(NOW + 50 * DAY) == 1
    assert Notice.objects.filter(kind="key_expiring").count() == 2


def test_of_keys_that_never_expire_have_expired_or_are_revoked_nothing_is_said(acme: Workspace) -> None:
    a_key(acme, "live")
    a_key(acme, "live", expires_at=NOW + timedelta(seconds=1))
    revoked, _ = a_key(acme, "live", expires_at=NOW + 3 * DAY)
    revoke_key(revoked, TESTS, NOW)
    assert tell_of_expiring_keys(NOW + timedelta(seconds=1)) == 0


def test_the_timetable_holds_the_job(db: None) -> None:
    job = PeriodicTask.objects.get(name="Send mails about expiring keys")
    assert (job.task, job.enabled, str(job.crontab).split(" (")[0]) == ("metering.tell_expiring_keys", True, "15 08 * * *")


@pytest.mark.parametrize(("days", "said"), [(0, "expires today"), (1, "expires in 1 day"), (12, "expires in 12 days")])
def test_days_are_counted_by_the_calendar(acme: Workspace, days: int, said: str) -> None:
    midnight = datetime.combine(NOW.date() + days * DAY, datetime.max.time(), NOW.tzinfo)
    key, _ = a_key(acme, "admin", expires_at=midnight)
    assert key.expires_in_words(NOW) == said
    assert key.expires_in_words(midnight) == ""


def test_the_pages_say_in_how_many_days(acme: Workspace) -> None:
    soon, _ = a_key(acme, "admin", "Deploy", expires_at=timezone.now() + 12 * DAY)
    later, _ = a_key(acme, "admin", "Reports", expires_at=timezone.now() + 90 * DAY)
    browser = Client()
    browser.force_login(a_member(acme, "owner").user)
    page = browser.get("/keys").content.decode()
    assert page.count('<span class="table__sub">expires in 12 days</span>') == 1
    assert page.count('<span class="table__sub">until ') == 1
    assert "This key expires in 12 days, on " in browser.get(f"/keys/{soon.public_id}").content.decode()
    assert "This key expires" not in browser.get(f"/keys/{later.public_id}").content.decode()
