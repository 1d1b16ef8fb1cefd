"""When a failed delivery is tried again: as the Standard Webhooks specification proposes, over three days.

What fails together is not tried again together: each pause is up to a tenth longer, by as much as the delivery's id says.
"""

from datetime import timedelta
from zlib import crc32

PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
LONGEST_ASKED_FOR = timedelta(hours=24)
JITTER_STEPS = 10_000  # of a whole pause; the most is a tenth of them


def pause_after(delivery_id: str, failures: int, retry_after: int | None = None) -> timedelta | None:
    """After so many failed attempts, 1 and more; None when there were enough.

    `retry_after`: seconds that the receiver asked for, which lengthen a pause to a day at most.
    """
    if failures > len(PAUSES):
        return None
    jitter = crc32(f"{delivery_id}:{failures}".encode()) % (JITTER_STEPS // 10)
    pause = PAUSES[failures - 1] * (JITTER_STEPS + jitter) / JITTER_STEPS
    return max(pause, min(timedelta(seconds=retry_after or 0), LONGEST_ASKED_FOR))
