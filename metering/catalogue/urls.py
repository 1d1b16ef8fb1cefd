"""Under /api/v1/."""

from django.urls import path

from metering.catalogue import api

urlpatterns = [
    path("models", api.ModelsView.as_view(), name="models"),
    path("models/<path:model>", api.ModelView.as_view(), name="model"),
]
