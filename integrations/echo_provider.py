"""A provider of language models that has none: it repeats the prompt, in the shapes of OpenAI's and Anthropic's APIs.

    python integrations/echo_provider.py --port 4001

Words in square brackets in the prompt, after a + in the model's name, or as the first part of the path make it behave:

    [tokens 50]   answer with 50 words         [slow 0.2]    wait so many seconds before each word
    [cached 10]   of the prompt were cached    [reasoning 5] of the answer were thought
    [fail 500]    answer with this status      [break 3]     drop the connection after so many words
    [hang 5]      wait before anything is sent [silent]      never state the usage in a stream
    [tool]        call the first tool          [tier flex]   serve in this tier and not in the default one
    [times 2]     fail only so often for one and the same prompt, then answer

As in `gpt-4o-mini+fail-500`, or `http://127.0.0.1:4001/fail-503/v1` as a deployment's address, which makes it fail over.
"""

import argparse
import asyncio
import json
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import web

ORDER = re.compile(r"\[(tokens|slow|cached|reasoning|fail|break|hang|silent|times|tool|tier)(?: ([\w.]+))?\]")
OUTSIDE_PROMPT = re.compile(r"(tokens|slow|cached|reasoning|fail|break|hang|silent|times|tool|tier)(?:-([\w.]+))?")
WORDS = "You said something, and this is what an echo makes of it: word by word, until there is nothing left to repeat."


@dataclass
class Wish:
    """What one request wants to see."""

    body: dict[str, Any]
    orders: dict[str, str]
    prompt_tokens: int
    words: list[str]

    def number(self, name: str, default: float = 0) -> float:
        return float(self.orders.get(name) or default) if name in self.orders else default

    @property
    def streams(self) -> bool:
        return self.body.get("stream") is True

    @property
    def reasoning(self) -> int:
        return int(self.number("reasoning"))

    @property
    def cached(self) -> int:
        return min(int(self.number("cached")), self.prompt_tokens)

    @property
    def output_tokens(self) -> int:
        return len(self.words) + self.reasoning

    @property
    def tier(self) -> str:
        """The one that is served. What is asked for is no order: a provider without that tier serves the default one."""
        return self.orders.get("tier") or "default"

    @property
    def tool(self) -> dict[str, Any] | None:
        tools = self.body.get("tools") or []
        return tools[0] if tools and "tool" in self.orders else None


async def wish_of(request: web.Request) -> Wish:
    body = await request.json()
    texts = list(strings([body.get(name) for name in ("messages", "input", "system", "instructions")]))
    prompt = texts[-1] if texts else ""
    orders = {name: value for text in texts for name, value in ORDER.findall(text)}
    for part in [*str(body.get("model", "")).split("+")[1:], *request.match_info.get("orders", "").split("+")]:
        if match := OUTSIDE_PROMPT.fullmatch(part):
            orders[match[1]] = match[2] or ""
    words = ORDER.sub("", prompt).split() or WORDS.split()
    count = int(orders.get("tokens") or len(words))
    most = body.get("max_completion_tokens") or body.get("max_tokens") or body.get("max_output_tokens") or count
    words = [words[index % len(words)] for index in range(min(count, most))]
    return Wish(body, orders, max(1, sum(len(text) for text in texts) // 4), words)


def strings(value: Any) -> Any:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in ("role", "type"):
                yield from strings(each)


failures: dict[str, int] = {}  # by prompt


def enough_failures(wish: Wish) -> bool:
    prompt = json.dumps(wish.body.get("messages") or wish.body.get("input"))
    failures[prompt] = failures.get(prompt, 0) + 1
    return "times" in wish.orders and failures[prompt] > wish.number("times")


async def before_answer(wish: Wish) -> web.Response | None:
    if "hang" in wish.orders:
        await asyncio.sleep(wish.number("hang", 1))
    if "fail" in wish.orders and not enough_failures(wish):
        status = int(wish.number("fail", 500))
        kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
        error = {"message": f"The echo was asked to fail with {status}.", "type": kind, "code": None, "param": None}
        return web.json_response({"error": error}, status=status)
    if not wish.streams:
        await asyncio.sleep(wish.number("slow") * len(wish.words))
    return None


class Stream:
    """Server-sent events that may be slow, or break."""

    def __init__(self, request: web.Request, wish: Wish) -> None:
        self.request, self.wish = request, wish
        self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})

    async def start(self) -> None:
        await self.response.prepare(self.request)

    async def say(self, event: dict[str, Any] | str, name: str | None = None) -> None:
        content = event if isinstance(event, str) else json.dumps(event)
        await self.response.write(f"{f'event: {name}' + chr(10) if name else ''}data: {content}\n\n".encode())

    async def words(self) -> Any:
        """Each word, as slowly as was asked for. Ends the connection where it should break."""
        for index, word in enumerate(self.wish.words):
            if "break" in self.wish.orders and index >= self.wish.number("break"):
                await asyncio.sleep(0.05)  # what was said is on its way
                if self.request.transport is not None:
                    self.request.transport.abort()
                raise ConnectionResetError
            await asyncio.sleep(self.wish.number("slow"))
            yield word if index == 0 else f" {word}"


