"""Entries of LiteLLM's map that are one quality and size of an image: `hd/1024-x-1792/dall-e-3` is a rate of dall-e-3.

What is read of them is a component of the model, image/hd/1024x1792, as usage names it.
"""

import re
from typing import NamedTuple

SIZED = re.compile(
    r"(?P<quality>low|medium|high|xhigh|max|hd|standard)?(?:^|/)"
    r"(?P<size>\d{2,5}-?x-?\d{2,5}|max-x-max)/(?:(?P<steps>(?:\d{1,4}|max)-steps)/)?(?P<model>.+)"
)


class SizedImage(NamedTuple):
    """The model that an entry is about, and which of its images."""

    model: str
    component: str


def sized_image(name: str, provider: str) -> SizedImage | None:
    """None for an entry that is a model of its own. The provider before a name stays before the model's."""
    before = f"{provider}/" if provider and name.startswith(f"{provider}/") else ""
    match = SIZED.fullmatch(name.removeprefix(before))
    if match is None:
        return None
    size = match["size"].replace("-", "") if match["size"] != "max-x-max" else "max"
    parts = (match["quality"], size, match["steps"])
    return SizedImage(before + match["model"], "/".join(("image", *(part for part in parts if part))))
