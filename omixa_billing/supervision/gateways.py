"""The process that takes in what gateways publish to the broker: `python -m omixa_billing.supervision.gateways`."""

import os
import signal
import threading


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    import django

    django.setup()
    from django.utils import timezone

    from metering.ingest.intake.broker.consume import consume_queues

    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    consume_queues(timezone.now, stop)


if __name__ == "__main__":
    main()