def chat_usage(wish: Wish) -> dict[str, Any]:
    return {
        "prompt_tokens": wish.prompt_tokens,
        "completion_tokens": wish.output_tokens,
        "total_tokens": wish.prompt_tokens + wish.output_tokens,
        "prompt_tokens_details": {"cached_tokens": wish.cached},
        "completion_tokens_details": {"reasoning_tokens": wish.reasoning},
    }


def tool_call(wish: Wish) -> dict[str, Any] | None:
    """A call of the first tool, every required argument filled."""
    if wish.tool is None:
        return None
    function = wish.tool.get("function") or wish.tool
    schema = function.get("parameters") or function.get("input_schema") or {}
    arguments = dict.fromkeys(schema.get("required") or [], "echo")
    return {"id": f"call_{secrets.token_hex(8)}", "name": function.get("name"), "arguments": arguments}


async def chat(request: web.Request) -> web.StreamResponse:
    wish = await wish_of(request)
    if (refused := await before_answer(wish)) is not None:
        return refused
    call = tool_call(wish)
    calls = call and [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}
    ]
    about = {"id": f"chatcmpl-{secrets.token_hex(8)}", "created": int(time.time()), "model": wish.body.get("model")}
    about["service_tier"] = wish.tier
    if wish.streams:
        return await chat_stream(request, wish, about, calls)
    message = {"role": "assistant", "content": None if calls else " ".join(wish.words)}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return web.json_response({**about, "object": "chat.completion", "choices": [choice], "usage": chat_usage(wish)})


