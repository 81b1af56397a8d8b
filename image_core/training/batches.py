"""Which samples a step sees: a pure function of (seed, step), so that a run continues exactly where it was killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch.utils.data import DataLoader, Dataset

from image_core.data.augment import Augmentation, augment
from image_core.data.collate import collate
from image_core.errors import ConfigError, DataError, RvosError
from image_core.evaluation.samples import Samples
from image_core.sample import ImageSample
from image_core.training.config import TrainConfig
from image_core.types import ImageBatch


class TrainingBatches(Dataset[ImageBatch]):
    """Item `step` is this process's share of that step's batch, at that step's size."""

    def __init__(self, samples: Samples, config: TrainConfig, rank: int = 0, world: int = 1) -> None:
        if config.batch_images % world:
            raise ConfigError(f"batch_images: expected a multiple of the {world} processes, got {config.batch_images}")
        self.samples, self.config, self.rank, self.world = samples, config, rank, world

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> ImageBatch:
        s = self.config
        share = s.batch_images // self.world
        first = step * s.batch_images + self.rank * share
        samples = [self._sample(position) for position in range(first, first + share)]
        preprocessing = replace(s.preprocessing, size_px=s.size_px(step))
        return collate(samples, preprocessing)

    def _sample(self, position: int) -> ImageSample:
        s = self.config
        rng = np.random.default_rng((s.seed, position))
        sample = self.samples[shuffled_index(position, len(self.samples), s.seed)]
        sample = pick_expressions(sample, s.data.expressions_per_image, rng)
        return augment(sample, rng, Augmentation()) if s.data.augment else sample


@dataclass(frozen=True)
class PseudoPart:
    """The second part of every step's loss: images with pseudo labels."""

    samples: Samples
    weight: float  # of their loss, beside that of the ground truth
    images: int  # images a step, over all processes

    def config_of(self, config: TrainConfig) -> TrainConfig:
        """The settings of the run, changed for this part's batches: their size, and a seed of their own."""
        return replace(config, batch_images=self.images, seed=config.seed + 1_000_003)


class StepBatches(Dataset[dict[str, ImageBatch]]):
    """Item `step` is the batch of every part of that step, by the name of the part; one part at least."""

    def __init__(self, parts: Mapping[str, TrainingBatches]) -> None:
        self.parts = dict(parts)
        self.config = next(iter(self.parts.values())).config

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> dict[str, ImageBatch]:
        return {name: batches[step] for name, batches in self.parts.items()}

    @property
    def images(self) -> int:
        """Images of a step, over all parts and processes."""
        return sum(batches.config.batch_images for batches in self.parts.values())


@dataclass(frozen=True)
class _Fault:
    """A fault in the data of a step, passed as a value: a worker's exception would arrive as one string, traceback
    included."""

    message: str


class _FaultsAsItems(Dataset[dict[str, ImageBatch] | _Fault]):
    """The same batches, with faults of the data as items."""

    def __init__(self, batches: StepBatches) -> None:
        self._batches = batches

    def __getitem__(self, step: int) -> dict[str, ImageBatch] | _Fault:
        try:
            return self._batches[step]
        except RvosError as error:
            return _Fault(str(error))


def shuffled_index(position: int, length: int, seed: int) -> int:
    """The index at `position` of an endless sequence of passes, each shuffled. Unbounded data keeps its order."""
    if length > 10_000_000:
        return position
    epoch, within = divmod(position, length)
    return int(np.random.default_rng((seed, epoch)).permutation(length)[within])


def pick_expressions(sample: ImageSample, count: int, rng: np.random.Generator) -> ImageSample:
    """At most `count` of a sample's expressions, drawn without repetition."""
    if len(sample.expressions) <= count:
        return sample
    keep = sorted(rng.choice(len(sample.expressions), count, replace=False))
    return replace(
        sample,
        expressions=tuple(sample.expressions[i] for i in keep),
        masks=sample.masks[keep],
        families=tuple(sample.families[i] for i in keep),
        expression_ids=tuple(sample.expression_ids[i] for i in keep),
    )


def loader(batches: StepBatches, start: int) -> Iterator[dict[str, ImageBatch]]:
    """Batches of the steps from `start` on, in order, made ahead by `workers` processes. Raises `DataError`."""
    steps: Sequence[int] = range(start, len(batches))
    workers = batches.config.workers
    batches_or_faults: DataLoader[dict[str, ImageBatch] | _Fault] = DataLoader(
        _FaultsAsItems(batches),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )
    for batch in batches_or_faults:
        if isinstance(batch, _Fault):
            raise DataError(batch.message)
        yield batch


def _one_thread(_: int) -> None:
    import cv2
    import torch

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
