"""How hard the videos are: every constant of the generator that sets difficulty, in one place.

They are frozen before any tracker is tuned, and `generator_sha256` covers them. Lengths are in units of the frame's
short side, speeds per frame, spans of time in frames; a pair is the ends of a range.
"""

from __future__ import annotations

from dataclasses import dataclass

FAMILIES = (
    "plain",
    "occlusion",
    "exit_reentry",
    "lookalike_crossing",
    "camera_motion",
    "scale_change",
    "absent",
    "partly_absent",
)
"""The challenges; the one of a video is `FAMILIES[index % 8]`."""


@dataclass(frozen=True)
class Severity:
    """The constants. `*_share` is the share of the videos (or objects, where it says so) that have the trait.

    visible_share: the part of the frame that an object must show to be there at all: below it, nothing of it is in the
    truth, and no meaning counts it. 1/2000 of 288 x 512 is 74 pixels.
    """

    visible_share: float = 1 / 2000

    # Appearance and motion of anything.
    target_size: tuple[float, float] = (0.19, 0.36)
    fast_share: float = 0.3
    fast_size: float = 0.22
    fast_factor: tuple[float, float] = (1.05, 1.6)
    """A dash covers that many of the object's own sizes in every frame."""
    speed: tuple[float, float] = (0.012, 0.06)
    bend_share: float = 0.35
    bend_amplitude: tuple[float, float] = (0.03, 0.075)
    pattern_turn_share: float = 0.45
    pattern_turn: tuple[float, float] = (0.05, 0.22)
    twin_weights: tuple[tuple[str, float], ...] = (
        ("colour", 3.0),
        ("fill", 3.0),
        ("shape", 1.5),
        ("size", 2.0),
        ("place", 3.0),
    )
    """By what word the look-alike differs where both stay in view; `place` = identical twins."""
    camouflage_share: float = 0.14
    camouflage: float = 0.6
    """How far a colour of the ground is drawn towards the target's own: 1 = the very colour."""

    # The camera.
    blur_share: float = 0.6
    shutter: tuple[float, float] = (0.25, 0.6)
    light_share: float = 0.4
    light_gain: tuple[float, float] = (0.75, 1.15)
    jpeg_share: float = 0.6
    jpeg_quality: tuple[int, int] = (25, 70)
    sway_share: float = 0.3
    sway: float = 0.006

    # The challenges.
    hidden_frames: tuple[int, int] = (5, 20)
    exit_frames: tuple[int, int] = (5, 14)
    reentry_scale: tuple[float, float] = (1.35, 2.0)
    crossing_distance: float = 0.5
    """Twins come at least that near each other, in units of their mean size."""
    pan: tuple[float, float] = (0.35, 0.75)
    zoom: tuple[float, float] = (0.72, 1.45)
    shake: tuple[float, float] = (0.006, 0.022)
    roll: float = 0.05
    scale_ratio: tuple[float, float] = (2.2, 4.0)
    scale_sizes: tuple[float, float] = (0.12, 0.62)
    absent_frames: int = 9
    """Partly absent: at least so many frames at the beginning or at the end without the target."""


SEVERITY = Severity()
