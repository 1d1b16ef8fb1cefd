"""Under /api/v1/."""

from django.urls import path

from metering.alerts.api import AlertSettingsView

urlpatterns = [path("alert-settings", AlertSettingsView.as_view(), name="alert_settings")]
