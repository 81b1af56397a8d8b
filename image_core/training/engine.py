"""The training loop: one process, several, or under torchrun; exact after a kill."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor

from image_core.device import autocast, resolve_device, resolve_precision
from image_core.device_names import Precision
from image_core.errors import DamagedError
from image_core.files import make_folder, replacing
from image_core.folder import check_settings, write_settings
from image_core.models.base import Trainable
from image_core.training.batches import PseudoPart, Samples, StepBatches, TrainingBatches, loader
from image_core.training.config import TRAINING, TrainConfig
from image_core.training.log import TrainingLog
from image_core.training.optimiser import AveragedWeights, lr_factor, optimiser_of
from image_core.types import ImageBatch

logger = logging.getLogger(__name__)

Validate = Callable[[Mapping[str, Tensor], int], Mapping[str, Any]]
"""(averaged weights, step) -> metrics, called on the main process every `eval_every` steps and after the last."""

_PROCESS_TIMEOUT = timedelta(hours=12)
"""How long processes wait for each other: the others wait while the main one validates. torchrun ends them all when one
dies, so nothing hangs that long."""


class Engine:
    """Owns the optimiser, the averaged weights and the step counter of one run. The model is passed in.

    With a `pseudo` part a step minimises L(batch of `samples`) + weight * L(batch of pseudo labels).
    """

    def __init__(
        self, model: Trainable, samples: Samples, config: TrainConfig, pseudo: PseudoPart | None = None
    ) -> None:
        self.config = config
        device = resolve_device(config.device)
        if device.index:  # accelerate takes the current CUDA device, or one a process by its local rank
            torch.cuda.set_device(device)
        self.accelerator = Accelerator(
            cpu=device.type == "cpu",
            mixed_precision="no",
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_PROCESS_TIMEOUT)],
        )
        rank_and_world = self.accelerator.process_index, self.accelerator.num_processes
        self.batches = TrainingBatches(samples, config, *rank_and_world)
        parts = {"": self.batches}
        if pseudo is not None:
            parts["pseudo_"] = TrainingBatches(pseudo.samples, pseudo.config_of(config), *rank_and_world)
        self.parts = StepBatches(parts)
        self.weights = {"": 1.0, "pseudo_": 0.0 if pseudo is None else pseudo.weight}
        optimiser = optimiser_of(model, config.optimiser)
        self.base_lrs = [group["lr"] for group in optimiser.param_groups]
        self.precision: Precision = resolve_precision(config.precision, device)
        # Convolutions are 6 % faster so, and give the same.
        model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.model, self.optimiser = self.accelerator.prepare(model, optimiser)
        self.average = AveragedWeights(self.plain_model, config.ema)
        self.step = 0

    @property
    def plain_model(self) -> Trainable:
        """The model without the wrapper of several processes."""
        return self.accelerator.unwrap_model(self.model)

    def run(self, validate: Validate, again: bool = False) -> None:
        """Train to the last step, resuming from the run's folder where it holds an unfinished run of equal settings.

        again: validate at the current step even if the log has its metrics, for what the last validation wrote is gone.
        """
        s = self.config
        self._resume()
        log = TrainingLog(s.out, self.step) if self.accelerator.is_main_process else None
        if self._due(s.eval_every):  # a kill may have come between saving and validating
            self._validate(validate, log, again)
        since, images = time.monotonic(), 0
        self.model.train()
        for batches in loader(self.parts, self.step):
            terms = self._update(batches)
            images += self.parts.images
            self.step += 1
            if self._due(s.log_every):
                terms = self.accelerator.reduce(terms, "mean")
                if log is not None:
                    log.training(self.step, s.steps, terms, self._lr(), images / (time.monotonic() - since))
                since, images = time.monotonic(), 0
            if self._due(s.save_every):
                self._save()
            if self._due(s.eval_every):
                self._validate(validate, log)
                since, images = time.monotonic(), 0
        self.accelerator.end_training()

    def _due(self, every: int) -> bool:
        return self.step > 0 and (self.step % every == 0 or self.step == self.config.steps)

    def _validate(self, validate: Validate, log: TrainingLog | None, again: bool = False) -> None:
        if log is not None and (again or self.step not in log.validated):
            figures = validate(self.average.state, self.step)
            if self.step not in log.validated:
                log.validation(self.step, figures)
        self.accelerator.wait_for_everyone()

    def _lr(self) -> float:
        return max(group["lr"] for group in self.optimiser.param_groups)

    def _update(self, batches: Mapping[str, ImageBatch]) -> dict[str, Tensor]:
        s = self.config
        # Dropout draws from a state that depends on the step alone: nothing random has to be saved.
        torch.manual_seed((s.seed * 1_000_003 + self.step) * 64 + self.accelerator.process_index)
        factor = lr_factor(self.step, s.steps, s.optimiser)
        for group, base in zip(self.optimiser.param_groups, self.base_lrs, strict=True):
            group["lr"] = base * factor
        terms = self._gradients(batches)
        if s.optimiser.clip > 0:
            norm = self.accelerator.clip_grad_norm_(self.model.parameters(), s.optimiser.clip)
            terms |= {} if norm is None else {"gradient_norm": norm.detach()}
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update(self.plain_model, self.step)
        return terms

    def _gradients(self, batches: Mapping[str, ImageBatch]) -> dict[str, Tensor]:
        """Add up the gradients of the parts, each with its weight, and return the terms and the sum of their losses.

        One part after the other, so that only one is in memory; processes exchange gradients with the last.
        """
        terms_of_all: dict[str, Tensor] = {}
        losses = []
        *first, _ = batches
        for name, batch in batches.items():
            with self.accelerator.no_sync(self.model) if name in first else nullcontext():
                terms, loss = self._loss(self._placed(batch))
                loss = self.weights[name] * loss
                self.accelerator.backward(loss)
            terms_of_all |= {name + k: v.detach() for k, v in terms.items()}
            losses.append(loss.detach())
        return terms_of_all | {"loss": torch.stack(losses).sum()}

    def _placed(self, batch: ImageBatch) -> ImageBatch:
        batch = batch.to(self.accelerator.device)
        return replace(batch, images=batch.images.contiguous(memory_format=torch.channels_last))

    def _loss(self, batch: ImageBatch) -> tuple[dict[str, Tensor], Tensor]:
        with autocast(self.accelerator.device, self.precision):
            prediction = self.model(batch)
            terms = self.plain_model.losses(prediction, batch)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise FloatingPointError(f"step {self.step}: loss is {loss.item()}; terms {_plain(terms)}")
        return terms, loss

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            state = {
                "step": self.step,
                "model": self.plain_model.state_dict(),
                "average": self.average.state,
                "optimiser": self.optimiser.state_dict(),
            }
            with replacing(state_file(self.config.out)) as temporary:
                torch.save(state, temporary)
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        s = self.config
        make_folder(s.out, TRAINING.other_folder_advice)
        check_settings(s.out, TRAINING, s.to_dict())
        saved = state_file(s.out)
        if saved.exists():
            state = _read_state(saved)
            self.plain_model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.average.load(state["average"])
            self.step = state["step"]
            logger.info("continuing at step %d of %d", self.step, s.steps)
        self.accelerator.wait_for_everyone()  # every process has read what one of them writes now
        if self.accelerator.is_main_process:
            write_settings(s.out, TRAINING, s.to_dict())


def state_file(out: Path) -> Path:
    """Where a run keeps what it needs to continue: weights, averaged weights, optimiser, step."""
    return out / "state.pt"


def _read_state(path: Path) -> dict[str, Any]:
    """Raises `DamagedError`."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise DamagedError(
            f"{path}: cannot be read ({type(error).__name__}): restore it, or remove it to start the run again"
        ) from error


def _plain(terms: Mapping[str, Tensor]) -> dict[str, float]:
    return {k: round(v.item(), 5) for k, v in terms.items()}
