"""The cost of the models behind `hub:` on a processor: seconds per frame and memory, with random weights.

python -m benchmarks.speed.hub_models [--only NETWORK...] [--repeats 3] [--seed 0]

No weights are downloaded: each network is built here from its published configuration, written out below, with random
weights, which cost what trained ones cost. `parameters_m` is beside `published_m`, the size of the published file in
weights of four bytes; where the file holds more (a tracker for videos), it is larger. An image of 480 x 854 px.
`one_s` is an image with one expression (of a masker: one box), `each_more_s` each further expression (box) on the same
image: the time beside the encoding of the image is measured separately, since it would be lost in the noise of that.
Seconds are processor time in one thread, the median of repeats; memory is the peak of the process. Takes about
ten minutes and 6 GB.

The result is hub_models.json, beside this file; docs/models.md shows it.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.harness.command import Benchmark
from benchmarks.harness.processes import in_processes, one_thread
from image_core.adapters.clipseg import ClipSeg
from image_core.adapters.sam3 import Sam3
from image_core.grounded.hub_maskers import HubMasker
from image_core.hub.catalogue import CLIPSEG, GROUNDING_DINO, OWLV2, SAM, SAM2, SAM3, Repository
from image_core.hub.detectors import GroundingDino, Owl
from image_core.hub.loading import Network
from image_core.identity import ModelIdentity

BENCHMARK = Benchmark(__file__, __doc__)
SIZE = (480, 854)
PHRASES = ("white dog", "cat", "red car")
LETTERS = "abcdefghijklmnopqrstuvwxyz"

Ask = Callable[[np.ndarray, int], object]
"""Called with an image and the number of expressions or boxes."""


@dataclass(frozen=True)
class Built:
    """A network with random weights, a function that calls it, and the part of it that encodes the image."""

    network: Network
    ask: Ask
    encoder: torch.nn.Module


def made(kind: str, *parts: Any, **fields: Any) -> Any:
    """An object of a class of transformers."""
    import transformers

    return getattr(transformers, kind)(*parts, **fields)


def built(model: str, config: Any, processor: Any) -> Network:
    """A network with its initial weights."""
    return Network(made(model, config).eval(), processor, torch.device("cpu"), "fp32")


def clip_tokenizer() -> Any:
    """A tokenizer of single letters: a text has as many tokens as a longer one would have with words."""
    pieces = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    return made("CLIPTokenizer", vocab={piece: i for i, piece in enumerate(pieces)}, merges=[])


def square(kind: str, side_px: int) -> Any:
    """An image processor that makes squares."""
    return made(kind, size={"height": side_px, "width": side_px})


def clipseg() -> Built:
    """CIDAS/clipseg-rd64-refined."""
    config = made(
        "CLIPSegConfig",
        vision_config={"patch_size": 16},
        reduce_dim=64,
        extract_layers=[3, 6, 9],
        use_complex_transposed_convolution=True,
    )
    processor = made("CLIPSegProcessor", square("ViTImageProcessor", 352), clip_tokenizer())
    network = built("CLIPSegForImageSegmentation", config, processor)
    model = ClipSeg(network, ModelIdentity("clipseg"))
    return Built(network, lambda image, count: model.segment(image, PHRASES[:count]), network.model.clip.vision_model)


def sam3() -> Built:
    """facebook/sam3: transformers' defaults are the published configuration."""
    processor = made("Sam3Processor", square("Sam3ImageProcessor", 1008), clip_tokenizer())
    network = built("Sam3Model", made("Sam3Config"), processor)
    model = Sam3(network, ModelIdentity("sam3"))
    return Built(network, lambda image, count: model.segment(image, PHRASES[:count]), network.model.vision_encoder)


def grounding_dino() -> Built:
    """IDEA-Research/grounding-dino-base: Swin-B at 384 px, BERT base."""
    backbone = made(
        "SwinConfig",
        image_size=384,
        embed_dim=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
        window_size=12,
        out_features=["stage2", "stage3", "stage4"],
    )
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    processor = made(
        "GroundingDinoProcessor",
        image_processor=made("GroundingDinoImageProcessor", size={"shortest_edge": 800, "longest_edge": 1333}),
        tokenizer=made("BertTokenizer", vocab={piece: i for i, piece in enumerate(pieces)}),
    )
    config = made("GroundingDinoConfig", backbone_config=backbone, text_config=made("BertConfig"))
    network = built("GroundingDinoForObjectDetection", config, processor)
    detector = GroundingDino(network)
    return Built(
        network, lambda image, count: detector.detect(image, PHRASES[:count], 0.2), network.model.model.backbone
    )


