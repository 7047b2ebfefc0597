"""The RateLimit headers of authenticated replies, as draft-ietf-httpapi-ratelimit-headers has them."""

from __future__ import annotations

from app.models import Quota

DAY_SECONDS = 86_400


def headers(quota: Quota) -> dict[str, str]:
    """`t` is the time until the next question comes back to the burst, and until midnight UTC."""
    policies = [f'"daily";q={quota.daily_limit};w={DAY_SECONDS}']
    left = [f'"daily";r={quota.daily_remaining};t={quota.daily_reset}']
    if quota.burst_capacity:
        policies.insert(0, f'"burst";q={quota.burst_capacity};w={quota.burst_window}')
        left.insert(0, f'"burst";r={quota.burst_remaining};t={quota.burst_reset}')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}
