"""Which models are open to customers, and what LiteLLM knows of each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """Tokens; None where LiteLLM does not know it."""

    input: int | None = None  # that it reads at most
    output: int | None = None  # that an answer has at most
    reasons: bool = False  # and may not show what it thinks


def public_model(name: str) -> Model | None:
    """None where it is no name of `model_list`, nor an alias of one, as /v1/models lists them.

    LiteLLM also answers to the names and ids of deployments behind them, to whatever a wildcard matches, and to several names
    at once, divided by commas. The catalogue has no price of any of these, and they would run without a hold.
    """
    from litellm.proxy.proxy_server import llm_router

    if llm_router is None or {"*", ","} & set(name) or name not in llm_router.get_model_names():
        return None
    known = llm_router.cached_model_group_info(name)
    return (
        Model()
        if known is None
        else Model(_whole(known.max_input_tokens), _whole(known.max_output_tokens), known.supports_reasoning)
    )


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
