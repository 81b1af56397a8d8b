"""The valid files that are mutated: small videos and images of many formats, and datasets."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

from image_core.files import make_folder, write_json
from image_core.synthetic.layouts import write_grefcoco, write_refcoco
from rvos.export.palette import davis_palette
from rvos.synthetic.layouts import LAYOUTS

SIZE = (48, 64)
FRAMES = 12
VIDEOS = {
    "h264.mp4": ("libx264", "yuv420p", {"bf": "2", "g": "6"}),
    "front.mp4": ("libx264", "yuv420p", {"bf": "0"}),
    "h264.mkv": ("libx264", "yuv420p", {"bf": "2"}),
    "h264.ts": ("libx264", "yuv420p", {"bf": "2"}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"bf": "2"}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
    "gif.gif": ("gif", "rgb8", {}),
    "hevc.mp4": ("libx265", "yuv420p", {"x265-params": "log-level=none:pools=none"}),
}
IMAGES = ("rgb.jpg", "rgb.png", "rgb.webp", "rgb.bmp", "rgb.tif", "grey.png", "one_bit.png", "wide.png", "ids.png")


def write_videos(folder: Path) -> list[Path]:
    """One small video of each of `VIDEOS`."""
    make_folder(folder)
    for name in VIDEOS:
        write_video(folder / name, *VIDEOS[name])
    return [folder / name for name in VIDEOS]


def write_video(path: Path, codec: str, pixels: str, how: dict[str, str], frames: int = FRAMES) -> None:
    """`frames` images at 10 frames/s."""
    movie = {"movflags": "faststart"} if path.name.startswith("front") else {}
    with av.open(str(path), "w", options=movie) as container:
        stream = container.add_stream(codec, rate=Fraction(10), options=how)
        stream.height, stream.width, stream.pix_fmt = *SIZE, pixels  # type: ignore[union-attr]
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(seed_image(index), format="rgb24")
            container.mux(stream.encode(frame))  # type: ignore[union-attr]
        container.mux(stream.encode(None))  # type: ignore[union-attr]


def seed_image(index: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB: a disc on noise that moves with `index`, with a period of 14."""
    image = np.random.default_rng(7).integers(90, 120, (*SIZE, 3), dtype=np.uint8)
    return cv2.circle(image, (12 + 3 * (index % 14), 24), 9, (230, 30, 30), -1)


def write_images(folder: Path) -> list[Path]:
    """One small image of each of `IMAGES`."""
    make_folder(folder)
    mask = (seed_image(3)[..., 0] > 200).astype(np.uint8)
    ids = Image.fromarray(mask)
    ids.putpalette(davis_palette().tobytes())
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = Image.fromarray(seed_image(0))
    made = {
        **{name: whole for name in IMAGES if name.startswith("rgb")},
        "grey.png": Image.fromarray(mask * np.uint8(255)),
        "one_bit.png": Image.fromarray(mask * np.uint8(255)).convert("1"),
        "wide.png": Image.fromarray(mask.astype(np.uint16) * np.uint16(65535)),
        "ids.png": ids,
    }
    for name, each in made.items():
        extra: dict[str, Any] = {"exif": exif} if name == "rgb.jpg" else {}
        each.save(folder / name, **extra)
    return [folder / name for name in IMAGES]


def write_datasets(folder: Path) -> dict[str, list[Path]]:
    """Write a tiny dataset of each kind under `folder/<dataset>`. Returns dataset -> its annotation files."""
    files: dict[str, list[Path]] = {}
    for name, layout in LAYOUTS.items():
        root = folder / name
        make_folder(root)
        layout.write(root, "test", 1, 0, (48, 86), 24)
        files[name] = _annotations(root)
    for name, write in (("refcoco", write_refcoco), ("grefcoco", write_grefcoco)):
        root = folder / name
        make_folder(root)
        write(root, {"train": 2}, 0, (64, 64))
        files[name] = _annotations(root)
    table = folder / "list" / "jobs.csv"
    make_folder(table.parent)
    table.write_text('source,expression\nclip.mp4,the red thing\nclip.mp4,"the thing, left"\n')
    files["list"] = [table]
    write_long_rvos(folder / "long_rvos")
    files["long_rvos"] = _annotations(folder / "long_rvos")
    return files


def _annotations(root: Path) -> list[Path]:
    """The annotation and metadata files, without the images of frames."""
    kinds = {".json", ".p", ".csv", ".txt", ".h5", ".mat", ".png"}
    found = [p for p in sorted(root.rglob("*")) if p.is_file() and p.suffix in kinds and "Images" not in str(p)]
    listed = [p for p in found if p.suffix != ".png"]
    return listed * 4 + [p for p in found if p.suffix == ".png"][:4]


def write_long_rvos(root: Path, videos: int = 1) -> None:
    """Videos of four frames and two expressions in the layout of Long-RVOS."""
    names = [f"{i:05d}" for i in range(4)]
    rows = {str(i): {"exp": text, "obj_id": 1, "type": "static"} for i, text in enumerate(("the red disc", "the disc"))}
    listed = {f"video{number}": {"expressions": rows, "frames": names} for number in range(videos)}
    for video_id in listed:
        frames, truth = root / "valid/JPEGImages" / video_id, root / "valid/Annotations" / video_id / "1"
        make_folder(frames)
        make_folder(truth)
        for index, name in enumerate(names):
            disc = (seed_image(index)[..., 0] > 200).astype(np.uint8)
            Image.fromarray(seed_image(index)).save(frames / f"{name}.jpg")
            Image.fromarray(disc * np.uint8(255)).save(truth / f"{name}.png")
    write_json(root / "valid/meta_expressions.json", {"videos": listed})
