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
.gradio-container, .gradio-container .main { min-width: 0 !important; box-sizing: border-box; }
@media (max-width: 640px) { .gradio-container .main { padding: 12px !important; max-width: 100vw !important; } }
footer { display: none !important; }
#fault { color: #b3261e; }
.dark #fault { color: #ff8a80; }
#fault * { color: inherit; }
.limits p { color: var(--body-text-color-subdued); font-size: 14px; margin: 0; }
"""


def built(workspace: Workspace) -> gr.Blocks:
    """The page of a workspace, not served yet."""
    offer, limits = workspace.offer, workspace.limits
    examples = {example.name: example for example in offer.examples}
    with gr.Blocks(title=_TITLE, analytics_enabled=False) as page:
        token = gr.BrowserState("", storage_key="rvos_visit")
        gr.Markdown(f"# {_TITLE}\nA video and some words in, a mask for every frame out.")
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=260):
                bring = _html("bring")
                kept = f"{limits.kept_minutes:g} minutes"
                gr.Markdown(
                    f"Videos {limits.told()}. Yours is deleted {kept} after you leave. No other visitor sees it.",
                    elem_classes="limits",
                )
                if examples:
                    chosen = gr.Dropdown(list(examples), label="Or choose an example", value=None)
                words = gr.Textbox(
                    label=f"Expressions, one per line (at most {limits.expressions})",
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
            with gr.Column(scale=4, min_width=260):
                player = _html("player")
        wired = _Wired(workspace)
        here = [token, bring, player]
        page.load(wired.enter, [token], [*here, words], show_progress="hidden", api_visibility="private")
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        start.click(wired.ask, [token, words, model, tracker, key_frames], [*here, fault], **quiet)
        if examples:
            outputs = [*here, words, model, fault]
            chosen.change(wired.example, [token, chosen], outputs, **quiet)  # pyright: ignore[reportPossiblyUnboundVariable]
    return page


_KEY_FRAMES = "Frames on which the model runs. The tracker carries the masks to the others. auto: as suits the model."


class _Wired:
    """What the components call. Every visit is found by its token; nothing is kept here."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def enter(self, token: str) -> tuple[Any, ...]:
        visit = self._visit(token)
        asked = "" if visit.watching is None else "\n".join(visit.watching.expressions)
        return *self._here(visit), asked

    def example(self, token: str, name: str | None) -> tuple[Any, ...]:
        visit = self._visit(token)
        example = next((each for each in self._workspace.offer.examples if each.name == name), None)
        if example is None:
            return *self._here(visit), gr.skip(), gr.skip(), gr.skip()
        told = self._told(lambda: visit.take_copy(example.path, example.name))
        return *self._here(visit), *_filled(example), told

    def ask(self, token: str, words: str, model: str, tracker: str, key_frames: str) -> tuple[Any, ...]:
        visit = self._visit(token)
        settings = Settings(model, tracker, key_frames)
        return *self._here(visit), self._told(lambda: self._workspace.ask(visit, words, settings))

    def _here(self, visit: Visit) -> tuple[Any, ...]:
        """What the browser keeps, what brings films, and the player."""
        limits = self._workspace.limits
        bring = {"token": visit.token, "megabytes": limits.megabytes, "seconds": limits.seconds}
        return visit.token, bring, visit.token

    def _visit(self, token: str) -> Visit:
        try:
            return self._workspace.enter(token)
        except RvosError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error

    @staticmethod
    def _told(work: Any) -> Any:
        """Do it; what is wrong with the input is said beside the inputs."""
        try:
            work()
        except RvosError as error:
            return gr.Markdown(f"**{_plain(str(error))}**", visible=True)
        return gr.Markdown(visible=False)


def _html(name: str) -> gr.HTML:
    """A part of the page that is made here, and talks to the routes itself."""
    template, style, script = (_read(f"{name}.{kind}") for kind in ("html", "css", "js"))
    return gr.HTML("", html_template=template, css_template=style, js_on_load=script, elem_id=name, padding=False)


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
