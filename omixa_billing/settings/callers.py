"""What one caller may cost: rates, downloads, bodies, connections, threads."""

from functools import partial

from omixa_billing.rate_limits.configuration import rate_limits, redis_url
from omixa_billing.settings.environment import env
from omixa_billing.settings.work import CELERY_BROKER_URL

RATE_LIMITS = rate_limits(env)
DOWNLOADS_PER_CALLER = env.int("DOWNLOADS_PER_CALLER", default=2)
DOWNLOADS_PER_WORKSPACE = env.int("DOWNLOADS_PER_WORKSPACE", default=4)
DOWNLOADS_PER_PROCESS = env.int("DOWNLOADS_PER_PROCESS", default=max(env.int("PAGE_THREADS", default=12) // 2, 1))
LIMITS_REDIS_URL = env.checked(partial(redis_url, env.str("REDIS_URL", default=""), CELERY_BROKER_URL), instead="")
GATEWAY_URL = env.str("GATEWAY_URL", default="")  # empty: see website/public/examples.py
INGEST_MAX_EVENTS = 1_000
INGEST_MAX_WAITING_BATCHES = env.int("INGEST_MAX_WAITING_BATCHES", default=10_000)
INBOX_RETENTION_DAYS = env.int("INBOX_RETENTION_DAYS", default=14)
INGEST_MAX_BYTES = 5 * 1024 * 1024
INGEST_MAX_DISCARDED_BYTES = 64 * 1024 * 1024  # of a refused body, read so that its sender hears why
# Django itself must not refuse a body before the ingest endpoint has said why.
DATA_UPLOAD_MAX_MEMORY_SIZE = INGEST_MAX_BYTES + 1024
# What a client that waits may cost (omixa_billing/front). A body must be there within BODY_SECONDS, and after a while to begin
# in come at the least rate; a reader must take something of a long answer now and then.
HEAD_SECONDS = env.float("HEAD_SECONDS", default=30)
BODY_SECONDS = env.float("BODY_SECONDS", default=60)
BODY_GRACE_SECONDS = env.float("BODY_GRACE_SECONDS", default=10)
BODY_LEAST_RATE = env.int("BODY_LEAST_RATE", default=20_000)  # bytes per second
RESPONSE_STALL_SECONDS = env.float("RESPONSE_STALL_SECONDS", default=20)
CONNECTIONS_PER_ADDRESS = env.int("CONNECTIONS_PER_ADDRESS", default=512)  # open to each web process; 0 for any number
WEBHOOK_MAX_BYTES = 1024 * 1024
ANONYMOUS_MAX_BYTES = 256 * 1024  # of callers with neither a session nor a credential: such as sign-in forms
FRONT_MAX_BUFFERED_BYTES = env.int("FRONT_MAX_BUFFERED_MB", default=256) * 1024 * 1024  # in each web process, twice
GATEWAY_THREADS = env.int("GATEWAY_THREADS", default=16)
INTAKE_THREADS = 2  # one reads batches while the other waits for the disk; more would only store fewer at once
PROBE_THREADS = 2
PAGES_AT_ONCE = env.int("PAGES_AT_ONCE", default=256)
PAGES_WAIT_SECONDS = env.float("PAGES_WAIT_SECONDS", default=20)
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
