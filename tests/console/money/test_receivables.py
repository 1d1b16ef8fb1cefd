"""What is owed: the overview's sums, the lists they lead to, and the sum over what is listed."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.void import mark_uncollectible, reissue, void
from metering.invoicing.models import Invoice
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Dunning, PaymentAttempt
from metering.periods import parse_month
from tests.console.conftest import OPERATOR
from tests.kit.billing import Meter, tokens
from tests.kit.factories import NOW, make_key, make_workspace
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
LISTING = reverse("admin:metering_invoice_changelist")
SEPTEMBER = datetime(2026, 9, 4, tzinfo=UTC)


def bill(use: Meter, name: str, month: str, millions: int, now: datetime = NOW) -> Invoice:
    """Of a new workspace, open, at 1.50 a million."""
    workspace = make_workspace(name, email="bills@example.com")
    use(make_key(workspace), f"{month}-14T10:00", usage=tokens(input=millions * 1_000_000))
    (made,) = close_workspaces(parse_month(f"2026-{month}"), now, workspace=workspace, finalize=True)
    return made


def dun(invoice: Invoice, state: str, declined: bool) -> None:
    Dunning.objects.create(invoice=invoice, state=state, began_at=NOW)
    if declined:
        PaymentAttempt.objects.create(
            workspace=invoice.workspace,
            invoice=invoice,
            number=1,
            amount=invoice.amount_due,
            idempotency_key=f"{invoice.public_id}-1",
            customer_id="cus_1",
            status="declined",
            started_at=NOW,
            settled_at=NOW,
        )


@pytest.fixture
def books(use: Meter) -> dict[str, Invoice]:
    """One of each, with different amounts: 1.50, 3.00, 6.00, 12.00 due; 24.00 held; 48.00 written off; 96.00 paid."""
    made = {
        "fresh": bill(use, "Fresh", "09", 1),
        "overdue": bill(use, "Overdue", "08", 2, SEPTEMBER),
        "past due": bill(use, "Past due", "08", 4, SEPTEMBER),
        "declined": bill(use, "Declined", "09", 8),
        "held": bill(use, "Held", "09", 16),
        "written off": bill(use, "Written off", "09", 32),
        "paid": bill(use, "Paid", "09", 64),
    }
    dun(made["past due"], "past_due", declined=True)
    dun(made["declined"], "retrying", declined=True)
    dun(made["overdue"], "retrying", declined=False)
    mark_uncollectible(made["written off"].pk, "insolvent", OPERATOR, NOW)
    mark_paid(made["paid"].pk, "transfer 1", OPERATOR, NOW)
    Workspace.objects.filter(pk=made["past due"].workspace_id).update(
        suspended_at=NOW, suspensions=["past_due"], suspended_because="It is past due."
    )
    return made


@pytest.fixture
def held(books: dict[str, Invoice]) -> Invoice:
    """A draft that waits: September's of another workspace."""
    other = make_workspace("Waiting")
    period = parse_month("2026-09")
    return Invoice.objects.create(
        workspace=other,
        period_start=period.start,
        period_end=period.end,
        subtotal_exact="500",
        subtotal="500.00",
        total="500.00",
        amount_due="500.00",
        holds=["implausible"],
        held="20 times the usual.",
        warnings=["7 events of the month have no price."],
    )


def shown(console: Client) -> dict[str, tuple[str, str, str]]:
    """What the overview's cards say: title → (value, note, link)."""
    page = unescape(console.get("/admin/").content.decode())
    found = re.findall(
        r'href="([^"]+)">\s*<h2>([^<]+)</h2>\s*<p class="console-value">([^<]+)</p>\s*<p class="console-note">([^<]+)</p>', page
    )
    return {title: (value, note, link) for link, title, value, note in found}


def listed(console: Client, link: str) -> set[str]:
    answer = console.get(link)
    assert answer.status_code == 200
    return {invoice.workspace.name for invoice in answer.context["cl"].result_list}


