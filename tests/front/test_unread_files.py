"""Every kind of file that nobody reads: its reader is dropped, and the slot that it held is free again."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.front.callers import Caller, head, many
from tests.front.conftest import Live
from tests.front.usage import DAY, DAYS, wait_until

AT_ONCE = 2  # DOWNLOADS_PER_CALLER
PEOPLE = """
import json
from datetime import UTC, datetime
from decimal import Decimal
import django
django.setup()
from django.test import Client
from metering.credits.booked import credit_movement
from metering.credits.models import CreditEntry, CreditGrant
from metering.journal.post import post_many
from workspaces.models import Membership, User, Workspace

acme, now = Workspace.objects.get(name="Acme"), datetime.now(UTC)
about = {"workspace": acme, "kind": "goodwill", "amount": Decimal("1.00"), "note": "n" * 300, "granted_by": "the tests"}
grants = CreditGrant.objects.bulk_create([CreditGrant(**about) for _ in range(20_000)], batch_size=1_000)
entries = [CreditEntry(workspace=acme, grant=each, kind="grant", amount=each.amount, at=now) for each in grants]
CreditEntry.objects.bulk_create(entries, batch_size=1_000)
for first in range(0, len(entries), 1_000):  # in the journal too: what shares this product may prove its books
    post_many([credit_movement(each, "the tests") for each in entries[first : first + 1_000]], now)


def session_of(user):
    browser = Client()
    browser.force_login(user)
    return browser.cookies["sessionid"].value


owner = User.objects.create_user("owner@acme.example", "a long enough password")
Membership.objects.create(workspace=acme, user=owner, role="owner")
operator = User.objects.create_user("ops@omixa.example", "a long enough password", is_staff=True)
print(json.dumps({"owner": session_of(owner), "operator": session_of(operator)}))
"""
MONTH, THIS_MONTH = f"{DAY:%Y-%m}", f"{datetime.now(UTC):%Y-%m}"
MONTHS = f"start={MONTH}-01T00:00:00Z&end={(datetime.now(UTC) + timedelta(days=1)):%Y-%m-%dT00:00:00Z}"
# Who asks, and for what: `<invoice>` and `<line>` are ids, `<row>` is what the console calls the invoice.
FILES = {
    "usage as CSV": ("key", f"/api/v1/usage?format=csv&{DAYS}"),
    "events as CSV": ("key", f"/api/v1/usage/events?format=csv&{DAYS}"),
    "events as NDJSON": ("key", f"/api/v1/usage/events?format=ndjson&{DAYS}"),
    "events of an invoice's line": ("key", "/api/v1/invoices/<invoice>/lines/<line>/events?format=csv"),
    "an invoice's PDF": ("key", "/api/v1/invoices/<invoice>/pdf"),
    "invoices for bookkeeping": ("key", f"/api/v1/exports/invoices?{MONTHS}"),
    "credits for bookkeeping": ("key", f"/api/v1/exports/credits?{MONTHS}"),
    "events of the website": ("owner", "/usage/events?format=csv&range=last_month"),
    "events of a line of the website": ("owner", "/invoices/<invoice>/lines/<line>?format=csv"),
    "a PDF of the website": ("owner", "/invoices/<invoice>/pdf"),
    "credits of the website": ("owner", "/exports/credits"),
    "a PDF of the console": ("operator", "/admin/metering/invoice/<row>/pdf/"),
    "credits of the console": ("operator", "/admin/metering/invoice/export/"),
}
CSRF = "c" * 32


@dataclass(frozen=True)
class Issued:
    """The month's invoice and one line of it, and the people who may ask for its files."""

    live: Live
    ids: dict[str, str]
    sessions: dict[str, str]

    def request(self, name: str) -> bytes:
        who, address = FILES[name]
        for part, value in self.ids.items():
            address = address.replace(part, value)
        if who == "key":
            return head("GET", address, Connection="close", Authorization=f"Bearer {self.live.admin_key}")
        headers = {"Connection": "close", "Cookie": f"sessionid={self.sessions[who]}; csrftoken={CSRF}"}
        if not address.endswith("/export/"):
            return head("GET", address, **headers)
        form = f"kind=credits&first={MONTH}&last={THIS_MONTH}".encode()
        headers |= {"X-CSRFToken": CSRF, "Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(form))}
        return head("POST", address, **headers) + form


@pytest.fixture(scope="module")
def issued(much_usage: Live) -> Issued:
    live = much_usage
    live.instance.manage("close_month", MONTH, "--finalize")
    [(row, invoice)] = live.instance.query("SELECT id, public_id FROM metering_invoice WHERE number IS NOT NULL")
    [(line, *_), *_] = live.instance.query("SELECT public_id FROM metering_invoiceline WHERE component = 'output'")
    return Issued(live, {"<invoice>": invoice, "<line>": line, "<row>": str(row)}, live.instance.python("-c", PEOPLE))


@pytest.mark.parametrize("name", FILES)
def test_a_reader_who_stalls_is_dropped_and_gives_the_slot_back(issued: Issued, name: str) -> None:
    request = issued.request(name)

    def are_dropped() -> bool:
        """False while a slot of the file before is not free yet."""
        with many(issued.live.port, AT_ONCE, lambda _: request, reads=False) as callers:
            begun = [caller.socket.recv(15) for caller in callers]
            if any(each.startswith(b"HTTP/1.1 429") for each in begun):
                return False
            assert begun == [b"HTTP/1.1 200 OK"] * AT_ONCE
            return all(caller.is_dropped() for caller in callers)

    wait_until(are_dropped)

    def is_given() -> bool:
        """To one more, who reads it. Until a slot is free again the answer says when to come back."""
        with Caller(issued.live.port) as caller:
            caller.send(request)
            answer = caller.read_all()
        if answer.startswith(b"HTTP/1.1 429 "):
            assert b"\r\nretry-after: 5\r\n" in answer.lower()
            return False
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        return True

    wait_until(is_given)
