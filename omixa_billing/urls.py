"""Which part of the product answers which address."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularSwaggerSplitView

from metering.alerts.leaks.view import secret_scanning
from metering.health import healthz, readyz
from metering.metrics import metrics
from metering.payments.webhooks.view import stripe_webhook
from omixa_billing.api.schema import SchemaView
from omixa_billing.http.addresses import CONSOLE
from omixa_billing.http.headers import strangers_may_keep

# A page: it has no other form, not even for what OPTIONS asks.
docs = SpectacularSwaggerSplitView.as_view(url_name="schema", http_method_names=["get", "head"])
api: list[URLPattern | URLResolver] = [
    path("", include("metering.usage.urls")),
    path("", include("metering.catalogue.urls")),
    path("", include("metering.limits.budgets.urls")),
    path("", include("metering.notifications.endpoints.urls")),
    path("", include("metering.invoicing.urls")),
    path("", include("metering.payments.urls")),
    path("", include("metering.reports.urls")),
    path("", include("metering.alerts.urls")),
    path("operator/", include("metering.operator_api.urls")),
    path("", include("workspaces.urls")),
    path("schema/", strangers_may_keep(SchemaView.as_view()), name="schema"),
    path("docs/", strangers_may_keep(docs), name="docs"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("gateway/v1/", include("metering.ingest.urls")),
    path("gateway/v1/", include("metering.limits.gateway.urls")),
    path("api/v1/", include(api)),
    path("", include("metering.compatible.urls")),
    path("webhooks/stripe", stripe_webhook, name="stripe_webhook"),
    path("secret-scanning", secret_scanning, name="secret_scanning"),
    path(CONSOLE.removeprefix("/"), admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("metering.website.urls")),
]

handler400 = "omixa_billing.api.errors.bad_request"
handler403 = "metering.website.errors.page_not_allowed"
handler404 = "metering.website.errors.page_not_found"
handler429 = "omixa_billing.api.errors.too_many_requests"  # allauth's
handler500 = "omixa_billing.api.errors.server_error"
