"""The OpenAI double: embeddings, chat completions and the list of models, with an account of what they cost.

It refuses what the real service refuses, in the same words, and charges for what the real one charges for:
also for an answer whose client went away. It is no model: it quotes the passages it is shown
(`openai_text.py`), or says what
`script_answer` told it to.

    python -m tests.harness.doubles.openai --port 0
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import command, openai_errors
from .delivery import Reply, json_reply
from .faults import Fault
from .openai_chat import Completion, as_events, as_object, limited, prompt_bytes, prompt_tokens
from .openai_checks import (
    MAX_TOKENS_PER_REQUEST,
    NotModelled,
    check_chat,
    check_embedding,
    check_inputs,
    effort_of,
    text_of,
)
from .openai_errors import ApiError
from .openai_models import BY_NAME, MODELS, REASONING_TOKENS, Model
from .openai_spend import PromptCache, Spend, Usage
from .openai_text import answer_from, count_tokens, embed, encode_base64
from .recording import RecordedRequest
from .server import Double

KEY = "sk-double-0123456789abcdef"
"""The key that is accepted unless others are given."""

Answer = str | Callable[[dict[str, Any]], str]
"""A text, or a function from the request's body to one."""


class OpenAIDouble(Double):
    """`with OpenAIDouble() as openai: ... openai.base_url, openai.spend`.

    `first_word_delay` and `word_delay` (seconds) make it as slow as a model; both may be changed at any time.
    """

    def __init__(
        self,
        *,
        api_keys: Iterable[str] = (KEY,),
        first_word_delay: float = 0,
        word_delay: float = 0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.api_keys = set(api_keys)
        self.first_word_delay, self.word_delay = first_word_delay, word_delay
        self._account = Spend()
        self._cache = PromptCache()
        self._lock = threading.Lock()
        self._script: list[tuple[Answer, int | None]] = []

    @property
    def base_url(self) -> str:
        """The address with the version in it, as OPENAI_BASE_URL wants it."""
        return f"{self.url}/v1"

    @property
    def spend(self) -> dict[str, Any]:
        """What it has charged so far: `nano_usd`, `calls`, and the tokens of each model."""
        return self._account.report()

    def script_answer(self, answer: Answer, times: int | None = None) -> None:
        """Let the model say this, so many times or (by default) until `reset`; several take turns in
        order.
        """
        with self._lock:
            self._script.append((answer, times))

    def reset(self) -> None:
        super().reset()
        self._account.clear()
        self._cache.clear()
        with self._lock:
            self._script.clear()

    def fault_body(self, fault: Fault) -> Any:
        return openai_errors.injected(fault.status)

    def control(self, method: str, name: str, body: Any) -> Any:
        """GET spend; POST answer {"text", "times"}."""
        match method, name:
            case "GET", "spend":
                return self.spend
            case "POST", "answer":
                self.script_answer(str(body["text"]), body.get("times"))
                return {}
        raise LookupError(name)

    def answer(self, request: RecordedRequest) -> Reply:
        started = time.perf_counter()
        try:
            reply = self._route(request)
        except ApiError as error:
            reply = error.reply()
        except NotModelled as error:
            reply = json_reply(openai_errors.error_body(f"The double does not model {error}.", "double"), 501)
        milliseconds = int((time.perf_counter() - started) * 1000)
        reply.headers |= {
            "x-request-id": f"req_{request.number:032x}",
            "openai-version": "2020-10-01",
            "openai-processing-ms": str(milliseconds),
        }
        return reply

    def _route(self, request: RecordedRequest) -> Reply:
        self._check_key(request)
        posts = {"/v1/embeddings": self._embeddings, "/v1/chat/completions": self._chat}
        if request.path in posts:
            if request.method != "POST":
                raise _wrong_method(request)
            return posts[request.path](_parsed(request), request)
        if request.path == "/v1/models" or request.path.startswith("/v1/models/"):
            if request.method != "GET":
                raise _wrong_method(request)
            return _models(request.path)
        raise ApiError(f"Invalid URL ({request.method} {request.path})", status=404)

    def _check_key(self, request: RecordedRequest) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise openai_errors.missing_key()
        if key.strip() not in self.api_keys:
            raise openai_errors.wrong_key(key.strip())

    def _embeddings(self, body: dict[str, Any], request: RecordedRequest) -> Reply:
        model = check_embedding(body)
        items = check_inputs(body.get("input"))
        counts = [count_tokens(item) if isinstance(item, str) else len(item) for item in items]
        for number, count in enumerate(counts):
            if count > model.context:
                message = (
                    f"Invalid 'input[{number}]': maximum context length is {model.context} tokens, "
                    f"however you requested {count} tokens."
                )
                raise ApiError(message, param="input")
        if sum(counts) > MAX_TOKENS_PER_REQUEST:
            message = f"Requested {sum(counts)} tokens, max {MAX_TOKENS_PER_REQUEST} tokens per request"
            raise ApiError(message, type="max_tokens_per_request", code="max_tokens_per_request")
        vectors = [embed(item, body.get("dimensions") or model.dimensions) for item in items]
        in_base64 = body.get("encoding_format") == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": encode_base64(vector) if in_base64 else vector.tolist(),
            }
            for index, vector in enumerate(vectors)
        ]
        self._charge(request, model, Usage(sum(counts)))
        usage = {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}
        return json_reply({"object": "list", "data": data, "model": model.snapshot, "usage": usage})

    def _chat(self, body: dict[str, Any], request: RecordedRequest) -> Reply:
        model = check_chat(body)
        messages = body["messages"]
        tokens = prompt_tokens(messages)
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or model.max_output
        if tokens > model.context:
            message = (
                f"This model's maximum context length is {model.context} tokens. However, your messages resulted in "
                f"{tokens} tokens. Please reduce the length of the messages."
            )
            raise ApiError(message, param="messages", code="context_length_exceeded")
        said = self._say(body)
        text, finish_reason, completion, reasoning = limited(
            said, limit, REASONING_TOKENS[effort_of(body, model)]
        )
        scope = f"{model.name} {request.headers['authorization']}"
        cached, added = self._cache.remember(scope, prompt_bytes(messages))
        usage = Usage(
            tokens, completion, cached, added if model.prices.cache_write is not None else 0, reasoning
        )
        # Charged before the first byte leaves: whatever happens to the answer, the work was done.
        self._charge(request, model, usage)
        done = Completion(
            f"chatcmpl-{request.number:029d}", int(time.time()), model, text, finish_reason, usage
        )
        if body.get("stream"):
            options = body.get("stream_options") or {}
            events = as_events(done, options, request.fault, self.first_word_delay, self.word_delay)
            return Reply(headers={"Content-Type": "text/event-stream; charset=utf-8"}, events=events)
        self.wait(self.first_word_delay + self.word_delay * len(text.split()))
        return json_reply(as_object(done))

    def _say(self, body: dict[str, Any]) -> str:
        with self._lock:
            answer: Answer | None = None
            if self._script:
                answer, times = self._script[0]
                if times is not None:
                    self._script[:1] = [(answer, times - 1)] if times > 1 else []
        if answer is None:
            asked = [message for message in body["messages"] if message["role"] == "user"]
            return answer_from(text_of(asked[-1]["content"]) if asked else "")
        return answer if isinstance(answer, str) else answer(body)

    def _charge(self, request: RecordedRequest, model: Model, usage: Usage) -> None:
        request.notes["model"] = model.name
        request.notes["nano_usd"] = self._account.charge(model, usage)


