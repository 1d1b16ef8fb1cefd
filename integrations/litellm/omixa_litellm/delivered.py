"""What of an answer reached the client, read from the bytes on their way out.

It is what can be billed when a stream breaks or its client leaves before the provider has said its usage.
"""

import json
from collections.abc import Callable
from typing import Any

ENDS = ("message_stop", "response.completed", "response.incomplete")
AUDIO_BYTES_A_TOKEN = 2_400  # streams are 16 bits at 24 kHz, and a token is 50 ms of it
TOKENS_OF_IMAGE = 1_290
USAGE_BYTES = 8 * 1024 * 1024  # of a whole answer that is kept until its usage is written down


class Delivered:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.audio_bytes = 0
        self.images = 0
        self.usage: dict[str, Any] | None = None  # as the last chunk that had one stated it
        self.service_tier: str | None = None
        self.finished = False  # the provider said that its answer ends here
        self._body: list[bytes] = []
        self._kept = 0
        self._rest = b""

    def stream(self, chunk: bytes) -> None:
        """Some bytes of server-sent events, cut anywhere."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b"data:") and line.strip() != b"data: [DONE]":
                self._event(line[5:])

    def whole(self, chunk: bytes) -> None:
        """Some bytes of an answer that is one JSON object."""
        self._kept += len(chunk)
        if self._kept <= USAGE_BYTES:
            self._body.append(chunk)

    def end(self) -> None:
        """Reads an answer that came as a whole."""
        if self._body and self._kept <= USAGE_BYTES:
            self._event(b"".join(self._body))
        self._body.clear()

    def forget(self) -> None:
        """What was delivered so far was billed, and the answer continues."""
        self.texts.clear()
        self.audio_bytes = self.images = 0

    def begin_again(self) -> None:
        """The answer before this one is billed whole."""
        self.forget()
        self.usage, self.finished = None, False

    def tokens(self, count: Callable[[str], int]) -> int:
        text = count("".join(self.texts)) if self.texts else 0
        return text + self.audio_tokens + self.image_tokens

    @property
    def audio_tokens(self) -> int:
        return -(-self.audio_bytes // AUDIO_BYTES_A_TOKEN)

    @property
    def image_tokens(self) -> int:
        return self.images * TOKENS_OF_IMAGE

    @property
    def anything(self) -> bool:
        return bool(self.texts or self.audio_bytes or self.images)

    def _event(self, content: bytes) -> None:
        try:
            event = json.loads(content)
        except ValueError:
            return  # a comment or a ping
        if not isinstance(event, dict):
            return
        inner = event.get("response") or event.get("message")  # of the Responses API, and of Anthropic's first event
        for each in (inner, event):
            if isinstance(each, dict):
                self._note(each)
        self.finished = self.finished or event.get("type") in ENDS
        self._texts_of(event)

    def _note(self, said: dict[str, Any]) -> None:
        usage, tier = said.get("usage"), said.get("service_tier")
        if isinstance(usage, dict):
            self.usage = {**(self.usage or {}), **{name: value for name, value in usage.items() if value is not None}}
        if isinstance(tier, str):
            self.service_tier = tier

    def _texts_of(self, event: dict[str, Any]) -> None:
        delta = event.get("delta")
        if isinstance(delta, str):  # the Responses API
            self.texts.append(delta)
        elif isinstance(delta, dict):  # Anthropic
            self._add(delta, ("text", "thinking", "partial_json"))
        for choice in event.get("choices") or ():
            if not isinstance(choice, dict):
                continue
            self.finished = self.finished or choice.get("finish_reason") is not None
            said = choice.get("delta")
            if isinstance(said, dict):
                self._add(said, ("content", "reasoning_content", "refusal"))
                self._add_media(said)
                for call in said.get("tool_calls") or ():
                    self._add(call.get("function") or {}, ("name", "arguments"))

    def _add_media(self, said: dict[str, Any]) -> None:
        audio, images = said.get("audio"), said.get("images")
        if isinstance(audio, dict):
            self._add(audio, ("transcript",))
            data = audio.get("data")
            self.audio_bytes += len(data) * 3 // 4 if isinstance(data, str) else 0
        if isinstance(images, list):
            self.images += len(images)

    def _add(self, said: dict[str, Any], names: tuple[str, ...]) -> None:
        self.texts += [said[name] for name in names if isinstance(said.get(name), str)]
