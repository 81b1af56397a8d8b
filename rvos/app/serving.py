"""The page as a server: the face, the routes of its player, and the broom that deletes what has expired."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rvos.app.workspace import Workspace

_SWEEP_S = 30.0


def serve(workspace: Workspace, uploads: Path, host: str, port: int, root_path: str = "") -> None:
    """Serve the page until it is interrupted.

    uploads: a folder of the page's own, where files arrive; root_path: the path that a proxy shows the page under.
    Raises `OSError` where the place is taken.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    # Gradio reads the environment when it is loaded.
    import gradio as gr  # pyright: ignore[reportMissingImports]
    import uvicorn  # pyright: ignore[reportMissingImports]
    from fastapi import FastAPI  # pyright: ignore[reportMissingImports]

    from rvos.app.page import STYLE, THEME, built
    from rvos.app.routes import add_routes

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_routes(app, workspace)
    page = built(workspace).queue(default_concurrency_limit=8, max_size=64, api_open=False)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name=host,
        server_port=port,
        footer_links=[],
        root_path=root_path or None,
        show_error=False,
        max_file_size=f"{workspace.limits.megabytes}mb",
        ssr_mode=False,
        theme=THEME,
        css=STYLE,
    )
    with _swept(workspace):
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)


@contextmanager
def _swept(workspace: Workspace) -> Iterator[None]:
    """What has expired is deleted while this is entered."""
    left = threading.Event()

    def sweep() -> None:
        while not left.wait(_SWEEP_S):
            workspace.sweep()

    broom = threading.Thread(target=sweep, name="broom", daemon=True)
    broom.start()
    try:
        yield
    finally:
        left.set()
        broom.join()
