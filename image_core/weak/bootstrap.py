"""Learning with few masks, in rounds: train, pseudo-label the rest, filter, train on both.

For any model. Published by SafaRi (ECCV 2024): L_t = L_GT + gamma_t * L_pseudo with gamma growing from round to round.
Every stage leaves a file when it is done, so that the same call continues a run that was killed at any point.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from image_core.device import resolve_device, resolve_precision
from image_core.errors import ConfigError, DamagedError
from image_core.evaluation.samples import Samples
from image_core.files import read_json, write_json
from image_core.folder import check_settings, lock_folder, write_settings
from image_core.segmenter import ImageSegmenter
from image_core.training.batches import PseudoPart
from image_core.training.config import TRAINING, TrainConfig
from image_core.training.log import read_log
from image_core.training.recipe import Datasets, datasets, finished, train_on
from image_core.training.subset import PartialSamples, Subset, labelled_indices, words_in
from image_core.weak.box_source import BoxSource, NoBoxes, SparcBoxes, TrueBoxes
from image_core.weak.config import BootstrapConfig
from image_core.weak.labelling import Labeller
from image_core.weak.ledger import Ledger, count
from image_core.weak.proposals.proposer import BoxesFile, build_proposer
from image_core.weak.scorers.scorer import build_scorer
from image_core.weak.sparc import Sparc
from image_core.weak.unlabelled import PseudoLabelled, Unlabelled

logger = logging.getLogger(__name__)
KIND = replace(TRAINING, name="rvos bootstrap")
"""The folder of all rounds; that of each round is a training's."""

MakeBoxes = Callable[[BootstrapConfig, Samples], BoxSource]


def bootstrap(config: BootstrapConfig, command: str = "", make_boxes: MakeBoxes | None = None) -> Path:
    """Run all rounds and return the summary, `<out>/bootstrap.json`; where it is there, nothing is done.

    The folder holds `round_0`, `round_1`, ... (each a training run), `ledger.jsonl` and `bootstrap.json`. `make_boxes`
    stands in for `box_source`. Raises `ConfigError` for contradictions and `DataError` for data that is not there.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("bootstrap: expected one process, got several: start it without torchrun")
    train, summary = config.train, config.train.out / "bootstrap.json"
    resolve_device(train.device)
    check_settings(train.out, KIND, config.to_dict())
    if summary.exists():
        return summary
    everything, validation, words = datasets(replace(train.data, labels=1.0), train)
    labelled = labelled_indices(len(everything), train.data.labels, train.seed)
    unlabelled = Unlabelled(everything, sorted({*range(len(everything))} - {*labelled}))
    if not len(unlabelled):
        raise ConfigError(
            f"labels: expected a share that leaves some of {len(everything)} pictures, got {train.data.labels}"
        )
    words = None if words is None else words_in(everything, labelled)
    data: Datasets = (Subset(everything, labelled), validation, words)
    boxes = (make_boxes or box_source)(config, everything)
    with lock_folder(train.out, KIND):
        check_settings(train.out, KIND, config.to_dict())
        write_settings(train.out, KIND, config.to_dict())
        results = _rounds(config, data, unlabelled, boxes, command)
        write_json(summary, {"labelled": len(labelled), "unlabelled": len(unlabelled), **results})
    return summary


def _rounds(
    config: BootstrapConfig, data: Datasets, unlabelled: Unlabelled, boxes: BoxSource, command: str
) -> dict[str, Any]:
    """All rounds: the results of each, and the model of the last."""
    ledger = Ledger(config.train.out / "ledger.jsonl")
    model, result = _round(0, config, data, None, command)
    rounds = [result]
    for round in range(1, config.rounds + 1):
        pseudo_labelled, counts = None, {"gamma": config.gamma(round)}
        if config.gamma(round) > 0:
            counts |= _label(round, config, model, boxes, unlabelled, ledger)
            pseudo_labelled = PseudoLabelled(unlabelled, ledger.labels(round))
            if not len(pseudo_labelled):
                logger.warning(
                    "round %d: no pseudo label was accepted; it trains on the labelled pictures alone", round
                )
        model, result = _round(round, config, data, pseudo_labelled, command)
        rounds.append(result | counts)
    return {"rounds": rounds, "model": str(model.relative_to(config.train.out))}


def _round(
    round: int, config: BootstrapConfig, data: Datasets, pseudo_labelled: PseudoLabelled | None, command: str
) -> tuple[Path, dict[str, Any]]:
    """Train a round on labelled and, if there are any, pseudo-labelled images. Its model, and its part of the
    summary."""
    training, validation, words = data
    own, pseudo = config.round(round), None
    if pseudo_labelled:
        pseudo = PseudoPart(pseudo_labelled, config.gamma(round), config.pseudo_images or own.batch_images)
        words = None if words is None else tuple(sorted({*words, *pseudo_labelled.words()}))
    # The settings of the whole run say where a round starts from; a path here would bind the run to its folder.
    kept = replace(own, init=config.train.init)
    model = finished(kept) or train_on(
        (training, validation, words), kept, f"{command} (round {round})", pseudo, own.init
    )
    return model, {"round": round, "steps": own.steps, "val": last_validation(own)}


def _label(
    round: int, config: BootstrapConfig, model: Path, boxes: BoxSource, images: Unlabelled, ledger: Ledger
) -> dict[str, Any]:
    """Pseudo labels of a round by the model of the one before. Returns the counts, whose file marks it as done."""
    done = config.train.out / f"labels_{round}.json"
    if done.exists():
        return _check_counts(read_json(done, "remove it, and it is made again"), round, ledger, done)
    precision = resolve_precision(config.train.precision, resolve_device(config.train.device))
    segmenter = ImageSegmenter.load(model, config.train.device, precision)
    Labeller(segmenter, boxes, config.filter.build()).label_all(round, images, ledger)
    counts = count(ledger.labels(round))
    logger.info("round %d: %s", round, json.dumps(counts))
    write_json(done, counts)
    return counts


def _check_counts(stored: Any, round: int, ledger: Ledger, done: Path) -> dict[str, Any]:
    """The counts of a round that was labelled before. Raises `DamagedError` where the ledger has other lines by now."""
    counts = count(ledger.labels(round))
    if stored != counts:
        raise DamagedError(
            f"{ledger.path}: round {round} has {json.dumps(counts)}, {done.name} says {json.dumps(stored)}: lines are "
            f"lost or changed; remove {done}, and those missing at the end are made again"
        )
    return counts


def box_source(config: BootstrapConfig, samples: Samples) -> BoxSource:
    """The source of boxes that the settings name. `samples` have true masks, which only "truth" reads."""
    if config.boxes == "none" or config.gamma_max == 0:
        return NoBoxes()
    if config.boxes == "truth":
        return TrueBoxes(samples)
    device = config.train.device
    scorer = build_scorer(config.scorer, device=device)
    proposer = build_proposer(config.proposals or "colour_regions", device=device)
    if isinstance(proposer, BoxesFile) and isinstance(samples, PartialSamples):
        proposer.check([samples.sample_id(index) for index in range(len(samples))])
    return SparcBoxes(Sparc(scorer, config.sparc), proposer)


def last_validation(config: TrainConfig) -> dict[str, float]:
    """The figures of the last validation of a run."""
    lines = [line for line in read_log(config.out / "log.jsonl") if line["kind"] == "validation"]
    return {key: value for key, value in lines[-1].items() if key not in ("step", "kind")}
