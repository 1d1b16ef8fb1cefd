"""What the product tells of: the one list that the API, the pages and the documentation read.

A name is a contract with those who receive it. New ones are added; none is renamed.
"""

TEST = "webhook.test"

NOTIFICATION_TYPES = {
    "budget.threshold_reached": "Spending went over a threshold of a budget, once in each of its windows.",
    "budget.forecast_exceeded": "At today's pace a budget is used up before its window ends.",
    "balance.threshold_reached": "The prepaid balance fell below a threshold.",
    "key.spend_spike": "A key spent far more within an hour than it usually does.",
    "key.leaked": "A key was found in a public place.",
    "key.frozen": "A key was frozen: it is refused until a person lets it work again.",
    "usage.unaccounted": "Requests were allowed whose usage was never reported.",
    "price.changing": "A price that concerns the workspace changes within a month.",
    "price.change_withdrawn": "A price change that was announced does not happen.",
    "invoice.finalized": "An invoice got its number and is to be paid.",
    "invoice.paid": "An invoice is paid in full.",
    "invoice.past_due": "An invoice was not paid in time, and no attempt to collect it is left.",
    "invoice.voided": "An invoice was voided: nothing is to be paid for it.",
    "credit_note.issued": "A credit note was issued for an invoice.",
    "payment.succeeded": "A payment arrived.",
    "payment.failed": "An attempt to collect an invoice or a top-up was declined.",
    "payment.refunded": "A payment was refunded, in part or in full.",
    "payment.disputed": "A bank asks for a payment back.",
    "payment.charged_back": "A bank took a payment back: a dispute was lost, or a debit was returned.",
    "payment.dispute_won": "A dispute was won: the money stays, or the bank has returned it.",
    "top_up.succeeded": "Credit was bought and can be spent.",
    "workspace.closed": "A workspace was closed for good: its final invoices are made, and its keys stop.",
    TEST: "A test that a person or a program asked for.",
}

# What an endpoint chooses from: a test is sent to the one that it is for.
CHOICES_OF_TYPES = tuple(name for name in NOTIFICATION_TYPES if name != TEST)