def test_the_overview_says_what_is_owed_and_leads_to_it(console: Client, books: dict[str, Invoice], held: Invoice) -> None:
    cards = shown(console)
    assert {title: cards[title][:2] for title in list(cards)[:6]} == {
        "Open invoices": ("$46.50", "5 invoices"),
        "Overdue": ("$9.00", "2 invoices, after the due day"),
        "Retries used up": ("$6.00", "1 invoice, overdue, with no retry left"),
        "Failed payments": ("$12.00", "1 invoice, retried automatically"),
        "Held drafts": ("$500.00", "1 draft, waiting for review"),
        "Suspended workspaces": ("1", "their live keys are refused"),
    }
    assert listed(console, cards["Open invoices"][2]) == {"Fresh", "Overdue", "Past due", "Declined", "Held"}
    assert listed(console, cards["Overdue"][2]) == {"Overdue", "Past due"}
    assert listed(console, cards["Retries used up"][2]) == {"Past due"}
    assert listed(console, cards["Failed payments"][2]) == {"Declined"}
    assert listed(console, cards["Held drafts"][2]) == {"Waiting"}
    suspended = console.get(cards["Suspended workspaces"][2])
    assert [each.name for each in suspended.context["cl"].result_list] == ["Past due"]


def test_void_months_wait_until_they_are_reissued(console: Client, books: dict[str, Invoice]) -> None:
    void(books["fresh"].pk, "wrong address", OPERATOR, NOW)
    void(books["overdue"].pk, "wrong address", OPERATOR, NOW)
    card = shown(console)["Void months"]
    assert card[:2] == ("2", "not billed until they are reissued")
    assert listed(console, card[2]) == {"Fresh", "Overdue"}
    reissue(books["fresh"].pk, OPERATOR, NOW)
    assert listed(console, card[2]) == {"Overdue"}
    reissue(books["overdue"].pk, OPERATOR, NOW)
    assert shown(console)["Void months"][:2] == ("0", "none waits for its reissue")


def test_nothing_owed_is_calm(console: Client) -> None:
    cards = shown(console)
    assert {title: cards[title][:2] for title in list(cards)[:6]} == {
        "Open invoices": ("$0.00", "nothing is owed"),
        "Overdue": ("$0.00", "nothing is overdue"),
        "Retries used up": ("$0.00", "none has used up its retries"),
        "Failed payments": ("$0.00", "nothing failed"),
        "Held drafts": ("$0.00", "no draft is held"),
        "Suspended workspaces": ("0", "every live key works"),
    }
    assert "console-alert" not in console.get("/admin/").content.decode().replace("console-alerts", "")


def test_the_list_says_what_is_due_on_all_that_it_lists(console: Client, books: dict[str, Invoice], held: Invoice) -> None:
    def said(**asked: str) -> str:
        found = re.search(r'<p class="console-sum">([^<]+)</p>', console.get(LISTING, asked).content.decode())
        assert found
        return found[1]

    assert said() == "$94.50 are due on the invoices listed, and $500.00 in drafts."
    assert said(receivable="overdue") == "$9.00 are due on the invoices listed."
    assert said(receivable="held") == "$0.00 are due on the invoices listed, and $500.00 in drafts."
    assert said(status__exact="paid") == "$0.00 are due on the invoices listed."
    assert said(receivable="nonsense") == "$0.00 are due on the invoices listed."


def test_the_list_is_filtered_by_warnings_and_marks_what_is_held(
    console: Client, books: dict[str, Invoice], held: Invoice
) -> None:
    assert listed(console, f"{LISTING}?receivable=warned") == {"Waiting"}
    assert "draft, held" in console.get(LISTING).content.decode()
    assert "draft, held" not in console.get(f"{LISTING}?receivable=open").content.decode()


def test_workspaces_are_filtered_by_whether_their_keys_work(console: Client, books: dict[str, Invoice]) -> None:
    workspaces = reverse("admin:workspaces_workspace_changelist")
    found = console.get(workspaces, {"suspended": "no"}).context["cl"].result_list
    assert "Past due" not in {each.name for each in found}
    assert len(console.get(workspaces, {"suspended": ""}).context["cl"].result_list) == 7
    marked = re.compile(r">\s*suspended\s*</span>")
    assert marked.search(console.get(workspaces, {"suspended": "yes"}).content.decode())
    assert not marked.search(console.get(workspaces, {"suspended": "no"}).content.decode())
