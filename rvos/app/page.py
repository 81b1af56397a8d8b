"""The layout of the page in Gradio, and the handlers of its events."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr  # pyright: ignore[reportMissingImports]

from image_core.errors import RvosError
from rvos.app.visit import Visit
from rvos.app.workspace import Example, Settings, Workspace

_FOLDER = Path(__file__).parent
_TITLE = "rvos"
THEME = gr.themes.Default(
    primary_hue="blue",
    neutral_hue="slate",
    font=["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
    font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
)
"""Uses only fonts that are installed on the visitor's machine; no font is downloaded."""
CSS = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
.gradio-container, .gradio-container .main { min-width: 0 !important; box-sizing: border-box; }
@media (max-width: 640px) { .gradio-container .main { padding: 12px !important; max-width: 100vw !important; } }
footer { display: none !important; }
#error { color: #b3261e; }
.dark #error { color: #ff8a80; }
#error * { color: inherit; }
.limits p { color: var(--body-text-color-subdued); font-size: 14px; margin: 0; }
"""


def build_page(workspace: Workspace) -> gr.Blocks:
    """The page of a workspace."""
    choices, limits = workspace.choices, workspace.limits
    example_names = [example.name for example in choices.examples]
    with gr.Blocks(title=_TITLE, analytics_enabled=False) as page:
        token = gr.BrowserState("", storage_key="rvos_visit")
        gr.Markdown(f"# {_TITLE}\nA video and some words in, a mask for every frame out.")
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=260):
                upload = _component("upload")
                minutes = f"{limits.kept_minutes:g} minutes"
                gr.Markdown(
                    f"Videos {limits.video_limits()}. Yours is deleted {minutes} after you leave. "
                    "No other visitor sees it.",
                    elem_classes="limits",
                )
                if example_names:
                    example = gr.Dropdown(example_names, label="Or choose an example", value=None)
                expressions = gr.Textbox(
                    label=f"Expressions, one per line (at most {limits.expressions})",
                    placeholder="the dog on the left\nthe woman in red",
                    lines=3,
                    max_lines=limits.expressions,
                )
                with gr.Accordion("Settings", open=False):
                    model = gr.Dropdown(list(choices.models), value=choices.models[0], label="Model")
                    tracker = gr.Dropdown(list(choices.trackers), value=choices.trackers[0], label="Tracker")
                    key_frames = gr.Dropdown(
                        list(choices.key_frames), value=choices.key_frames[0], label="Key frames", info=_KEY_FRAMES_HELP
                    )
                start = gr.Button("Find them", variant="primary")
                error = gr.Markdown(visible=False, elem_id="error")
            with gr.Column(scale=4, min_width=260):
                player = _component("player")
        handlers = _Handlers(workspace)
        visit_outputs = [token, upload, player]
        page.load(
            handlers.load, [token], [*visit_outputs, expressions], show_progress="hidden", api_visibility="private"
        )
        event_options: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        inputs = [token, expressions, model, tracker, key_frames]
        start.click(handlers.segment, inputs, [*visit_outputs, error], **event_options)
        if example_names:
            outputs = [*visit_outputs, expressions, model, error]
            example.change(handlers.choose_example, [token, example], outputs, **event_options)  # pyright: ignore[reportPossiblyUnboundVariable]
    return page


_KEY_FRAMES_HELP = (
    "Frames on which the model runs. The tracker carries the masks to the others. auto: as suits the model."
)


class _Handlers:
    """The handlers of the events. The browser keeps the token of the visit, and sends it with every event."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def load(self, token: str) -> tuple[Any, ...]:
        visit = self._open_visit(token)
        expressions = "" if visit.segmentation is None else "\n".join(visit.segmentation.expressions)
        return *self._visit_values(visit), expressions

    def choose_example(self, token: str, name: str | None) -> tuple[Any, ...]:
        visit = self._open_visit(token)
        example = next((example for example in self._workspace.choices.examples if example.name == name), None)
        if example is None:
            return *self._visit_values(visit), gr.skip(), gr.skip(), gr.skip()
        error = _error_of(lambda: visit.set_video_copy(example.path, example.name))
        return *self._visit_values(visit), *_example_inputs(example), error

    def segment(self, token: str, expressions: str, model: str, tracker: str, key_frames: str) -> tuple[Any, ...]:
        visit = self._open_visit(token)
        settings = Settings(model, tracker, key_frames)
        error = _error_of(lambda: self._workspace.segment(visit, expressions, settings))
        return *self._visit_values(visit), error

    def _visit_values(self, visit: Visit) -> tuple[Any, ...]:
        """The values of the stored token, the upload widget and the player."""
        limits = self._workspace.limits
        upload = {"token": visit.token, "megabytes": limits.megabytes, "seconds": limits.seconds}
        return visit.token, upload, visit.token

    def _open_visit(self, token: str) -> Visit:
        try:
            return self._workspace.open_visit(token)
        except RvosError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error


def _error_of(function: Callable[[], object]) -> gr.Markdown:
    """Call a function. Returns the text below the inputs: its `RvosError`, or nothing."""
    try:
        function()
    except RvosError as error:
        return gr.Markdown(f"**{_escape_markdown(str(error))}**", visible=True)
    return gr.Markdown(visible=False)


def _component(name: str) -> gr.HTML:
    """A component made of NAME.html, NAME.css and NAME.js. Its script calls the routes of `rvos.app.routes`."""
    template, style, script = (_read(f"{name}.{suffix}") for suffix in ("html", "css", "js"))
    return gr.HTML("", html_template=template, css_template=style, js_on_load=script, elem_id=name, padding=False)


def _example_inputs(example: Example) -> tuple[Any, Any]:
    """The expressions and the model that belong to an example, for the inputs."""
    expressions = gr.Textbox(value="\n".join(example.expressions)) if example.expressions else gr.skip()
    return expressions, gr.Dropdown(value=example.model) if example.model else gr.skip()


def _escape_markdown(text: str) -> str:
    """Escape text, such as the name of a file, so that Markdown shows it as it is."""
    special = "\\`*_{}[]()#+-.!|~<>$:"
    return "".join(f"\\{c}" if c in special and c != "<" else escape(c) for c in text)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")
