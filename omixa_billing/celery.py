"""The Celery application: the broker carries reminders of work, never the only copy of anything."""

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")

app = Celery("omixa_billing")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workspaces", "metering"])
