"""Every field of LiteLLM's price map that is about money, and what it is: a component's rate, another's price, or none.

A field that is in neither table and sounds like money refuses its model: what is not understood is never treated as nothing.
"""

import re

# What a field is a price of; for one token, second, image, page and so on, in USD.
COMPONENT_OF = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "input_cost_per_token_cache_hit": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_input",
    "cache_read_input_audio_token_cost": "cached_audio_input",
    "output_cost_per_audio_token": "audio_output",
    "input_cost_per_image_token": "image_input",
    "cache_read_input_image_token_cost": "cached_image_input",
    "output_cost_per_image_token": "image_output",
    "input_cost_per_video_token": "video_input",
    "citation_cost_per_token": "citation",
    "input_cost_per_request": "request",
    "ocr_cost_per_page": "page",
    "annotation_cost_per_page": "page/annotation",
    "code_interpreter_cost_per_session": "code_interpreter_session",
}
# Whose meaning depends on what the model does.
BY_MODE = {
    "input_cost_per_query": {"rerank": "search_unit", "search": "search_unit"},
    "input_cost_per_second": {"audio_transcription": "audio_duration", "realtime": "audio_duration"},
    "output_cost_per_second": {
        "audio_transcription": "audio_duration",
        "audio_speech": "audio_duration",
        "video_generation": "video_duration",
    },
    "output_cost_per_video_per_second": {"video_generation": "video_duration"},
    "output_cost_per_image": {"image_generation": "image", "image_edit": "image"},
    "input_cost_per_image": {"image_generation": "image", "image_edit": "image"},
    "input_cost_per_character": {"audio_speech": "character"},
}
RESOLUTION = re.compile(r"output_cost_per_second_(\d+[pk])")  # of a second of video
IMAGE_SIZE = re.compile(r"output_cost_per_image_([0-9.]+K?)")
# A search costs by how much of the web is looked at.
WEB_SEARCH = "search_context_cost_per_query"
WEB_SEARCH_SIZES = {
    "low": "search_context_size_low",
    "medium": "search_context_size_medium",
    "high": "search_context_size_high",
}
# Rates by how long the request is, in a list.
TIERED = "tiered_pricing"

# What is left out where the same is billed by its tokens.
BILLED_AS_TOKENS = {
    "image": "image_output",
    "audio_duration": "audio_output",
}

# Endings: of a tier of service, and of a request that is longer than so many thousand tokens.
TIER_OF = {
    "_priority": "priority",
    "_flex": "flex",
    "_batches": "batch",
    "_balanced": "balanced",
    "_decisions": "decisions",
    "_ultrafast": "ultrafast",
}
THRESHOLD = re.compile(r"_above_(\d{1,10})(k?)_tokens")

# Prices of what no response of these models is counted by, or is counted by another price of the same entry.
NOT_COUNTED = {
    "output_cost_per_video_token": "no usage counts video output separately",
    "input_dbu_cost_per_token": "the same price in Databricks' own unit",
    "output_dbu_cost_per_token": "the same price in Databricks' own unit",
    "explicit_cache_read_input_token_cost": "reads of named caches are not distinguished from other cached input",
    "cache_creation_input_audio_token_cost": "audio is never written to a cache by itself",
    "google_maps_grounding_cost_per_query": "how often Google Maps was queried is not counted",
    "input_cost_per_text_message": "no usage reports how many text messages there were",
    "input_cost_per_image": "images of the input are billed as tokens",
    "input_cost_per_audio_per_second": "audio of the input is billed as tokens",
    "input_cost_per_video_per_second": "video of the input is billed as tokens",
    "input_cost_per_query": "the input is billed as tokens",
    "input_cost_per_character": "the input is billed as tokens",
    "input_cost_per_second": "audio is billed as tokens",
    "output_cost_per_second": "audio is billed as tokens",
    "output_cost_per_image": "images are billed as tokens",
    "output_cost_per_character": "the output is billed as tokens",
    "regional_endpoint_uplift_multiplier": "set a price of its own for what is served by region",
    "regional_processing_uplift_multiplier_eu": "set a price of its own for what is served by region",
    "regional_processing_uplift_multiplier_us": "set a price of its own for what is served by region",
    "provider_specific_entry": "set a price of its own for what is served by region or faster",
    "search_free_requests": "free searches are a matter between the provider and its customer",
}
# Prices without which an entry would be billed wrongly.
REFUSED = {
    "off_peak_pricing": "it costs less at some hours of the day: set its price by hand",
    "cost_per_second": "it is rented by the second, which no usage counts",
    "guardrail_cost_per_unit": "it is priced by units of guardrails, which no usage counts",
    "ocr_cost_per_credit": "it is priced by credits, which no usage counts",
}
NO_MONEY = frozenset({"web_search_billing_unit"})
SOUNDS_LIKE_MONEY = re.compile(r"cost|pric|uplift|multiplier|rate_per|billing")
