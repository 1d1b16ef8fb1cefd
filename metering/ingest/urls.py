"""Under /gateway/v1/."""

from django.urls import path

from metering.ingest.intake.api import BatchView, CorrectionsView, EventsView, LiteLLMView

urlpatterns = [
    path("events", EventsView.as_view(), name="gateway_events"),
    path("events/litellm", LiteLLMView.as_view(), name="gateway_litellm"),
    path("corrections", CorrectionsView.as_view(), name="gateway_corrections"),
    path("batches/<slug:batch_id>", BatchView.as_view(), name="gateway_batch"),
]
