"""A wrong class sends a call the wrong way: retried for nothing, blamed on the model, or shown with useless advice."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import ErrorKind
from lib.providers import classify
from lib.providers.retry_after import CAP, duration


def body(document: Any) -> bytes:
    return document.encode() if isinstance(document, str) else json.dumps(document).encode()


def openai(message: str, code: Any = None, type: str = "invalid_request_error", param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def anthropic(type: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type, "message": message}}


def google(code: int, status: str, message: str, *details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


NEVER, AGAIN = False, True
CASES: tuple[tuple[str, int, Any, ErrorKind, bool], ...] = (
    # status alone
    ("a bare 401", 401, "", "auth", NEVER),
    ("a bare 500", 500, "", "network", AGAIN),
    ("a bare 429", 429, "", "rate-limit", AGAIN),
    ("a bare 408", 408, "", "timeout", AGAIN),
    ("cloudflare gave up waiting", 524, "<html><head><title>A timeout occurred</title></head></html>", "timeout", AGAIN),
    ("cloudflare reached nobody", 521, "<!doctype html><title>Web server is down</title>", "network", AGAIN),
    ("a redirect to a sign-in page", 302, "", "network", NEVER),
    ("a web page where the API should be", 404, "<!DOCTYPE html><title>404 Not Found</title>", "network", NEVER),
    ("overloaded", 529, anthropic("overloaded_error", "Overloaded"), "network", AGAIN),
    # 429
    ("requests per minute", 429, openai("Rate limit reached for requests", "rate_limit_exceeded", "requests"), "rate-limit", AGAIN),
    ("no credit", 429, openai("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"), "quota", NEVER),
    (
        "larger than the limit itself",
        429,
        openai("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7312", "rate_limit_exceeded", "tokens"),
        "context-length",
        NEVER,
    ),
    (
        "google, per day",
        429,
        google(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", {"violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}),
        "quota",
        NEVER,
    ),
    (
        "google, comes back soon",
        429,
        google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", {"@type": "RetryInfo", "retryDelay": "12s"}),
        "rate-limit",
        AGAIN,
    ),
    (
        "google in an array",
        429,
        [google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")],
        "rate-limit",
        AGAIN,
    ),
    ("a trial key's month", 429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}, "quota", NEVER),
    (
        "a trial key's minute",
        429,
        {"message": "You are using a Trial key, which is limited to 10 API calls / minute."},
        "rate-limit",
        AGAIN,
    ),
    (
        "an upstream's limit",
        429,
        {
            "error": {
                "message": "Provider returned error",
                "code": 429,
                "metadata": {"raw": "m is temporarily rate-limited upstream. Please retry shortly"},
            }
        },
        "rate-limit",
        AGAIN,
    ),
    # quota under other statuses
    (
        "payment required",
        402,
        {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}},
        "quota",
        NEVER,
    ),
    (
        "credit exhausted as 400",
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."),
        "quota",
        NEVER,
    ),
    (
        "a spending limit as 400",
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-01-01."),
        "quota",
        NEVER,
    ),
    # auth
    ("an unknown key", 401, openai("Incorrect API key provided: sk-abc.", "invalid_api_key"), "auth", NEVER),
    (
        "google's unknown key as 400",
        400,
        google(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}),
        "auth",
        NEVER,
    ),
    ("google's expired key as 400", 400, google(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), "auth", NEVER),
    (
        "an error written out as text",
        400,
        {"error": {"message": json.dumps(google(400, "INVALID_ARGUMENT", "API key not valid."))}},
        "auth",
        NEVER,
    ),
    (
        "a token without rights",
        403,
        {"error": "This authentication method does not have sufficient permissions to call Inference Providers"},
        "auth",
        NEVER,
    ),
    (
        "a service not switched on",
        403,
        google(403, "PERMISSION_DENIED", "API has not been used in project 1 before or it is disabled."),
        "auth",
        NEVER,
    ),
    ("a closed account", 400, anthropic("invalid_request_error", "This organization has been disabled."), "auth", NEVER),
    ("no key at all", 401, {"detail": "Not authenticated"}, "auth", NEVER),
    # the model
    (
        "401 about the model",
        401,
        {"type": "error", "error": {"type": "ModelError", "message": "Model x is not supported"}},
        "model-incompatible",
        NEVER,
    ),
    ("403 about the model", 403, openai("Project `p` does not have access to model `m`", "model_not_found"), "model-incompatible", NEVER),
    (
        "an unknown model as 400",
        400,
        {"error": {"message": "Model Not Exist", "type": "invalid_request_error"}},
        "model-incompatible",
        NEVER,
    ),
    ("an id that is none", 400, {"error": {"message": "foo/bar is not a valid model ID", "code": 400}}, "model-incompatible", NEVER),
    (
        "served by nobody",
        400,
        openai("The requested model 'm' is not supported by any provider you have enabled.", "model_not_supported"),
        "model-incompatible",
        NEVER,
    ),
    (
        "retired",
        400,
        openai("The model `m` has been decommissioned and is no longer supported.", "model_decommissioned"),
        "model-incompatible",
        NEVER,
    ),
    (
        "not pulled",
        404,
        {"error": {"message": 'model "llama9" not found, try pulling it first', "type": "api_error"}},
        "model-incompatible",
        NEVER,
    ),
    (
        "an embedding model",
        400,
        openai("The chatCompletion operation does not work with the specified model, m.", "OperationNotSupported"),
        "model-incompatible",
        NEVER,
    ),
    ("no room in memory", 500, {"error": "model requires more system memory (9.1 GiB) than is available"}, "model-incompatible", NEVER),
    (
        "cannot see",
        400,
        {"error": {"message": "this model does not support image input", "type": "api_error"}},
        "model-incompatible",
        NEVER,
    ),
    # too long
    (
        "vllm",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
            "type": "BadRequestError",
            "code": 400,
        },
        "context-length",
        NEVER,
    ),
    ("openai", 400, openai("Your messages resulted in 9000 tokens.", "context_length_exceeded", param="messages"), "context-length", NEVER),
    (
        "input plus output",
        400,
        anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
        "context-length",
        NEVER,
    ),
    (
        "llama.cpp",
        400,
        {"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}},
        "context-length",
        NEVER,
    ),
    (
        "tgi",
        422,
        {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000", "error_type": "validation"},
        "context-length",
        NEVER,
    ),
    (
        "tgi, newer",
        422,
        {"error": {"message": "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000"}},
        "context-length",
        NEVER,
    ),
    ("too many bytes", 413, anthropic("request_too_large", "Request exceeds the maximum size"), "context-length", NEVER),
    # content
    ("azure's filter", 400, openai("The response was filtered", "content_filter", param="prompt"), "content-filter", NEVER),
    (
        "openai's policy",
        400,
        openai("Your request was rejected as a result of our safety system.", "content_policy_violation"),
        "content-filter",
        NEVER,
    ),
    (
        "a gateway's moderation",
        403,
        {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["violence"]}}},
        "content-filter",
        NEVER,
    ),
    ("deepseek's filter", 400, openai("Content Exists Risk"), "content-filter", NEVER),
    # the caller's own mistakes
    (
        "a parameter to rename",
        400,
        openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "unsupported_parameter",
            param="max_tokens",
        ),
        "bad-request",
        NEVER,
    ),
    (
        "too much output asked for",
        400,
        openai("max_tokens is too large: 99999. This model supports at most 16384 completion tokens.", param="max_tokens"),
        "bad-request",
        NEVER,
    ),
    (
        "anthropic's output limit",
        400,
        anthropic("invalid_request_error", "max_tokens: 99999 > 64000, which is the maximum allowed number of output tokens for m"),
        "bad-request",
        NEVER,
    ),
    ("an empty message", 400, anthropic("invalid_request_error", "messages: text content blocks must be non-empty"), "bad-request", NEVER),
    ("validation", 422, {"detail": [{"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}]}, "bad-request", NEVER),
    ("rate inside generate", 400, openai("Failed to generate: separate the moderate parts"), "bad-request", NEVER),
    (
        "an expired response id",
        404,
        openai("Item with id 'rs_1' not found. Items are not persisted when `store` is false."),
        "bad-request",
        NEVER,
    ),
    (
        "an image too large",
        400,
        anthropic("invalid_request_error", "messages.0.content.1.image.source: image exceeds 5 MB maximum"),
        "bad-request",
        NEVER,
    ),
    # the server's trouble
    ("busy", 503, {"error": {"message": "The model is overloaded. Please try again later.", "code": 503}}, "network", AGAIN),
    ("loading", 503, {"error": "Model is currently loading", "estimated_time": 20.0}, "network", AGAIN),
    ("asleep", 400, {"error": "Bad Request: Invalid state: the endpoint is scaled to zero"}, "network", AGAIN),
    ("paused", 400, {"error": "Bad Request: The endpoint is paused, ask a maintainer to restart it"}, "model-incompatible", NEVER),
    (
        "an exception upstream",
        500,
        openai("The server had an error while processing your request.", "server_error", "server_error"),
        "network",
        AGAIN,
    ),
    # inside an answer with status 200
    ("overloaded in a stream", 200, anthropic("overloaded_error", "Overloaded"), "network", AGAIN),
    ("a stream's limit", 200, openai("Rate limit reached", "rate_limit_exceeded"), "rate-limit", AGAIN),
    ("a gateway's code in a stream", 200, {"error": {"code": 502, "message": "Provider disconnected"}}, "network", AGAIN),
    ("a quota in a stream", 200, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}, "quota", NEVER),
    ("invalid in a stream", 200, anthropic("invalid_request_error", "messages: at least one message is required"), "bad-request", NEVER),
    ("a timeout in words", 200, {"error": {"message": "Request timed out."}}, "timeout", AGAIN),
    (
        "an event stream's event",
        200,
        'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"Internal server error"}}\n\n',
        "network",
        AGAIN,
    ),
    ("a sign-in page", 200, "<html><head><title>Sign in</title></head></html>", "network", NEVER),
    ("a gateway's own envelope", 200, {"status": "error", "error": "Invalid API key"}, "auth", NEVER),
    # Google, Cohere, Ollama and MatchaAI, and what their neighbours say in ways of their own
    ("a country that has to pay", 400, google(400, "FAILED_PRECONDITION", "Free tier is not available in your country."), "auth", NEVER),
    ("a project without billing", 400, google(400, "FAILED_PRECONDITION", "Please enable billing on your project."), "quota", NEVER),
    (
        "a model that only takes so much",
        400,
        google(400, "INVALID_ARGUMENT", "The input token count is 3000000 but the model only supports up to 1048576."),
        "context-length",
        NEVER,
    ),
    (
        "too many bytes",
        400,
        google(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
        "context-length",
        NEVER,
    ),
    ("a missing signature", 400, google(400, "INVALID_ARGUMENT", "Function call is missing a thought_signature."), "bad-request", NEVER),
    ("an unknown field", 400, google(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "x".'), "bad-request", NEVER),
    ("a leaked key", 403, google(403, "PERMISSION_DENIED", "Your API key was reported as leaked."), "auth", NEVER),
    (
        "a model closed to newcomers",
        404,
        google(404, "NOT_FOUND", "models/m is no longer available to new users."),
        "model-incompatible",
        NEVER,
    ),
    (
        "a tier without any",
        429,
        [google(429, "RESOURCE_EXHAUSTED", "Quota exceeded, limit: 0", {"violations": [{"quotaId": "RequestsPerMinute"}]})],
        "quota",
        NEVER,
    ),
    (
        "an array inside a string",
        429,
        {"error": {"message": json.dumps([google(429, "RESOURCE_EXHAUSTED", "no", {"retryDelay": "3s"})]), "code": 429}},
        "rate-limit",
        AGAIN,
    ),
    ("cohere, removed", 404, {"id": "1", "message": "model 'm' was removed on September 15, 2025."}, "model-incompatible", NEVER),
    ("cohere, too long", 400, {"message": "too many tokens: prompt and prediction cannot exceed 4081"}, "context-length", NEVER),
    ("cohere, no key", 401, {"message": "no api key supplied"}, "auth", NEVER),
    ("ollama, not pulled", 404, {"error": "model 'm' not found, try pulling it first"}, "model-incompatible", NEVER),
    ("ollama, not pulled, in a stream", 200, {"error": "model 'm' not found, try pulling it first"}, "model-incompatible", NEVER),
    ("ollama, busy", 503, {"error": "server busy, please try again. maximum pending requests exceeded"}, "network", AGAIN),
    ("ollama, crashed", 500, {"error": "llama runner process has terminated: exit status 2"}, "network", AGAIN),
    ("ollama, still loading", 200, {"error": "unexpected server status: llm server loading model"}, "network", AGAIN),
    ("ollama, no thinking", 400, {"error": '"gemma3:1b" does not support thinking'}, "model-incompatible", NEVER),
    ("matchaai, no mission", 400, {"status": "error", "error": "mission_id is required"}, "bad-request", NEVER),
    ("matchaai, unknown number", 404, {"status": "error", "error": "LLM not found"}, "model-incompatible", NEVER),
    ("a limit per hour", 429, {"error": "Rate limit reached. You reached free usage limit (reset hourly)."}, "rate-limit", AGAIN),
    ("a key's own limit", 403, {"error": {"message": "Key limit exceeded (total limit).", "code": 403}}, "quota", NEVER),
    ("an identifier", 400, {"message": "The provided model identifier is invalid."}, "model-incompatible", NEVER),
)


@pytest.mark.parametrize(("status", "document", "kind", "retryable"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_an_error_gets_its_class(status: int, document: Any, kind: ErrorKind, retryable: bool) -> None:
    error = classify(status, {}, body(document))

    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.status == status


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        (httpx.ConnectTimeout("a connection attempt failed"), "timeout"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (TimeoutError(), "timeout"),
        (RuntimeError("Request timed out."), "timeout"),
        (httpx.ConnectError("[Errno 111] Connection refused"), "network"),
        (httpx.RemoteProtocolError("peer closed connection"), "network"),
        (OSError("broken pipe"), "network"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_a_failure_without_an_answer_passes_by_itself(exception: Exception, kind: ErrorKind) -> None:
    error = classify(None, None, None, exception=exception)

    assert (error.kind, error.retryable, error.transient) == (kind, True, True)


def test_one_status_means_two_things_with_two_providers() -> None:
    assert classify(498, {}, b"", provider="groq").kind == "rate-limit"
    assert classify(498, {}, b"", provider="cohere").kind == "content-filter"


@pytest.mark.parametrize(
    ("name", "text", "kind", "retryable"),
    [
        ("RateLimitError", "RateLimitError: Rate limit reached for m", "rate-limit", AGAIN),
        ("RateLimitError", "Error code: 429 - {'error': {'message': 'No.', 'code': 'insufficient_quota'}}", "quota", NEVER),
        ("AuthenticationError", "Error code: 401 - {'error': {'message': 'Incorrect key'}}", "auth", NEVER),
        ("ContextWindowExceededError", "This model's maximum context length is 8192 tokens", "context-length", NEVER),
        ("BadRequestError", "Error code: 400 - {'error': {'message': 'Your credit balance is too low'}}", "quota", NEVER),
        ("ContentPolicyViolationError", "It was filtered", "content-filter", NEVER),
        ("NotFoundError", "model x not found", "model-incompatible", NEVER),
        ("ResourceExhausted", "429 Resource has been exhausted (e.g. check quota).", "rate-limit", AGAIN),
        ("DeadlineExceeded", "504 Deadline Exceeded", "timeout", AGAIN),
        ("InternalServerError", "Overloaded", "network", AGAIN),
        ("SSLCertVerificationError", "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "network", NEVER),
        ("APIConnectionError", "Connection error.", "network", AGAIN),
    ],
)
def test_what_another_library_raised_gets_the_class_of_what_it_stands_for(name: str, text: str, kind: ErrorKind, retryable: bool) -> None:
    error = classify(None, None, None, exception=type(name, (Exception,), {})(text))

    assert (error.kind, error.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    ("headers", "document", "seconds"),
    [
        ({"Retry-After": "20"}, "", 20),
        ({"retry-after": "1.5"}, "", 1.5),
        ({"retry-after-ms": "250"}, "", 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 30),
        ({"retry-after": "Thu, 01 Jan 1970 00:17:00 GMT"}, "", 20),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, "", 0),
        ({"retry-after": "86400"}, "", CAP),
        ({"retry-after": "soon"}, "", None),
        ({}, openai("Please try again in 644ms. Visit the page."), 0.644),
        ({}, openai("Please try again in 9m38.016s. Need more?"), 578.016),
        ({}, openai("Please retry after 7 seconds."), 7),
        ({}, openai("Please retry in 34.4s."), 34.4),
        ({}, openai("try again in 2 minutes"), 120),
        ({}, google(429, "RESOURCE_EXHAUSTED", "no", {"@type": "RetryInfo", "retryDelay": "34.4s"}), 34.4),
        ({}, {"error": "loading", "estimated_time": 20.0}, 20),
        ({}, openai("Limit 30000, Used 29937"), None),
        ({}, openai("Your quota resets in 2 days"), CAP),
        ({}, google(429, "RESOURCE_EXHAUSTED", "no", {"@type": "RetryInfo", "retryDelay": {"seconds": 34}}), 34),
        ({"retry-after": "1970-01-01T00:16:50Z"}, "", 10),
        ({"retry-after": "1030"}, "", CAP),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, "", 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "644ms", "x-ratelimit-reset-requests": "1h"}, "", 0.644),
        ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "644ms"}, "", None),
        ({"anthropic-ratelimit-input-tokens-remaining": "0", "anthropic-ratelimit-input-tokens-reset": "1970-01-01T00:17:00Z"}, "", 20),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1750000030000", "date": "Sun, 15 Jun 2025 15:06:40 GMT"}, "", 30),
        ({"retry-after": "5", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, "", 5),
    ],
)
def test_the_wait_a_provider_asks_for_is_understood(headers: dict[str, str], document: Any, seconds: float | None) -> None:
    wait = classify(429, headers, body(document), now=1000.0).retry_after

    assert wait == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(("text", "seconds"), [("1h2m3s", 3723), ("6m0s", 360), ("90", 90), ("", None), ("s", None), ("1 banana", None)])
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("message", "endpoint"),
    [
        ("This model is only supported in v1/responses and not in v1/chat/completions.", "responses"),
        (
            "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?",
            "completions",
        ),
        ("The model `m` does not exist.", None),
    ],
)
def test_a_named_endpoint_is_suggested(message: str, endpoint: str | None) -> None:
    error = classify(404, {}, body(openai(message)))

    assert (error.kind, error.suggested_endpoint) == ("model-incompatible", endpoint)


def test_the_sentence_names_the_provider_the_cause_and_what_to_do_but_no_key() -> None:
    message = "Incorrect API key provided: sk-live-1234567890abcdef. The token was hunter2hunter2."
    error = classify(401, {}, body(openai(message, "invalid_api_key")), provider="openai", secrets=["hunter2hunter2"])

    assert str(error).startswith("OpenAI did not accept the key")
    assert "Check the key on the Providers page." in str(error)
    assert "1234567890" not in repr(error) and "hunter2" not in repr(error)
    assert error.code == "invalid_api_key"


def test_a_code_that_is_the_key_is_left_out() -> None:
    assert classify(401, {}, body(openai("no", "Hunter2Hunter2")), secrets=["Hunter2Hunter2"]).code is None


def test_an_exception_is_never_quoted_as_it_may_hold_the_key() -> None:
    assert "secret" not in str(classify(None, {}, b"", exception=httpx.LocalProtocolError("Illegal header value b'secret'")))


def test_a_long_error_is_cut_for_the_page() -> None:
    assert len(str(classify(400, {}, b"x" * 1_000_000))) < 700


@given(st.sampled_from([None, 200, 301, 400, 401, 403, 404, 413, 422, 429, 500, 503, 529, 999]), st.binary(max_size=200))
def test_any_bytes_are_classified(status: int | None, data: bytes) -> None:
    assert str(classify(status, {}, data))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "details", "violations", "metadata", "raw", "type"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from([200, 400, 429, 500]), _JSON)
def test_any_json_is_classified(status: int, document: Any) -> None:
    assert str(classify(status, {}, json.dumps(document).encode()))
