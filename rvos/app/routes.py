"""What the page itself asks for, beside Gradio: films that come, status, pictures, candidates, corrections, files.

An address holds the visit's secret and no path; whoever does not know it gets nothing.
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
from rvos.app.downloads import made
from rvos.app.drawing import painted, picture_of, shape_of
from rvos.app.told import told
from rvos.app.workspace import Workspace

POLICY = "; ".join(
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
"""Nothing is fetched from outside, whatever a library would like."""

_CLOSED = ("/gradio_api/upload", "/gradio_api/file", "/gradio_api/stream", "/gradio_api/proxy")
"""What Gradio would offer for files. They come and go by the visits, under no path of this machine."""


class Correction(BaseModel):
    """From a frame on, what an expression means: the candidate with that number, what was painted, or nothing that is
    there."""

    frame: int
    expression: int
    candidate: int | None = None
    mask: str | None = None
    absent: bool = False


class Withdrawal(BaseModel):
    """A correction that is taken back."""

    frame: int
    expression: int


def add_routes(app: FastAPI, workspace: Workspace) -> None:
    """Make an application answer for the visits of a workspace, under `visits/TOKEN/`."""
    routes = APIRouter(prefix="/visits/{token}")

    @routes.get("/status")
    def status(token: str, known: str = "") -> dict[str, Any]:
        return told(workspace.visit(token), known)

    @routes.get("/picture")
    def picture(token: str, frame: int, view: str = "overlay") -> Response:
        visit = workspace.visit(token)
        if visit.film is None:
            return Response(status_code=404)
        masks = [] if visit.watching is None else [result.mask for result in visit.watching.results(frame)]
        data = picture_of(view, visit.film.frame(frame).image, masks)
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})

    @routes.post("/film")
    async def film(token: str, name: str, request: Request) -> dict[str, Any]:
        with suppress(ClientDisconnect), workspace.visit(token).arriving(name) as arriving:
            async for data in request.stream():
                arriving.write(data)
            await run_in_threadpool(arriving.take)
        return {}

    @routes.get("/candidates")
    def candidates(token: str, frame: int, expression: int) -> list[dict[str, Any]]:
        found = workspace.visit(token).candidates(frame, expression)
        return [{"likelihood": round(likelihood, 3), "shape": shape_of(mask)} for mask, likelihood in found]

    @routes.post("/correct")
    def correct(token: str, wanted: Correction) -> dict[str, Any]:
        visit = workspace.visit(token)
        if wanted.candidate is not None:
            visit.choose(wanted.frame, wanted.expression, wanted.candidate)
        elif wanted.absent:
            visit.correct(wanted.frame, wanted.expression, None)
        elif visit.film is not None:
            visit.correct(wanted.frame, wanted.expression, painted(wanted.mask or "", visit.film.info.size))
        return {}

    @routes.post("/withdraw")
    def withdraw(token: str, wanted: Withdrawal) -> dict[str, Any]:
        workspace.visit(token).withdraw(wanted.frame, wanted.expression)
        return {}

    @routes.post("/stop")
    def stop(token: str) -> dict[str, Any]:
        workspace.visit(token).stop()
        return {}

    @routes.post("/go_on")
    def go_on(token: str) -> dict[str, Any]:
        workspace.visit(token).go_on()
        return {}

    @routes.get("/files/{name}")
    def files(token: str, name: str) -> Response:
        visit = workspace.visit(token)
        if visit.watching is None:
            return Response(status_code=404)
        path = made(visit.watching, name, visit.exports_folder)
        return FileResponse(path, filename=path.name)

    @app.exception_handler(RvosError)
    def refused(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=422)

    @app.middleware("http")
    async def from_here_alone(request: Request, call_next: Any) -> Response:
        if any(door in request.url.path for door in _CLOSED):
            return Response(status_code=404)
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    app.include_router(routes)
