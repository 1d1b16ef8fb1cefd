"""The cyclic garbage collector of long-running processes, fitted to work that makes many objects and few cycles."""

import gc

OBJECTS_BETWEEN_COLLECTIONS = 100_000


def collect_rarely() -> None:
    """Leaves the loaded program out of every collection, and waits for more objects than a transaction of events makes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
