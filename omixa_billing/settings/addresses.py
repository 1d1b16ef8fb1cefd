"""Under which addresses the product answers, behind which proxies, and what its cookies are."""

from functools import partial

from omixa_billing.embedded import home
from omixa_billing.environment import DEVELOPMENT, production_faults
from omixa_billing.rate_limits.configuration import proxy_count
from omixa_billing.settings.environment import DEBUG, OMIXA_ENV, PRODUCTION, env

SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY and OMIXA_ENV == DEVELOPMENT:
    SECRET_KEY = home.secret_key()
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://127.0.0.1:{env.int('PORT', default=8000)}")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
if PRODUCTION:
    env.faults += production_faults(SECRET_KEY, DEBUG, PUBLIC_URL, ALLOWED_HOSTS)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])
SECURE_COOKIES = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
TRUSTED_PROXY_COUNT = env.checked(partial(proxy_count, env), instead=0)
TRUSTED_CLIENT_IP_HEADER = env.str("TRUSTED_CLIENT_IP_HEADER", default="")
# `__Host-`: no other host of the domain, and no page without TLS, can set such a cookie in our name.
COOKIE_PREFIX = "__Host-" if SECURE_COOKIES else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid", f"{COOKIE_PREFIX}csrftoken"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # in no cookie of its own
HSTS_SECONDS = env.int("HSTS_SECONDS", default=365 * 24 * 3600) if SECURE_COOKIES else 0
