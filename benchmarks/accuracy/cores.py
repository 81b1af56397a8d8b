"""All cores on the same synthetic images, steps and seeds: masks, presence, families, cost; and ablations of papers.

python -m benchmarks.accuracy.cores [--steps 1500] [--seeds 0 ...] [--only NAME ...]
python -m benchmarks.accuracy.cores --encoders s2rm_tiny [--ablations] ...

Every core is trained by the code of `rvos train`, with its experiment's network and learning rate, on the training
images at 128 px, 8 images of 4 expressions a step. It begins from scratch, or with `--encoders` from the trained
encoders of a model: those of the papers begin from trained encoders as well, and a short training then shows more of
the parts between and behind them. This needs a core with the encoders of that model. `--ablations`: one part of a paper
changed in each run, the interpretations of S2RM's recurrence, and HARIS with frozen encoders.

Figures are of the whole test split and of the compositional one. 400 steps take 10 to 20 minutes on one core without
AVX-512. Runs are kept under runs/cores; an interrupted run is continued. `--only` names the cores to train, in this
order; `--only none` trains none. The result holds the finished cores, and keeps the figures of others that an earlier
call measured with the same settings.

The result is cores.json or cores_trained_encoders.json, each with a .jpg: masks on ten scenes; or ablations.json.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.accuracy.mask_threshold import at_best_threshold
from benchmarks.accuracy.presence_figures import presence_figures
from benchmarks.harness.command import Benchmark
from benchmarks.harness.operations import operations, weightless
from benchmarks.harness.processes import one_thread
from benchmarks.harness.rows import rows_with_earlier
from benchmarks.harness.trained_encoders import with_encoders_of
from image_core.evaluation.images import SyntheticImageSet
from image_core.evaluation.run import ImageEvaluation, run_image_evaluation
from image_core.files import make_folder, write_atomic
from image_core.identity import digest_of
from image_core.mask_model import describe
from image_core.sample import ImageSample
from image_core.segmenter import ImageSegmenter
from image_core.training.config import TrainConfig
from image_core.training.recipe import finished, train
from image_core.weights import find_model
from rvos.configuration import train_config
from rvos.export.painter import Painter
from rvos.export.prediction_sheet import PredictionSheet
from rvos.export.style import OVERLAY_STYLE

BENCHMARK = Benchmark(__file__, __doc__)
RUNS = Path("runs/cores")
SPLITS = ("test", "test_compositional")
FIGURES = ("mIoU", "oIoU", "Pr@0.5", "Pr@0.9", "N-acc", "T-acc")
SCENES = 10
TIMED = 50
TILE_PX = 144
CAPTION_PX = 20


@dataclass(frozen=True)
class Core:
    """One network: an experiment, what is changed in it, and what the comparison calls it."""

    experiment: str
    changes: tuple[str, ...] = ()


CORES: dict[str, Core] = {
    "s2rm": Core("synthetic_s2rm_tiny"),
    "lavt": Core("synthetic_lavt_tiny"),
    "cgformer": Core("synthetic_cgformer_tiny"),
    "rela": Core("synthetic_rela_tiny"),
    "haris": Core("synthetic_haris_tiny"),
    "safari": Core("synthetic_safari_tiny"),
    "partial_res": Core("synthetic_partial_res_tiny"),
    "seqtr": Core("synthetic_partial_res_tiny", ("model=seqtr", "model.max_words=24")),
}


DENSE = ("s2rm", "lavt", "cgformer", "rela", "haris")
"""Those that have the encoders of `s2rm_tiny`; the sequence decoders have others."""


def _changed(core: str, *changes: str) -> Core:
    return Core(CORES[core].experiment, tuple(f"model.config.{change}" for change in changes))


ABLATIONS: dict[str, Core] = {
    "s2rm, overwrite": _changed("s2rm", "update=overwrite"),
    "s2rm, gated": _changed("s2rm", "update=gated"),
    "s2rm, accumulate": _changed("s2rm", "update=accumulate"),
    "cgformer, soft grouping": _changed("cgformer", "grouping=soft"),
    "cgformer, no grouping": _changed("cgformer", "grouping=none"),
    "cgformer, paper's form": _changed("cgformer", "form=paper"),
    "rela, no language attention": _changed("rela", "language_attention=false"),
    "rela, no region attention": _changed("rela", "region_attention=false"),
    "rela, no loss of the minimap": _changed("rela", "minimap_weight=0"),
    "rela, hard regions": _changed("rela", "looks=squares"),
    "rela, 4 x 4 regions": _changed("rela", "minimap=4"),
    "rela, 8 x 8 regions": _changed("rela", "minimap=8"),
    "rela, 12 x 12 regions": _changed("rela", "minimap=12"),
    "haris, no feedback": _changed("haris", "feedback=false"),
    "haris, no hierarchy": _changed("haris", "hierarchy=false"),
    "haris, not vision-weighted": _changed("haris", "vision_weighted=false"),
    "haris, not language-weighted": _changed("haris", "language_weighted=false", "feedback=false"),
    "haris, cross-attention": _changed("haris", "block=cross_attention"),
    "haris, averaged words": _changed("haris", "decoder=averaged_words"),
    "haris, frozen encoders": _changed("haris", "trainable=none"),
}


@dataclass(frozen=True)
class Start:
    """The start of all trainings of a comparison, scratch or the encoders of a model file, and their length."""

    encoders: Path | None
    steps: int

    def settings(self, name: str, core: Core, seed: int) -> TrainConfig:
        """The settings of one training. All that is not part of the core is the same for all of them."""
        run = f"{name.replace(' ', '_').replace(',', '').replace(chr(39), '')}_{seed}"
        scratch = self.encoders is None
        out = RUNS / f"{self.steps}_steps{'' if scratch else '_from_encoders'}" / run
        init = "null" if scratch else f"{out}_start.safetensors"
        return train_config(
            [
                f"experiment={core.experiment}", *core.changes, f"init={init}", f"out={out}",
                f"seed={seed}", f"steps={self.steps}", "sizes=[]", "preprocessing.size_px=128",
                "data.augment=false", "data.images=null", "batch_images=8", "ema=0.998", "save_every=50",
                f"eval_every={self.steps}", "eval_images=400", "device=cpu", "workers=0", "optimiser.warmup_steps=100",
            ]
        )  # fmt: skip

    def train(self, settings: TrainConfig, command: str) -> None:
        """Train, or continue the run of an earlier call."""
        if self.encoders is not None and settings.init is not None and not Path(settings.init).exists():
            make_folder(settings.out.parent)
            with_encoders_of(self.encoders, settings, Path(settings.init))
        train(settings, command)


def figures_of(name: str, settings: TrainConfig) -> dict[str, Any]:
    """The figures of a trained core on the splits, and its cost; computed once and kept in the folder of the run."""
    model, kept = settings.out / "model.safetensors", settings.out / "figures.json"
    digest = digest_of(model)
    if kept.exists() and (stored := json.loads(kept.read_text()))["model_sha256"] == digest:
        return stored
    segmenter = ImageSegmenter.load(model, "cpu")
    scored = {split: _scored(segmenter, split, settings.out / split) for split in SPLITS}
    figures = {
        "core": name,
        "seed": settings.seed,
        "model_sha256": digest,
        **scored[SPLITS[0]],
        **{split: scored[split] for split in SPLITS[1:]},
        "at_best_threshold": at_best_threshold(segmenter) if name.partition(",")[0] in DENSE else None,
        "parameters": sum(p.numel() for p in segmenter.model.parameters()),
        "GFLOP": round(gflop_of(settings), 3),
        "cpu_ms": round(1e3 * cpu_s(segmenter), 1),
    }
    write_atomic(kept, json.dumps(figures).encode())
    return figures


def _scored(segmenter: ImageSegmenter, split: str, out: Path) -> dict[str, Any]:
    recorded = {"model": describe(segmenter).document()}
    results = run_image_evaluation(
        ImageEvaluation(SyntheticImageSet(split)), segmenter, recorded, out, PredictionSheet()
    )
    presence = presence_figures(split, out / "predictions.jsonl")
    families = {
        family: figures["N-acc" if family == "absent" else "mIoU"] for family, figures in results["families"].items()
    }
    return {
        **{key: results[key] for key in FIGURES},
        "AUC": presence["AUC"],
        "N-acc_at_T-acc_0.95": presence["N-acc_at_T-acc_0.95"],
        "families": families,
    }


def gflop_of(settings: TrainConfig) -> float:
    """GFLOP of one image with one expression, at the size of training."""
    return operations(weightless(settings.model), settings.preprocessing.size_px, 1, settings.model.max_words)


def cpu_s(segmenter: ImageSegmenter) -> float:
    """Processor seconds per image with one expression, the median of several images."""
    images, spent = SyntheticImageSet(SPLITS[0]), []
    for index in range(TIMED):
        sample = images.sample(index)
        began = time.process_time()
        segmenter.segment(sample.image, sample.expressions[:1])
        spent.append(time.process_time() - began)
    return float(np.median(spent))


def draw(models: dict[str, Path], path: Path) -> None:
    """A row a scene: the truth, then each core's mask of the scene's first expression."""
    scenes = [SyntheticImageSet(SPLITS[0]).sample(index) for index in range(SCENES)]
    rows = [[_tile(scene, scene.masks[0])] for scene in scenes]
    for file in models.values():
        segmenter = ImageSegmenter.load(file, "cpu")
        for scene, row in zip(scenes, rows, strict=True):
            (answer,) = segmenter.segment(scene.image, scene.expressions[:1])
            row.append(_tile(scene, answer.mask(scene.image.shape[:2]) & (answer.presence >= 0.5)))
    heads = np.hstack([_caption(name, TILE_PX) for name in ("truth", *models)])
    lines = [heads]
    for scene, row in zip(scenes, rows, strict=True):
        lines += [_caption(scene.expressions[0], heads.shape[1]), np.hstack(row)]
    cv2.imwrite(str(path), np.vstack(lines)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


def _tile(scene: ImageSample, mask: np.ndarray) -> np.ndarray:
    image = scene.image.copy()
    Painter(OVERLAY_STYLE).masks(image, [mask])
    small = cv2.resize(image, (TILE_PX - 4, TILE_PX - 4), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(small, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(32,) * 3)


def _caption(text: str, width: int) -> np.ndarray:
    strip = np.full((CAPTION_PX, width, 3), 32, np.uint8)
    return cv2.putText(strip, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--encoders", metavar="MODEL", help="begin from this model's trained encoders")
    parser.add_argument("--ablations", action="store_true", help="the papers' ablations in place of the cores")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="train these alone")
    arguments = parser.parse_args()
    encoders = None if arguments.encoders is None else find_model(arguments.encoders)
    table = ABLATIONS if arguments.ablations else CORES if encoders is None else {name: CORES[name] for name in DENSE}
    unknown = sorted(set(arguments.only or ()) - table.keys() - {"none"})
    if unknown:
        parser.error(f"--only: expected some of {', '.join(table)}, or none, got {', '.join(unknown)}")
    if arguments.ablations and encoders is None:
        parser.error("--ablations: expected --encoders MODEL beside it; a short training from scratch shows nothing")
    one_thread()
    start = Start(encoders, arguments.steps)
    wanted = list(table) if arguments.only is None else arguments.only
    runs = [(name, start.settings(name, core, seed)) for seed in arguments.seeds for name, core in table.items()]
    for name, settings in sorted(runs, key=lambda run: wanted.index(run[0]) if run[0] in wanted else -1):
        if name in wanted:
            start.train(settings, BENCHMARK.command())
    rows, models = [], {}
    for name, settings in runs:
        if finished(settings) is not None:
            rows.append(figures_of(name, settings))
            models.setdefault(name, settings.out / "model.safetensors")
            print(f"{name}, seed {settings.seed}: mIoU {rows[-1]['mIoU']:.3f}", flush=True)
    out = arguments.out
    if out == BENCHMARK.result and encoders is not None:
        out = out.with_name("ablations.json" if arguments.ablations else "cores_trained_encoders.json")
    header = {
        "splits": list(SPLITS),
        "encoders": None if encoders is None else {"model": encoders.stem, "sha256": digest_of(encoders)},
        "steps": arguments.steps,
    }
    kept = rows_with_earlier(rows, out, header, by=("core", "seed"))
    BENCHMARK.write(out, {**header, "rows": sorted(kept, key=lambda row: row["seed"])})
    if not arguments.ablations and models.keys() == table.keys():
        draw(models, out.with_suffix(".jpg"))


if __name__ == "__main__":
    BENCHMARK.start(main)
