"""CLIPSeg (Lüddecke and Ecker, CVPR 2022) as a `MaskModel`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from image_core.answer import DenseMap, MaskAnswer
from image_core.hub.loading import Network, Placement, read_network
from image_core.hub.sources import Source
from image_core.identity import ModelIdentity

NAME = "clipseg"
MODEL_TYPES = ("clipseg",)


class ClipSeg:
    """A dense map of each expression. The image is encoded once; each expression is decoded alone.

    CLIPSeg does not predict absence. The presence is the probability of its most certain pixel, uncalibrated.
    """

    is_slow = True

    def __init__(self, network: Network, identity: ModelIdentity) -> None:
        self.network = network
        self.identity = identity

    def describe(self) -> ModelIdentity:
        """Name, revision and licence of the weights."""
        return self.identity

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
        """(H, W, 3) uint8 RGB and E expressions -> E answers, their maps as large as the network's input."""
        if not expressions:
            return []
        model = self.network.model
        with self.network.inference():
            vision_outputs = model.clip.get_image_features(**self.network.preprocess(image), output_hidden_states=True)
            activations = [vision_outputs.hidden_states[layer + 1] for layer in model.extract_layers]
            return [_answer(self._logits(activations, expression)) for expression in expressions]

    def _logits(self, activations: list[Tensor], expression: str) -> Tensor:
        model = self.network.model
        max_length = model.config.text_config.max_position_embeddings
        tokens = self.network.processor.tokenizer(
            expression, truncation=True, max_length=max_length, return_tensors="pt"
        ).to(self.network.device)
        text_embedding = model.get_conditional_embeddings(1, tokens["input_ids"], tokens["attention_mask"])
        return model.decoder(activations, text_embedding).logits


def _answer(logits: Tensor) -> MaskAnswer:
    log_odds = logits.float().cpu().numpy().reshape(logits.shape[-2:])
    presence = float(1 / (1 + np.exp(-np.float64(log_odds.max()))))
    return MaskAnswer.of_map(DenseMap(log_odds), presence=presence, score=presence)


def build(source: Source, identity: ModelIdentity, placement: Placement) -> ClipSeg:
    """Raises `CheckpointError` as `read_network` does."""
    return ClipSeg(read_network(source, "CLIPSegForImageSegmentation", "CLIPSegProcessor", placement), identity)
