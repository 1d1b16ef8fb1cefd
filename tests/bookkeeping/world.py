"""One customer, its Stripe, and a clock; what each act of a random history needs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from metering.invoicing.models import Invoice
from metering.payments.models import PaymentAccount
from metering.payments.webhooks.inbox import store_webhook
from metering.payments.webhooks.models import WebhookEvent
from tests.bookkeeping.book import Book, Meterings
from tests.kit.billing import Meter
from tests.kit.factories import LONG_AGO, make_workspace
from tests.kit.stripe_server import StripeServer
from workspaces.models import APIKey

Row = TypeVar("Row", bound=Model)
Act = Callable[[], Any]
OPS = "ops@omixa.example"
BEGINS = datetime(2026, 7, 20, 9, 0, tzinfo=UTC)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


class World:
    """`at_hand` are movements that no server of anybody else's remembers: how much came or went by bank and otherwise."""

    def __init__(self, key: APIKey, use: Meter, stripe: StripeServer, account: PaymentAccount, random: Random) -> None:
        self.key, self.meter, self.stripe, self.account, self.random = key, use, stripe, account, random
        self.workspace = key.workspace
        self.elsewhere = make_workspace("Elsewhere", email=key.workspace.email)
        self.now = BEGINS
        self.usage = Meterings(prices=[(LONG_AGO, Decimal("1.5"))])
        self.at_hand = Book()
        self.untold: list[tuple[str, str]] = []  # kinds of events of Stripe's, and what they are about
        self.delivered: list[tuple[str, str]] = []
        self.numbers = 0
        self.checked: object = None  # what was last found right
        self.exported: dict[str, object] = {}  # of each locked month, what its exports said when they were first looked at

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def amount(self, most: Decimal = Decimal("60.00")) -> Decimal:
        return max(Decimal("0.01"), cents(most * self.random.randint(1, 100) / 100))

    def pick(self, *statuses: str) -> Invoice | None:
        return self.one_of(self.workspace.invoices.filter(status__in=statuses))

    def one_of(self, rows: QuerySet[Row]) -> Row | None:
        found = list(rows.order_by("pk"))
        return self.random.choice(found) if found else None

    def chance(self, percent: int) -> bool:
        return self.random.randint(1, 100) <= percent

    def later(self) -> None:
        self.now += timedelta(minutes=self.random.choice([1, 20, 90, 60 * 26, 60 * 24 * 3]))

    # --- Stripe's side -------------------------------------------------------------------------------------------

    def happens(self, kind: str, about: dict[str, Any]) -> None:
        """Stripe will tell of it: now, late, more than once, or after what came later."""
        self.untold.append((kind, about["id"]))

    def has_heard_all(self) -> bool:
        """Whether no news of Stripe's is missing, or waits to be handled."""
        return not self.untold and not WebhookEvent.objects.unhandled().exists()

    def hear(self, all_of_it: bool = False) -> None:
        """Some of Stripe's news arrives in any order, and old news again."""
        news = list(self.untold)
        if not all_of_it:
            self.random.shuffle(news)
            news = news[: self.random.randint(0, len(news))] + self.random.sample(self.delivered, min(len(self.delivered), 1))
        for each in news:
            self.hear_of(*each)

    def hear_of(self, kind: str, about: str) -> None:
        store_webhook(*self.stripe.signed(self.stripe.event(kind, self.stripe.objects[about])), self.now)
        if (kind, about) in self.untold:
            self.untold.remove((kind, about))
            self.delivered.append((kind, about))
