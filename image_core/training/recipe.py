"""The image recipe: data, model, engine, presence calibration, and a model file at the end."""

from __future__ import annotations

import copy
import json
import logging
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from image_core.checkpoint import Provenance, load_model, save_model, without_weights
from image_core.device import resolve_device
from image_core.errors import ConfigError, DataError
from image_core.evaluation.presence import collect_presence
from image_core.evaluation.scoring import evaluate_images, predict_with
from image_core.folder import check_settings, lock_folder
from image_core.models.base import EncoderModel, Trainable
from image_core.models.description import ModelConfig
from image_core.models.table import build_model
from image_core.segmenter import ImageSegmenter
from image_core.training.batches import PseudoPart, Samples
from image_core.training.calibration import fit_presence
from image_core.training.config import TRAINING, DataConfig, TrainConfig
from image_core.training.engine import Engine
from image_core.training.log import read_log
from image_core.training.subset import Subset, labelled_indices, words_in
from image_core.weights import find_model

logger = logging.getLogger(__name__)

Datasets = tuple[Samples, Samples, tuple[str, ...] | None]
"""Training split, validation split, and the words of the training expressions, None where they are not known."""


def train(config: TrainConfig, command: str = "") -> Path:
    """Run a training to its end and return its model file, `<out>/model.safetensors`.

    The same call continues an unfinished run. `command` is what the user typed, for the file's provenance. Raises
    `ConfigError` for contradictions and `DataError` for data that is not there, before anything heavy is loaded.
    """
    return finished(config) or train_on(datasets(config.data, config), config, command)


def finished(config: TrainConfig) -> Path | None:
    """The model file of a run that is at its end, else None. Raises `OutputError` where its folder has another."""
    check_settings(config.out, TRAINING, config.to_dict())
    path = config.out / "model.safetensors"
    lines = read_log(config.out / "log.jsonl")
    done = any(line["kind"] == "validation" and line["step"] == config.steps for line in lines)
    return path if done and path.exists() else None


def train_on(
    data: Datasets,
    config: TrainConfig,
    command: str = "",
    pseudo: PseudoPart | None = None,
    init: str | None = None,
) -> Path:
    """`train` on data that is already open, and on pseudo labels if there are any. init: replaces that of the settings,
    for a run that is a part of another one."""
    training, validation, words = data
    resolve_device(config.device)
    import torch

    torch.manual_seed(config.seed)
    model, origin = initial_model(replace(config, init=init or config.init))
    if config.preprocessing.multiple % model.size_multiple:
        multiple = config.preprocessing.multiple
        raise ConfigError(
            f"preprocessing.multiple: expected a multiple of the model's {model.size_multiple}, got {multiple}"
        )
    engine = Engine(model, training, config, pseudo)
    path = config.out / "model.safetensors"

    def provenance(step: int, scores: Mapping[str, Any]) -> Provenance:
        return Provenance(
            commit=commit(),
            command=f"{origin.command} && {command}" if origin.command else command,
            data=data_name(config.data),
            seed=config.seed,
            steps=origin.steps + step,
            date=datetime.now(UTC).date().isoformat(),
            scores=scores,
            words=None if words is None else tuple(sorted({*words, *(origin.words or ())})),
        )

    def validate(weights: Mapping[str, Tensor], step: int) -> Mapping[str, Any]:
        averaged = copy.deepcopy(engine.plain_model).eval()  # the one in training is left alone
        averaged.load_state_dict(dict(weights))
        segmenter = ImageSegmenter(averaged, config.preprocessing, engine.accelerator.device, engine.precision)
        fit = fit_presence(*collect_presence(segmenter, validation, config.eval_images))
        averaged.presence_scale.fill_(fit.scale)
        averaged.presence_offset.fill_(fit.offset)
        report = evaluate_images(predict_with(segmenter), validation, config.eval_images)
        summary = {k: v for k, v in report.items() if isinstance(v, float)}
        save_model(
            path,
            averaged,
            config.model,
            config.preprocessing,
            provenance(step, {"val": summary, "presence_odds": fit.odds}),
        )
        return {k: round(summary[k], 4) for k in ("mIoU", "oIoU", "Pr@0.5", "N-acc", "T-acc") if k in summary}

    with lock_folder(config.out, TRAINING) if engine.accelerator.is_main_process else nullcontext():
        engine.run(validate, again=not path.exists())
    return path


