"""The Celery application: the broker carries reminders of work, never the only copy of anything."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")

app = Celery("omixa_billing")
app.set_default()  # also in the web server's threads
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workspaces", "metering"])
