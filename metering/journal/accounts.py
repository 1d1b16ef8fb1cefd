"""The accounts of the journal: the one list of them, and what must hold of each.

Amounts are above zero where an account is debited and below zero where it is credited. Where that matters, an account has
parts, such as the receivable of one invoice, and each part has a balance of its own beside the whole account's.
"""

from dataclasses import dataclass
from enum import StrEnum


class AccountType(StrEnum):
    """As bookkeepers group accounts: balances of the first and the last are debits, of the others credits."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


class JournalAccount(StrEnum):
    """Whatever the database keeps of an account is kept under these names."""

    RECEIVABLE = "receivable"
    MONEY_STRIPE = "money_stripe"
    MONEY_BANK = "money_bank"
    MONEY_OTHER = "money_other"
    IN_DISPUTE = "in_dispute"
    REFUNDED_AHEAD = "refunded_ahead"
    CREDIT_BOUGHT = "credit_bought"
    CREDIT_PROMOTIONAL = "credit_promotional"
    CREDIT_GOODWILL = "credit_goodwill"
    OWED_TO_CUSTOMER = "owed_to_customer"
    SURPLUS = "surplus"
    REFUNDS_IN_PROGRESS = "refunds_in_progress"
    TAX = "tax"
    REVENUE_USAGE = "revenue_usage"
    REVENUE_ADJUSTMENT = "revenue_adjustment"
    REVENUE_MINIMUM = "revenue_minimum"
    REVENUE_FEES = "revenue_fees"
    REVENUE_ONE_OFF = "revenue_one_off"
    DISCOUNT = "discount"
    BREAKAGE = "breakage"
    PROMOTIONS_GIVEN = "promotions_given"
    GOODWILL_GIVEN = "goodwill_given"
    BAD_DEBT = "bad_debt"
    CHARGEBACKS = "chargebacks"
    PROVIDER_FEES = "provider_fees"


@dataclass(frozen=True, slots=True)
class AccountRule:
    """`part` says what its parts are, empty where it has none. `bounded`: no balance of it is ever on the other side.

    Facts from outside move the accounts of money: they are never refused, and `reconcile` names what cannot be.
    """

    type: AccountType
    label: str
    part: str = ""
    bounded: bool = False

    @property
    def is_debit(self) -> bool:
        """Whether its balance is usually above zero."""
        return self.type in (AccountType.ASSET, AccountType.EXPENSE)


_A, _T = JournalAccount, AccountType
# In the order of a trial balance. The bounded ones are in the checks of the balances' table too.
CHART: dict[JournalAccount, AccountRule] = {
    _A.RECEIVABLE: AccountRule(_T.ASSET, "Receivable", "invoice", bounded=True),
    _A.MONEY_STRIPE: AccountRule(_T.ASSET, "Money at Stripe", "payment"),
    _A.MONEY_BANK: AccountRule(_T.ASSET, "Money by bank transfer", "payment"),
    _A.MONEY_OTHER: AccountRule(_T.ASSET, "Money by other ways", "document"),
    _A.IN_DISPUTE: AccountRule(_T.ASSET, "In dispute", "dispute", bounded=True),
    _A.REFUNDED_AHEAD: AccountRule(_T.ASSET, "Refunded without a credit note", "document", bounded=True),
    _A.CREDIT_BOUGHT: AccountRule(_T.LIABILITY, "Credit bought (deferred revenue)", "credit", bounded=True),
    _A.CREDIT_PROMOTIONAL: AccountRule(_T.LIABILITY, "Promotional credit", "credit", bounded=True),
    _A.CREDIT_GOODWILL: AccountRule(_T.LIABILITY, "Goodwill credit", "credit", bounded=True),
    _A.OWED_TO_CUSTOMER: AccountRule(_T.LIABILITY, "Owed to customers", "document", bounded=True),
    _A.SURPLUS: AccountRule(_T.LIABILITY, "Surplus payments", "payment", bounded=True),
    _A.REFUNDS_IN_PROGRESS: AccountRule(_T.LIABILITY, "Refunds in progress", "payment", bounded=True),
    _A.TAX: AccountRule(_T.LIABILITY, "Tax", "rate"),
    _A.REVENUE_USAGE: AccountRule(_T.INCOME, "Revenue: usage"),
    _A.REVENUE_ADJUSTMENT: AccountRule(_T.INCOME, "Revenue: adjustments of earlier months"),
    _A.REVENUE_MINIMUM: AccountRule(_T.INCOME, "Revenue: minimum commitments"),
    _A.REVENUE_FEES: AccountRule(_T.INCOME, "Revenue: recurring fees"),
    _A.REVENUE_ONE_OFF: AccountRule(_T.INCOME, "Revenue: manual lines"),
    _A.DISCOUNT: AccountRule(_T.INCOME, "Discounts"),
    _A.BREAKAGE: AccountRule(_T.INCOME, "Breakage (bought credit that expired)"),
    _A.PROMOTIONS_GIVEN: AccountRule(_T.EXPENSE, "Promotional credit given"),
    _A.GOODWILL_GIVEN: AccountRule(_T.EXPENSE, "Goodwill credit given"),
    _A.BAD_DEBT: AccountRule(_T.EXPENSE, "Bad debt"),
    _A.CHARGEBACKS: AccountRule(_T.EXPENSE, "Chargebacks"),
    _A.PROVIDER_FEES: AccountRule(_T.EXPENSE, "Fees of the payment provider"),
}
MONEY = (_A.MONEY_STRIPE, _A.MONEY_BANK, _A.MONEY_OTHER)
CREDITS = (_A.CREDIT_BOUGHT, _A.CREDIT_PROMOTIONAL, _A.CREDIT_GOODWILL)
