"""Nobody acts unseen: sign-ins, passwords, rights, refused credentials, looks of operators, forms and settings."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.test import Client, RequestFactory
from django.urls import resolve

from metering.ingest.intake.api import GATEWAY
from metering.payments.mails.models import Notice
from omixa_billing.command_actor import command_actor
from tests.kit.factories import NOW, an_event, make_gateway, make_key, make_model, send
from tests.kit.people import a_key, a_member
from tests.kit.tenants import with_key
from tests.workspaces.audit.seen import FROM, seen, sign_in
from workspaces import audit
from workspaces.access.authentication import authenticate_gateway
from workspaces.audit import entries
from workspaces.audit.middleware import LEAVES_NONE, note_origin
from workspaces.audit.origin import RequestOrigin, coming_from
from workspaces.audit.settings_changed import note_settings
from workspaces.audit.words import entry_sentence
from workspaces.errors import Unauthenticated
from workspaces.keys import issue
from workspaces.models import AuditEntry, Membership, User, Workspace


def test_signing_in_and_out_are_entries_of_the_persons_workspace(acme: Workspace) -> None:
    a_member(acme, "owner")
    client = Client()
    assert sign_in(client, "owner@acme.example").status_code == 302
    client.post("/accounts/logout/", **FROM)  # type: ignore[arg-type]
    assert seen("session.started", "session.ended") == [
        ("owner@acme.example", "session.started", "owner@acme.example"),
        ("owner@acme.example", "session.ended", "owner@acme.example"),
    ]
    for entry in AuditEntry.objects.filter(action__startswith="session."):
        assert (entry.workspace, entry.ip_address, entry.user_agent) == (acme, "203.0.113.7", "a browser")


def test_failed_sign_ins_are_one_entry_an_hour_and_address(acme: Workspace) -> None:
    a_member(acme, "owner")
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(3):
            sign_in(Client(), "owner@acme.example", "wrong")
        assert seen("session.refused") == [("nobody", "session.refused", "owner@acme.example")]
        clock.shift(timedelta(hours=1))
        sign_in(Client(), "owner@acme.example", "wrong")
    assert len(seen("session.refused")) == 2


def test_a_changed_password_is_an_entry_whoever_changes_it(acme: Workspace) -> None:
    user = a_member(acme, "owner").user
    before = len(seen("password.changed"))
    user.set_password("another long password")
    user.save(update_fields=["password"])
    assert len(seen("password.changed")) == before + 1
    user.last_login = NOW
    user.save(update_fields=["last_login"])
    user.save()
    assert len(seen("password.changed")) == before + 1


def test_the_same_password_hashed_better_is_no_change_of_it(acme: Workspace, settings: Any) -> None:
    user = a_member(acme, "owner").user
    user.set_password("a long password")
    user.save()
    before, weak = len(seen("password.changed")), user.password
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    assert user.check_password("a long password")
    user.refresh_from_db()
    assert user.password != weak
    assert len(seen("password.changed")) == before
    user.set_unusable_password()
    user.save()
    assert len(seen("password.changed")) == before + 1


def test_a_person_who_becomes_an_operator_is_an_entry(db: None) -> None:
    user = User.objects.create_user("ada@acme.example")
    user.is_staff = True
    user.save()
    (created, changed) = AuditEntry.objects.filter(target="ada@acme.example").order_by("id")
    assert (created.action, created.detail) == ("user.created", {"is_staff": False, "is_superuser": False})
    assert (changed.action, changed.detail) == ("user.changed", {"changes": {"is_staff": [False, True]}})


def test_what_changes_about_a_person_is_told_in_each_of_their_workspaces(acme: Workspace, rival: Workspace) -> None:
    user = a_member(acme, "owner").user
    a_member(rival, "viewer", user.email)
    before = AuditEntry.objects.order_by("id").last()
    user.set_password("another long password")
    user.first_name = "Ada"
    user.save()
    after = AuditEntry.objects.filter(pk__gt=before.pk if before else 0).order_by("id")
    assert [(entry.action, entry.workspace, entry.actor) for entry in after] == [
        ("password.changed", acme, user.email),
        ("password.changed", rival, user.email),
        ("user.changed", acme, user.email),
        ("user.changed", rival, user.email),
    ]


def test_failed_sign_ins_of_a_member_are_in_the_trail_of_the_workspace(acme: Workspace) -> None:
    a_member(acme, "owner")
    for address in ("owner@acme.example", "nobody@acme.example"):
        for _ in range(2):
            sign_in(Client(), address, "wrong")
    found = AuditEntry.objects.filter(action="session.refused").order_by("id")
    assert [(entry.target, entry.workspace) for entry in found] == [
        ("owner@acme.example", acme),
        ("nobody@acme.example", None),
    ]


def test_an_address_that_begins_like_a_key_is_a_persons(acme: Workspace) -> None:
    for actor in ("key_1@acme.example", "gw_1@acme.example", "omx_live_@acme.example"):
        assert audit.record(actor, "key.revoked", "key_1", acme, now=NOW).actor_kind == "operator"
    assert audit.record("command:invite by ada@host", "key.revoked", "key_1", acme, now=NOW).actor_kind == "command"


def test_ended_sessions_are_an_entry(acme: Workspace) -> None:
    from workspaces.signin.sessions import end_sessions

    end_sessions(a_member(acme, "owner").user)
    assert [each[1:] for each in seen("sessions.ended")] == [("sessions.ended", "owner@acme.example")]


def test_a_refused_key_is_one_entry_of_its_workspace(acme: Workspace) -> None:
    key, secret = a_key(acme, "admin")
    issue.revoke_key(key, "the tests", NOW)
    for _ in range(3):
        assert with_key(secret).get("/api/v1/keys", **FROM).status_code == 401
    (entry,) = AuditEntry.objects.filter(action="credential.refused")
    assert (entry.target, entry.workspace, entry.ip_address) == (key.public_id, acme, "203.0.113.7")
    assert secret not in f"{entry.actor}{entry.detail}"
    assert entry.actor == secret[:14]


def test_a_gateway_that_the_front_refused_before_its_body_is_an_entry(db: None) -> None:
    gateway, token = issue.create_gateway("Edge", "the tests", NOW)
    issue.revoke_gateway(gateway, "the tests", NOW)
    bearer = f"Bearer {token}"
    with pytest.raises(Unauthenticated) as refused:
        authenticate_gateway(bearer, NOW)
    for _ in range(2):
        extra: dict[str, Any] = {GATEWAY: refused.value, "HTTP_AUTHORIZATION": bearer}
        assert Client().post("/gateway/v1/events", b"{}", "application/json", **FROM, **extra).status_code == 401
    (entry,) = AuditEntry.objects.filter(action="credential.refused")
    assert (entry.target, entry.actor, entry.ip_address) == (gateway.public_id, token[:16], "203.0.113.7")


def test_an_entry_that_is_rolled_back_is_recorded_when_it_happens_again(transactional_db: None) -> None:
    once: dict[str, Any] = {"now": NOW, "within": timedelta(hours=1)}
    with transaction.atomic():
        audit.record_once("nobody", "session.refused", "ada@acme.example", **once)
        transaction.set_rollback(True)
    assert seen("session.refused") == []
    audit.record_once("nobody", "session.refused", "ada@acme.example", **once)
    assert len(seen("session.refused")) == 1


def download(secret: str, path: str, query: dict[str, str]) -> None:
    """Reads the whole file: one that is not read keeps its slot, and the third is refused."""
    answer = with_key(secret).get(path, query)
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_downloads_are_one_entry_a_day_for_each_caller_and_file(acme: Workspace) -> None:
    key, secret = a_key(acme, "admin")
    query = {"start": "2026-10-01T00:00:00Z", "end": "2026-10-15T00:00:00Z", "format": "csv"}
    with time_machine.travel(NOW, tick=False) as clock:
        for hours in (0, 1, 1, 10):
            clock.shift(timedelta(hours=hours))
            download(secret, "/api/v1/usage", query)
        download(secret, "/api/v1/exports/invoices", {name: query[name] for name in ("start", "end")})
        assert with_key(secret).get("/api/v1/usage", query | {"format": "json"}).status_code == 200
        october = query | {"end": "2026-10-08T00:00:00Z"}
        for asked in (october, dict(reversed(october.items()))):  # another period; the order of its words makes none
            download(secret, "/api/v1/usage", asked)
    files = ["/api/v1/usage", "/api/v1/usage", "/api/v1/exports/invoices", "/api/v1/usage"]
    assert seen("file.downloaded") == [(key.public_id, "file.downloaded", path) for path in files]
    entries = AuditEntry.objects.filter(action="file.downloaded").order_by("id")
    assert {entry.workspace for entry in entries} == {acme}
    lists = [{name: [value] for name, value in each.items()} for each in (query, october)]
    assert [entry.detail["query"] for entry in (entries[0], entries[3])] == lists


def test_other_peoples_secrets_do_not_reach_the_trail(db: None) -> None:
    with_key("sk-proj-another-ones-secret").get("/api/v1/keys")
    (entry,) = AuditEntry.objects.filter(action="credential.refused")
    assert (entry.actor, entry.target) == ("not a key of ours", "not a key of ours")


def test_another_process_folds_with_this_one(db: None) -> None:
    for _ in range(2):
        audit.record_once("nobody", "session.refused", "ada@acme.example", now=NOW, within=timedelta(hours=1))
        entries.forget_seen()
    assert len(seen("session.refused")) == 1


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_user("ops@omixa.example", is_staff=True)


def answered(path: str, user: User, method: str, answer: HttpResponse) -> None:
    """What the middleware notes of this answer to a signed-in person."""
    request = RequestFactory().generic(method, path, **FROM)  # type: ignore[arg-type]
    request.user, request.resolver_match = user, resolve(path.partition("?")[0])
    note_origin(lambda _: answer)(request)


def test_a_form_that_records_nothing_itself_is_recorded_as_sent(operator: User) -> None:
    path = "/admin/metering/batch/process-again/"
    answered(path, operator, "POST", HttpResponse("shown again"))
    answered(path, operator, "GET", HttpResponseRedirect("/"))
    assert seen("form.sent") == []
    answered(path, operator, "POST", HttpResponseRedirect("/"))
    assert seen("form.sent") == [("ops@omixa.example", "form.sent", path)]


def test_what_others_record_meanwhile_does_not_say_who_sent_the_form(operator: User, acme: Workspace) -> None:
    path = "/admin/metering/batch/process-again/"
    request = RequestFactory().post(path, **FROM)  # type: ignore[arg-type]
    request.user, request.resolver_match = operator, resolve(path)

    def act(asked: Any) -> HttpResponse:
        audit.record("stripe", "invoice.paid", "inv_1", acme, now=NOW)
        return HttpResponseRedirect("/")

    note_origin(act)(request)
    assert seen("form.sent") == [("ops@omixa.example", "form.sent", path)]


def test_what_the_net_leaves_out_is_a_short_list_with_reasons() -> None:
    assert len(LEAVES_NONE) == 8
    assert all(reason for reason in LEAVES_NONE.values())


def test_an_operator_who_looks_at_a_customers_usage_is_seen_once(operator: User, acme: Workspace) -> None:
    path = f"/admin/metering/usageevent/?workspace={acme.pk}"
    with time_machine.travel(NOW, tick=False) as clock:
        answered(path, operator, "GET", HttpResponse())
        answered(path, operator, "GET", HttpResponse())
        answered("/admin/metering/usageevent/", operator, "GET", HttpResponse())
        assert seen("record.viewed") == [("ops@omixa.example", "record.viewed", "usageevent list")]
        clock.shift(timedelta(minutes=15))
        answered(path, operator, "GET", HttpResponse())
    assert [entry.workspace for entry in AuditEntry.objects.filter(action="record.viewed")] == [acme, acme]


def test_a_look_at_a_batch_or_a_mail_is_seen(operator: User, acme: Workspace) -> None:
    make_model()
    batch = send(make_gateway(), [an_event(make_key(acme))])
    mail = Notice.objects.create(workspace=acme, kind="invoice_paid", key="invoice_paid:1", context={}, created_at=NOW)
    for table, row in (("batch", batch), ("notice", mail)):
        answered(f"/admin/metering/{table}/{row.pk}/change/", operator, "GET", HttpResponse())
    looks = AuditEntry.objects.filter(action="record.viewed").order_by("id")
    assert [(look.target, look.workspace) for look in looks] == [
        (f"batch {batch.public_id}", None),
        (f"notice {mail.pk}", acme),
    ]


def test_a_look_is_seen_by_whichever_method_it_is_made(operator: User, acme: Workspace) -> None:
    answered(f"/admin/metering/usageevent/?workspace={acme.pk}", operator, "POST", HttpResponse())
    assert seen("record.viewed") == [("ops@omixa.example", "record.viewed", "usageevent list")]


def test_settings_that_changed_since_the_last_start(db: None, monkeypatch: Any) -> None:
    names = ["SELLER_NAME", "STRIPE_SECRET_KEY", "DATABASE_URL"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_first")
    assert note_settings(names, NOW) is None
    assert note_settings(names, NOW) is None
    monkeypatch.setenv("SELLER_NAME", "Omixa GmbH")
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_second")
    entry = note_settings(names, NOW)
    assert entry is not None
    assert (entry.actor, entry.actor_kind) == (command_actor("start"), "command")
    assert entry.detail == {"changes": {"SELLER_NAME": ["unset", "Omixa GmbH"], "STRIPE_SECRET_KEY": ["a secret", "a secret"]}}


# --- What customers see --------------------------------------------------------------------------------------------


def listed(secret: str, **query: Any) -> dict[str, Any]:
    answer = with_key(secret).get("/api/v1/audit", query)
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def test_a_workspace_reads_its_own_trail_newest_first(acme: Workspace, rival: Workspace) -> None:
    key, secret = a_key(acme, "admin", "Admin")
    audit.record("ops@omixa.example", "invoice.voided", "inv_1", acme, now=NOW, reason="internal words")
    audit.record("ada@acme.example", "key.revoked", "key_1", acme, now=NOW, because="x")
    audit.record("eve@rival.example", "key.revoked", "key_2", rival, now=NOW)
    first = listed(secret, limit=2)
    revoked, voided = first["data"]
    assert revoked["target"] == "key_1"
    assert voided["summary"] == "Omixa staff voided invoice inv_1."
    assert (voided["actor"], voided["actor_kind"], voided["ip_address"], voided["detail"]) == ("Omixa staff", "staff", None, {})
    assert "ops@omixa.example" not in str(first)
    second = listed(secret, cursor=first["next_cursor"])
    assert [each["summary"] for each in second["data"]] == [
        f"Omixa created key {key.public_id}.",
        "Omixa created the workspace.",
    ]
    assert second["next_cursor"] is None
    assert "eve@rival.example" not in str(first) + str(second)


def test_what_a_person_does_to_their_own_account_reads_so(acme: Workspace) -> None:
    for actor, said in (
        ("key_1", "key_1 changed the password of ada@acme.example."),
        ("bob@acme.example", "Omixa staff changed the password of ada@acme.example."),
    ):
        assert entry_sentence(audit.record(actor, "password.changed", "ada@acme.example", acme, now=NOW)) == said
    with coming_from(RequestOrigin(None, "", console=False)):
        own = audit.record("ada@acme.example", "password.changed", "ada@acme.example", acme, now=NOW)
    assert entry_sentence(own) == "ada@acme.example changed their password."
    assert entry_sentence(own, "Omixa staff") == "Omixa staff changed the password of ada@acme.example."


def test_the_trail_is_narrowed(acme: Workspace) -> None:
    _, secret = a_key(acme, "admin", "Admin")
    audit.record("ops@omixa.example", "invoice.voided", "inv_1", acme, now=NOW)
    audit.record("stripe", "payment.disputed", "pay_1", acme, now=NOW + timedelta(hours=1))
    assert [each["target"] for each in listed(secret, action="invoice.voided")["data"]] == ["inv_1"]
    assert [each["target"] for each in listed(secret, actor="Omixa staff")["data"]] == ["inv_1"]
    assert listed(secret, actor="ops@omixa.example")["data"] == []  # who of the staff it was is not to be found out
    later = (NOW + timedelta(minutes=1)).isoformat()
    assert [each["target"] for each in listed(secret, start=later)["data"]] == ["pay_1"]


@pytest.mark.parametrize("query", [{"cursor": "7"}, {"cursor": "aud_x"}, {"start": "monday"}, {"limit": "0"}, {"who": "x"}])
def test_what_makes_no_sense_is_refused(acme: Workspace, query: dict[str, str]) -> None:
    _, secret = a_key(acme, "admin")
    assert with_key(secret).get("/api/v1/audit", query).status_code == 400


def test_who_may_not_manage_keys_does_not_read_the_trail(acme: Workspace) -> None:
    _, secret = a_key(acme, "live")
    assert with_key(secret).get("/api/v1/audit").status_code == 403
    for role, status in (("owner", 200), ("admin", 200), ("billing", 403), ("viewer", 403)):
        client = Client()
        client.force_login(a_member(acme, role).user)
        assert client.get("/api/v1/audit").status_code == status
        assert client.get("/settings/audit").status_code == status
    assert Membership.objects.count() == 4


def test_the_page_says_it_in_sentences(acme: Workspace) -> None:
    client = Client()
    client.force_login(a_member(acme, "owner").user)
    audit.record("ops@omixa.example", "invoice.voided", "inv_1", acme, now=NOW)
    shown = client.get("/settings/audit").content.decode()
    assert "Omixa staff voided invoice inv_1." in shown
    assert "ops@omixa.example" not in shown
    assert "Omixa staff voided" not in client.get("/settings/audit", {"action": "key.revoked"}).content.decode()
    assert client.get("/settings/audit", {"before": "0"}).status_code == 200
