"""The official client against the double: if they understand each other, the double speaks the real protocol.

Everything runs twice: with the double in a thread of this process, and in a process of its own.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.doubles.openai_errors import OUT_OF_MONEY
from tests.harness.doubles.openai_models import MODELS
from tests.harness.doubles.process import DoubleProcess

pytestmark = pytest.mark.timeout(60)

Either = OpenAIDouble | DoubleProcess
LUNA: dict[str, Any] = {"model": "gpt-6-luna", "reasoning_effort": "none"}
QUESTION: Any = [
    {"role": "system", "content": "Answer from the passages."},
    {"role": "user", "content": "[1] Trolls regenerate.\nSlowly.\n[2] Owlbears hug.\n\nWhat regenerates?"},
]
ANSWER = "The books say:\n\n- Trolls regenerate. [1]\n- Owlbears hug. [2]"


@pytest.fixture(scope="module", params=["thread", "process"])
def running(request: pytest.FixtureRequest) -> Iterator[Either]:
    with (
        OpenAIDouble()
        if request.param == "thread"
        else DoubleProcess("tests.harness.doubles.openai") as double
    ):
        yield double


@pytest.fixture
def double(running: Either) -> Either:
    running.reset()
    return running


@pytest.fixture
def client(double: Either) -> Iterator[OpenAI]:
    with client_of(double) as client:
        yield client


def client_of(double: Either, **options: Any) -> OpenAI:
    # The environment's proxies are for the real service.
    http_client = openai.DefaultHttpxClient(trust_env=False)
    settings: dict[str, Any] = {"api_key": KEY, "max_retries": 0, "timeout": 5, **options}
    return OpenAI(base_url=double.base_url, http_client=http_client, **settings)


def ask(client: OpenAI, **parameters: Any) -> Any:
    return client.chat.completions.create(**{**LUNA, "messages": QUESTION, **parameters})


# What works


def test_embeddings(client: OpenAI, double: Either) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=["a troll", "an owlbear"])
    assert [(item.index, len(item.embedding)) for item in answer.data] == [(0, 1_536), (1, 1_536)]
    assert (answer.model, answer.usage.prompt_tokens, answer.usage.total_tokens) == (
        "text-embedding-3-small",
        5,
        5,
    )
    assert double.requests[0].body["encoding_format"] == "base64"
    assert double.spend["nano_usd"] == 100


def test_both_encodings_carry_the_same_vector(client: OpenAI) -> None:
    def vector(encoding: Any) -> Any:
        answer = client.embeddings.create(
            model="text-embedding-3-large", input="troll and owlbear", encoding_format=encoding
        )
        return answer.data[0].embedding

    plain = vector("float")
    assert len(plain) == 3_072
    assert sum(value * value for value in plain) == pytest.approx(1, abs=1e-6)
    assert array("f", base64.b64decode(vector("base64"))).tolist() == plain


def test_token_lists_and_fewer_dimensions(client: OpenAI) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=[[1, 2, 3], [4]], dimensions=256)
    assert [len(item.embedding) for item in answer.data] == [256, 256]
    assert answer.usage.prompt_tokens == 4


def test_chat(client: OpenAI) -> None:
    answer = ask(client, max_completion_tokens=100, temperature=0.2)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens_details.cached_tokens == 0
    assert answer.usage.prompt_tokens_details.cache_write_tokens == 0
    assert answer.usage.completion_tokens_details.reasoning_tokens == 0


def test_chat_under_a_limit(client: OpenAI) -> None:
    answer = ask(client, max_completion_tokens=3)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (ANSWER[:12], "length")
    assert answer.usage.completion_tokens == 3


def test_older_model_and_its_dated_name(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="gpt-4o-mini", messages=QUESTION, max_tokens=100, temperature=0.3
    )
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert answer.usage
    assert answer.usage.prompt_tokens_details
    assert answer.usage.prompt_tokens_details.cache_write_tokens is None


def test_content_in_parts_is_read_like_text(client: OpenAI) -> None:
    parts = [{"type": "text", "text": "[1] Trolls "}, {"type": "text", "text": "regenerate."}]
    answer = ask(client, messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content == "The books say:\n\n- Trolls regenerate. [1]"


def test_stream_with_usage(client: OpenAI) -> None:
    whole = ask(client)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == ANSWER
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


def test_stream_without_usage(client: OpenAI) -> None:
    chunks = list(ask(client, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


@pytest.mark.parametrize("size", [1, 3, 0])
def test_stream_cut_anywhere_is_put_together_again(client: OpenAI, double: Either, size: int) -> None:
    double.script_answer("Größe: 6–36 “hit points”")
    double.faults.push(Fault("split", size=size))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in ask(client, stream=True))
    assert text == "Größe: 6–36 “hit points”"


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [model.name for model in MODELS]
    assert client.models.retrieve("gpt-6-luna").id == "gpt-6-luna"


def test_connection_is_kept(client: OpenAI, double: Either) -> None:
    for _ in range(3):
        ask(client)
    assert double.connections == 1


def test_scripted_answer(client: OpenAI, double: Either) -> None:
    double.script_answer("First.", times=1)
    double.script_answer("Then.")
    assert [ask(client).choices[0].message.content for _ in range(3)] == ["First.", "Then.", "Then."]


def test_client_retries_what_may_be_retried(double: Either) -> None:
    double.faults.push(Fault(status=429, headers={"retry-after-ms": "10"}), Fault("close_before_headers"))
    with client_of(double, max_retries=2) as client:
        assert ask(client).choices[0].message.content == ANSWER
    assert [request.status for request in double.requests] == [429, None, 200]
    assert double.spend["calls"] == 2


# What is refused


@pytest.mark.parametrize("key", ["sk-wrong", "sk-double-0123456789abcdeg"])
def test_wrong_key(double: Either, key: str) -> None:
    with client_of(double, api_key=key) as client, pytest.raises(openai.AuthenticationError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
    assert key not in str(caught.value)


def test_missing_key(double: Either) -> None:
    answer = httpx.post(f"{double.base_url}/chat/completions", json={}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_unknown_model(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, model="gpt-7")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-7")


def test_model_of_the_other_kind(client: OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        ask(client, model="text-embedding-3-small")
    with pytest.raises(openai.PermissionDeniedError):
        client.embeddings.create(model="gpt-6-luna", input="x")


def test_unknown_address_and_method(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.post("/nothing", cast_to=object)
    with pytest.raises(openai.APIStatusError) as caught:
        client.get("/chat/completions", cast_to=object)
    assert caught.value.status_code == 405


FAMILIES = [
    ("gpt-6-luna", {"max_tokens": 9}, "unsupported_parameter", "max_tokens"),
    ("gpt-6-luna", {"temperature": 0.2}, "unsupported_value", "temperature"),
    ("gpt-6-luna", {"temperature": 0.2, "reasoning_effort": "low"}, "unsupported_value", "temperature"),
    ("gpt-6-luna", {"reasoning_effort": "minimal"}, "unsupported_value", "reasoning_effort"),
    ("gpt-6-luna", {"top_p": 0.5}, "unsupported_parameter", "top_p"),
    ("gpt-5-mini", {"max_tokens": 9}, "unsupported_parameter", "max_tokens"),
    ("gpt-5-mini", {"temperature": 0.2}, "unsupported_value", "temperature"),
    ("gpt-5-nano", {"temperature": 0, "reasoning_effort": "minimal"}, "unsupported_value", "temperature"),
    ("gpt-5-mini", {"reasoning_effort": "none"}, "unsupported_value", "reasoning_effort"),
    ("gpt-5-nano", {"reasoning_effort": "xhigh"}, "unsupported_value", "reasoning_effort"),
    ("gpt-4o-mini", {"reasoning_effort": "none"}, "unsupported_parameter", "reasoning_effort"),
    ("gpt-4.1-mini", {"verbosity": "low"}, "unsupported_value", "verbosity"),
]


@pytest.mark.parametrize(("model", "parameters", "code", "param"), FAMILIES)
def test_what_a_family_does_not_take(
    client: OpenAI, model: str, parameters: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": model, "messages": QUESTION, **parameters})
    assert (caught.value.code, caught.value.param, caught.value.type) == (
        code,
        param,
        "invalid_request_error",
    )


ACCEPTED = [
    ("gpt-6-luna", {"temperature": 1}),
    (
        "gpt-6-luna",
        {"temperature": 0, "top_p": 0.5, "reasoning_effort": "none", "max_completion_tokens": 500},
    ),
    ("gpt-5-mini", {"reasoning_effort": "minimal", "max_completion_tokens": 500}),
    ("gpt-5-nano", {"verbosity": "low"}),
    ("gpt-4o", {"max_tokens": 9, "temperature": 0}),
    ("gpt-4o-mini", {"max_completion_tokens": 9}),
    ("gpt-4o-mini-2024-07-18", {"reasoning_effort": None, "temperature": None}),
]


@pytest.mark.parametrize(("model", "parameters"), ACCEPTED)
def test_what_a_family_takes(client: OpenAI, model: str, parameters: dict[str, Any]) -> None:
    assert client.chat.completions.create(**{"model": model, "messages": QUESTION, **parameters}).choices


BAD_CHATS = [
    ({"extra_body": {"colour": "red"}}, None, None),
    ({"messages": []}, "empty_array", "messages"),
    ({"messages": "hello"}, "invalid_type", "messages"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "invalid_value", "messages[0].role"),
    ({"messages": [{"role": "user", "content": 5}]}, "invalid_type", "messages[0].content"),
    ({"messages": [{"role": "user", "content": None}]}, None, "messages.[0].content"),
    ({"messages": [{"role": "user", "content": "x", "mood": "y"}]}, "unknown_parameter", "messages[0].mood"),
    ({"temperature": "warm"}, "invalid_type", "temperature"),
    ({"temperature": 3}, "decimal_above_max_value", "temperature"),
    ({"max_completion_tokens": 0}, "integer_below_min_value", "max_completion_tokens"),
    ({"max_completion_tokens": 1.5}, "invalid_type", "max_completion_tokens"),
    ({"max_completion_tokens": True}, "invalid_type", "max_completion_tokens"),
    ({"max_completion_tokens": 128_001}, "invalid_value", "max_completion_tokens"),
    ({"reasoning_effort": "heroic"}, "invalid_value", "reasoning_effort"),
    ({"stream": "yes"}, "invalid_type", "stream"),
    ({"stream_options": {"include_usage": True}}, None, "stream_options"),
    ({"stream": True, "stream_options": {"usage": True}}, "unknown_parameter", "stream_options.usage"),
    ({"messages": [{"role": "user", "content": "x" * 1_600_000}]}, "context_length_exceeded", "messages"),
]


@pytest.mark.parametrize(("parameters", "code", "param"), BAD_CHATS)
def test_bad_chat(client: OpenAI, double: Either, parameters: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        # `extra_body` gets what the client itself would refuse past it.
        extra = parameters.get("extra_body", parameters)
        ask(client, extra_body=extra)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert double.spend["calls"] == 0


BAD_INPUTS = [
    ("", None, None),
    ([], None, None),
    (["good", ""], None, None),
    (["good", 1], None, None),
    (5, "invalid_type", "input"),
    (["x"] * 2_049, "array_above_max_length", "input"),
    ("x" * 4 * 8_193, None, "input"),
    (["x" * 4 * 8_000] * 38, "max_tokens_per_request", None),
]


@pytest.mark.parametrize(("value", "code", "param"), BAD_INPUTS)
def test_bad_input(client: OpenAI, double: Either, value: Any, code: str, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="text-embedding-3-small", input=value)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert double.spend["calls"] == 0


def test_too_many_dimensions(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="text-embedding-3-small", input="x", dimensions=1_537)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{no", "application/json"),
        (b"[]", "application/json"),
        (b"", "application/json"),
        (b"{}", "text/plain"),
    ],
)
def test_body_that_is_not_a_json_object(double: Either, body: bytes, content_type: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": content_type}
    answer = httpx.post(f"{double.base_url}/chat/completions", content=body, headers=headers, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


# What breaks


STATUSES = [
    (Fault(status=401), openai.AuthenticationError, "invalid_api_key"),
    (Fault(status=429, retry_after=3), openai.RateLimitError, "rate_limit_exceeded"),
    (Fault(status=429, body=OUT_OF_MONEY), openai.RateLimitError, "insufficient_quota"),
    (Fault(status=500), openai.InternalServerError, None),
    (Fault(status=503), openai.InternalServerError, None),
]


@pytest.mark.parametrize(("fault", "error", "code"), STATUSES)
@pytest.mark.parametrize("stream", [False, True])
def test_status(
    client: OpenAI, double: Either, fault: Fault, error: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    double.faults.push(fault)
    with pytest.raises(error) as caught:
        ask(client, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (fault.status, code)
    retry_after = None if fault.retry_after is None else str(fault.retry_after)
    assert caught.value.response.headers.get("Retry-After") == retry_after
    assert double.spend["calls"] == 0


@pytest.mark.parametrize("fault", [Fault("close_before_headers"), Fault("close_before_headers", reset=True)])
def test_broken_connection(client: OpenAI, double: Either, fault: Fault) -> None:
    double.faults.push(fault)
    with pytest.raises(openai.APIConnectionError) as caught:
        ask(client)
    assert not isinstance(caught.value, openai.APITimeoutError)


def test_nobody_listens(double: Either) -> None:
    with OpenAIDouble() as gone:
        url = gone.base_url
    with client_of(double).with_options(base_url=url) as client, pytest.raises(openai.APIConnectionError):
        ask(client)


@pytest.mark.parametrize("fault", [Fault("hang", before_work=True), Fault("delay", delay=1)])
def test_timeout(client: OpenAI, double: Either, fault: Fault) -> None:
    double.faults.push(fault)
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.3))
    assert double.spend["calls"] == (0 if fault.before_work else 1)


def test_error_in_the_middle_of_a_stream(client: OpenAI, double: Either) -> None:
    double.faults.push(Fault("stream_error", after=2))
    text = ""
    with pytest.raises(openai.APIError, match="had an error while processing") as caught:
        for chunk in ask(client, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert not isinstance(caught.value, openai.APIStatusError)
    assert text == "The books"
    assert double.spend["calls"] == 1


def test_stream_that_loses_its_end(client: OpenAI, double: Either) -> None:
    double.faults.push(Fault("cut"))
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
        list(ask(client, stream=True))
    assert double.spend["calls"] == 1


def test_stream_that_stalls(client: OpenAI, double: Either) -> None:
    double.faults.push(Fault("stream_stall", seconds=1))
    with pytest.raises((openai.APITimeoutError, httpx.ReadTimeout)):
        list(ask(client.with_options(timeout=0.3), stream=True))


def test_stream_without_the_usage_it_was_asked_for(client: OpenAI, double: Either) -> None:
    double.faults.push(Fault("stream_no_usage"))
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert double.spend["calls"] == 1
