"""Under /api/v1/."""

from django.urls import path

from metering.notifications.endpoints import api

urlpatterns = [
    path("webhooks", api.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<slug:webhook_id>", api.OneWebhookView.as_view(), name="webhook"),
    path("webhooks/<slug:webhook_id>/rotate", api.RotateWebhook.as_view(), name="webhook_rotate"),
    path("webhooks/<slug:webhook_id>/test", api.SendTest.as_view(), name="webhook_test"),
    path("webhooks/<slug:webhook_id>/deliveries", api.DeliveriesView.as_view(), name="webhook_deliveries"),
    path("webhooks/<slug:webhook_id>/deliveries/<slug:delivery_id>", api.DeliveryView.as_view(), name="webhook_delivery"),
    path(
        "webhooks/<slug:webhook_id>/deliveries/<slug:delivery_id>/replay",
        api.ReplayDelivery.as_view(),
        name="webhook_delivery_replay",
    ),
]
