"""`rvos draw`, `rvos.draw` and the settings of styles: each changes what it says, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import rvos
from image_core.errors import ConfigError, OutputError, RvosError, UnknownNameError
from rvos.export.style import OVERLAY_STYLE, OverlayStyle
from rvos.export.style_settings import style_of
from rvos.run.export import export_run
from rvos.run.finished import FinishedRun
from rvos.types import FrameResult

SIZE = (240, 320)
GREY = np.full((*SIZE, 3), 128, np.uint8)
BOX = np.zeros(SIZE, bool)
BOX[100:140, 120:200] = True


def changed(image: np.ndarray) -> np.ndarray:
    return (image != GREY).any(2)


def test_masks_are_filled_and_outlined_and_other_pixels_unchanged() -> None:
    drawn = rvos.draw(GREY, [BOX])
    assert (GREY == 128).all() and changed(drawn)[BOX].all()
    beyond = ~BOX
    beyond[99:141, 119:201] = False
    assert not changed(drawn)[beyond].any()


def test_masks_that_cover_the_same_share_their_outline() -> None:
    """Two sentences about one object: the later outline would hide the earlier."""
    nearly, style = BOX.copy(), style_of(["fill_alpha=0", "colours=#ff0000,#00ff00,#0000ff", "legend=false"])
    nearly[100] = False
    elsewhere = np.roll(BOX, 40, axis=0)
    edge, other = BOX & ~cv2.erode(BOX.astype(np.uint8), np.ones((3, 3))).astype(bool), elsewhere & ~BOX

    def shares(*masks: np.ndarray) -> list[float]:
        drawn = rvos.draw(GREY, list(masks), style=style)[edge]
        return [float((drawn[:, channel] > 200).mean()) for channel in range(3)]

    red, green, blue = shares(BOX, nearly, BOX)
    assert min(red, green, blue) > 0.15 and red + green + blue > 0.6
    assert shares(BOX, elsewhere)[0] > 0.6 and (rvos.draw(GREY, [BOX, elsewhere], style=style)[other] != 128).any()
    assert shares(BOX)[0] == 1.0


def test_each_setting_of_a_style_marks_its_own_place() -> None:
    half = BOX & (np.arange(SIZE[1]) < 160)
    result = FrameResult(0, 0.0, 0, BOX, 0.9, 0.9, track_masks={7: half})
    plain = rvos.draw(GREY, [result], ["the box"], style=style_of(["legend=false"]))

    def more(*settings: str) -> np.ndarray:
        style = style_of(["legend=false", *settings])
        return (rvos.draw(GREY, [result], ["the box"], style=style) != plain).any(2)

    labelled, numbered, dimmed = more("labels=true"), more("ids=true"), more("dim=0.5")
    assert labelled[85:99, 121:170].any() and not labelled[110:].any()
    assert numbered[half].any() and not numbered[~half].any()
    assert dimmed[:99].all() and not dimmed[103:137, 123:197].any()
    assert more("boxes=true", "outline=2").any() and not more("boxes=false").any()
    legend = (rvos.draw(GREY, [result], ["the box"]) != plain).any(2)
    assert legend[200:].any() and not legend[:150].any()
    red = rvos.draw(GREY, [result], style=style_of(["colours=#ff0000", "fill_alpha=1", "outline=0"]))
    assert (red[BOX] == (255, 0, 0)).all() and not changed(red)[~BOX].any()


@pytest.mark.parametrize("height", [240, 2160])
def test_names_are_as_legible_on_240_lines_as_on_2160(height: int) -> None:
    image = np.full((height, height * 16 // 9, 3), 128, np.uint8)
    mask = np.zeros(image.shape[:2], bool)
    mask[height // 2 : height // 2 + height // 8, height // 2 : height] = True
    style = OverlayStyle(labels=True, legend=False, outline=0.0, fill_alpha=0.0)
    rows = np.flatnonzero((rvos.draw(image, [mask], ["the dog"], style=style) != image).any((1, 2)))
    assert 0.03 <= len(rows) / height <= 0.06 and len(rows) >= 9


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("label=true", UnknownNameError),
        ("labels=yes", ConfigError),
        ("labels", ConfigError),
        ("dim=1.5", ConfigError),
        ("outline=-1", ConfigError),
        ("fill_alpha=much", ConfigError),
        ("colours=red", ConfigError),
        ("colours=", ConfigError),
        ("halo=#ff0000,#00ff00", ConfigError),
    ],
)
def test_an_invalid_style_is_refused(setting: str, error: type[RvosError]) -> None:
    with pytest.raises(error):
        style_of([setting])


def test_every_field_of_a_style_can_be_set() -> None:
    texts = {"colours": "#010203,#040506", "halo": "#010203", "text": "#010203", "absent_text": "#010203"}
    texts |= {"background": "#010203", "px_per_outline_px": "3", "outline": "3", "legend": "false"}
    texts |= dict.fromkeys(("fill_alpha", "backdrop_alpha", "dim"), "0.25")
    texts |= dict.fromkeys(("labels", "boxes", "ids"), "true")
    style = style_of([f"{key}={text}" for key, text in texts.items()])
    assert vars(style).keys() == texts.keys() and all(vars(style)[k] != vars(OVERLAY_STYLE)[k] for k in texts)


@pytest.mark.parametrize(
    ("image", "masks", "names"),
    [(GREY[..., 0], [BOX], []), (GREY, [BOX[1:]], []), (GREY, [BOX], ["one", "two"]), (GREY / 2, [BOX], [])],
)
def test_invalid_draw_options_are_refused(image: np.ndarray, masks: list[np.ndarray], names: list[str]) -> None:
    with pytest.raises(ValueError, match="draw: expected"):
        rvos.draw(image, masks, names)


def test_a_run_is_drawn_again_and_not_changed(finished: Callable[..., FinishedRun], tmp_path: Path) -> None:
    run = finished()
    before = {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}
    for number, style in enumerate((OVERLAY_STYLE, style_of(["dim=0.8"]))):
        export_run(run, "frames", tmp_path / f"frames{number}", style=style, only_frames=range(1, 3))
    drawn = [[p.read_bytes() for p in sorted((tmp_path / f"frames{n}").iterdir())] for n in range(2)]
    assert len(drawn[0]) == len(drawn[1]) == 2 and drawn[0] != drawn[1]
    assert before == {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}
    with pytest.raises(OutputError, match="expected a path that does not exist"):
        export_run(run, "frames", tmp_path / "frames0")
    with pytest.raises(ConfigError, match="expected frames up to 5, the last of the run, got 6:9"):
        export_run(run, "frames", tmp_path / "frames2", only_frames=range(6, 9))
