"""The cost of the trackers behind `hub:` on a processor: seconds per frame and size of the state, with random weights.

python -m benchmarks.speed.hub_trackers [--only NETWORK...] [--repeats 3]

No weights are downloaded: each network is built here from its published configuration with random weights, which cost
what trained ones cost. An image of 480 x 854 px; processor seconds in one thread, the median of repeats. `encode_s` is
what all objects of a frame share; `object_s` is the time of each object, once its memory is full (20 frames).
`remembered_mb` is the serialised state of an object then; `kept_mb_a_frame` is the growth of a session of transformers
per frame of one object. Takes some minutes.

The result is hub_trackers.json, beside this file; docs/trackers.md shows it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import in_processes, one_thread
from benchmarks.speed.hub_models import SIZE, built, hiera, made
from image_core.hub.catalogue import EDGETAM, SAM2, Repository
from image_core.hub.loading import Network
from image_core.state import to_bytes
from rvos.tracking.hub.propagator import MaskPropagator
from rvos.types import Frame
from rvos.view.frame_view import View, view_of

BENCHMARK = Benchmark(__file__, __doc__)
FULL = 20
"""Frames after which a memory is full."""
ANCHORS = 4


def processor() -> Any:
    """SAM 2's, which EdgeTAM has, too."""
    return made("Sam2VideoProcessor", made("Sam2ImageProcessor"), made("Sam2VideoVideoProcessor"), target_size=1024)


def sam2() -> Network:
    """facebook/sam2.1-hiera-base-plus."""
    return built("Sam2VideoModel", made("Sam2VideoConfig", vision_config=hiera()), processor())


def edgetam() -> Network:
    """yonigozlan/EdgeTAM-hf."""
    backbone = made(
        "TimmWrapperConfig",
        architecture="repvit_m1.dist_in1k",
        model_args={"in_chans": 3, "features_only": True, "out_indices": (0, 1, 2, 3)},
    )
    vision = made("EdgeTamVisionConfig", backbone_config=backbone)
    return built("EdgeTamVideoModel", made("EdgeTamVideoConfig", vision_config=vision), processor())


NETWORKS: dict[str, tuple[Callable[[], Network], Repository]] = {"sam2.1": (sam2, SAM2), "edgetam": (edgetam, EDGETAM)}


def noise_view() -> View:
    """A view of a frame of noise with an empty cache."""
    return view_of(Frame(0, 0.0, np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)), None)


def grown_mb(network: Network, view: View, mask: np.ndarray) -> float:
    """The memory that a session of transformers keeps per further frame, in MB."""
    session, sizes = network.processor.init_video_session(), []
    network.processor.add_inputs_to_inference_session(session, 0, [1], input_masks=mask)
    for _ in range(2):
        network.model(inference_session=session, frame=network.preprocess(view.frame.image)["pixel_values"][0])
        tensors = list(session.processed_frames.values())
        for frames in session.output_dict_per_obj[0].values():
            tensors += [tensor for output in frames.values() for tensor in output.values()]
        sizes.append(sum(tensor.nbytes for tensor in tensors))
    return (sizes[1] - sizes[0]) / 1e6


def measure(job: tuple[str, int]) -> dict[str, Any]:
    """The row of one network; job: its name, and how often each step is timed."""
    name, repeats = job
    one_thread()
    build, repository = NETWORKS[name]
    network = build()
    propagator, mask = MaskPropagator(network), np.zeros(SIZE, bool)
    mask[100:300, 200:500] = True
    encoded = []
    for _ in range(repeats):
        view = noise_view()
        encoded.append(spent(lambda view=view: view.once(propagator.seen)))
    view = noise_view()
    memory = propagator.shown(view, mask, ANCHORS)
    for _ in range(FULL):
        memory = propagator.carried(view, memory).memory
    carried = [spent(lambda: propagator.carried(view, memory)) for _ in range(repeats)]
    return {
        "name": name,
        "repository": repository.name,
        "parameters_m": round(sum(p.numel() for p in network.model.parameters()) / 1e6, 1),
        "published_m": round(repository.download_bytes / 4e6, 1),
        "encode_s": round(statistics.median(encoded), 2),
        "object_s": round(statistics.median(carried), 2),
        "remembered_mb": round(len(to_bytes(memory)) / 1e6, 1),
        "kept_mb_a_frame": round(grown_mb(network, view, mask), 1),
    }


def spent(work: Callable[[], object]) -> float:
    """Processor seconds."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--only", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for name in options.only:
        rows += in_processes(measure, [(name, options.repeats)], 1)
        print(f"\n{rows[-1]}")
    BENCHMARK.write(options.out, {"size": SIZE, "repeats": options.repeats, "networks": rows})


if __name__ == "__main__":
    BENCHMARK.start(main)
