"""Under /gateway/v1/."""

from django.urls import path

from metering.limits.gateway.api import (
    AuthorizeView,
    CheckKeyView,
    ExtendView,
    ReleaseView,
    RevocationsView,
    UnaccountedView,
)

urlpatterns = [
    path("authorize", AuthorizeView.as_view(), name="gateway_authorize"),
    path("authorize/<slug:hold_id>/extend", ExtendView.as_view(), name="gateway_extend"),
    path("authorize/<slug:hold_id>/release", ReleaseView.as_view(), name="gateway_release"),
    path("keys/check", CheckKeyView.as_view(), name="gateway_check_key"),
    path("revocations", RevocationsView.as_view(), name="gateway_revocations"),
    path("unaccounted", UnaccountedView.as_view(), name="gateway_unaccounted"),
]
