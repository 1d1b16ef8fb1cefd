"""Under /api/v1/."""

from django.urls import path, register_converter

from metering.usage import api


class RequestIdConverter:
    """Any text of one character or more: a request id may hold slashes and line ends."""

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(RequestIdConverter, "request_id")

urlpatterns = [
    path("usage", api.UsageView.as_view(), name="usage"),
    path("usage/events", api.UsageEventsView.as_view(), name="usage_events"),
    path("usage/events/<request_id:request_id>", api.RequestView.as_view(), name="usage_events_of_a_request"),
    path("usage/request", api.RequestByQueryView.as_view(), name="usage_of_a_request"),
    path("key", api.CallingKeyView.as_view(), name="calling_key"),
]
