"""How Django, REST framework and the OpenAPI document are put together. Nothing here is an operator's to set."""

from omixa_billing.settings.environment import BASE_DIR
from omixa_billing.static_files.folder import collected

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

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "omixa_billing.static_files.storage.HashedFiles"},
}
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = collected()  # made at the start; what is not in it is served from where it stands
WHITENOISE_USE_FINDERS = True

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

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "omixa_billing.formats"
