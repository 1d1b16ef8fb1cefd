"""Every setting of the product, read once from the environment (and `.env`) with django-environ."""

import re
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from metering.alerts.leaks.configuration import on_leaked_gateway, scanning_keys_url
from metering.console.config import UNFOLD as UNFOLD
from metering.website.confirmed_acts import NOT_CONFIRMED
from omixa_billing.brokers import broker_options, is_rabbitmq
from omixa_billing.embedded import home, postgres, redis
from omixa_billing.environment import DEVELOPMENT, Environment, environment_fault, production_faults
from omixa_billing.log_lines import logging_settings
from omixa_billing.rate_limits.configuration import SIGN_IN_RATES, proxy_count, rate_limits, redis_url
from omixa_billing.static_files.folder import collected

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
Environment.read_env(BASE_DIR / ".env")

OMIXA_ENV = env.str("OMIXA_ENV", default=DEVELOPMENT)
env.faults += environment_fault(OMIXA_ENV)
PRODUCTION = OMIXA_ENV == "production"
DEBUG = env.bool("DEBUG", default=False)


def number_prefix() -> str:
    """What document numbers begin with: with `-CN` for credit notes it still fits its column, a file name and a header."""
    prefix = env.str("INVOICE_NUMBER_PREFIX", default="OMX")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,13}", prefix) or prefix.endswith("-CN"):
        raise ImproperlyConfigured(
            "INVOICE_NUMBER_PREFIX is 1 to 13 letters, digits and dashes, and does not end in -CN, as the prefix of credit "
            f"notes does: {prefix!r} cannot be used."
        )
    return prefix


def mail_server(address: str) -> dict[str, Any]:
    """Django's settings for the mail server at this address; none without one."""
    if address.startswith("consolemail:"):
        raise ImproperlyConfigured("EMAIL_URL is consolemail://, which would write links that open accounts into a log.")
    return dict(env.email_url_config(address)) if address else {}


def whole_days(name: str, default: str) -> int | None:
    """A number of days above 0; None when the setting is empty."""
    text = env.str(name, default=default).strip()
    if not text:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text):
        raise ImproperlyConfigured(f"{name} is a whole number of days from 1 to 99999, or empty: {text!r} cannot be used.")
    return int(text)


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

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_htmx",
    "django_prometheus",
    "workspaces",
    "metering",
]

MIDDLEWARE = [
    "omixa_billing.http.headers.browser_headers",
    "omixa_billing.stray_secrets.RedactRequests",
    "omixa_billing.http.middleware.name_caller",
    "omixa_billing.http.middleware.refuse_unreadable",
    "workspaces.audit.middleware.note_origin",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "omixa_billing.static_files.middleware.ServeStaticFiles",
    "omixa_billing.http.compression.CompressTexts",
    "omixa_billing.http.headers.SendOnlyWhatChanged",
    "omixa_billing.rate_limits.middleware.limit_rates",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "omixa_billing.http.middleware.RefuseUnreadableForms",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "workspaces.signin.second_factor.OperatorsNeedSecondFactor",
    "workspaces.signin.confirm.ConfirmIdentity",
    "django_htmx.middleware.HtmxMiddleware",
    "omixa_billing.http.request_metrics.RequestMetrics",
]
# What gateways' requests pass: no file, session, form or page is theirs, and they are limited by back-pressure.
GATEWAY_MIDDLEWARE = [
    "omixa_billing.http.headers.browser_headers",
    "omixa_billing.stray_secrets.RedactRequests",
    "omixa_billing.http.middleware.name_caller",
    "omixa_billing.http.middleware.refuse_unreadable",
    "workspaces.audit.middleware.note_origin",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.common.CommonMiddleware",
    "omixa_billing.http.request_metrics.RequestMetrics",
]
PROMETHEUS_LATENCY_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, float("inf"))  # each is a line for each view

ROOT_URLCONF = "omixa_billing.urls"
WSGI_APPLICATION = "omixa_billing.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Storage -----------------------------------------------------------------------------------------------------

DATABASES = {"default": postgres.database_settings() if home.uses_embedded_postgres() else env.db("DATABASE_URL")}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)
CACHES = {"default": {"BACKEND": "workspaces.shared_cache.SharedCache"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"  # small ids keep the large tables narrow; those say BigAutoField

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "omixa_billing.static_files.storage.HashedFiles"},
}
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = collected()  # made at the start; what is not in it is served from where it stands
WHITENOISE_USE_FINDERS = True

# --- People and programs -----------------------------------------------------------------------------------------

