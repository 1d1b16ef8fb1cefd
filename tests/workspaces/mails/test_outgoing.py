"""Without a mail server no mail, and no link in one, is written anywhere; a link is printed on request."""

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError
from django.test import Client

from metering.console.money.mails import state_of
from metering.payments.mails.models import Notice
from metering.payments.mails.outbox import add_notice
from metering.payments.mails.sending import resend_notice, send_waiting
from tests.kit.factories import make_workspace
from tests.kit.started import start
from workspaces.management.commands.password_link import Command
from workspaces.models import AuditEntry, Membership, User

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
PAID = {"invoice_id": "inv_1", "number": "OMX-1", "total": "1.00"}
NOWHERE = "workspaces.mails.outgoing.NowhereBackend"


@pytest.fixture
def _nowhere(settings: Any) -> None:
    cache.clear()
    settings.EMAIL_BACKEND = NOWHERE


def test_without_an_address_there_is_no_mail_server_and_a_log_is_none() -> None:
    assert start(EMAIL_URL="").stdout == "False False\n"
    refused = start(EMAIL_URL="consolemail://")
    assert "EMAIL_URL is consolemail://, which would write links that open accounts into a log." in refused.stderr


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.django_db
def test_a_reset_without_a_mail_server_writes_no_link_anywhere(client: Client, capfd: Any, caplog: Any) -> None:
    User.objects.create_user("ada@acme.example", "a long password")
    with caplog.at_level(logging.DEBUG):
        known = client.post("/accounts/password/reset/", {"email": "ada@acme.example"})
        unknown = client.post("/accounts/password/reset/", {"email": "nobody@acme.example"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    written = caplog.text + "".join(capfd.readouterr())
    assert "mail_not_sent" in written
    assert "/reset/key/" not in written
    assert "ada@acme.example" not in written


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.django_db
def test_a_link_is_printed_on_request_and_opens_the_account(client: Client, capsys: Any) -> None:
    User.objects.create_user("ada@acme.example")
    Command().handle(email="Ada@acme.example")
    printed = json.loads(capsys.readouterr().out)
    assert (set(printed), printed["email"], printed["days"]) == ({"email", "url", "days"}, "ada@acme.example", 3)
    path = re.sub(r"^http://[^/]+", "", printed["url"])
    form = client.get(path, follow=True)
    client.post(form.redirect_chain[-1][0], {"password1": "a very long secret", "password2": "a very long secret"})
    assert User.objects.get().check_password("a very long secret")
    assert AuditEntry.objects.get(action="password_link.printed").target == "ada@acme.example"


@pytest.mark.django_db
def test_no_link_is_printed_for_a_stranger() -> None:
    with pytest.raises(CommandError, match=r"No person with the address x@acme\.example has an account"):
        Command().handle(email="x@acme.example")
    assert not AuditEntry.objects.exists()


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.django_db
def test_an_invitation_that_nobody_can_be_sent_says_so(client: Client) -> None:
    workspace, owner = make_workspace(), User.objects.create_user("owner@acme.example", "a long password")
    Membership.objects.create(workspace=workspace, user=owner, role="owner")
    client.force_login(owner)
    answer = client.post("/settings/members", {"email": "new@acme.example", "role": "viewer"}, follow=True)
    assert "the mail to tell them could not be sent" in answer.content.decode()


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.django_db
def test_a_notice_without_a_mail_server_is_not_sent_and_says_why() -> None:
    add_notice(make_workspace(email="bills@acme.example"), "invoice_paid", "k", PAID, NOW)
    assert state_of(Notice.objects.get()) == "waiting"
    assert send_waiting(NOW) == {"sent": 0, "failed": 0}
    notice = Notice.objects.get()
    assert (notice.sent_at, notice.tries, notice.error) == (None, 0, "Not sent: no mail server. Set EMAIL_URL.")
    assert state_of(notice) == "not sent: no mail server"
    assert resend_notice(notice, "ops@omixa.example", NOW).error == "Not sent: no mail server. Set EMAIL_URL."


@pytest.mark.django_db
def test_once_there_is_a_mail_server_what_is_still_news_goes_out_and_the_rest_on_request(settings: Any) -> None:
    workspace = make_workspace(email="bills@acme.example")
    add_notice(workspace, "invoice_paid", "old", PAID, NOW - timedelta(days=4))
    add_notice(workspace, "invoice_paid", "new", PAID, NOW - timedelta(days=2))
    settings.EMAIL_BACKEND, locmem = NOWHERE, settings.EMAIL_BACKEND
    send_waiting(NOW)
    settings.EMAIL_BACKEND = locmem
    assert send_waiting(NOW) == {"sent": 1, "failed": 0}
    assert [each.key for each in Notice.objects.filter(sent_at=NOW)] == ["new"]
    assert resend_notice(Notice.objects.get(key="old"), "ops@omixa.example", NOW).sent_at == NOW
