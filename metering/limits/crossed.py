"""Whether thresholds of budgets or levels of balances were crossed that nobody was alerted to yet (`alerts/crossings.py`)."""

from django.db import connection, transaction

from omixa_billing.reminders import remind_soon

TASK = "metering.send_crossings"

# Two indexes of what was not notified yet, which are nearly always empty.
WAITING = """
SELECT EXISTS (SELECT FROM metering_thresholdcrossing WHERE notified_at IS NULL)
    OR EXISTS (SELECT FROM metering_balancecrossing WHERE notified_at IS NULL)
"""


def alert_on_commit() -> None:
    """What the transaction crossed is alerted to as soon as it has committed. A lost reminder costs time: a sweep finds it."""
    if not any(act is remind_if_waiting for _, act, _ in transaction.get_connection().run_on_commit):
        transaction.on_commit(remind_if_waiting, robust=True)


def remind_if_waiting() -> None:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        (waiting,) = cursor.fetchone()
    if waiting:
        remind_soon(TASK)
