"""One bad address is no dead server: it holds up nothing, is tried no more, and stays visible. On a mail server of our own."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from metering.jobs import leases
from metering.payments.mails.models import Notice
from metering.payments.mails.outbox import add_notice
from metering.payments.mails.sending import resend_notice, send_waiting
from metering.payments.mails.undeliverable import is_server_away, undeliverable_because
from tests.kit.factories import NOW, make_workspace
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PAID = {"invoice_id": "inv_1", "number": "OMX-1", "total": "1.00"}
NO_USER = {"gone@acme.example": (550, b"5.1.1 No such user here")}
GREYLISTED = {"gone@acme.example": (450, b"4.2.0 Try again later")}
NO_RELAY = {"gone@acme.example": (550, b"5.7.1 Relaying denied")}


@pytest.fixture
def gone(db: None) -> Workspace:
    return make_workspace("Gone", email="gone@acme.example")


def refusing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[str]:
    """The server refuses what goes to gone@acme.example, and accepts the rest; to whom it was tried."""
    send_messages, tried = EmailBackend.send_messages, []

    def send(backend: EmailBackend, messages: Any) -> int:
        tried.extend(messages[0].to)
        if "gone@acme.example" in messages[0].to:
            raise error
        return send_messages(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send)
    return tried


def write(workspace: Workspace, many: int, prefix: str = "k") -> None:
    for number in range(many):
        add_notice(workspace, "invoice_paid", f"{prefix}{number}", PAID, NOW)


@pytest.mark.parametrize("error", [smtplib.SMTPRecipientsRefused(NO_USER), smtplib.SMTPRecipientsRefused(GREYLISTED)])
def test_720_undeliverable_mails_do_not_stop_the_721st(
    gone: Workspace, acme: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Each failed before and is due again; as long as they are, four hours pass before all were tried."""
    monkeypatch.setattr(leases, "AT_ONCE", 10)  # of a run
    refusing(monkeypatch, error)
    write(gone, 720)
    Notice.objects.update(tries=9, next_try_at=NOW)
    write(acme, 1, "last")
    assert send_waiting(NOW + MINUTE)["sent"] == 1
    assert [each.to for each in mail.outbox] == [["bills@acme.example"]]


def test_a_refused_recipient_is_tried_once_and_stays_visible(gone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = refusing(monkeypatch, smtplib.SMTPRecipientsRefused(NO_USER))
    write(gone, 1)
    counts = [send_waiting(NOW + days * DAY) for days in range(4)]
    assert counts == [{"sent": 0, "failed": 1}, *[{"sent": 0, "failed": 0}] * 3]
    notice = Notice.objects.get()
    assert (len(tried), notice.undeliverable, notice.next_try_at) == (1, "refused", None)
    assert (list(Notice.objects.failing()), "No such user here" in notice.error) == ([notice], True)
    Workspace.objects.update(email="found@acme.example")
    assert resend_notice(notice, "ops@omixa.example", NOW).sent_at == NOW


@pytest.mark.parametrize("answers", [GREYLISTED, NO_RELAY])
def test_a_refusal_that_may_pass_is_tried_again(
    gone: Workspace, monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, bytes]]
) -> None:
    with monkeypatch.context() as patch:
        refusing(patch, smtplib.SMTPRecipientsRefused(answers))
        write(gone, 1)
        assert send_waiting(NOW) == {"sent": 0, "failed": 1}
    assert send_waiting(NOW + DAY) == {"sent": 1, "failed": 0}


def test_refused_recipients_are_not_counted_as_a_server_that_is_away(
    gone: Workspace, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, smtplib.SMTPRecipientsRefused(NO_USER))
    write(gone, 5)
    write(acme, 2, "mine")
    assert send_waiting(NOW) == {"sent": 2, "failed": 5}


def test_mails_without_an_address_hold_up_nothing(acme: Workspace) -> None:
    write(make_workspace("Nobody", email=""), 5)
    write(acme, 1, "mine")
    assert send_waiting(NOW) == {"sent": 1, "failed": 5}
    assert [send_waiting(NOW + days * DAY)["failed"] for days in (1, 2)] == [0, 0]


def test_what_was_never_tried_comes_before_what_failed(
    gone: Workspace, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = refusing(monkeypatch, smtplib.SMTPRecipientsRefused(GREYLISTED))
    write(gone, 2)
    send_waiting(NOW)
    write(acme, 2, "mine")
    tried.clear()
    send_waiting(NOW + DAY)
    assert tried == [*["bills@acme.example"] * 2, *["gone@acme.example"] * 2]


@pytest.mark.parametrize(
    ("error", "away", "because"),
    [
        (smtplib.SMTPServerDisconnected("gone"), True, ""),
        (smtplib.SMTPAuthenticationError(535, b"5.7.8 Bad credentials"), True, ""),
        (smtplib.SMTPSenderRefused(550, b"5.1.0 Sender rejected", "us@omixa.example"), True, ""),
        (TimeoutError("timed out"), True, ""),
        (ConnectionRefusedError("no mail server"), True, ""),
        (smtplib.SMTPRecipientsRefused(NO_USER), False, "refused"),
        (smtplib.SMTPRecipientsRefused({**NO_USER, **GREYLISTED, "b@acme.example": (450, b"later")}), False, ""),
        (smtplib.SMTPDataError(552, b"5.3.4 Message too big"), False, "refused"),
        (smtplib.SMTPDataError(451, b"4.3.0 Try again"), False, ""),
        (KeyError("a text's fault"), False, ""),
    ],
)
def test_what_a_failure_says(error: Exception, away: bool, because: str) -> None:
    assert (is_server_away(error), undeliverable_because(error)) == (away, because)
