"""What has to be so after every act of a history, and what has to be so once all news has arrived."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from metering.invoicing.composing.compose import compose
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.journal.balances import trial_balance
from metering.journal.models import LockedPeriod
from metering.payments.models import Payment, Refund
from metering.periods import Period, month_of
from metering.reconcile.journal import journal_differences
from tests.bookkeeping.banking import is_out, is_taken
from tests.bookkeeping.book import ZERO, Book
from tests.bookkeeping.tables import InvoiceRow, Tables, total
from tests.bookkeeping.world import World
from tests.kit.exported import ever, every_export, exports_agree

STANDING = ("open", "paid", "uncollectible")
# What neither Stripe's side, nor the bank, nor the documents of sales say: what stands between us and the customer.
BETWEEN_US = [
    *("receivable", "refunded_ahead", "credit_bought", "credit_goodwill", "owed_to_customer", "surplus"),
    *("refunds_in_progress", "in_dispute", "bad_debt", "chargebacks", "breakage", "goodwill_given", "money_other"),
]
SALES = ["revenue_usage", "revenue_adjustment", "revenue_minimum", "revenue_fees", "revenue_one_off", "discount"]


def after_every_act(world: World) -> None:
    """An act that wrote nothing left everything as it was checked before."""
    now = (settled_and_written(), month_of(world.now), world.usage.tokens())
    if now == world.checked:
        return
    found = trial_balance(prove=False)
    assert found["ok"]
    missing = set() if world.has_heard_all() else {"no_more_goes_out_than_came_in"}  # a refund that failed, and is not heard of
    differences = [each for each in journal_differences() if each["check"] not in missing]
    assert differences == [], differences
    accounts = {each["account"]: Decimal(each["balance"]) for each in found["accounts"]}
    tables = Tables()
    no_account_is_on_the_wrong_side(accounts, tables)
    accounts_are_what_documents_say(accounts, tables)
    what_is_billed_is_what_was_used(world, tables)
    world.checked = now


def settled_and_written() -> str:
    """How far the database has written, once it has checked what it leaves to the commit: the same, and nothing changed."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
        return str(cursor.fetchone()[0])


def no_account_is_on_the_wrong_side(accounts: dict[str, Decimal], tables: Tables) -> None:
    for account in ("promotions_given", "goodwill_given", "bad_debt", "chargebacks", "provider_fees"):
        assert accounts.get(account, ZERO) >= 0, account
    for account in ("tax", "breakage"):
        assert accounts.get(account, ZERO) <= 0, account
    over = [(part, balance) for account, part, balance in tables.balances if account == "tax" and balance > 0]
    assert over == [], "more of a tax went back than was charged"


def accounts_are_what_documents_say(accounts: dict[str, Decimal], tables: Tables) -> None:
    due = {each.public_id: each.due for each in tables.invoices if each.status == "open" and each.due > 0}
    assert tables.parts_of("receivable") == due, (tables.parts_of("receivable"), due)
    assert accounts.get("bad_debt", ZERO) == total(each.due for each in tables.invoices if each.status == "uncollectible")
    held = tables.parts_of("credit_bought", "credit_promotional", "credit_goodwill")
    left = {grant: -amount for grant, amount in tables.left_of_credit().items()}
    assert held == left, (held, left)
    going = total(amount for _, _, status, amount in tables.refunds if status in ("started", "pending"))
    assert accounts.get("refunds_in_progress", ZERO) == -going
    assert accounts.get("in_dispute", ZERO) == tables.disputed
    owed, surplus = tables.parts_of("owed_to_customer"), tables.parts_of("surplus")
    for pk, note, given_back in tables.notes:
        back = tables.granted_for(f"credit_note:{note}") + tables.refunded(note=pk)
        assert -owed.get(note, ZERO) == given_back - back, note
    assert tables.asked_twice == []
    for pk, payment, amount, charged_back in tables.surpluses:
        gone = tables.refunded(payment=pk) + charged_back
        assert -surplus.get(payment, ZERO) == max(amount - gone, ZERO), payment


