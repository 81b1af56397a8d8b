"""The HTTP routes that the player and the upload widget use beside Gradio's own.

The URL of a visit contains its secret token and no path. A request with an unknown token gets an error.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, FastAPI, Request  # pyright: ignore[reportMissingImports]
from fastapi.concurrency import run_in_threadpool  # pyright: ignore[reportMissingImports]
from fastapi.responses import FileResponse, JSONResponse, Response  # pyright: ignore[reportMissingImports]
from pydantic import BaseModel
from starlette.requests import ClientDisconnect  # pyright: ignore[reportMissingImports]

from image_core.errors import RvosError
from rvos.app.downloads import build_download
from rvos.app.drawing import decode_mask, encode_mask, frame_jpeg
from rvos.app.status_document import status_document
from rvos.app.workspace import Workspace

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob: ws: wss:",
        "worker-src 'self' blob:",
    )
)
"""The browser loads nothing from other hosts, whatever a library requests."""

_BLOCKED_PATHS = ("/gradio_api/upload", "/gradio_api/file", "/gradio_api/stream", "/gradio_api/proxy")
"""Gradio's routes for files, which accept paths of this machine. The page uses its own routes instead."""


class Correction(BaseModel):
    """What an expression means from a frame on: a candidate, by its position; a painted mask, as a PNG in a `data:`
    URI; or that the target is absent on the frame."""

    frame: int
    expression: int
    candidate: int | None = None
    mask: str | None = None
    absent: bool = False


class UndoneCorrection(BaseModel):
    """The correction to remove."""

    frame: int
    expression: int


def add_routes(app: FastAPI, workspace: Workspace) -> None:
    """Add the routes of the visits of a workspace, under `visits/TOKEN/`."""
    routes = APIRouter(prefix="/visits/{token}")

    @routes.get("/status")
    def status(token: str, known_stamp: str = "") -> dict[str, Any]:
        return status_document(workspace.visit(token), known_stamp)

    @routes.get("/frame")
    def frame(token: str, index: int, display: str = "overlay") -> Response:
        visit = workspace.visit(token)
        if visit.video is None:
            return Response(status_code=404)
        masks = [] if visit.segmentation is None else [result.mask for result in visit.segmentation.results(index)]
        data = frame_jpeg(display, visit.video.frame(index).image, masks)
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})

    @routes.post("/video")
    async def video(token: str, name: str, request: Request) -> dict[str, Any]:
        with suppress(ClientDisconnect), workspace.visit(token).upload(name) as upload:
            async for data in request.stream():
                upload.write(data)
            await run_in_threadpool(upload.finish)
        return {}

    @routes.get("/candidates")
    def candidates(token: str, frame: int, expression: int) -> list[dict[str, Any]]:
        masks = workspace.visit(token).candidates(frame, expression)
        return [{"likelihood": round(likelihood, 3), "mask": encode_mask(mask)} for mask, likelihood in masks]

    @routes.post("/correct")
    def correct(token: str, correction: Correction) -> dict[str, Any]:
        visit = workspace.visit(token)
        if correction.candidate is not None:
            visit.choose_candidate(correction.frame, correction.expression, correction.candidate)
        elif correction.absent:
            visit.correct(correction.frame, correction.expression, None)
        elif visit.video is not None:
            mask = decode_mask(correction.mask or "", visit.video.info.size)
            visit.correct(correction.frame, correction.expression, mask)
        return {}

    @routes.post("/undo")
    def undo(token: str, correction: UndoneCorrection) -> dict[str, Any]:
        workspace.visit(token).undo_correction(correction.frame, correction.expression)
        return {}

    @routes.post("/stop")
    def stop(token: str) -> dict[str, Any]:
        workspace.visit(token).stop()
        return {}

    @routes.post("/resume")
    def resume(token: str) -> dict[str, Any]:
        workspace.visit(token).resume()
        return {}

    @routes.get("/files/{name}")
    def files(token: str, name: str) -> Response:
        visit = workspace.visit(token)
        if visit.segmentation is None:
            return Response(status_code=404)
        path = build_download(visit.segmentation, name, visit.downloads_folder)
        return FileResponse(path, filename=path.name)

    @app.exception_handler(RvosError)
    def error_response(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=422)

    @app.middleware("http")
    async def add_security(request: Request, call_next: Any) -> Response:
        if any(path in request.url.path for path in _BLOCKED_PATHS):
            return Response(status_code=404)
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    app.include_router(routes)
