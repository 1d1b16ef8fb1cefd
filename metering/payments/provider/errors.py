"""How a payment provider may answer other than by doing what it was asked. A decline is none of these: it is the customer's."""

from metering.errors import PaymentRefused

# What callers read; the provider's own words are for those who run this.
OURS = "The payment service did not accept this, because of a problem on our side. Nothing was charged: try again later."
SENTENCES = {
    "amount_too_small": "The amount is less than can be paid by card.",
    "amount_too_large": "The amount is more than can be paid at once.",
}


class ProviderUnavailable(Exception):
    """It did not answer, or answered that it failed: what was asked may have happened or not.

    `answered`: with a failure of its own, which it repeats under the same key, so that asking again cannot help.
    """

    def __init__(self, message: str, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered

    @property
    def spends_key(self) -> bool:
        return self.answered


class ProviderRefused(PaymentRefused):
    """It understood and said no: nothing happened, and nothing is settled by it.

    `provider_message` and `reason` are its sentence and code, for operators. Callers of ours read `message` instead.
    `spends_key`: the key was used for something else before, and answers like this for ever.
    """

    def __init__(self, provider_message: str, reason: str = "", *, spends_key: bool = False) -> None:
        super().__init__(SENTENCES.get(reason, OURS))
        self.provider_message, self.reason, self.spends_key = provider_message, reason, spends_key

    def __str__(self) -> str:
        return f"{self.provider_message} ({self.reason})" if self.reason else self.provider_message


class MethodUnusable(ProviderRefused):
    """The customer's method cannot be charged: as good as a decline.

    `is_the_banks`: its sentence is for customers. `is_unknown`: the provider knows no such method, or no such customer.
    """

    def __init__(self, provider_message: str, reason: str, is_the_banks: bool = False, is_unknown: bool = False) -> None:
        super().__init__(provider_message, reason)
        self.is_the_banks, self.is_unknown = is_the_banks, is_unknown


class RefundImpossible(ProviderRefused):
    """Nothing more of the payment can be given back."""


class ForgedWebhook(Exception):
    """Not signed with our secret, or signed too long ago."""
