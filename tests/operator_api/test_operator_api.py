"""`/api/v1/operator/`: finance's verbs for programs. Whose key, which scope, and each act once for its `Idempotency-Key`."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from metering.catalogue.providers.set_provider_price import set_provider_price
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.operator_api import invoices
from metering.operator_api.models import OperatorRequest
from metering.payments.models import Payment
from metering.reconcile.everything import money_differences
from metering.reconcile.journal import journal_differences
from tests.kit.billing import OPS, Meter, an_invoice, credit
from tests.kit.concurrent import at_once
from tests.kit.factories import (
    LONG_AGO,
    NOW,
    an_event,
    make_gateway,
    make_key,
    make_price,
    make_workspace,
    send,
)
from tests.operator_api.cast import BASE, BOTH, Program, a_key
from workspaces.errors import InvalidExpiry, NotAllowed
from workspaces.keys.issue import create_key
from workspaces.models import AuditEntry, OperatorKey, User, Workspace
from workspaces.operators.authentication import OperatorMay
from workspaces.operators.keys import create_operator_key, revoke_operator_key

pytestmark = pytest.mark.django_db


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


# --- Its key -----------------------------------------------------------------------------------------------------------


def test_a_key_opens_its_scopes_and_nothing_else(invoice: Invoice) -> None:
    reads, acts = Program(a_key("read")[1]), Program(a_key("money")[1])
    assert reads.get("trial-balance").status_code == 200
    assert error(acts.get("trial-balance")) == (403, "key_is_limited")
    assert error(reads.post(f"invoices/{invoice.public_id}/void", reason="wrong")) == (403, "key_is_limited")
    assert acts.post(f"invoices/{invoice.public_id}/void", reason="wrong").json()["status"] == "void"


def test_no_other_credential_opens_it_and_it_opens_nothing_else(acme: Workspace, program: Program) -> None:
    _, admin = create_key(acme, "admin", "all", OPS, timezone.now())
    assert error(Program(admin).get("trial-balance")) == (403, "wrong_kind_of_credential")
    assert error(Client().get(f"{BASE}/trial-balance")) == (401, "invalid_credential")
    headers = {"Authorization": f"Bearer {program.secret}"}
    assert error(Client().get("/api/v1/invoices", headers=headers)) == (403, "wrong_kind_of_credential")
    assert error(Client().get("/gateway/v1/batches/bat_1", headers=headers)) == (403, "wrong_kind_of_credential")
    member = Client()
    member.force_login(User.objects.create_user("ops@omixa.example", "a long password", is_staff=True, is_superuser=True))
    assert member.get(f"{BASE}/trial-balance").status_code == 401


def test_a_key_ends_when_it_expires_is_revoked_or_its_maker_is_no_superuser_any_more(db: None) -> None:
    maker = User.objects.create_user("ops@omixa.example", "a long password", is_staff=True, is_superuser=True)
    key, secret = a_key(user=maker)
    program = Program(secret)
    assert program.get("trial-balance").status_code == 200
    User.objects.filter(pk=maker.pk).update(is_superuser=False)
    assert error(program.get("trial-balance")) == (401, "invalid_credential")
    User.objects.filter(pk=maker.pk).update(is_superuser=True)
    OperatorKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    assert error(program.get("trial-balance")) == (401, "invalid_credential")
    OperatorKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + timedelta(days=1))
    assert revoke_operator_key(key, OPS, timezone.now())
    assert not revoke_operator_key(key, OPS, timezone.now())
    assert error(program.get("trial-balance")) == (401, "invalid_credential")
    actions = AuditEntry.objects.filter(target=key.public_id).values_list("action", flat=True)
    assert sorted(set(actions)) == ["credential.refused", "operator_key.created", "operator_key.revoked"]


def test_only_superusers_make_keys_and_every_key_expires(db: None) -> None:
    operator = User.objects.create_user("staff@omixa.example", "a long password", is_staff=True)
    with pytest.raises(NotAllowed):
        a_key(user=operator)
    with pytest.raises(InvalidExpiry):
        create_operator_key("books", BOTH, timezone.now() + timedelta(days=400), OPS, timezone.now())
    key, secret = a_key()
    assert (secret.startswith("omx_operator_"), secret in str(OperatorKey.objects.values())) == (True, False)
    assert key.expires_at - key.created_at == timedelta(days=90)


# --- Its acts ----------------------------------------------------------------------------------------------------------


def test_the_same_key_gets_the_same_answer_and_does_it_once(program: Program, invoice: Invoice) -> None:
    path = f"invoices/{invoice.public_id}/payments"
    first = program.post(path, "a-key", amount="100.00", reference="transfer 1")
    assert first.json()["invoices"][0] == {
        "id": invoice.public_id,
        "number": "OMX-2026-00001",
        "status": "open",
        "amount_due": "50.00",
    }
    program.post(path, "another", amount="50.00", reference="transfer 2")
    again = program.post(path, "a-key", amount="100.00", reference="transfer 1")
    assert (again.status_code, again.json()) == (200, first.json())
    assert Payment.objects.count() == 2
    assert error(program.post(path, "a-key", amount="99.00", reference="transfer 1")) == (409, "idempotency_key_reused")
    other = f"invoices/{invoice.public_id}/void"
    assert error(program.post(other, "a-key", reason="wrong")) == (409, "idempotency_key_reused")
    entry = AuditEntry.objects.filter(action="payment.recorded").first()
    assert entry is not None
    assert (entry.actor, entry.actor_kind) == (OperatorKey.objects.get().public_id, "operator")


def test_a_key_is_needed_and_a_refusal_is_not_remembered(program: Program, invoice: Invoice) -> None:
    headers = {"Authorization": f"Bearer {program.secret}"}
    bare = Client().post(
        f"{BASE}/invoices/{invoice.public_id}/void", {"reason": "x"}, content_type="application/json", headers=headers
    )
    assert error(bare) == (400, "idempotency_key_required")
    path = f"invoices/{invoice.public_id}/write-off-reversal"
    assert error(program.post(path, "a-key", reason="paid after all")) == (409, "invoice_not_open")
    assert not OperatorRequest.objects.exists()
    program.post(f"invoices/{invoice.public_id}/write-off", reason="gone")
    assert program.post(path, "a-key", reason="paid after all").json()["status"] == "open"


@pytest.mark.django_db(transaction=True)
def test_the_same_key_twice_at_once_acts_once(acme: Workspace, program: Program) -> None:
    credit(acme, "40.00", "purchased")
    labs = make_workspace("Acme Labs", email=acme.email)
    body = {
        "from_workspace_id": acme.public_id,
        "to_workspace_id": labs.public_id,
        "amount": "10.00",
        "reference": "split 1",
    }
    answers = at_once(*[lambda: program.post("credit-transfers", "a-key", **body).json()] * 4)
    assert [each["amount"] for each in answers] == ["10.00"] * 4
    assert len({each["id"] for each in answers}) == 1


def test_a_retry_is_answered_as_the_act_was_though_that_left_nothing_to_do(
    program: Program, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request comes to its end while the second asks whether the invoice is open."""
    path, body = f"invoices/{invoice.public_id}/payments", {"amount": str(invoice.amount_due), "reference": "t 1"}
    prepare, first = invoices.prepare_transfer, []

    def meanwhile(invoice_ids: Any, now: Any) -> None:
        monkeypatch.setattr(invoices, "prepare_transfer", prepare)
        first.append(program.post(path, "a-key", **body))
        prepare(invoice_ids, now)

    monkeypatch.setattr(invoices, "prepare_transfer", meanwhile)
    retry = program.post(path, "a-key", **body)
    assert (retry.status_code, retry.json()) == (first[0].status_code, first[0].json())
    assert Payment.objects.count() == 1
    assert error(program.post(path, "another-key", **body | {"reference": "t 2"})) == (409, "invoice_not_open")