def _parsed(request: RecordedRequest) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != "application/json":
        message = f"Unsupported content type: '{content_type}'. This API method only accepts 'application/json' requests."
        raise ApiError(message, code="unsupported_content_type")
    if not isinstance(request.body, dict):
        raise openai_errors.unparsable()
    return request.body


def _wrong_method(request: RecordedRequest) -> ApiError:
    message = f"Not allowed to {request.method} on {request.path}. (HINT: Perhaps you meant to use a different HTTP method?)"
    return ApiError(message, status=405, code="method_not_supported")


def _models(path: str) -> Reply:
    name = path.removeprefix("/v1/models").strip("/")
    if not name:
        return json_reply({"object": "list", "data": [_model_json(model.name) for model in MODELS]})
    if name not in BY_NAME:
        raise openai_errors.model_not_found(name)
    return json_reply(_model_json(name))


def _model_json(name: str) -> Mapping[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "system"}


def main(argv: list[str] | None = None) -> int:
    """The double as a process."""
    options = command.parser("An OpenAI API that costs nothing.")
    options.add_argument("--key", action="append", help=f"an accepted API key (default: {KEY})")
    options.add_argument("--first-word-delay", type=float, default=0, help="seconds")
    options.add_argument("--word-delay", type=float, default=0, help="seconds")

    def make(arguments: argparse.Namespace) -> OpenAIDouble:
        return OpenAIDouble(
            api_keys=arguments.key or [KEY],
            first_word_delay=arguments.first_word_delay,
            word_delay=arguments.word_delay,
            **command.common(arguments),
        )

    return command.run(make, options, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
