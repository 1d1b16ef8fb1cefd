"""How usage is rated, once more in SQL and written out: a second opinion, which follows from nothing that rates or bills.

A test holds that it covers the components of `metering/components.py`. Events and rollups have the same columns.
"""

# What of each component is in no other, and its rate under a price version: a part of the input without one costs as input.
QUANTITIES_ALONE = {
    "input": "input_tokens - cached_input_tokens - cache_write_tokens",
    "cached_input": "cached_input_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
}
RATES = {
    "input": "input_rate",
    "cached_input": "coalesce(cached_input_rate, input_rate)",
    "cache_write": "coalesce(cache_write_rate, input_rate)",
    "output": "output_rate",
}
# Per million: one multiplication, and exact, where a quotient of PostgreSQL's keeps fewer places the larger it is.
RATED = " + ".join(f"({tokens}) * {RATES[name]}" for name, tokens in QUANTITIES_ALONE.items())