AUTH_USER_MODEL = "workspaces.User"
SESSION_ENGINE = "workspaces.signin.session_store"
SESSION_HOURS = env.int("SESSION_HOURS", default=12)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
# Whether an operator without a second factor is led to set one up before the console answers.
OPERATORS_NEED_SECOND_FACTOR = env.bool("OPERATORS_NEED_SECOND_FACTOR", default=PRODUCTION)
# It is Django's too, and looks an address up: with both, each failed sign-in would hash the password twice.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_ADAPTER = "workspaces.signin.accounts.AccountAdapter"
ACCOUNT_FORMS = {"reset_password_from_key": "workspaces.signin.forms.NewPasswordForm"}
ACCOUNT_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default="none")
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_RATE_LIMITS = SIGN_IN_RATES
KNOWN_BROWSER_COOKIE = "__Host-known_browser" if SECURE_COOKIES else "known_browser"
# Members are invited by address, so nobody may take on another one that they have not shown to be theirs.
ACCOUNT_MAX_EMAIL_ADDRESSES = 1
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of every change of password, factor, address and sessions
# How long a person who confirmed who they are is not asked again, and what they do without being asked.
ACCOUNT_REAUTHENTICATION_TIMEOUT = env.int("REAUTHENTICATION_MINUTES", default=15) * 60
ACTS_WITHOUT_CONFIRMATION = NOT_CONFIRMED
USERSESSIONS_ADAPTER = "workspaces.signin.sessions.SessionsAdapter"
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ADAPTER = "workspaces.signin.passkeys.MFAAdapter"
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {
    "add_webauthn": "workspaces.signin.passkeys.AddForm",
    "login_webauthn": "workspaces.signin.passkeys.LoginForm",
    "authenticate_webauthn": "workspaces.signin.passkeys.AuthenticateForm",
    "reauthenticate_webauthn": "workspaces.signin.passkeys.ReauthenticateForm",
}
MFA_TOTP_ISSUER = "Omixa billing"
# Invitations: how many a workspace sends and an address gets in an hour, and for how long one can be accepted.
INVITATIONS_PER_HOUR = env.int("INVITATIONS_PER_HOUR", default=10)
INVITATIONS_PER_ADDRESS = env.int("INVITATIONS_PER_ADDRESS", default=3)
INVITATION_DAYS = env.int("INVITATION_DAYS", default=7)
# After how many days an admin key expires for which nobody chose another time; empty: never.
ADMIN_KEY_DAYS = env.checked(partial(whole_days, "ADMIN_KEY_DAYS", default="365"), instead=365)
OPEN_SIGNUP = env.bool("OPEN_SIGNUP", default=False)
# By invitation only the operator or an owner gives an account its address. Open to all, a stranger could take another
# person's and lock them out with a second factor: then the address is verified first.
MFA_ALLOW_UNVERIFIED_EMAIL = not OPEN_SIGNUP
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"

EMAIL_URL = env.str("EMAIL_URL", default="")
EMAIL_BACKEND = "workspaces.mails.outgoing.NowhereBackend"
vars().update(env.checked(partial(mail_server, EMAIL_URL), instead={}))
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=20)  # seconds; a mail server that hangs must not hold a worker
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Omixa billing <billing@localhost>")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "workspaces.access.authentication.KeyAuthentication",
        "workspaces.access.authentication.MemberAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["workspaces.access.permissions.SeesAWorkspace"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["omixa_billing.api.parsers.BoundedJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "omixa_billing.api.negotiation.IgnoreAccept",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "omixa_billing.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Omixa billing",
    "DESCRIPTION": "Usage metering and billing for the Omixa gateway.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/(api|gateway)/v1",
    "OAS_VERSION": "3.1.0",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": ["omixa_billing.api.openapi.add_gateway_endpoints"],
    # Without the library's own hook, which gives each set of words an invented name.
    "POSTPROCESSING_HOOKS": ["omixa_billing.api.openapi.add_errors"],
}

# --- Work --------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="") or redis.broker_url()
# Where gateways publish events themselves: each to a queue of its own, of which none is the product's.
GATEWAY_BROKER_URL = env.str("GATEWAY_BROKER_URL", default="") or CELERY_BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(CELERY_BROKER_URL)
GATEWAY_BROKER_OPTIONS = broker_options(GATEWAY_BROKER_URL)
if is_rabbitmq(CELERY_BROKER_URL):
    CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum"  # survives the loss of a node; the worker sees it and sets its QoS accordingly
    # Declared with it for tasks with a delay, of which there are none here: the cheaper kind will do.
    CELERY_BROKER_NATIVE_DELAYED_DELIVERY_QUEUE_TYPE = "classic"
