"""The broker, and how Celery carries work through it."""

from omixa_billing.brokers import broker_options, is_rabbitmq
from omixa_billing.embedded import redis
from omixa_billing.settings.environment import env

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="") or redis.broker_url()
# Where gateways publish events themselves: each to a queue of its own, of which none is the product's.
GATEWAY_BROKER_URL = env.str("GATEWAY_BROKER_URL", default="") or CELERY_BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(CELERY_BROKER_URL)
GATEWAY_BROKER_OPTIONS = broker_options(GATEWAY_BROKER_URL)
if is_rabbitmq(CELERY_BROKER_URL):
    CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum"  # survives the loss of a node; the worker sees it and sets its QoS accordingly
    # Declared with it for tasks with a delay, of which there are none here: the cheaper kind will do.
    CELERY_BROKER_NATIVE_DELAYED_DELIVERY_QUEUE_TYPE = "classic"
# Beat keeps one connection: when the broker has closed it, only a second attempt makes a new one. Reminders make none, since
# a lost one is made up for by the sweep that beat sends.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_DB_REUSE_MAX = 1_000  # tasks on one connection; a new one costs more than most tasks do
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"