def what_is_billed_is_what_was_used(world: World, tables: Tables) -> None:
    """By month and rate: what invoices bill, what credit notes settled or settle next, what waits, and what comes next."""
    invoices = [each for each in tables.invoices if each.workspace_id == world.workspace.pk]
    if any(each.status == "draft" for each in invoices):
        return
    found: Counter[tuple[str, Decimal]] = Counter()
    for invoice in invoices:
        for month, rate, tokens in tables.lines[invoice.id] if invoice.status in STANDING else ():
            found[f"{month:%Y-%m}", rate] += tokens
    for month, price, tokens in tables.settled:
        found[f"{month:%Y-%m}", tables.rates[price]] += tokens
    used = world.usage.tokens()
    for key, tokens in waiting(invoices, tables, month_of(world.now).start).items():
        found[key] += min(tokens, used.get(key, 0)) if tokens > 0 else tokens
    coming = compose(world.workspace, month_of(world.now))
    for each in coming.lines:
        if each.kind in ("usage", "adjustment"):
            found[f"{each.period.start:%Y-%m}", each.rate_per_million] += each.quantity
    for item in (item for settlement in coming.settlements for item in settlement.items):
        if item.kind in ("usage", "adjustment"):
            found[f"{item.key.month:%Y-%m}", tables.rates[item.key.price]] += item.quantity
    found = Counter({key: tokens for key, tokens in found.items() if tokens})
    assert found == used, (found, used)


def waiting(invoices: Sequence[InvoiceRow], tables: Tables, running: datetime) -> dict[tuple[str, Decimal], int]:
    """What the last void invoice of a month billed of it, unless a person had the month billed again. The running month, which
    a closed workspace's last invoice bills, is what comes next anyway.
    """
    found: Counter[tuple[str, Decimal]] = Counter()
    last = {each.month: each for each in invoices}
    current = {each.month for each in invoices if each.status != "void"}
    for month, invoice in last.items():
        if month not in current and month != running and invoice.reissued_at is None:
            for of, rate, tokens in tables.lines[invoice.id]:
                if of == month:
                    found[f"{month:%Y-%m}", rate] += tokens
    return found


def exports_are_the_books(world: World) -> None:
    """And those of locked months stay as they are."""
    exports_agree(ever(world.now + timedelta(days=1)))
    for locked in LockedPeriod.objects.all():
        found = every_export(Period(locked.starts_at, locked.ends_at))
        assert world.exported.setdefault(str(locked), found) == found, locked


def once_all_news_has_arrived(world: World) -> None:
    """Ours is what Stripe has, and the second book says the same. A debit that was returned before anybody heard that it came
    through was no payment here.
    """
    ours = {each.intent_id: each for each in Payment.objects.filter(method="stripe")}
    intents = world.stripe.of("payment_intent")
    paid = [each for each in intents if each["status"] == "succeeded" or (each.get("_returned") and each["id"] in ours)]
    assert {each["id"] for each in paid} == set(ours), "each payment there is one here"
    money, book = Tables().parts_of("money_stripe"), Book()
    for intent in paid:
        payment = ours[intent["id"]]
        there = Decimal(left_at_stripe(world, intent)) / 100
        assert payment.amount == Decimal(intent.get("_returned") or intent["amount_received"]) / 100
        assert money.get(payment.public_id, ZERO) == there, payment
        book.move(there, "stripe", "customer")
    by_hand = Refund.objects.exclude(reference="").exclude(status="failed")
    for at_hand in ("bank", "stripe"):
        book.move(world.at_hand.accounts[at_hand], at_hand, "customer")  # type: ignore[arg-type]
    book.move(total(each.amount for each in by_hand), "customer", "bank")
    for invoice in Invoice.objects.filter(status__in=STANDING):
        book.move(total(line.amount for line in invoice.lines.all()), "customer", "sales")
        book.move(total(Decimal(each["amount"]) for each in invoice.taxes), "customer", "tax")
        book.move(invoice.promotional, "promotions", "customer")
    for note in CreditNote.objects.all():
        book.move(total(line.amount for line in note.lines.all()), "sales", "customer")
        book.move(total(Decimal(each["amount"]) for each in note.taxes), "tax", "customer")
    assert in_own_words(world) == book.balances(), (in_own_words(world), book.balances())


def left_at_stripe(world: World, intent: dict[str, object]) -> int:
    """In cents: refunds that are still on their way have not left yet."""
    arrived = [each for each in world.stripe.of("refund") if is_out(each, intent) and each["status"] == "succeeded"]
    taken = [each for each in world.stripe.of("dispute") if is_taken(each, intent)]
    came = 0 if intent.get("_returned") else intent["amount_received"]
    return int(came) - sum(each["amount"] for each in arrived) - sum(each["amount"] for each in taken)  # type: ignore[call-overload, no-any-return]


def in_own_words(world: World) -> dict[str, str]:
    """The journal's accounts under the second book's."""
    words = dict.fromkeys(BETWEEN_US, "customer") | dict.fromkeys(SALES, "sales")
    words |= {"money_stripe": "stripe", "provider_fees": "stripe", "money_bank": "bank", "tax": "tax"}
    words |= {"promotions_given": "promotions", "credit_promotional": "promotions"}
    found = Book()
    for each in trial_balance()["accounts"]:
        found.accounts[words[each["account"]]] += Decimal(each["balance"])  # type: ignore[assignment]
    return found.balances()