def owlv2() -> Built:
    """google/owlv2-base-patch16-ensemble."""
    config = made("Owlv2Config", vision_config={"image_size": 960, "patch_size": 16})
    processor = made("Owlv2Processor", image_processor=square("Owlv2ImageProcessor", 960), tokenizer=clip_tokenizer())
    network = built("Owlv2ForObjectDetection", config, processor)
    detector = Owl(network)
    return Built(
        network, lambda image, count: detector.detect(image, PHRASES[:count], 0.1), network.model.owlv2.vision_model
    )


def masker(network: Network) -> Built:
    """A network that is prompted with boxes that do not overlap."""
    boxes = [(100.0 * i, 50.0, 100.0 * i + 80, 300.0) for i in range(len(PHRASES))]
    drawn = HubMasker(network)
    return Built(network, lambda image, count: drawn.masks(image, boxes[:count]), network.model.vision_encoder)


def sam() -> Built:
    """facebook/sam-vit-base: transformers' defaults are the published configuration."""
    return masker(built("SamModel", made("SamConfig"), made("SamProcessor", made("SamImageProcessor"))))


def hiera() -> Any:
    """The encoder of facebook/sam2.1-hiera-base-plus."""
    backbone = made(
        "Sam2HieraDetConfig",
        hidden_size=112,
        num_attention_heads=2,
        blocks_per_stage=[2, 3, 16, 3],
        embed_dim_per_stage=[112, 224, 448, 896],
        num_attention_heads_per_stage=[2, 4, 8, 16],
        window_size_per_stage=[8, 4, 14, 7],
        window_positional_embedding_background_size=[14, 14],
        global_attention_blocks=[12, 16, 20],
    )
    return made("Sam2VisionConfig", backbone_config=backbone, backbone_channel_list=[896, 448, 224, 112])


def sam2() -> Built:
    """facebook/sam2.1-hiera-base-plus, without its memory for videos."""
    processor = made("Sam2Processor", made("Sam2ImageProcessor"))
    return masker(built("Sam2Model", made("Sam2Config", vision_config=hiera()), processor))


NETWORKS: dict[str, tuple[Callable[[], Built], Repository]] = {
    "clipseg": (clipseg, CLIPSEG),
    "owlv2": (owlv2, OWLV2),
    "sam": (sam, SAM),
    "sam2": (sam2, SAM2),
    "grounding_dino": (grounding_dino, GROUNDING_DINO),
    "sam3": (sam3, SAM3),
}


def seconds(built: Built, image: np.ndarray, count: int) -> tuple[float, float]:
    """Processor time of one call, and its part beside the encoding of the image."""
    began, encoded = [], []
    before = built.encoder.register_forward_pre_hook(lambda *_: began.append(time.process_time()))
    after = built.encoder.register_forward_hook(lambda *_: encoded.append(time.process_time() - began[-1]))
    start = time.process_time()
    built.ask(image, count)
    total = time.process_time() - start
    before.remove()
    after.remove()
    return total, total - sum(encoded)


def measure(job: tuple[str, int, int]) -> dict[str, Any]:
    """One network, in a process of its own."""
    name, repeats, seed = job
    one_thread()
    torch.manual_seed(seed)
    build, repository = NETWORKS[name]
    made_of = build()
    image = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)
    one = [seconds(made_of, image, 1) for _ in range(repeats)]
    several = [seconds(made_of, image, len(PHRASES)) for _ in range(repeats)]
    first, all_of_them = (statistics.median(beside for _, beside in rows) for rows in (one, several))
    more = (all_of_them - first) / (len(PHRASES) - 1)
    return {
        "network": name,
        "repository": repository.name,
        "one_s": round(statistics.median(total for total, _ in one), 2),
        "each_more_s": round(max(more, 0.0), 3),
        "parameters_m": round(sum(p.numel() for p in made_of.network.model.parameters()) / 1e6, 1),
        "published_m": round(repository.download_bytes / 4e6, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    }


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--only", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for name in options.only:  # a process each, so that the peak of memory is its own
        rows += in_processes(measure, [(name, options.repeats, options.seed)], 1)
        print(f"\n{rows[-1]}")
    BENCHMARK.write(options.out, {"size": SIZE, "repeats": options.repeats, "seed": options.seed, "networks": rows})


if __name__ == "__main__":
    BENCHMARK.start(main)
