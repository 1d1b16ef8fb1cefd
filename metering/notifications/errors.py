"""What managing webhooks refuses, each with its code and status."""

from omixa_billing.api.errors import Refusal


class WebhookDeleted(Refusal):
    """An endpoint that was there when the request began, and is not any more."""

    code = "not_found"
    status = 404


class TooManyWebhooks(Refusal):
    code = "too_many_webhooks"
    status = 409


class WebhookDisabled(Refusal):
    """Nothing is sent to a disabled endpoint."""

    code = "webhook_disabled"
    status = 409


class DeliveryBeingSent(Refusal):
    """A delivery that is on its way right now."""

    code = "delivery_being_sent"
    status = 409
