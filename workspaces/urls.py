"""Under `/api/v1/`."""

from django.urls import path

from workspaces.audit.api import Audit
from workspaces.keys import api

urlpatterns = [
    path("audit", Audit.as_view()),
    path("keys", api.KeysView.as_view()),
    path("keys/<slug:key_id>", api.KeyView.as_view()),
    path("keys/<slug:key_id>/rotate", api.RotateKey.as_view()),
    path("keys/<slug:key_id>/revoke", api.RevokeKey.as_view()),
    path("keys/<slug:key_id>/freeze", api.FreezeKey.as_view()),
    path("keys/<slug:key_id>/unfreeze", api.UnfreezeKey.as_view()),
]
