"""What has to be so after every act of a history, and what has to be so once all news has arrived."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from django.db import connection
from django.db.models import Sum

from metering.catalogue.models import PriceVersion
from metering.credits.models import CreditEntry
from metering.invoicing.composing.compose import compose
from metering.invoicing.credit_notes.models import CreditNote, SettledAdjustment
from metering.invoicing.models import Invoice, InvoiceLine
from metering.journal.balances import trial_balance
from metering.journal.models import JournalBalance
from metering.payments.models import Dispute, Payment, Refund
from metering.periods import month_of
from metering.reconcile.journal import journal_differences
from tests.bookkeeping.banking import is_out, is_taken
from tests.bookkeeping.book import ZERO, Book
from tests.bookkeeping.world import World

STANDING = ("open", "paid", "uncollectible")
RUNNING = ("needs_response", "under_review")
# What neither Stripe's side, nor the bank, nor the documents of sales say: what stands between us and the customer.
BETWEEN_US = [
    *("receivable", "refunded_ahead", "credit_bought", "credit_goodwill", "owed_to_customer", "surplus"),
    *("refunds_in_progress", "in_dispute", "bad_debt", "chargebacks", "breakage", "goodwill_given", "money_other"),
]
SALES = ["revenue_usage", "revenue_adjustment", "revenue_minimum", "revenue_fees", "revenue_one_off", "discount"]


def after_every_act(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    found = trial_balance()
    assert found["ok"]
    missing = set() if world.has_heard_all() else {"no_more_goes_out_than_came_in"}  # a refund that failed, and is not heard of
    differences = [each for each in journal_differences() if each["check"] not in missing]
    assert differences == [], differences
    accounts = {each["account"]: Decimal(each["balance"]) for each in found["accounts"]}
    no_account_is_on_the_wrong_side(accounts)
    accounts_are_what_documents_say(accounts)
    what_is_billed_is_what_was_used(world)


def no_account_is_on_the_wrong_side(accounts: dict[str, Decimal]) -> None:
    for account in ("promotions_given", "goodwill_given", "bad_debt", "chargebacks", "provider_fees"):
        assert accounts.get(account, ZERO) >= 0, account
    for account in ("tax", "breakage"):
        assert accounts.get(account, ZERO) <= 0, account
    over = JournalBalance.objects.filter(account="tax", balance__gt=0)
    assert list(over.values_list("part", "balance")) == [], "more of a tax went back than was charged"


def accounts_are_what_documents_say(accounts: dict[str, Decimal]) -> None:
    due = {each.public_id: each.amount_due for each in Invoice.objects.filter(status="open", amount_due__gt=0)}
    assert parts_of("receivable") == due, (parts_of("receivable"), due)
    written_off = Invoice.objects.filter(status="uncollectible")
    assert accounts.get("bad_debt", ZERO) == total(each.amount_due for each in written_off)
    left: Counter[str] = Counter()
    for grant, amount in CreditEntry.objects.values_list("grant__public_id", "amount"):
        left[grant] -= amount  # type: ignore[assignment]
    held = {**parts_of("credit_bought"), **parts_of("credit_promotional"), **parts_of("credit_goodwill")}
    assert held == {grant: amount for grant, amount in left.items() if amount}, (held, left)
    going = Refund.objects.filter(status__in=["started", "pending"])
    assert accounts.get("refunds_in_progress", ZERO) == -total(each.amount for each in going)
    disputed = Dispute.objects.filter(status__in=RUNNING).select_related("payment")
    assert accounts.get("in_dispute", ZERO) == total(min(each.amount, each.payment.amount) for each in disputed)
    owed = parts_of("owed_to_customer")
    for note in CreditNote.objects.filter(settlement="refund"):
        assert -owed.get(note.public_id, ZERO) == not_given_back_yet(note), note
    for payment in Payment.objects.filter(invoice=None, grant=None):
        gone = total(each.amount for each in payment.refunds.exclude(status="failed")) + payment.charged_back
        assert -parts_of("surplus").get(payment.public_id, ZERO) == max(payment.amount - gone, ZERO), payment


def not_given_back_yet(note: CreditNote) -> Decimal:
    as_credit = CreditEntry.objects.filter(grant__source=f"credit_note:{note.public_id}", kind="grant")
    refunds = note.refunds.exclude(status="failed")
    back = [as_credit.aggregate(sum=Sum("amount"))["sum"], refunds.aggregate(sum=Sum("amount"))["sum"]]
    return note.given_back - total(each or ZERO for each in back)


def what_is_billed_is_what_was_used(world: World) -> None:
    """By month and rate: what invoices bill, what credit notes settled or settle next, what waits, and what comes next."""
    workspace = world.workspace
    drafts = workspace.invoices.filter(status="draft")
    if drafts.exists():
        return
    lines = InvoiceLine.objects.filter(invoice__workspace=workspace, kind__in=["usage", "adjustment"])
    found: Counter[tuple[str, Decimal]] = Counter()
    for line in lines.filter(invoice__status__in=STANDING):
        found[f"{line.period_start:%Y-%m}", line.rate_per_million] += line.quantity
    rates = dict(PriceVersion.objects.values_list("public_id", "input_rate"))
    for settled in SettledAdjustment.objects.filter(kind__in=["usage", "adjustment"]):
        found[f"{settled.month:%Y-%m}", rates[settled.price]] += settled.quantity
    used = world.usage.tokens()
    for key, tokens in waiting(world).items():
        found[key] += min(tokens, used.get(key, 0)) if tokens > 0 else tokens
    coming = compose(workspace, month_of(world.now))
    for each in coming.lines:
        if each.kind in ("usage", "adjustment"):
            found[f"{each.period.start:%Y-%m}", each.rate_per_million] += each.quantity
    for item in (item for settlement in coming.settlements for item in settlement.items):
        if item.kind in ("usage", "adjustment"):
            found[f"{item.key.month:%Y-%m}", rates[item.key.price]] += item.quantity
    found = Counter({key: tokens for key, tokens in found.items() if tokens})
    assert found == used, (found, used)


def waiting(world: World) -> dict[tuple[str, Decimal], int]:
    """What the last void invoice of a month billed of it, unless a person had the month billed again."""
    found: Counter[tuple[str, Decimal]] = Counter()
    invoices = list(world.workspace.invoices.order_by("pk"))
    last = {each.period_start: each for each in invoices}
    current = {each.period_start for each in invoices if each.status != "void"}
    for month, invoice in last.items():
        if month not in current and invoice.reissued_at is None:
            for line in invoice.lines.filter(kind__in=["usage", "adjustment"], period_start=month):
                found[f"{month:%Y-%m}", line.rate_per_million] += line.quantity
    return found


def once_all_news_has_arrived(world: World) -> None:
    """Ours is what Stripe has, and the second book says the same."""
    paid = [each for each in world.stripe.of("payment_intent") if each["status"] == "succeeded" or each.get("_returned")]
    ours = {each.intent_id: each for each in Payment.objects.filter(method="stripe")}
    assert {each["id"] for each in paid} == set(ours), "each payment there is one here"
    money, book = parts_of("money_stripe"), Book()
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


def parts_of(account: str) -> dict[str, Decimal]:
    kept = JournalBalance.objects.filter(account=account).exclude(part="").exclude(balance=0)
    return {part: Decimal(balance) / 100 for part, balance in kept.values_list("part", "balance")}


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)
