"""How sample calls fail: what a provider would have answered, told in the words a real failure is told in."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lib.errors import ErrorKind, ProviderError
from lib.providers.errors import classify


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to fail; ``message`` and ``code`` are the provider's, ``latency_ms`` is the median time until it is known.

    ``weight`` says how often it happens among ordinary failures. Without a ``status`` no answer came at all.
    """

    kind: ErrorKind
    weight: float
    latency_ms: int
    status: int | None = None
    code: str = ""
    message: str = ""
    retry_after: str = ""


FAILURES: tuple[Failure, ...] = (
    Failure("rate-limit", 34, 210, 429, "rate_limit_exceeded", "Rate limit reached for {model}: limit {n} requests per minute.", "2"),
    Failure("network", 15, 1_900, 503, "overloaded_error", "The server is overloaded, request {id}."),
    Failure("network", 6, 5_200, 502, "bad_gateway", "Bad gateway, request {id}."),
    Failure("network", 4, 3_100),
    Failure("timeout", 9, 60_000),
    Failure("context-length", 9, 330, 400, "context_length_exceeded", "The maximum context length is {window} tokens, yours has {over}."),
    Failure("bad-request", 7, 180, 400, "invalid_value", "Invalid value for 'response_format': a schema needs a name. Request {id}."),
    Failure("content-filter", 6, 640, 400, "content_filter", "The prompt was stopped by the content policy, request {id}."),
    Failure("quota", 4, 150, 429, "insufficient_quota", "The monthly budget of this project is spent."),
    Failure("auth", 3, 120, 401, "invalid_api_key", "The key of this project has expired."),
    Failure("model-incompatible", 2, 170, 400, "unsupported_model", "{model} does not support tools on this endpoint."),
    Failure("unknown", 2, 900, 418, "unexpected", "Unexpected condition, request {id}."),
)
"""Ordinary failures, every class of error among them."""

OUTAGE: tuple[Failure, ...] = (
    Failure("network", 6, 9_500, 503, "overloaded_error", "Capacity in this region is degraded, incident {id}."),
    Failure("timeout", 3, 60_000),
    Failure("network", 2, 400, 502, "bad_gateway", "Bad gateway, incident {id}."),
)
"""What a provider does on its bad day."""

WITHDRAWN: tuple[Failure, ...] = (Failure("model-incompatible", 1, 160, 404, "model_not_found", "The model {model} is no longer served."),)
"""What a provider answers once it has taken a model away."""


def provider_error(failure: Failure, *, provider: str, model: str, window: int, random: Random) -> ProviderError:
    """Return the error that a failure amounts to; ``provider`` is the name people know it by."""
    if failure.status is None:
        return classify(None, None, None, provider=provider, exception=TimeoutError() if failure.kind == "timeout" else ConnectionError())
    message = failure.message.format(
        model=model,
        n=random.choice((60, 300, 1_000)),
        id=f"s-{random.getrandbits(32):08x}",
        window=window,
        over=window + random.randint(500, window // 2),
    )
    body = f'{{"error": {{"code": "{failure.code}", "message": "{message}"}}}}'
    headers = {"retry-after": failure.retry_after} if failure.retry_after else {}
    return classify(failure.status, headers, body.encode(), provider=provider)