def test_every_verb_leaves_an_entry(program: Program, acme: Workspace, use: Meter) -> None:
    named = f"invoices/{an_invoice(acme, use).public_id}"
    program.post(f"{named}/write-off", reason="gone")
    program.post(f"{named}/write-off-reversal", reason="not gone")
    program.post(f"{named}/void", reason="wrong address")
    made = program.post(f"workspaces/{acme.public_id}/reissue", month="2026-09", finalize=True).json()
    named = f"invoices/{made['id']}"
    program.post(f"{named}/credit-notes", reason="an outage", amount="30.00")
    program.post(f"{named}/payments", amount="130.00", reference="transfer 1")
    program.post(f"workspaces/{acme.public_id}/payouts", amount="10.00", reference="wire 1")
    back = program.post("chargebacks", invoice=made["id"], amount="120.00", reference="return 1").json()
    program.post(f"chargebacks/{back['id']}/reversal", reason="the bank paid again")
    acted = AuditEntry.objects.filter(actor=OperatorKey.objects.get().public_id).values_list("action", flat=True)
    assert set(acted) >= {
        *("invoice.uncollectible", "invoice.write_off_reversed", "invoice.voided", "invoice.reissued", "invoice.finalized"),
        *("credit_note.issued", "payment.recorded", "payout.recorded", "payment.charged_back", "payment.reinstated"),
    }


