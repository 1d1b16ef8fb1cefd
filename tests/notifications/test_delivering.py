"""A delivery is retried for three days at fixed times, ends where the receiver says so, and can be sent again."""

import json
from datetime import timedelta
from typing import Any
from zlib import crc32

import pytest
from django.core import mail

from metering.notifications.delivery import deliver, outcome
from metering.notifications.delivery.claim import claim_deliveries
from metering.notifications.delivery.queue import deliveries_due, tidy_webhooks
from metering.notifications.endpoints.change import change_webhook, delete_webhook, replay_delivery, send_test
from metering.notifications.errors import DeliveryBeingSent, WebhookDeleted, WebhookDisabled
from metering.notifications.models import Notification, WebhookAttempt, WebhookDelivery
from tests.kit.factories import NOW
from tests.kit.receiver import Receiver, Reply
from tests.notifications.cast import Hook, a_hook, send, tell, the_delivery
from workspaces.models import AuditEntry, Workspace

ADA = "ada@acme.example"
SCHEDULE = ("0:00:05", "0:05:00", "0:30:00", "2:00:00", "5:00:00", "10:00:00", "14:00:00", "20:00:00", "1 day, 0:00:00")
PAUSES = [
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=each) for each in (2, 5, 10, 14, 20, 24)),
]


def answers(receiver: Receiver, *statuses: int, **headers: str) -> None:
    """One after the other; the last one for ever."""
    left = list(statuses)
    receiver.reply = lambda request: Reply(left.pop(0) if len(left) > 1 else left[0], headers=headers)


def expected_pause(delivery: WebhookDelivery, failures: int) -> timedelta:
    jitter = crc32(f"{delivery.public_id}:{failures}".encode()) % 1000
    return PAUSES[failures - 1] * (10_000 + jitter) / 10_000


