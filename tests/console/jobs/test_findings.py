"""Findings of the nightly proof: a sentence each, who says what, and where to look."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from metering.console.jobs import findings
from metering.credits import ledger
from metering.payments.models import Payment, Refund
from tests.console.conftest import World
from tests.kit.factories import NOW

pytestmark = pytest.mark.django_db


def rows(differences: list[dict[str, Any]]) -> list[list[str]]:
    """The table's cells as a reader sees them."""
    body = str(findings.findings_table(differences)).partition("<tbody>")[2]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in body.split("</tr>")[:-1]]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (
            {"check": "payments_are_stripes", "payment_id": "pay_1", "expected": "canceled", "found": "125.24"},
            "Stripe says canceled, we say 125.24 paid.",
        ),
        (
            {"check": "payments_are_stripes", "intent_id": "pi_1", "expected": "125.24", "found": "no payment"},
            "Stripe says 125.24 paid, we have no payment.",
        ),
        (
            {"check": "payments_are_stripes", "expected": "an answer of Stripe's", "found": "timed out"},
            "Stripe did not answer, so payments were not compared with it: timed out",
        ),
        (
            {"check": "refunds_are_stripes", "refund_id": "re_1", "expected": "20.00 pending", "found": "20.00 failed"},
            "Stripe says a refund of 20.00 is pending, we say 20.00 failed.",
        ),
        (
            {"check": "refunds_are_stripes", "refund_id": "re_1", "expected": "20.00 succeeded", "found": "no refund"},
            "Stripe says a refund of 20.00 succeeded, we have none.",
        ),
        (
            {"check": "payments_are_what_was_paid", "invoice_id": "inv_1", "expected": "1.00", "found": "2.00"},
            "What the invoice says was paid is not the sum of its payments.",
        ),
        ({"check": "all_is_well", "expected": "1", "found": "2"}, "This does not hold: all is well."),
    ],
)
def test_a_finding_is_a_sentence(difference: dict[str, Any], said: str) -> None:
    assert findings.finding_sentence(difference) == said


def test_each_says_who_says_what(db: None) -> None:
    ours = {
        "check": "payments_are_what_was_paid",
        "invoice_id": "inv_1",
        "number": "OMX-1",
        "expected": "1.00",
        "found": "2.00",
    }
    sums = {
        "check": "rollup_by_hour_is_its_events",
        "workspace_id": "ws_1",
        "start": "2026-09-01T00:00:00Z",
        "expected": {"requests": 2, "cost": "0.100000000000"},
        "found": None,
    }
    stripe = {"check": "payments_are_stripes", "intent_id": "pi_1", "expected": "125.24", "found": "no payment"}
    assert rows([ours, sums, stripe]) == [
        ["What the invoice says was paid is not the sum of its payments.", "OMX-1", "2.00 payments", "1.00 invoice"],
        [
            "An hourly sum is not that of its events.",
            "workspace ws_1 start 2026-09-01T00:00:00Z",
            "nothing hourly sums",
            "requests 2, cost 0.100000000000 events",
        ],
        ["Stripe says 125.24 paid, we have no payment.", "at Stripe pi_1", "no payment", "125.24 Stripe"],
    ]
    assert '<span class="console-nowrap">125.24</span>' in str(findings.findings_table([stripe]))


def test_what_it_is_about_is_one_click_away(console: Client, world: World) -> None:
    grant = ledger.grant(world.acme, "goodwill", Decimal(5), "tests", NOW)
    payment = Payment.objects.create(
        workspace=world.acme, amount=5, method="stripe", intent_id="pi_1", received_at=NOW, recorded_by="stripe"
    )
    Refund.objects.create(payment=payment, amount=1, stripe_id="re_1", idempotency_key="r", started_at=NOW, started_by="ops")
    table = str(
        findings.findings_table(
            [
                {"check": "x", "invoice_id": world.invoice.public_id},
                {"check": "x", "payment_id": payment.public_id, "intent_id": "pi_1"},
                {"check": "x", "credit_id": grant.public_id, "workspace_id": world.acme.public_id},
                {"check": "x", "refund_id": "re_1"},
                {"check": "x", "invoice_id": "inv_gone"},
            ]
        )
    )
    paid = reverse("admin:metering_payment_change", args=[payment.pk])
    assert re.findall(r'href="([^"]+)"', table) == [
        reverse("admin:metering_invoice_change", args=[world.invoice.pk]),
        paid,
        paid,
        reverse("admin:metering_creditgrant_change", args=[grant.pk]),
        reverse("admin:workspaces_workspace_change", args=[world.acme.pk]),
        paid,
        f"{reverse('admin:metering_invoice_changelist')}?q=inv_gone",
    ]


def test_many_findings_take_no_more_queries(world: World, django_assert_num_queries: Any) -> None:
    many = [{"check": "x", "invoice_id": f"inv_{number}", "workspace_id": "ws_1"} for number in range(50)]
    with django_assert_num_queries(2):
        assert len(rows(many)) == 50
