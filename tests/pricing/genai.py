"""What the price catalogue itself computes, to hold our own numbers against."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN

import genai_prices

from lib.chat import Usage


def charged_by_the_catalogue(provider: str, model: str, usage: Usage, at: datetime) -> int:
    """Return genai-prices' own cost of a call in nano-dollars, rounded half-even once."""
    theirs = genai_prices.Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
        cache_write_1h_tokens=usage.cache_write_1h,
    )
    dollars = genai_prices.calc_price(theirs, model, provider_id=provider, genai_request_timestamp=at).total_price
    return int((dollars * 1_000_000_000).to_integral_value(ROUND_HALF_EVEN))
