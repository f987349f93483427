"""What app.py hands to the ASGI app: routes, middleware, lifespan, and the modes it may serve."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio.to_thread
import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from lib import api, logs
from lib.errors import ModeldeckError, SettingsError
from lib.jobs import Scheduler
from lib.settings import Settings, load_settings
from lib.ui import sockets, warm
from lib.ui.context import console

THREADS = 400
"""Threads for synchronous routes: every streamed answer holds one, and the default of 40 starves the health check."""


def refuse_unusable_settings() -> None:
    """End the process with one sentence when the settings are unusable."""
    try:
        settings = load_settings()
        logs.configure(settings.log_level, secrets=settings.secrets)
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


def routes() -> Sequence[BaseRoute]:
    """Return the HTTP API's routes."""
    return api.routes(console.services)


def middleware() -> Sequence[Middleware]:
    """Return the checks every request passes: Host, Origin and, in embedded mode, a loopback client.

    Before them a request from a trusted proxy gets the client it names; the server has done so for proxies on this machine.
    """
    settings: Settings = load_settings()
    guard = Middleware(api.Guard, allowed_hosts=settings.allowed_hosts, loopback_only=settings.mode == "embedded")
    if not settings.trusted_proxies:
        return [guard]
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies)), guard]


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Open the services before the first request and close them after the last."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    sockets.send_at_once()
    try:
        await anyio.to_thread.run_sync(console.services)
    except ModeldeckError as error:
        # The server still starts: pages and /api/health say what is wrong, and recover once it is mended.
        logs.get_logger("server").error("services.unavailable", reason=str(error))
    warm.up()
    jobs = Scheduler(console.services)
    jobs.start()
    yield
    await anyio.to_thread.run_sync(jobs.stop)
    await anyio.to_thread.run_sync(console.close)
