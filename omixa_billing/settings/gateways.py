"""What gateways hear before a request, and programs after it."""

from functools import partial

from metering.alerts.leaks.configuration import on_leaked_gateway, scanning_keys_url
from omixa_billing.settings.environment import env

# Output tokens held for a request that names none, of a model that does not say; and the least that one is lowered to.
AUTHORIZE_OUTPUT_TOKENS = env.int("AUTHORIZE_OUTPUT_TOKENS", default=4096)
AUTHORIZE_LEAST_OUTPUT_TOKENS = env.int("AUTHORIZE_LEAST_OUTPUT_TOKENS", default=256)
AUTHORIZE_CACHE_SECONDS, KEY_CACHE_SECONDS = env.int("AUTHORIZE_CACHE_SECONDS", 5), env.int("KEY_CACHE_SECONDS", 60)
HOLD_SECONDS = env.int("HOLD_SECONDS", default=900)
# Whether webhooks may be sent into private networks, and there by http: for those who run the product for themselves.
WEBHOOKS_PRIVATE_ADDRESSES = env.bool("WEBHOOKS_PRIVATE_ADDRESSES", default=False)
WEBHOOK_TIMEOUT_SECONDS = env.float("WEBHOOK_TIMEOUT_SECONDS", default=15)  # for everything from the name to the answer
# Where GitHub publishes the keys that it signs reports of leaked secrets with; empty: there is no such endpoint.
SECRET_SCANNING_KEYS_URL = env.checked(partial(scanning_keys_url, env), instead="")
ON_LEAKED_GATEWAY = env.checked(partial(on_leaked_gateway, env), instead="tell")
