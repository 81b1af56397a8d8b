"""The networks of transformers that carry masks through a video: SAM 2 (Ravi et al., 2024), EdgeTAM (Zhou et al., CVPR
2025) and the tracker of SAM 3 (Meta, 2025). The only module of `rvos.tracking` that imports torch.

transformers keeps all that such a network remembers in a session, which grows with every frame. Here a session exists
for one object on one frame: it is filled from what is remembered (`memory`), asked once, and read out. The network
processes objects one by one in either case, so that the masks are those of a session that keeps everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from image_core.hub.loading import Network, Placement, read_network
from image_core.hub.sources import Source
from rvos.tracking.hub.kinds import PROPAGATORS
from rvos.tracking.hub.memory import FrameMemory, NetworkMemory, Reach
from rvos.view.frame_view import View

_OBJECT = 1
"""The id of the only object of a session."""
_SHOWN, _CARRIED = "cond_frame_outputs", "non_cond_frame_outputs"
_STABLE = 1.0
"""Log-odds around 0 within which a pixel is uncertain (Segment Anything, Kirillov et al., 2023, section 5)."""


@dataclass(frozen=True)
class Carried:
    """Where the network sees the object on one frame, and what it remembers after it."""

    #: (h, w) float32 log-odds at the network's own size.
    logits: np.ndarray
    #: [0, 1], the probability that the object is visible, times the stability of the mask; 0 for an empty mask.
    quality: float
    memory: NetworkMemory


@dataclass(frozen=True)
class Seen:
    """What the network's encoder makes of an image."""

    pixels: Tensor
    features: Any
    places: Any


class MaskPropagator:
    """Carries the masks of objects from frame to frame; shared, and holds nothing that changes."""

    def __init__(self, network: Network) -> None:
        self.network = network
        config = network.model.config
        config = getattr(config, "tracker_config", None) or config
        self.reach = Reach(config.num_maskmem - 1, config.max_object_pointers_in_encoder - 1)

    def shown(self, view: View, mask: np.ndarray, most: int, memory: NetworkMemory | None = None) -> NetworkMemory:
        """What is remembered of an object after the network was shown its mask (H, W) bool on this frame.

        most: frames with a shown mask that are remembered; memory: what was remembered before, None for a new object.
        """
        index = 0 if memory is None else memory.clock
        _, session = self._ask(view, index, memory, mask)
        frame, places = _frame_memory(session, _SHOWN, index)
        if memory is None:
            return NetworkMemory(1, places, (frame,))
        return memory.with_anchor(frame, most, self.reach)

    def carried(self, view: View, memory: NetworkMemory) -> Carried:
        """Where the object is on this frame."""
        output, session = self._ask(view, memory.clock, memory, None)
        logits = output.pred_masks.float().cpu().numpy().reshape(output.pred_masks.shape[-2:])
        there = float(output.object_score_logits.float().sigmoid().reshape(-1)[0])
        frame, _ = _frame_memory(session, _CARRIED, memory.clock)
        sure, maybe = np.count_nonzero(logits > _STABLE), np.count_nonzero(logits > -_STABLE)
        return Carried(logits, there * sure / max(maybe, 1), memory.with_frame(frame, self.reach))

    def mask(self, logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Log-odds at the network's own size -> the mask (H, W) bool of a frame of `size`."""
        return self._resized(logits, size) > 0

    def probs(self, logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Log-odds at the network's own size -> probabilities (h, w) float32 in an image of `size`."""
        return 1 / (1 + np.exp(-np.clip(self._resized(logits, size), -60, 60)))

    def _resized(self, logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        large = F.interpolate(torch.from_numpy(logits)[None, None], size, mode="bilinear", align_corners=False)
        return large[0, 0].numpy()

    def _ask(self, view: View, index: int, memory: NetworkMemory | None, mask: np.ndarray | None) -> tuple[Any, Any]:
        """The network's output for the object on frame number `index`, and the session that was asked.

        mask: (H, W) bool, if it is shown to the network.
        """
        processor, device, seen = self.network.processor, self.network.device, view.once(self.seen)
        session = processor.init_video_session(inference_device=device)
        outputs = session.output_dict_per_obj[session.obj_id_to_idx(_OBJECT)]
        if memory is not None:
            places = torch.from_numpy(memory.places).to(device)
            outputs[_SHOWN] |= {frame.index: _output(frame, places) for frame in memory.anchors}
            outputs[_CARRIED] |= {frame.index: _output(frame, places) for frame in memory.recent}
        session.cache.cache_vision_features(index, {"vision_feats": seen.features, "vision_pos_embeds": seen.places})
        if mask is not None:
            processor.add_inputs_to_inference_session(session, index, [_OBJECT], input_masks=mask)
        with self.network.inference():
            return self.network.model(inference_session=session, frame_idx=index, frame=seen.pixels), session

    def seen(self, view: View) -> Seen:
        """The image encoded by the network. Ask by `view.once`: objects and expressions share it."""
        pixels = self.network.preprocess(view.frame.image.copy())["pixel_values"]  # torch needs a writable array
        with self.network.inference():
            outputs = self.network.model.get_image_features(pixels, return_dict=True)
        return Seen(pixels[0], outputs.fpn_hidden_states, outputs.fpn_position_encoding)


def read_propagator(source: Source, where: Placement) -> MaskPropagator:
    """A network of one of `PROPAGATORS`. Raises `CheckpointError` as `read_network` does."""
    return MaskPropagator(read_network(source, *PROPAGATORS[source.model_type], where))


def _output(frame: FrameMemory, places: Tensor) -> dict[str, Tensor]:
    """What is remembered of a frame, in the form of a session of transformers."""
    output = {"object_pointer": torch.from_numpy(frame.pointer).to(places.device)}
    if frame.features is not None:
        features = torch.from_numpy(frame.features).to(places.device)
        features = features.view(torch.bfloat16) if features.dtype == torch.int16 else features
        output |= {"maskmem_features": features, "maskmem_pos_enc": places}
    return output


def _frame_memory(session: Any, kind: str, index: int) -> tuple[FrameMemory, np.ndarray]:
    """What a session remembers of a frame, and the position encoding."""
    output = session.output_dict_per_obj[0][kind][index]
    features = output["maskmem_features"]
    bits = features.view(torch.int16) if features.dtype == torch.bfloat16 else features.float()
    pointer, places = output["object_pointer"].float(), output["maskmem_pos_enc"].float()
    return FrameMemory(index, pointer.cpu().numpy(), bits.cpu().numpy()), places.cpu().numpy()
