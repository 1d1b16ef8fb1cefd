"""Under /api/v1/."""

from django.urls import path

from metering.catalogue import api
from omixa_billing.http.headers import strangers_may_keep

urlpatterns = [
    path("models", strangers_may_keep(api.ModelsView.as_view()), name="models"),
    path("models/<path:model>", strangers_may_keep(api.ModelView.as_view()), name="model"),
]
