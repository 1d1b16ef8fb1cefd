"""Whatever happens in whatever order, the product and an oracle without its code agree to the last digit.

`DEEP=1 pytest tests/exactness` searches through 2,000 histories, from another seed each time.
"""

import pytest
from django.db import transaction
from hypothesis import given

from metering.pricing import current
from tests.exactness.agreement import Both
from tests.exactness.histories import histories
from tests.exactness.history import Operation
from tests.kit.depth import in_rounds, rounds_of
from tests.kit.factories import forget_names
from tests.kit.tally import Tally


@pytest.mark.django_db
@rounds_of(16)
@given(history=histories())
@in_rounds(15)
def test_the_product_agrees_with_the_oracle(shared: None, tally: Tally, round: int, history: list[Operation]) -> None:
    with transaction.atomic():
        forget_names()
        current.forget_rates()
        Both().play(history)
        transaction.set_rollback(True)
    tally["histories"] += 1
    tally["acts"] += len(history)