# Beat keeps one connection: when the broker has closed it, only a second attempt makes a new one. Reminders make none, since
# a lost one is made up for by the sweep that beat sends.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_DB_REUSE_MAX = 1_000  # tasks on one connection; a new one costs more than most tasks do
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"

# --- The product's own -------------------------------------------------------------------------------------------

RATE_LIMITS = rate_limits(env)
DOWNLOADS_PER_CALLER = env.int("DOWNLOADS_PER_CALLER", default=2)
DOWNLOADS_PER_WORKSPACE = env.int("DOWNLOADS_PER_WORKSPACE", default=4)
DOWNLOADS_PER_PROCESS = env.int("DOWNLOADS_PER_PROCESS", default=max(env.int("PAGE_THREADS", default=12) // 2, 1))
LIMITS_REDIS_URL = env.checked(partial(redis_url, env.str("REDIS_URL", default=""), CELERY_BROKER_URL), instead="")
GATEWAY_URL = env.str("GATEWAY_URL", default="")  # empty: see website/public/examples.py
INGEST_MAX_EVENTS = 1_000
INGEST_MAX_WAITING_BATCHES = env.int("INGEST_MAX_WAITING_BATCHES", default=10_000)
INBOX_RETENTION_DAYS = env.int("INBOX_RETENTION_DAYS", default=14)
INGEST_MAX_BYTES = 5 * 1024 * 1024
INGEST_MAX_DISCARDED_BYTES = 64 * 1024 * 1024  # of a refused body, read so that its sender hears why
# Django itself must not refuse a body before the ingest endpoint has said why.
DATA_UPLOAD_MAX_MEMORY_SIZE = INGEST_MAX_BYTES + 1024
# What a client that waits may cost (omixa_billing/front). A body must be there within BODY_SECONDS, and after a while to begin
# in come at the least rate; a reader must take something of a long answer now and then.
HEAD_SECONDS = env.float("HEAD_SECONDS", default=30)
BODY_SECONDS = env.float("BODY_SECONDS", default=60)
BODY_GRACE_SECONDS = env.float("BODY_GRACE_SECONDS", default=10)
BODY_LEAST_RATE = env.int("BODY_LEAST_RATE", default=20_000)  # bytes per second
RESPONSE_STALL_SECONDS = env.float("RESPONSE_STALL_SECONDS", default=20)
CONNECTIONS_PER_ADDRESS = env.int("CONNECTIONS_PER_ADDRESS", default=512)  # open to each web process; 0 for any number
WEBHOOK_MAX_BYTES = 1024 * 1024
ANONYMOUS_MAX_BYTES = 256 * 1024  # of callers with neither a session nor a credential: such as sign-in forms
FRONT_MAX_BUFFERED_BYTES = env.int("FRONT_MAX_BUFFERED_MB", default=256) * 1024 * 1024  # in each web process, twice
GATEWAY_THREADS = env.int("GATEWAY_THREADS", default=16)
INTAKE_THREADS = 2  # one reads batches while the other waits for the disk; more would only store fewer at once
# Output tokens held for a request that names none, of a model that does not say; and the least that one is lowered to.
AUTHORIZE_OUTPUT_TOKENS = env.int("AUTHORIZE_OUTPUT_TOKENS", default=4096)
AUTHORIZE_LEAST_OUTPUT_TOKENS = env.int("AUTHORIZE_LEAST_OUTPUT_TOKENS", default=256)
AUTHORIZE_CACHE_SECONDS, KEY_CACHE_SECONDS = env.int("AUTHORIZE_CACHE_SECONDS", 5), env.int("KEY_CACHE_SECONDS", 60)
HOLD_SECONDS = env.int("HOLD_SECONDS", default=900)
# Whether webhooks may be sent into private networks, and there by http: for those who run the product for themselves.
WEBHOOKS_PRIVATE_ADDRESSES = env.bool("WEBHOOKS_PRIVATE_ADDRESSES", default=False)
WEBHOOK_TIMEOUT_SECONDS = env.float("WEBHOOK_TIMEOUT_SECONDS", default=15)  # for everything from the name to the answer
PROBE_THREADS = 2
PAGES_AT_ONCE = env.int("PAGES_AT_ONCE", default=256)
PAGES_WAIT_SECONDS = env.float("PAGES_WAIT_SECONDS", default=20)
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
INVOICE_GRACE_DAYS = env.int("INVOICE_GRACE_DAYS", default=3)
# Less than this left to pay is carried to the next invoice: the least that card networks let one charge.
INVOICE_MINIMUM = env.get_value("INVOICE_MINIMUM", cast=Decimal, default=Decimal("0.50"))
# An invoice of so many times the mean of the workspace's last ones, and above the floor in USD, waits for a person.
INVOICE_SAFETY_FACTOR = env.get_value("INVOICE_SAFETY_FACTOR", cast=Decimal, default=Decimal("20"))
INVOICE_SAFETY_FLOOR = env.get_value("INVOICE_SAFETY_FLOOR", cast=Decimal, default=Decimal("1000.00"))
# While a workspace has no invoice to compare with, one above so many USD waits for a person.
INVOICE_SAFETY_CEILING = env.get_value("INVOICE_SAFETY_CEILING", cast=Decimal, default=Decimal("100000.00"))
# Whether a month with unpriced or quarantined events waits for a person instead of closing with a warning.
INVOICE_WAITS_FOR_EVENTS = env.bool("INVOICE_WAITS_FOR_EVENTS", default=False)
INVOICE_DUE_DAYS = env.int("INVOICE_DUE_DAYS", default=14)
# Empty: no Stripe; invoices are then marked as paid by hand.
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="")  # of a test server; empty is Stripe's own
STRIPE_API_VERSION = "2026-10-28.endive"  # what the code was written for; a newer library does not move it
# What customers may save and be charged by, as Stripe calls it; each has to be enabled in the Stripe account.
STRIPE_PAYMENT_METHODS = env.list("STRIPE_PAYMENT_METHODS", default=["card", "us_bank_account"])
# Where its payment pages are, to which forms of ours lead: for a domain of your own in Stripe, that one.
STRIPE_PAGES = env.list("STRIPE_PAGES", default=["https://checkout.stripe.com"])
STRIPE_TIMEOUT_SECONDS = env.int("STRIPE_TIMEOUT_SECONDS", default=20)
STRIPE_MAX_RETRIES = env.int("STRIPE_MAX_RETRIES", default=2)
# Days after the first decline, or after the due day where nothing can be charged.
DUNNING_RETRY_DAYS = env.list("DUNNING_RETRY_DAYS", cast=int, default=[3, 5, 7])
PAYMENT_INSTRUCTIONS = env.str("PAYMENT_INSTRUCTIONS", default="").replace("\\n", "\n")  # how to pay without Stripe
TOP_UP_MINIMUM = env.get_value("TOP_UP_MINIMUM", cast=Decimal, default=Decimal("5.00"))
TOP_UP_MAXIMUM = env.get_value("TOP_UP_MAXIMUM", cast=Decimal, default=Decimal("10000.00"))
# How often a day people and programs of one workspace buy credit; automatic purchases have a bound of their own.
TOP_UPS_PER_DAY = env.int("TOP_UPS_PER_DAY", default=10)
# Where GitHub publishes the keys that it signs reports of leaked secrets with; empty: there is no such endpoint.
SECRET_SCANNING_KEYS_URL = env.checked(partial(scanning_keys_url, env), instead="")
ON_LEAKED_GATEWAY = env.checked(partial(on_leaked_gateway, env), instead="tell")
OPERATOR_EMAILS = env.list("OPERATOR_EMAILS", default=[])  # who hears of failed jobs, differences, disputes, surplus money
INVOICE_LOGO = env.str("INVOICE_LOGO", default="")  # an SVG or PNG file
INVOICE_ACCENT_COLOR = env.str("INVOICE_ACCENT_COLOR", default="#2f5bd7")
INVOICE_PAPER = env.str("INVOICE_PAPER", default="a4")
INVOICE_FONTS = env.str("INVOICE_FONTS", default="")  # a folder of fonts for scripts that the product brings none for
INVOICE_NUMBER_PREFIX = env.checked(number_prefix, instead="OMX")
SELLER_NAME = env.str("SELLER_NAME", default="Omixa Cloud")
SELLER_ADDRESS = env.str("SELLER_ADDRESS", default="").replace("\\n", "\n")
SELLER_TAX_ID = env.str("SELLER_TAX_ID", default="")

# --- Language, time, logs ----------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "omixa_billing.formats"

DEFAULT_EXCEPTION_REPORTER = "omixa_billing.stray_secrets.RedactingReporter"

LOGGING = logging_settings(env.str("LOG_LEVEL", default="INFO"))

SETTINGS_READ = env.refuse_faults()  # their names: the audit trail tells which changed between two starts
