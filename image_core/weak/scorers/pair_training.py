"""Trains the image-text pair on synthetic images and expressions: symmetric InfoNCE, no labelled boxes or masks.

`ColourRegions` finds regions in the pixels of an image. Each is shown as SpARC shows a proposal (a *showing*); those
of an image form a bag. It is known that an expression describes something in the image, but not which region. So
the score of a bag is the soft maximum of its showings' scores (multiple-instance learning). Further:
- Texts are the expressions and the phrases that SpARC's parser finds in them, in SpARC's template.
- Showings are cut out at the image's own scale, with some of the blurred surroundings and the red line.
- Decoys are showings of an image that is blurred all over. They must score lower on the image's texts than its bag.
- An image is no negative for a text if one of its own texts says the same or more.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from image_core.errors import ConfigError
from image_core.files import replacing
from image_core.folder import RunKind, run_folder
from image_core.language.parser import parse_expression
from image_core.language.predicates import phrases_of
from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.recipes import SINGLE_FAMILIES
from image_core.weak.prompting import PromptStyle, show_proposal, show_proposals
from image_core.weak.proposals.colour_regions import ColourRegions, RegionConfig
from image_core.weak.scorers.pair import ImageTextPair, PairConfig, as_input, blur, save_pair
from image_core.weak.sparc import SparcConfig

logger = logging.getLogger(__name__)
KIND = RunKind("rvos image-text pair", overwrite_advice="remove it")


@dataclass(frozen=True)
class PairTrainingConfig:
    """How the pair is trained."""

    steps: int = 700  # optimiser steps in all
    pool: int = 3000  # different images, kept in memory
    pictures: int = 32  # bags of a step
    decoys: int = 16  # blurred showings beside them
    showings: int = 8  # of each bag
    texts: int = 3  # of each image
    window_px: int = 64  # side of a showing, cut from an image of the pair's own size
    lr: float = 2e-3
    warm_up: int = 50
    weight_decay: float = 0.01
    seed: int = 0
    save_every: int = 50  # steps
    pair: PairConfig = field(default_factory=PairConfig)

    def __post_init__(self) -> None:
        if min(self.steps, self.texts, self.showings, self.save_every) < 1 or not 2 <= self.pictures <= self.pool:
            raise ConfigError(
                f"PairTrainingConfig: expected positive counts and 2 to pool = {self.pool} pictures, got {self}"
            )
        if not 0 <= self.decoys <= self.pictures:
            raise ConfigError(f"PairTrainingConfig.decoys: expected 0 to pictures = {self.pictures}, got {self.decoys}")
        if self.window_px % 16 or self.window_px > self.pair.size_px:
            raise ConfigError(
                f"PairTrainingConfig.window_px: expected a multiple of 16 up to {self.pair.size_px}, "
                f"got {self.window_px}"
            )


@dataclass(frozen=True)
class PairBatch:
    """The batch of one step: B images, D decoys, T texts an image, S showings."""

    windows: np.ndarray  # (S, w, w, 3) uint8
    bags: np.ndarray  # (S,) the bag of each window: 0 to B - 1, then one for each decoy; decoy d is of image d
    texts: list[str]  # B x T, image by image
    left_out: np.ndarray  # (B + D, B T) bool, True where a bag may fit a text that is not its own


class ImagePool:
    """The first images of the training split with their proposals and texts, each drawn once."""

    def __init__(self, config: PairTrainingConfig) -> None:
        size = config.pair.size_px, config.pair.size_px
        self._data = SyntheticImages("train", config.seed, size, len(SINGLE_FAMILIES), families=SINGLE_FAMILIES)
        self._proposer = ColourRegions(RegionConfig(palettes=(8,), most=config.showings))
        self._kept: dict[int, tuple[np.ndarray, np.ndarray, list[str]]] = {}

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Image (H, W, 3) uint8, boxes (N, 4) with N > 0, texts; the whole image where nothing was found."""
        if index not in self._kept:
            sample = self._data[index]
            boxes = self._proposer.propose(sample.image)
            height, width = sample.image.shape[:2]
            boxes = boxes if len(boxes) else np.array([[0.0, 0.0, width, height]])
            self._kept[index] = sample.image, boxes, texts_of(sample.expressions)
        return self._kept[index]


