"""How many examples a search tries."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

EXAMPLES = int(os.environ.get("EXACTNESS_EXAMPLES", "0"))

ROUND = 250  # examples per transaction: what they leave behind makes the next ones slower


def bounded(examples: int) -> settings:
    """The same few examples each time; EXACTNESS_EXAMPLES of them, and others each time, to search deeper."""
    return settings(
        deadline=None,
        database=None,
        derandomize=not EXAMPLES,
        max_examples=min(EXAMPLES, ROUND) or examples,
        suppress_health_check=list(HealthCheck),
        phases=[phase for phase in Phase if phase is not Phase.explain],
        print_blob=True,
    )


rounds = pytest.mark.parametrize("round", range(max(1, EXAMPLES // ROUND)))
