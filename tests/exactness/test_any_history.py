"""Whatever happens in whatever order, the product and an oracle without its code agree to the last digit.

`EXACTNESS_EXAMPLES=2000 pytest tests/exactness` searches deeper, from another seed each time.
"""

import pytest
from django.db import transaction
from hypothesis import given

from metering.pricing import current
from tests.exactness.agreement import Both
from tests.exactness.histories import histories
from tests.exactness.history import Operation
from tests.kit.factories import forget_names
from tests.kit.searches import bounded, rounds


@pytest.mark.django_db
@rounds
@given(history=histories())
@bounded(45)
def test_the_product_agrees_with_the_oracle(shared: None, round: int, history: list[Operation]) -> None:
    with transaction.atomic():
        forget_names()
        current.forget_rates()
        Both().play(history)
        transaction.set_rollback(True)
