"""The page as a server: the face, the routes of its player, and the broom that deletes what has expired."""

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

_SWEEP_S = 30.0
_MOST_EVENTS = 8
"""Of the face, that are answered at a time: uploads, questions. The player's own requests are not among them."""


def application(workspace: Workspace, uploads: Path, root_path: str, ready: Callable[[], None]) -> FastAPI:
    """The page, for any server that speaks ASGI.

    uploads: a folder of the page's own, where files arrive; root_path: the path that a proxy shows the page under;
    ready: called when it can be asked.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    # Gradio reads the environment when it is loaded.
    import gradio as gr  # pyright: ignore[reportMissingImports]

    from rvos.app.page import STYLE, THEME, built

    @asynccontextmanager
    async def told(app: FastAPI) -> AsyncIterator[None]:
        ready()
        yield

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=told)
    add_routes(app, workspace)
    page = built(workspace).queue(default_concurrency_limit=_MOST_EVENTS, max_size=64, api_open=False)
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
        css=STYLE,
    )


def serve(app: FastAPI, workspace: Workspace, host: str, port: int) -> None:
    """Serve the page until it is interrupted or told to end. No request is logged: its address holds a visitor's
    secret."""
    signal.signal(signal.SIGTERM, _end)  # the server gives the signal on when it has ended: films are deleted after it
    with swept(workspace):
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def swept(workspace: Workspace) -> Iterator[None]:
    """What has expired is deleted while this is entered."""
    left = threading.Event()

    def sweep() -> None:
        while not left.wait(_SWEEP_S):
            workspace.sweep()
            workspace.rest()

    broom = threading.Thread(target=sweep, name="broom", daemon=True)
    broom.start()
    try:
        yield
    finally:
        left.set()
        broom.join()