def test_a_key_that_is_revoked_while_a_request_waits_does_nothing(
    program: Program, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = OperatorMay.has_permission

    def just_after(self: OperatorMay, request: Any, view: Any) -> bool:
        may = plain(self, request, view)
        OperatorKey.objects.update(revoked_at=timezone.now())
        return may

    monkeypatch.setattr(OperatorMay, "has_permission", just_after)
    answer = program.post(f"invoices/{invoice.public_id}/write-off", reason="gone")
    assert error(answer) == (401, "invalid_credential")
    assert (Invoice.objects.get().status, OperatorRequest.objects.count()) == ("open", 0)


def test_a_reference_makes_one_credit_note_also_under_another_key(program: Program, invoice: Invoice) -> None:
    path, asked = f"invoices/{invoice.public_id}/credit-notes", {"reason": "slow", "amount": "30.00", "reference": "ticket 7"}
    first = program.post(path, "a-key", **asked)
    assert (first.status_code, first.json()["reference"]) == (200, "ticket 7")
    assert program.post(path, "a-key", **asked).json() == first.json()
    second = program.post(path, "another-key", **asked)
    assert (error(second), second.json()["error"]["param"]) == ((409, "nothing_left"), "reference")
    assert list(CreditNote.objects.values_list("total", flat=True)) == [Decimal("30.00")]


def test_every_verb_answers_with_the_document_that_came_of_it(program: Program, acme: Workspace, use: Meter) -> None:
    invoice = an_invoice(acme, use)
    named = f"invoices/{invoice.public_id}"
    note = program.post(f"{named}/credit-notes", reason="an outage", amount="30.00").json()
    assert (note["amount"], note["off_due"], note["given_back"]) == ("30.00", "30.00", "0.00")
    paid = program.post(f"{named}/payments", amount="130.00", reference="transfer 1", arrived_on="2026-10-01").json()
    assert (paid["amount"], paid["surplus"], paid["invoices"][0]["status"]) == ("130.00", "10.00", "paid")
    out = program.post(f"workspaces/{acme.public_id}/payouts", amount="10.00", reference="wire 1").json()
    assert (out["status"], out["amount"]) == ("paid", "10.00")
    back = program.post("chargebacks", invoice=invoice.public_id, amount="120.00", reference="return 1", fee="5.00").json()
    assert (back["amount"], back["fee"], back["amount_due"], back["invoice_status"]) == ("120.00", "5.00", "120.00", "open")
    again = program.post(f"chargebacks/{back['id']}/reversal", reason="the bank paid again").json()
    assert (again["status"], again["amount_due"], again["invoice_status"]) == ("won", "0.00", "paid")
    assert error(program.post("chargebacks/cb_1/reversal", reason="x")) == (404, "not_found")
    program.post("chargebacks", invoice=invoice.public_id, amount="120.00", reference="return 2")
    gone = program.post(f"{named}/write-off", reason="gone").json()
    assert (gone["status"], gone["amount"]) == ("uncollectible", "120.00")
    line = program.post(f"workspaces/{acme.public_id}/lines", month="2026-10", amount="25.00", text="Set-up").json()
    assert (line["month"], line["amount"]) == ("2026-10", "25.00")
    fee = program.post(
        f"workspaces/{acme.public_id}/fees", name="Seats", monthly="10.00", seats=3, first_day="2026-10-01"
    ).json()
    assert (fee["from"], fee["until"], fee["seats"], fee["monthly"]) == ("2026-10-01", None, 3, "10.00")
    assert (money_differences(), list(journal_differences())) == ([], [])


def test_a_void_month_is_reissued(program: Program, acme: Workspace, use: Meter) -> None:
    invoice = an_invoice(acme, use)
    program.post(f"invoices/{invoice.public_id}/void", reason="wrong address")
    made = program.post(f"workspaces/{acme.public_id}/reissue", month="2026-09", finalize=True).json()
    assert (made["number"], made["status"], made["amount"]) == ("OMX-2026-00002", "open", "150.00")
    assert error(program.post(f"workspaces/{acme.public_id}/reissue", month="2026-08")) == (409, "invoice_not_void")


def test_a_workspace_is_previewed_and_closed(program: Program, acme: Workspace) -> None:
    credit(acme, "40.00", "purchased")
    preview = program.post(f"workspaces/{acme.public_id}/close/preview", reason="moves away").json()
    assert (preview["credit_owed"], Workspace.objects.get(pk=acme.pk).closed_at) == ("40.00", None)
    closed = program.post(f"workspaces/{acme.public_id}/close", reason="moves away").json()
    assert (closed["credit_owed"], closed["object"]) == ("40.00", "closed_workspace")
    assert error(program.post(f"workspaces/{acme.public_id}/lines", month="2026-10", amount="1.00", text="x")) == (
        409,
        "workspace_closed",
    )


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("invoices/{}/payments", {"amount": "1.001", "reference": "r"}, "amount"),
        ("invoices/{}/payments", {"amount": "1.00"}, "reference"),
        ("invoices/{}/void", {"reason": "x", "colour": "red"}, "colour"),
        ("chargebacks", {"amount": "1.00", "reference": "r"}, "invoice"),
    ],
)
def test_a_body_that_is_wrong_names_what_is_wrong(
    program: Program, invoice: Invoice, path: str, body: dict[str, str], param: str
) -> None:
    answer = program.post(path.format(invoice.public_id), **body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_what_is_not_there_is_not_found(program: Program, acme: Workspace) -> None:
    assert error(program.post("invoices/inv_nothing/void", reason="x")) == (404, "not_found")
    assert error(program.post("workspaces/ws_nothing/payouts", amount="1.00", reference="r")) == (404, "not_found")
    assert error(program.get("reports/nothing")) == (404, "not_found")


# --- The books ----------------------------------------------------------------------------------------------------------


def test_the_books_and_the_reports_are_read(program: Program, acme: Workspace, use: Meter) -> None:
    an_invoice(acme, use)
    accounts = {each["account"]: each["balance"] for each in program.get("trial-balance").json()["accounts"]}
    assert accounts == {"receivable": "150.00", "revenue_usage": "-150.00"}
    (row,) = program.get("reports/ageing", day="2026-12-31").json()["rows"]
    assert (row["workspace_id"], row["amount"]) == (acme.public_id, "150.00")
    (row,) = program.get("reports/revenue", first="2026-10", last="2026-10").json()["rows"]
    assert row["total"] == "150.00"
    assert program.get("reports/owed-to-customers").json() == {"object": "report", "name": "owed-to-customers", "rows": []}
    assert program.get("reports/lost-disputes").json()["rows"] == []
    journal = program.get("journal", first="2026-10", last="2026-10")
    text = b"".join(journal.streaming_content).decode()
    assert (text.count("\n"), "receivable" in text) == (3, True)
    assert error(program.get("journal", first="2026-10", last="2026-09")) == (400, "invalid_parameter")
    assert AuditEntry.objects.filter(action="export.downloaded", target="journal").count() == 1


def test_margins_are_read_by_what_they_are_grouped_by(program: Program) -> None:
    key = make_key(make_workspace("Globex"))
    make_price()
    rates = {"input": Decimal(1), "cached_input": Decimal("0.25"), "output": Decimal(4)}
    set_provider_price("azure", "codex-mini", **rates, actor=OPS, now=NOW, effective_from=LONG_AGO)
    known, unknown = (an_event(key, request_id=name, provider=name) for name in ("azure", "openai"))
    send(make_gateway(), [known, unknown])
    months = {"first": "2026-10", "last": "2026-10"}
    rows = {row["provider"]: row for row in program.get("reports/margins", **months, group_by="provider").json()["rows"]}
    # 86 x 1 + 1920 x 0.25 + 300 x 4 per million, of 0.002649 that the customer pays
    assert (rows["azure"]["provider_cost"], rows["azure"]["margin"]) == ("0.001766000000", "0.000883000000")
    assert (rows["openai"]["provider_cost"], rows["openai"]["margin"], rows["openai"]["unknown_requests"]) == (None, None, 1)
    (total,) = program.get("reports/margins", **months).json()["rows"]
    assert (total["requests"], total["unknown_revenue"], total["margin"]) == (2, "0.002649000000", "0.000883000000")
    assert error(program.get("reports/margins", group_by="weather")) == (400, "invalid_parameter")
