"""How many tokens the input of a request comes to: held before it runs, and billed where an answer ends without its usage.

A client writes the input, so nothing in it may count for less because of where it stands: what is no picture, sound or file to
the provider is text, files and sounds count by their size, and of long texts places that nobody knows beforehand are counted.
"""

import base64
import json
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .bodies import Asked

Count = Callable[[str], int]

MESSAGES = ("messages", "input", "system", "instructions")
SCHEMAS = ("tools", "functions", "response_format", "text", "prompt", "output_config")  # the provider reads them as they are
TOOL_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")  # whose input is JSON of any shape
PICTURES = ("image_url", "input_image", "image", "computer_screenshot")
MEDIA = (*PICTURES, "input_audio", "audio_url", "video_url", "file", "input_file", "document")
CONTENT_OF_MEDIA = ("url", "image_url", "audio_url", "video_url", "file_url", "data", "file_data")
TEXT_SOURCES = ("text", "content")  # of a document: its data is text, or parts of their own
LABELS, LONGEST_LABEL = ("type", "role", "id", "detail"), 64

TOKENS_OF_MESSAGE = 4
TOKENS_OF_PICTURE = 1_500  # whatever its size: providers scale it down
BYTES_A_TOKEN = {"audio": 100, "video": 100, "application": 4}  # of the most compressed that is usual
PICTURE_SUFFIXES = ("png", "jpg", "jpeg", "gif", "webp")
COUNTED_CHARACTERS = 20_000  # of longer texts only samples are counted
SAMPLES, SAMPLE = 20, 1_000


@dataclass
class Input:
    tokens: int
    is_elsewhere: bool  # some of it is kept by the provider: an earlier response, a file, what an address leads to


def count_input(asked: Asked, count: Count) -> Input:
    """Tokens of what is sent to the provider: as good as `count` for texts of a usual length, by samples beyond that."""
    body, found = asked.body, _Found()
    for name in MESSAGES:
        value = body.get(name)
        found.tokens += len(value) * TOKENS_OF_MESSAGE if isinstance(value, list) else 0
        found.read(value, None)
    found.texts += [json.dumps(body[name], ensure_ascii=False) for name in SCHEMAS if body.get(name)]
    if asked.endpoint == "embeddings":
        found.tokens += found.numbers
    else:
        found.tokens += found.numbers * 2  # with what divides them
    prompt = body.get("prompt")
    refers = bool(body.get("previous_response_id")) or (isinstance(prompt, dict) and bool(prompt.get("id")))
    return Input(found.tokens + _tokens("\n".join(found.texts), count), found.is_elsewhere or refers)


@dataclass
class _Found:
    texts: list[str] = field(default_factory=list)
    numbers: int = 0
    tokens: int = 0  # of what is no text
    is_elsewhere: bool = False

    def read(self, value: Any, media: str | None) -> None:
        """`media` is the type of the part around it that is no text."""
        if isinstance(value, str):
            self.texts.append(value)
        elif isinstance(value, list):
            for each in value:
                self.read(each, media)
        elif isinstance(value, dict):
            self._read_fields(value, media)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.numbers += 1

    def _read_fields(self, part: dict[str, Any], media: str | None) -> None:
        kind = part.get("type")
        if kind in MEDIA:
            media = str(kind)
        elif kind in TEXT_SOURCES:
            media = None
        for name, value in part.items():
            if media is not None and name in CONTENT_OF_MEDIA and isinstance(value, str):
                self._read_media(value, str(part.get("media_type") or ""), media)
            elif kind in TOOL_CALLS and name == "input":
                self.texts.append(json.dumps(value, ensure_ascii=False))
            elif not (name in LABELS and isinstance(value, str) and len(value) <= LONGEST_LABEL):
                self.texts.append(name)
                self.read(value, media)
            if name == "file_id" or (name == "id" and kind == "item_reference") or (name == "audio" and "role" in part):
                self.is_elsewhere = True

    def _read_media(self, content: str, media_type: str, media: str) -> None:
        if content.startswith("data:"):
            head, _, content = content[len("data:") :].partition(",")
            media_type = head.partition(";")[0]
        elif "://" in content[:16]:
            suffix = content.partition("?")[0].rpartition("/")[2].rpartition(".")
            if media in PICTURES and (not suffix[1] or suffix[2].lower() in PICTURE_SUFFIXES):
                self.tokens += TOKENS_OF_PICTURE
            else:
                self.is_elsewhere = True
            return
        family = media_type.partition("/")[0] or {"input_audio": "audio", "video_url": "video"}.get(media, "")
        if family == "image" or (not family and media in PICTURES):
            self.tokens += TOKENS_OF_PICTURE
        elif family == "text":
            self.texts.append(_decoded(content))
        else:
            size = len(content) * 3 // 4
            self.tokens += max(TOKENS_OF_PICTURE, size // BYTES_A_TOKEN.get(family, BYTES_A_TOKEN["application"]))


def _decoded(content: str) -> str:
    """What cannot be decoded counts as it is."""
    try:
        return base64.b64decode(content, validate=True).decode(errors="replace")
    except ValueError:
        return content


def _tokens(text: str, count: Count) -> int:
    if len(text) <= COUNTED_CHARACTERS:
        return count(text)
    stretch = len(text) / SAMPLES
    begins = [int(number * stretch) + secrets.randbelow(int(stretch) - SAMPLE + 1) for number in range(SAMPLES)]
    return math.ceil(sum(count(text[begin : begin + SAMPLE]) for begin in begins) * stretch / SAMPLE)
