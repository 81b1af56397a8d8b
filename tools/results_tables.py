"""The tables of docs/results.md and docs/results_*.md, made from the JSON files of the benchmarks.

python tools/results_tables.py

What stands between `<!-- table: NAME -->` and `<!-- end of table -->` is made by the function of that name; the words
around it stay. `PAGES` says which table stands on which page. A test asserts that the pages are what this command
writes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import results_of_cores as cores
import results_of_models as models
import results_of_photographs as photographs
import results_of_speed as speed
import results_of_videos as videos
from marked_tables import ROOT, Tables, table, write
from results_files import BENCHMARKS, SOURCES, read


def sources() -> str:
    """Where every figure comes from: file, picture, command, day and machine; a row for each run of a result."""
    rows = []
    for name, file in SOURCES.items():
        path = BENCHMARKS / file
        here = path.parent.relative_to(ROOT).as_posix()
        links = [f"[{name}](../{here}/{path.name})"]
        pictures = [path.with_suffix(suffix) for suffix in (".png", ".jpg")]
        links += [f"[picture](../{here}/{picture.name})" for picture in pictures if picture.is_file()]
        for what, run in runs(read(name)).items():
            machine = run["machine"]
            command = re.sub(r"benchmarks/(\w+)\.py", rf"-m {here.replace('/', '.')}.\1", run["command"])
            command = re.sub(r"benchmarks/(?=\w+\.json)", f"{here}/", command)
            columns = [f"`{command}`", machine["date"], f"{machine['processor']}, {machine['cores']} cores"]
            rows.append([", ".join(links) + what, *columns])
    return table(("result", "command", "measured", "machine"), rows)


def runs(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What a run measured -> its header: of a result whose models were measured one by one those of the models, for the
    document's own is that of the last; else of the whole."""
    models = document.get("models")
    apart = {name: of for name, of in models.items() if "command" in of} if isinstance(models, dict) else {}
    return {f": `{name}`": of for name, of in apart.items()} or {"": document}


def by_name(*makers: Callable[[], str]) -> Tables:
    """What makes each table, by the name that stands in its mark."""
    return {make.__name__: make for make in makers}


PAGES: dict[str, Tables] = {
    "results.md": by_name(sources),
    "results_images.md": by_name(
        *(photographs.photo_clips, photographs.photo_clips_parts, photographs.photo_by_hand),
        *(photographs.photo_by_hand_failures, photographs.photo_presence),
        *(models.embedded_model, models.embedded_families),
    ),
    "results_training.md": by_name(
        *(cores.cores_trained_encoders, cores.cores_at_best_threshold, cores.core_ablations),
        *(cores.cores, cores.core_families),
        *(models.few_masks, models.all_masks, models.all_masks_contours, models.few_masks_filter),
        *(models.few_masks_ablations, models.attention_pictures, models.sparc_boxes, models.parser_coverage),
    ),
    "results_videos.md": by_name(
        *(videos.real_tracks, videos.real_faults, videos.real_presence, videos.mask_prompts),
        *(videos.video_gain, videos.video_families, videos.video_kinds, videos.video_twins, videos.video_ablations),
        *(videos.motion_words, models.motion_coverage, cores.video_cores),
    ),
    "results_speed.md": by_name(
        *(speed.start_up, speed.segment_speed, speed.segment_writing),
        *(speed.propagation_large, speed.propagation_embedded, speed.photo_speed, speed.masker_inputs),
        *(speed.many_expressions, speed.expressions_by_mode, speed.kernels, speed.list_speed, speed.chunk_counts),
        *(speed.tracking_cost, speed.memory_flat, speed.score_speed, speed.metric_speed),
        *(speed.training_speed, speed.synthetic_speed, speed.sequence_decoder, cores.core_cost),
    ),
}


def main() -> int:
    """Write the pages of results."""
    write(PAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
