"""Under /gateway/v1/."""

from django.urls import path

from metering.ingest.api import BatchView, EventsView

urlpatterns = [
    path("events", EventsView.as_view(), name="gateway_events"),
    path("batches/<slug:batch_id>", BatchView.as_view(), name="gateway_batch"),
]
