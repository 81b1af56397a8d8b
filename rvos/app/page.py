"""The face of the page, in Gradio: what is laid out where, and which part of the workspace answers it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr  # pyright: ignore[reportMissingImports]

from image_core.errors import RvosError
from rvos.app.visit import Visit
from rvos.app.workspace import Example, Settings, Workspace

_HERE = Path(__file__).parent
_TITLE = "rvos"
THEME = gr.themes.Default(
    primary_hue="blue",
    neutral_hue="slate",
    font=["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
    font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
)
"""Fonts of the visitor's own machine: none is fetched."""
STYLE = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
footer { display: none !important; }
.limits p { color: var(--body-text-color-subdued); font-size: 14px; margin: 0; }
"""


def built(workspace: Workspace) -> gr.Blocks:
    """The page of a workspace, not served yet."""
    offer, limits = workspace.offer, workspace.limits
    examples = {example.name: example for example in offer.examples}
    with gr.Blocks(title=_TITLE, analytics_enabled=False, delete_cache=(600, 600)) as page:
        token = gr.BrowserState("", storage_key="rvos_visit")
        gr.Markdown(f"# {_TITLE}\nA video and some words in, a mask for every frame out.")
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                with gr.Tabs():
                    with gr.Tab("Upload"):
                        upload = gr.File(label="Video", file_types=["video", ".gif"], height=130)
                    if examples:
                        with gr.Tab("Example"):
                            chosen = gr.Radio(list(examples), label="Film", value=None)
                    with gr.Tab("Camera"):
                        camera = gr.Video(label="Record", sources=["webcam"], include_audio=False, height=240)
                kept = f"{limits.kept_minutes:g} minutes"
                gr.Markdown(
                    f"Films of {limits.told()}. Yours is deleted {kept} after you leave, and nobody else sees it.",
                    elem_classes="limits",
                )
                words = gr.Textbox(
                    label=f"Expressions, one a line (at most {limits.expressions})",
                    placeholder="the dog on the left\nthe woman in red",
                    lines=3,
                    max_lines=limits.expressions,
                )
                with gr.Accordion("Settings", open=False):
                    model = gr.Dropdown(list(offer.models), value=offer.models[0], label="Model")
                    tracker = gr.Dropdown(list(offer.trackers), value=offer.trackers[0], label="Tracker")
                    key_frames = gr.Dropdown(
                        list(offer.key_frames), value=offer.key_frames[0], label="Key frames", info=_KEY_FRAMES
                    )
                start = gr.Button("Find them", variant="primary")
                fault = gr.Markdown(visible=False, elem_id="fault")
            with gr.Column(scale=4, min_width=320):
                player = gr.HTML(
                    "",
                    html_template=_read("player.html"),
                    css_template=_read("player.css"),
                    js_on_load=_read("player.js"),
                    elem_id="player",
                )
        wired = _Wired(workspace)
        page.load(wired.enter, [token], [token, player], show_progress="hidden", api_visibility="private")
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        upload.upload(wired.upload, [token, upload], [token, player, upload, fault], **quiet)
        camera.stop_recording(wired.record, [token, camera], [token, player, camera, fault], **quiet)
        start.click(wired.ask, [token, words, model, tracker, key_frames], [token, player, fault], **quiet)
        if examples:
            outputs = [token, player, words, model, fault]
            chosen.change(wired.example, [token, chosen], outputs, **quiet)  # pyright: ignore[reportPossiblyUnboundVariable]
    return page


_KEY_FRAMES = "Frames that the whole model sees; the tracker carries masks between them. auto fits the model."


class _Wired:
    """What the components call. Every visit is found by its token; nothing is kept here."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def enter(self, token: str) -> tuple[Any, ...]:
        visit = self._workspace.enter(token)
        return visit.token, visit.token

    def upload(self, token: str, path: str | None) -> tuple[Any, ...]:
        visit = self._workspace.enter(token)
        return visit.token, visit.token, None, self._taken(visit, path)

    def record(self, token: str, path: str | None) -> tuple[Any, ...]:
        visit = self._workspace.enter(token)
        return visit.token, visit.token, None, self._taken(visit, path, "camera.webm")

    def example(self, token: str, name: str | None) -> tuple[Any, ...]:
        visit = self._workspace.enter(token)
        example = next((each for each in self._workspace.offer.examples if each.name == name), None)
        if example is None:
            return visit.token, visit.token, gr.skip(), gr.skip(), gr.skip()
        told = self._told(lambda: visit.take_copy(example.path, example.name))
        return visit.token, visit.token, *_filled(example), told

    def ask(self, token: str, words: str, model: str, tracker: str, key_frames: str) -> tuple[Any, ...]:
        visit = self._workspace.enter(token)
        settings = Settings(model, tracker, key_frames)
        told = self._told(lambda: self._workspace.ask(visit, words, settings))
        return visit.token, visit.token, told

    def _taken(self, visit: Visit, path: str | None, name: str = "") -> Any:
        if path is None:
            return gr.skip()
        return self._told(lambda: visit.take(Path(path), name or Path(path).name))

    @staticmethod
    def _told(work: Any) -> Any:
        """Do it; what is wrong with the input is said beside the inputs."""
        try:
            work()
        except RvosError as error:
            return gr.Markdown(f"**{_plain(str(error))}**", visible=True)
        return gr.Markdown(visible=False)


def _filled(example: Example) -> tuple[Any, Any]:
    """The expressions and the model that go with an example."""
    words = gr.Textbox(value="\n".join(example.expressions)) if example.expressions else gr.skip()
    return words, gr.Dropdown(value=example.model) if example.model else gr.skip()


def _plain(text: str) -> str:
    """A text for Markdown that is shown as it is: neither markup nor a link comes of a file's name."""
    marked = "\\`*_{}[]()#+-.!|~<>$:"
    return "".join(f"\\{sign}" if sign in marked and sign != "<" else escape(sign) for sign in text)


def _read(name: str) -> str:
    return (_HERE / name).read_text("utf-8")