def test_what_is_answered_with_a_2xx_is_delivered(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    answers(receiver, 299)
    tell(acme)
    assert send() == {"delivered": 1, "failed": 0}
    assert send(NOW + timedelta(days=9)) == {"delivered": 0, "failed": 0}
    delivery = the_delivery()
    assert (delivery.status, delivery.finished_at, delivery.tries, delivery.attempt_count) == ("delivered", NOW, 0, 1)
    assert (delivery.next_try_at, delivery.sending_since) == (None, None)
    attempt = WebhookAttempt.objects.get()
    assert (attempt.number, attempt.sent_at, attempt.url) == (1, NOW, receiver.url)
    assert (attempt.answer_status, attempt.answer_body, attempt.error) == (299, "thanks", "")
    assert attempt.request_headers == {
        name: receiver.received[0].headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    }


def test_a_failing_delivery_is_tried_ten_times_over_three_days_at_exact_times(
    acme: Workspace, receiver: Receiver, hook: Hook
) -> None:
    answers(receiver, 500)
    tell(acme)
    now = NOW
    for failures in range(1, 10):
        assert send(now) == {"delivered": 0, "failed": 1}
        delivery = the_delivery()
        assert (delivery.status, delivery.tries, delivery.error) == ("waiting", failures, "It answered 500.")
        assert delivery.next_try_at == now + expected_pause(delivery, failures)
        just_before = delivery.next_try_at - timedelta(microseconds=1)
        assert send(just_before) == {"delivered": 0, "failed": 0}
        now = delivery.next_try_at
    assert send(now) == {"delivered": 0, "failed": 1}
    delivery = the_delivery()
    assert (delivery.status, delivery.tries, delivery.attempt_count, delivery.finished_at) == ("failed", 10, 10, now)
    assert timedelta(hours=75.5) < now - NOW < timedelta(hours=75.6) * 1.1
    assert send(now + timedelta(days=9)) == {"delivered": 0, "failed": 0}
    assert len(set(receiver.ids())) == 1
    assert len(receiver.received) == 10
    assert hook.now().is_active
    assert hook.endpoint.failing_since == NOW


def test_the_pauses_are_those_of_the_specification_and_differ_between_deliveries(acme: Workspace) -> None:
    assert tuple(map(str, PAUSES)) == SCHEDULE
    first, second = WebhookDelivery(public_id="dlv_1"), WebhookDelivery(public_id="dlv_2")
    assert expected_pause(first, 3) != expected_pause(second, 3)


def test_a_success_after_failures_ends_them(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    answers(receiver, 503, 200)
    tell(acme)
    send()
    assert hook.now().failing_since == NOW
    later = NOW + timedelta(seconds=6)
    assert send(later) == {"delivered": 1, "failed": 0}
    delivery = the_delivery()
    assert (delivery.status, delivery.error, delivery.attempt_count) == ("delivered", "", 2)
    assert hook.now().failing_since is None
    first, second = receiver.received
    assert first.id == second.id
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 6
    assert first.body == second.body


@pytest.mark.parametrize(("asked", "pause"), [("120", timedelta(minutes=2)), ("999999", timedelta(days=1))])
def test_a_receiver_may_ask_for_a_longer_pause_of_a_day_at_most(
    acme: Workspace, receiver: Receiver, hook: Hook, asked: str, pause: timedelta
) -> None:
    answers(receiver, 429, **{"Retry-After": asked})
    tell(acme)
    send()
    assert the_delivery().next_try_at == NOW + pause


@pytest.mark.parametrize("asked", ["1", "soon", "-5", ""])
def test_a_shorter_pause_or_nonsense_changes_nothing(acme: Workspace, receiver: Receiver, hook: Hook, asked: str) -> None:
    answers(receiver, 503, **{"Retry-After": asked})
    tell(acme)
    send()
    assert the_delivery().next_try_at == NOW + expected_pause(the_delivery(), 1)


def test_410_disables_the_webhook_and_ends_what_waits_for_it(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    answers(receiver, 500, 410)
    tell(acme, 1)
    send()
    tell(acme, 2)
    send(NOW + timedelta(seconds=1))
    endpoint = hook.now()
    assert (endpoint.status, endpoint.disabled_because) == ("disabled", "gone")
    assert endpoint.disabled_at == NOW + timedelta(seconds=1)
    ended = WebhookDelivery.objects.order_by("pk").values_list("status", "error")
    assert list(ended) == [("failed", "The endpoint was disabled."), ("failed", "It answered 410.")]
    tell(acme, 3)
    assert send(NOW + timedelta(days=1)) == {"delivered": 0, "failed": 0}
    assert len(receiver.received) == 2
    entry = AuditEntry.objects.get(action="webhook.disabled")
    assert (entry.actor, entry.actor_kind, entry.target) == ("webhooks", "system", endpoint.public_id)
    assert entry.detail == {"url": receiver.url, "reason": "It answered 410 Gone"}


def test_a_webhook_that_fails_for_five_days_is_disabled(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    answers(receiver, 500)
    tell(acme, 1)
    send()
    almost = NOW + timedelta(days=5) - timedelta(seconds=1)
    tell(acme, 2, almost)
    send(almost)
    assert hook.now().is_active
    tell(acme, 3, NOW + timedelta(days=5))
    send(NOW + timedelta(days=5))
    endpoint = hook.now()
    assert (endpoint.status, endpoint.disabled_because) == ("disabled", "failing")


def test_operators_are_alerted_when_their_own_webhook_is_disabled(receiver: Receiver, settings: Any, db: None) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    answers(receiver, 410)
    a_hook(None, receiver.url)
    tell(None)
    send()
    [alert] = mail.outbox
    assert (alert.to, alert.subject) == (["ops@omixa.example"], "Omixa billing: a webhook of the operators is disabled")
    assert receiver.url in alert.body


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(acme: Workspace, receiver: Receiver, hook: Hook, status: int) -> None:
    answers(receiver, status, Location=f"{receiver.url}/elsewhere")
    tell(acme)
    assert send() == {"delivered": 0, "failed": 1}
    assert [request.path for request in receiver.received] == ["/hooks"]
    assert WebhookAttempt.objects.get().answer_status == status
    assert the_delivery().error == "Redirects are not followed."


@pytest.mark.usefixtures("_private_addresses")
def test_a_receiver_that_is_not_there_is_tried_again(acme: Workspace) -> None:
    a_hook(acme, "http://127.0.0.1:1/hooks")
    tell(acme)
    assert send() == {"delivered": 0, "failed": 1}
    attempt = WebhookAttempt.objects.get()
    assert (attempt.answer_status, attempt.answer_body) == (None, "")
    assert attempt.error.startswith("Cannot connect: ")
    assert the_delivery().status == "waiting"


def test_a_replay_sends_the_same_again_and_begins_its_retries_again(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    answers(receiver, 200, 500)
    tell(acme)
    send()
    later = NOW + timedelta(days=2)
    replay_delivery(the_delivery(), actor=ADA, now=later)
    assert send(later) == {"delivered": 0, "failed": 1}
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    delivery = the_delivery()
    assert (delivery.status, delivery.tries, delivery.attempt_count) == ("waiting", 1, 2)
    assert delivery.next_try_at == later + expected_pause(delivery, 1)
    assert list(delivery.attempts.values_list("number", "answer_status")) == [(1, 200), (2, 500)]
    entry = AuditEntry.objects.get(action="webhook.delivery_replayed")
    assert (entry.actor, entry.target) == (ADA, delivery.public_id)


def test_what_is_being_sent_is_not_replayed(acme: Workspace, hook: Hook) -> None:
    tell(acme)
    [claimed] = claim_deliveries(NOW, 10)
    with pytest.raises(DeliveryBeingSent):
        replay_delivery(claimed, actor=ADA, now=NOW)
    replay_delivery(claimed, actor=ADA, now=NOW + WebhookDelivery.LEASE)
    assert len(claim_deliveries(NOW, 10)) == 1


def test_a_process_that_dies_after_sending_leaves_it_to_be_sent_again_with_the_same_id(
    acme: Workspace, receiver: Receiver, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(acme)
    with monkeypatch.context() as patch:
        patch.setattr(deliver, "record_attempt", lambda *_: None)  # it died before it could
        send()
    assert send(NOW + WebhookDelivery.LEASE - timedelta(seconds=1)) == {"delivered": 0, "failed": 0}
    assert send(NOW + WebhookDelivery.LEASE) == {"delivered": 1, "failed": 0}
    first, second = receiver.ids()
    assert first == second


def test_an_answer_that_comes_after_its_lease_is_kept_and_decides_nothing(
    acme: Workspace, receiver: Receiver, hook: Hook
) -> None:
    tell(acme)
    [late] = claim_deliveries(NOW, 10)
    again = NOW + WebhookDelivery.LEASE
    [current] = claim_deliveries(again, 10)
    request = deliver.request_of(late, NOW)
    failed = deliver.WebhookAnswer(500, duration_ms=70_000)
    outcome.record_attempt(late, request, failed, NOW, again)
    delivery = the_delivery()
    assert (delivery.status, delivery.tries, delivery.sending_since, delivery.attempt_count) == ("waiting", 0, again, 1)
    outcome.record_attempt(current, request, deliver.WebhookAnswer(200), again, again)
    assert (the_delivery().status, the_delivery().attempt_count) == ("delivered", 2)


def test_what_is_deleted_while_it_is_sent_stays_deleted(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    tell(acme)
    [claimed] = claim_deliveries(NOW, 10)
    delete_webhook(hook.endpoint, actor=ADA, now=NOW)
    outcome.record_attempt(claimed, deliver.WebhookRequest(receiver.url, {}, b""), deliver.WebhookAnswer(200), NOW, NOW)
    assert (WebhookDelivery.objects.count(), WebhookAttempt.objects.count()) == (0, 0)
    with pytest.raises(WebhookDeleted):
        delete_webhook(hook.endpoint, actor=ADA, now=NOW)


def test_a_disabled_webhook_is_sent_nothing_and_an_enabled_one_what_happens_then(
    acme: Workspace, receiver: Receiver, hook: Hook
) -> None:
    tell(acme, 1)
    change_webhook(hook.endpoint, {"status": "disabled"}, actor=ADA, now=NOW)
    assert send() == {"delivered": 0, "failed": 0}
    assert (the_delivery().status, the_delivery().error) == ("failed", "The endpoint was disabled.")
    with pytest.raises(WebhookDisabled):
        send_test(hook.endpoint, actor=ADA, now=NOW)
    with pytest.raises(WebhookDisabled):
        replay_delivery(the_delivery(), actor=ADA, now=NOW)
    tell(acme, 2)
    change_webhook(hook.endpoint, {"status": "active"}, actor=ADA, now=NOW)
    tell(acme, 3)
    assert send() == {"delivered": 1, "failed": 0}
    assert [json.loads(request.body)["data"]["id"] for request in receiver.received] == ["inv_3"]


def test_a_test_goes_to_its_webhook_alone(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    a_hook(acme, f"{receiver.url}/other")
    only_voided = a_hook(acme, f"{receiver.url}/voided", types=["invoice.voided"])
    delivery = send_test(only_voided.endpoint, actor=ADA, now=NOW)
    assert send() == {"delivered": 1, "failed": 0}
    [request] = receiver.received
    assert (request.path, request.id) == ("/hooks/voided", delivery.notification.public_id)


def test_the_queue_says_how_much_is_due_and_since_when(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    answers(receiver, 500)
    assert deliveries_due(NOW) == (0, 0.0)
    tell(acme, 1)
    tell(acme, 2, NOW + timedelta(seconds=5))
    assert deliveries_due(NOW + timedelta(seconds=30)) == (2, 30.0)
    send(NOW + timedelta(seconds=30))
    assert deliveries_due(NOW + timedelta(seconds=31)) == (0, 0.0)


def test_old_deliveries_go_after_thirty_days_and_old_notifications_after_ninety(
    acme: Workspace, receiver: Receiver, hook: Hook
) -> None:
    tell(acme, 1)
    send()
    tell(None, 2)
    days = timedelta(days=1)
    assert tidy_webhooks(NOW + 30 * days) == {"deliveries": 0, "notifications": 0}
    assert tidy_webhooks(NOW + 31 * days) == {"deliveries": 1, "notifications": 0}
    assert WebhookAttempt.objects.count() == 0
    assert tidy_webhooks(NOW + 91 * days) == {"deliveries": 0, "notifications": 2}
    assert Notification.objects.count() == 0


def test_what_waits_is_never_dropped(acme: Workspace, receiver: Receiver, hook: Hook) -> None:
    tell(acme)
    assert tidy_webhooks(NOW + timedelta(days=400)) == {"deliveries": 0, "notifications": 0}
    later = NOW + timedelta(days=400)
    assert send(later) == {"delivered": 1, "failed": 0}
