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
# What rollups sum up of all that.
COUNTED = ("requests", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
# Per million: one multiplication, and exact, where a quotient of PostgreSQL's keeps fewer places the larger it is.
RATED = " + ".join(f"({tokens}) * {RATES[name]}" for name, tokens in QUANTITIES_ALONE.items())

# Other components: what counts each as well (empty: nothing, it is beside all tokens), and by what its rate is multiplied to be
# one for a million.
WITHIN = {
    "reasoning": ("output", 1),
    "audio_input": ("input", 1),
    "image_input": ("input", 1),
    "video_input": ("input", 1),
    "cached_audio_input": ("cached_input", 1),
    "cached_image_input": ("cached_input", 1),
    "cache_write_1h": ("cache_write", 1),
    "audio_output": ("output", 1),
    "image_output": ("output", 1),
    "request": ("", 1_000_000),
    "web_search": ("", 1_000_000),
    "file_search_call": ("", 1_000_000),
    "code_interpreter_session": ("", 1_000_000),
    "image": ("", 1_000_000),
    "audio_duration": ("", 1_000),
    "video_duration": ("", 1_000),
    "page": ("", 1_000_000),
    "search_unit": ("", 1_000_000),
    "classification": ("", 1_000_000),
    "character": ("", 1),
    "citation": ("", 1),
}
KNOWN = ", ".join(f"('{name}', '{whole}', {factor})" for name, (whole, factor) in WITHIN.items())


def difference_sql(others: str, requests: str) -> str:
    """What other components cost more or less than as a part of what counts them, per million.

    `others` is an object of their quantities, and `requests` how many responses there were; the rest are columns of a price
    version, and of what was used. Null, which equals no cost, where something was used that no rate covers.
    """
    whole_rate = " ".join(f"WHEN '{name}' THEN {rate}" for name, rate in RATES.items())
    return f"""CASE WHEN {others} IS NULL AND open_rates = '{{}}' THEN 0 ELSE (
        SELECT CASE WHEN bool_or(uncovered > 0) THEN NULL ELSE coalesce(sum(quantity * (rate - whole_rate)), 0) END FROM (
            SELECT {_used("name", others, requests)} AS quantity, stated.rate::numeric * factor AS rate,
                CASE WHEN name <> root THEN coalesce((open_rates ->> root)::numeric, 0) * factor
                     ELSE CASE within {whole_rate} ELSE 0 END END AS whole_rate,
                0 AS uncovered
            FROM {STATED} AS stated JOIN {KNOWN_OTHERS} ON known_name = root
            UNION ALL
            SELECT 0, 0, 0, counted.value::numeric - {_rated_variants("counted.key", others)}
            FROM jsonb_each_text({others}) AS counted JOIN {KNOWN_OTHERS} ON known_name = counted.key
            WHERE within = '' AND NOT open_rates ? counted.key
        ) AS part
    ) END"""  # noqa: S608  # constants of this module


def alone_sql(others: str, requests: str) -> str:
    """(component, tokens) of everything that is billed, each without what is billed as another component."""
    common = " UNION ALL ".join(
        f"""SELECT '{name}' AS component, {alone} - coalesce((
            SELECT sum({_used("name", others, requests)}) FROM {STATED} AS stated JOIN {KNOWN_OTHERS} ON known_name = name
            WHERE within = '{name}'), 0) AS tokens"""  # noqa: S608  # constants of this module
        for name, alone in QUANTITIES_ALONE.items()
    )
    return f"""{common} UNION ALL
        SELECT name, {_used("name", others, requests)} - {_rated_variants("name", others)} FROM {STATED} AS stated"""  # noqa: S608


# Rates that a version has of other components; of image/high the root is image.
STATED = "(SELECT key AS name, split_part(key, '/', 1) AS root, value AS rate FROM jsonb_each_text(open_rates))"
KNOWN_OTHERS = f"(VALUES {KNOWN}) AS known (known_name, within, factor)"


def _used(name: str, others: str, requests: str) -> str:
    return (
        f"CASE {name} WHEN 'reasoning' THEN reasoning_tokens WHEN 'request' THEN {requests} "
        f"ELSE coalesce(({others} ->> {name})::numeric, 0) END"
    )


def _rated_variants(name: str, others: str) -> str:
    return f"""coalesce((SELECT sum(part.value::numeric) FROM jsonb_each_text({others}) AS part
        WHERE starts_with(part.key, {name} || '/') AND open_rates ? part.key), 0)"""  # noqa: S608
