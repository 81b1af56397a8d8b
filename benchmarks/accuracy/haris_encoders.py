"""A HARIS of fresh weights over the encoders of another model file: so it can be measured what frozen ones are worth.

python -m benchmarks.accuracy.haris_encoders OUT.safetensors [--model s2rm_tiny] [--experiment synthetic_haris_tiny]
rvos train experiment=synthetic_haris_tiny init=OUT.safetensors model.config.trainable=none
rvos train experiment=synthetic_haris_tiny init=OUT.safetensors model.config.trainable=all

The first training leaves the encoders as they are, the second trains them on; without init they begin with nothing. The
experiment's encoders must be those of the model file. Takes seconds; writes the file alone.
"""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.harness.command import Benchmark
from image_core.checkpoint import Provenance, load_model, save_model, without_weights
from image_core.errors import ConfigError
from image_core.models.base import EncoderModel
from image_core.models.table import build_model
from image_core.segmenter import find_model
from rvos.configuration import train_config

BENCHMARK = Benchmark(__file__, __doc__)


def with_encoders_of(model: str, experiment: str, out: Path, seed: int) -> None:
    """Write the experiment's model with the vision and text encoder of `model`, a file or an embedded model's name.

    Raises `ConfigError` where the experiment's encoders are others.
    """
    settings = train_config([f"experiment={experiment}"])
    given = load_model(find_model(model))
    spec = without_weights(settings.model)
    if (spec.vision, spec.text, spec.max_words) != (given.spec.vision, given.spec.text, given.spec.max_words):
        raise ConfigError(f"{experiment}: expected the encoders of {model}, got others")
    if not isinstance(given.model, EncoderModel):
        raise ConfigError(f"{model}: expected a model of two encoders, got {type(given.model).__name__}")
    torch.manual_seed(seed)
    built = build_model(spec, tokenizer_json=given.model.tokenizer_json())
    built.vision.load_state_dict(given.model.vision.state_dict())
    built.text.load_state_dict(given.model.text.state_dict())
    save_model(out, built, spec, settings.preprocessing, Provenance(data=f"encoders of {model}", seed=seed))


def main() -> None:
    parser = BENCHMARK.parser(seed=0, writes=False)
    parser.add_argument("out", type=Path, metavar="OUT.safetensors")
    parser.add_argument("--model", default="s2rm_tiny")
    parser.add_argument("--experiment", default="synthetic_haris_tiny")
    args = parser.parse_args()
    with_encoders_of(args.model, args.experiment, args.out, args.seed)
    print(args.out)


if __name__ == "__main__":
    BENCHMARK.start(main)
