import pytest

pytest.register_assert_rewrite("tests.exactness.agreement", "tests.exactness.product")