def make_batch(pool: ImagePool, config: PairTrainingConfig, step: int) -> PairBatch:
    """The batch of one step, a pure function of (pool, config, step)."""
    rng = np.random.default_rng([config.seed, step])
    template = SparcConfig().template
    windows, bags, decoys, texts_of_pictures, batch_texts = [], [], [], [], []
    for bag in range(config.pictures):
        image, boxes, texts = pool[(step * config.pictures + bag) % config.pool]
        texts_of_pictures.append(texts)
        batch_texts += [texts[i] for i in np.resize(rng.permutation(len(texts)), config.texts)]
        windows += [
            cut(show, box, config.window_px) for show, box in zip(show_proposals(image, boxes), boxes, strict=True)
        ]
        bags += [bag] * len(boxes)
        if len(decoys) < config.decoys:
            box = boxes[rng.integers(len(boxes))]
            blurred = blur(image, PromptStyle().blur_px)
            decoys.append(cut(show_proposal(blurred, box), box, config.window_px))
    left_out = may_fit(texts_of_pictures, batch_texts)
    left_out[np.arange(len(batch_texts)) // config.texts, np.arange(len(batch_texts))] = False
    left_out = np.concatenate([left_out, left_out[: config.decoys]])
    bags += range(config.pictures, config.pictures + len(decoys))
    stacked = np.stack(windows + decoys)
    mirrored = rng.random(len(stacked)) < 0.5
    stacked[mirrored] = stacked[mirrored][:, :, ::-1]
    return PairBatch(stacked, np.array(bags), [template.format(text) for text in batch_texts], left_out)


def cut(shown: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """(H, W, 3) and (4,) -> (side, side, 3): the window around the box's centre, moved to lie within the image."""
    height, width = shown.shape[:2]
    x = int(np.clip((box[0] + box[2] - side) / 2, 0, width - side))
    y = int(np.clip((box[1] + box[3] - side) / 2, 0, height - side))
    return shown[y : y + side, x : x + side]


def texts_of(expressions: Sequence[str]) -> list[str]:
    """The expressions of an image, and the phrases in them; each once."""
    phrases = [phrase for expression in expressions for phrase in phrases_of(parse_expression(expression))]
    return list(dict.fromkeys([*phrases, *(expression.lower() for expression in expressions)]))


def may_fit(texts_of_pictures: Sequence[Sequence[str]], queries: Sequence[str]) -> np.ndarray:
    """(images, texts) bool: one of the image's own texts contains every word of the text."""
    own_words = [[frozenset(text.split()) for text in texts] for texts in texts_of_pictures]
    asked_words = [frozenset(text.split()) - {"the"} for text in queries]
    return np.array([[any(words <= text for text in texts) for words in asked_words] for texts in own_words])


def of_bags(logits: Tensor, bags: Tensor, count: int) -> Tensor:
    """(S, E) logits of showings and (S,) their bags -> (count, E): the soft maximum of each bag; none may be empty."""
    top = logits.detach().max()
    sums = logits.new_zeros(count, logits.shape[1]).index_add(0, bags, (logits - top).exp())
    return sums.clamp_min(1e-30).log() + top


def contrastive_loss(logits: Tensor, left_out: Tensor, pictures: int) -> Tensor:
    """(B + D, B T) logits and bool -> InfoNCE, the mean of both directions. Decoys are negatives of texts only."""
    texts = logits.shape[1] // pictures
    own = torch.arange(logits.shape[1], device=logits.device) // texts
    masked = logits.masked_fill(left_out, -math.inf)
    to_pictures = F.cross_entropy(masked.T, own)
    # Each text of an image against the texts of others: its own other texts are no negatives.
    rows = masked[:pictures].repeat_interleave(texts, 0)
    columns = torch.arange(logits.shape[1], device=logits.device)
    siblings = (own[:, None] == own[None]) & (columns[:, None] != columns[None])
    return (to_pictures + F.cross_entropy(rows.masked_fill(siblings, -math.inf), columns)) / 2


def train_pair(config: PairTrainingConfig, out: Path) -> Path:
    """Train, or go on where a killed run stopped; returns the file of the pair, OUT/pair.safetensors.

    Raises `OutputError` where `out` holds a run with other settings, is in use, or cannot be written.
    """
    with run_folder(out, KIND, asdict(config)):
        return _train(config, out)


def _train(config: PairTrainingConfig, out: Path) -> Path:
    torch.manual_seed(config.seed)
    pair = ImageTextPair(config.pair).train()
    optimiser = torch.optim.AdamW(pair.parameters(), config.lr, weight_decay=config.weight_decay)
    state_file, step = out / "state.pt", 0
    if state_file.exists():
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        pair.load_state_dict(state["pair"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
        logger.info("continuing at step %d of %d", step, config.steps)
    pool = ImagePool(config)
    started, losses = time.monotonic(), []
    while step < config.steps:
        for group in optimiser.param_groups:
            group["lr"] = config.lr * _lr_factor(step, config)
        losses.append(_update(pair, optimiser, make_batch(pool, config, step), config))
        step += 1
        if step % config.save_every == 0 or step == config.steps:
            state = {"pair": pair.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
            with replacing(state_file) as temporary:
                torch.save(state, temporary)
            _save(pair, config, step, out)
            mean, seconds = sum(losses) / len(losses), (time.monotonic() - started) / len(losses)
            logger.info("step %d of %d: loss %.3f, %.2f s a step", step, config.steps, mean, seconds)
            started, losses = time.monotonic(), []
    return out / "pair.safetensors"


def _update(
    pair: ImageTextPair, optimiser: torch.optim.Optimizer, batch: PairBatch, config: PairTrainingConfig
) -> float:
    cells = pair.encode_images(as_input(list(batch.windows), config.window_px))
    showings = pair.fit(cells, pair.encode_texts(batch.texts))
    logits = of_bags(showings, torch.from_numpy(batch.bags), config.pictures + config.decoys)
    loss = contrastive_loss(logits, torch.from_numpy(batch.left_out), config.pictures)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(pair.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def _lr_factor(step: int, config: PairTrainingConfig) -> float:
    """A linear start, then half a cosine down to zero."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - config.warm_up) / max(config.steps - config.warm_up, 1)))


def _save(pair: ImageTextPair, config: PairTrainingConfig, step: int, out: Path) -> None:
    provenance = {"data": "synthetic train pictures and expressions", "step": step, "settings": asdict(config)}
    save_pair(out / "pair.safetensors", pair, provenance)
