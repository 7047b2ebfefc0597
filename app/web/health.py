"""The health report: shallow without touching anything, deep with each component asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from app import __version__
from app.deadline import Deadline
from app.errors import DndChatError
from app.pricing import shutdown_warnings
from app.settings import Settings
from app.web.replies import timestamp

log = logging.getLogger(__name__)


def shallow(settings: Settings) -> dict[str, Any]:
    """What is configured. Asks nobody, so it answers when everything behind is down; anybody may read it."""
    return {
        "status": "ok",
        "service": "dnd_rag",
        "version": __version__,
        "timestamp": timestamp(),
        "components": {
            "mode": settings.mode,
            "auth": "configured" if settings.auth_api_url else "not configured: set AUTH_API_URL",
            "models": model_warnings(settings) or "ok",
            "settings": f"{len(settings.warnings)} to look at: see the log" if settings.warnings else "ok",
        },
    }


def model_warnings(settings: Settings) -> list[str]:
    """A sentence for each model in use that its provider is about to shut down."""
    if settings.mode == "embedded":
        return []
    return shutdown_warnings([settings.openai.model, settings.openai.embedding_model], timestamp()[:10])


def deep(settings: Settings, checks: Mapping[str, Callable[[Deadline], None]], deadline: Deadline) -> dict[str, Any]:
    """What the settings warn of, and each component asked, with its latency: that it is wrong; why is in the log."""
    report = shallow(settings)
    report["components"]["settings"] = list(settings.warnings) or "ok"
    for name, check in checks.items():
        started = time.monotonic()
        try:
            check(deadline)
            result = {"status": "ok"}
        except DndChatError as error:
            log.warning("health: %s: %s", name, error)
            report["status"] = "degraded"
            result = {"status": "error", "error": error.code}
        report["components"][name] = {**result, "latency_ms": round(1000 * (time.monotonic() - started), 1)}
    return report
