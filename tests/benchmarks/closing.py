"""Closing a month: of a thousand and of ten thousand workspaces, by two schedulers at once, over ten million events, as PDF.

Usage is written straight into the daily rollups, which is all that closing reads.
"""

from collections.abc import Iterator
from typing import Any

from tests.benchmarks.options import Options, readable, say
from tests.benchmarks.product import Product, running_product

FEW, MANY = 1_000, 10_000
MODULE = "tests.benchmarks.closing_run"


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """A line for each size, the larger with its growth per workspace, then one for the race, the large invoice and the PDFs."""
    few, many = options.scaled(FEW), options.scaled(MANY)
    with running_product() as product:
        one = closed(product, few)
        yield one
        ten = closed(product, many)
        yield ten | {"growth_per_workspace": readable(ten["ms_per_workspace"] / one["ms_per_workspace"])}
        yield {"what": "race"} | product.python(MODULE, "race", str(few))
        yield {"what": "large_invoice"} | product.python(MODULE, "large", str(options.scaled(10_000_000, 1_000)))
        yield {"what": "pdf"} | product.python(MODULE, "pdf", "100")


def closed(product: Product, workspaces: int) -> dict[str, Any]:
    say(f"closing {workspaces} workspaces")
    return {"what": "closing"} | product.python(MODULE, "close", str(workspaces))