def initial_model(config: TrainConfig) -> tuple[Trainable, Provenance]:
    """The model that training starts from, and the origin of its weights: fresh, or those of `init`.

    Loss weights may differ from those of `init`. Raises `ConfigError` where the parts of `init` are not those that the
    settings describe.
    """
    if config.init is None:
        _check_frozen(config)
        return build_model(config.model), Provenance()
    loaded = load_model(find_model(config.init))
    stored, configured = (_parts_of(each) for each in (loaded.spec, without_weights(config.model)))
    differing = sorted(key for key in stored.keys() | configured.keys() if stored.get(key) != configured.get(key))
    if differing:
        raise ConfigError(
            f"init: expected the model that the settings describe, got {config.init}, "
            f"which differs in {', '.join(differing)}"
        )
    if not isinstance(loaded.model, EncoderModel):
        raise ConfigError(f"init: expected a model of two encoders, got {type(loaded.model).__name__}")
    model = build_model(without_weights(config.model), tokenizer_json=loaded.model.tokenizer_json())
    if model.state_dict().keys() != loaded.model.state_dict().keys():  # a loss of weight 0 may have no head
        raise ConfigError(
            f"init: expected the tensors that the settings describe, got others in {config.init}: leave its losses on"
        )
    model.load_state_dict(loaded.model.state_dict())
    return model, loaded.provenance


def _check_frozen(config: TrainConfig) -> None:
    """Check that no frozen part has random weights."""
    trained = {
        name for name in ("vision", "text") for it in (getattr(config.model, name),) if it.pretrained or it.folder
    }
    untrained = [part for part in config.optimiser.frozen if part.split(".")[0] not in trained]
    if untrained:
        raise ConfigError(
            f"optimiser.frozen: expected parts with trained weights, got {', '.join(untrained)} of random ones: "
            "give init=FILE, or optimiser.frozen=[] to let them learn"
        )


def _parts_of(config: ModelConfig) -> dict[str, Any]:
    """What two models must have in common to share weights: "config.heads" -> value and so on. Settings that only
    training uses are left out: the weights of the losses, the task (Partial-RES learns boxes first, with the same
    tensors), what is frozen (HARIS), and the drift of the contours that are read in training."""
    plain = json.loads(json.dumps(config.to_dict()))
    own = plain.pop("config")
    return plain | {
        f"config.{key}": value
        for key, value in own.items()
        if not key.endswith("_weight") and key not in ("task", "trainable", "read_drift")
    }


def datasets(data: DataConfig, config: TrainConfig) -> Datasets:
    """Open what is trained on. With `labels` below 1 the training split is that share of its images.

    Images without an expression are no part of the training split. Raises `DataError` where no other is left.
    """
    if data.name == "synthetic":
        from image_core.synthetic.dataset import SyntheticImages
        from image_core.synthetic.language import training_words

        size = max([px for _, px in config.sizes] or [config.preprocessing.size_px])
        training = SyntheticImages("train", config.seed, (size, size), data.expressions_per_image, data.images)
        validation = SyntheticImages("val", 0, (size, size), data.expressions_per_image)
        words = tuple(sorted(training_words()))
        if data.labels < 1:
            labelled = labelled_indices(len(training), data.labels, config.seed)
            return Subset(training, labelled), validation, words_in(training, labelled)
        return training, validation, words
    from image_core.data.dataset import ReferringImages
    from image_core.data.table import open_dataset

    root = Path(data.root or "")
    dataset = open_dataset(data.name, root, "train", split_by=data.split_by)
    training = ReferringImages(record for group in dataset.groups for record in group if record.expressions)
    if not len(training):
        raise DataError(f"{root}: expected at least one expression in the training split of {data.name}, got none")
    validation = open_dataset(data.name, root, "val", split_by=data.split_by)
    if data.labels < 1:
        labelled = labelled_indices(len(training), data.labels, config.seed)
        training = ReferringImages(record for index in labelled for record in training.groups[index])
    return training, validation, tuple(sorted(training.words()))


def data_name(data: DataConfig) -> str:
    """The data as a model's provenance names it; synthetic images with the fingerprint of their generator."""
    if data.name != "synthetic":
        return data.name
    from image_core.synthetic.fingerprint import pictures_sha256

    return f"synthetic, pictures {pictures_sha256()[:12]}"


def commit() -> str:
    """The commit of the source tree that trained, "" outside a checkout or without git."""
    if shutil.which("git") is None:
        return ""
    result = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return result.stdout.strip()