async def chat_stream(request: web.Request, wish: Wish, about: dict[str, Any], calls: Any) -> web.StreamResponse:
    stream = Stream(request, wish)
    await stream.start()
    about["object"] = "chat.completion.chunk"

    async def say(delta: dict[str, Any], finish: str | None = None) -> None:
        await stream.say({**about, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    await say({"role": "assistant", "content": ""})
    if calls:
        await say({"tool_calls": [{"index": 0, **calls[0]}]})
    else:
        async for word in stream.words():
            await say({"content": word})
    await say({}, "tool_calls" if calls else "stop")
    if (wish.body.get("stream_options") or {}).get("include_usage") and "silent" not in wish.orders:
        await stream.say({**about, "choices": [], "usage": chat_usage(wish)})
    await stream.say("[DONE]")
    await stream.response.write_eof()
    return stream.response


async def responses(request: web.Request) -> web.StreamResponse:
    wish = await wish_of(request)
    if (refused := await before_answer(wish)) is not None:
        return refused
    call = tool_call(wish)
    if call:
        item = {
            "type": "function_call",
            "id": f"fc_{call['id']}",
            "call_id": call["id"],
            "name": call["name"],
            "status": "completed",
        }
        item["arguments"] = json.dumps(call["arguments"])
    else:
        text = {"type": "output_text", "text": " ".join(wish.words), "annotations": []}
        item = {
            "type": "message",
            "id": f"msg_{secrets.token_hex(8)}",
            "role": "assistant",
            "status": "completed",
            "content": [text],
        }
    about = {
        "id": f"resp_{secrets.token_hex(8)}",
        "object": "response",
        "created_at": int(time.time()),
        "model": wish.body.get("model"),
        "service_tier": wish.tier,
        "error": None,
        "incomplete_details": None,
        "parallel_tool_calls": True,
        "tool_choice": wish.body.get("tool_choice") or "auto",
        "tools": wish.body.get("tools") or [],
    }
    usage = {
        "input_tokens": wish.prompt_tokens,
        "input_tokens_details": {"cached_tokens": wish.cached},
        "output_tokens": wish.output_tokens,
        "output_tokens_details": {"reasoning_tokens": wish.reasoning},
        "total_tokens": wish.prompt_tokens + wish.output_tokens,
    }
    done = {**about, "status": "completed", "output": [item], "usage": usage}
    if not wish.streams:
        return web.json_response(done)
    stream = Stream(request, wish)
    await stream.start()
    number = iter(range(1_000_000))

    async def say(kind: str, **more: Any) -> None:
        await stream.say({"type": kind, "sequence_number": next(number), **more}, kind)

    await say("response.created", response={**about, "status": "in_progress", "output": [], "usage": None})
    await say(
        "response.output_item.added",
        output_index=0,
        item={**item, "status": "in_progress", **({} if call else {"content": []})},
    )
    if not call:
        place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        await say("response.content_part.added", **place, part={"type": "output_text", "text": "", "annotations": []})
        async for word in stream.words():
            await say("response.output_text.delta", **place, delta=word, logprobs=[])
        await say("response.output_text.done", **place, text=" ".join(wish.words), logprobs=[])
    await say("response.output_item.done", output_index=0, item=item)
    await say("response.completed", response=done)
    await stream.response.write_eof()
    return stream.response


async def embeddings(request: web.Request) -> web.StreamResponse:
    wish = await wish_of(request)
    if (refused := await before_answer(wish)) is not None:
        return refused
    stated = wish.body.get("input")
    number = len(stated) if isinstance(stated, list) else 1
    data = [{"object": "embedding", "index": index, "embedding": [0.25, -0.5, 1.0]} for index in range(number)]
    usage = {"prompt_tokens": wish.prompt_tokens, "total_tokens": wish.prompt_tokens}
    return web.json_response({"object": "list", "data": data, "model": wish.body.get("model"), "usage": usage})


async def messages(request: web.Request) -> web.StreamResponse:
    wish = await wish_of(request)
    if (refused := await before_answer(wish)) is not None:
        return refused
    call = tool_call(wish)
    content = (
        {"type": "tool_use", "id": call["id"], "name": call["name"], "input": call["arguments"]}
        if call
        else {"type": "text", "text": " ".join(wish.words)}
    )
    usage = {  # what was read from the cache is not inside input_tokens here
        "input_tokens": wish.prompt_tokens - wish.cached,
        "cache_read_input_tokens": wish.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": wish.output_tokens,
    }
    about = {"id": f"msg_{secrets.token_hex(8)}", "type": "message", "role": "assistant", "model": wish.body.get("model")}
    reason = "tool_use" if call else "end_turn"
    if not wish.streams:
        return web.json_response({**about, "content": [content], "stop_reason": reason, "stop_sequence": None, "usage": usage})
    stream = Stream(request, wish)
    await stream.start()

    async def say(kind: str, **more: Any) -> None:
        await stream.say({"type": kind, **more}, kind)

    opening = {**about, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    await say("message_start", message=opening)
    await say("content_block_start", index=0, content_block={**content, **({"input": {}} if call else {"text": ""})})
    if call:
        await say(
            "content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": json.dumps(content["input"])}
        )
    else:
        async for word in stream.words():
            await say("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    await say("content_block_stop", index=0)
    await say(
        "message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": wish.output_tokens}
    )
    await say("message_stop")
    await stream.response.write_eof()
    return stream.response


def application() -> web.Application:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    for prefix in ("", "/{orders}"):
        for path, handler in (
            ("chat/completions", chat),
            ("responses", responses),
            ("embeddings", embeddings),
            ("messages", messages),
        ):
            app.router.add_post(f"{prefix}/v1/{path}", handler)
    return app


def main() -> None:
    parser = argparse.ArgumentParser(description="A provider that repeats the prompt.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4001)
    stated = parser.parse_args()
    web.run_app(application(), host=stated.host, port=stated.port, print=None, access_log=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
