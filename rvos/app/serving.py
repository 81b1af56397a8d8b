"""The web application, and the server that runs it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn  # pyright: ignore[reportMissingImports]
from fastapi import FastAPI  # pyright: ignore[reportMissingImports]

from rvos.app.routes import add_routes
from rvos.app.workspace import Workspace

_CLEANUP_EVERY_S = 30.0
_MAX_CONCURRENT_EVENTS = 8
"""Gradio events that are handled at the same time: page loads and clicks. Requests of the player do not count."""


def create_app(workspace: Workspace, uploads: Path, root_path: str, on_ready: Callable[[], None]) -> FastAPI:
    """The web application, for any ASGI server.

    uploads: Gradio's folder for temporary files; root_path: the path under which a reverse proxy serves the page, or
    ""; on_ready: called when the application has started.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    # Gradio reads these variables when it is imported.
    import gradio as gr  # pyright: ignore[reportMissingImports]

    from rvos.app.page import CSS, THEME, build_page

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        on_ready()
        yield

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    add_routes(app, workspace)
    page = build_page(workspace).queue(default_concurrency_limit=_MAX_CONCURRENT_EVENTS, max_size=64, api_open=False)
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        root_path=root_path or None,
        show_error=False,
        max_file_size=f"{workspace.limits.megabytes}mb",
        ssr_mode=False,
        theme=THEME,
        css=CSS,
    )


def serve(app: FastAPI, workspace: Workspace, host: str, port: int) -> None:
    """Serve the application until Ctrl-C or SIGTERM. Requests are not logged, since their URLs contain the tokens of
    visitors."""
    signal.signal(signal.SIGTERM, _exit)  # uvicorn raises the signal again after it has shut down; then files go
    with periodic_cleanup(workspace):
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)


def _exit(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def periodic_cleanup(workspace: Workspace) -> Iterator[None]:
    """Delete expired visits and close idle decoders in a thread, every 30 seconds until exit."""
    stopped = threading.Event()

    def clean_up() -> None:
        while not stopped.wait(_CLEANUP_EVERY_S):
            workspace.delete_expired()
            workspace.release_idle()

    thread = threading.Thread(target=clean_up, name="cleanup", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
