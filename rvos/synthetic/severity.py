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
    """The constants. `*_share` is the share of the videos (or objects, where it says so) that have the trait."""

    #: The part of the frame that an object must show to be there at all: below it, nothing of it is in the truth, and
    #: no meaning counts it. 1/2000 of 288 x 512 is 74 pixels.
    visible_share: float = 1 / 2000

    # Appearance and motion of anything.

    #: Size of the target.
    target_size: tuple[float, float] = (0.19, 0.36)
    #: Targets that move in dashes.
    fast_share: float = 0.3
    #: The largest size of those.
    fast_size: float = 0.22
    #: A dash covers that many of the object's own sizes in every frame.
    fast_factor: tuple[float, float] = (1.05, 1.6)
    #: Of all that does not dash.
    speed: tuple[float, float] = (0.012, 0.06)
    #: Objects whose outline waves.
    bend_share: float = 0.35
    #: Of that wave, in sizes of the object.
    bend_amplitude: tuple[float, float] = (0.03, 0.075)
    #: Objects, of those with a pattern, whose pattern turns.
    pattern_turn_share: float = 0.45
    #: By how much, in radians a frame.
    pattern_turn: tuple[float, float] = (0.05, 0.22)
    #: By what word the look-alike differs where both stay in view, and how often; `place` = identical twins.
    twin_weights: tuple[tuple[str, float], ...] = (
        ("colour", 3.0),
        ("fill", 3.0),
        ("shape", 1.5),
        ("size", 2.0),
        ("place", 3.0),
    )
    #: Grounds that take on the target's colours.
    camouflage_share: float = 0.14
    #: How far a colour of the ground is drawn towards the target's own: 1 = the very colour.
    camouflage: float = 0.6

    # The camera.

    #: Videos with motion blur.
    blur_share: float = 0.6
    #: How long the shutter is open in those, as a part of a frame's time.
    shutter: tuple[float, float] = (0.25, 0.6)
    #: Videos whose light changes.
    light_share: float = 0.4
    #: Factors of brightness between which it does.
    light_gain: tuple[float, float] = (0.75, 1.15)
    #: Videos whose frames were compressed.
    jpeg_share: float = 0.6
    #: At which quality.
    jpeg_quality: tuple[int, int] = (25, 70)
    #: Videos of a still camera in which it sways.
    sway_share: float = 0.3
    #: How far it does.
    sway: float = 0.006

    # The challenges.

    #: Occlusion: frames on which the target is hidden.
    hidden_frames: tuple[int, int] = (5, 20)
    #: Exit and re-entry: frames on which the target is out.
    exit_frames: tuple[int, int] = (5, 14)
    #: And the factor by which its size is another then, larger or smaller.
    reentry_scale: tuple[float, float] = (1.35, 2.0)
    #: Twins come at least that near each other, in units of their mean size.
    crossing_distance: float = 0.5
    #: Camera motion: the way of a pan.
    pan: tuple[float, float] = (0.35, 0.75)
    #: Magnification at the end of a zoom.
    zoom: tuple[float, float] = (0.72, 1.45)
    #: Shift of a hand-held camera.
    shake: tuple[float, float] = (0.006, 0.022)
    #: Its roll at the strongest shake, in radians.
    roll: float = 0.05
    #: Scale change: the target's largest size by its smallest.
    scale_ratio: tuple[float, float] = (2.2, 4.0)
    #: What both lie between.
    scale_sizes: tuple[float, float] = (0.12, 0.62)
    #: Partly absent: at least so many frames at the beginning or at the end without the target.
    absent_frames: int = 9


SEVERITY = Severity()
