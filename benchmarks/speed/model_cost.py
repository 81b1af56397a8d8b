"""The cost of an experiment's model: weights, and floating-point operations per image and per expression.

python -m benchmarks.speed.model_cost EXPERIMENT...

A multiply-add counts as two operations. They are counted on the meta device, without computing and without weights, for
one and for two expressions on one image of the experiment's size: the difference is the cost of an expression, and the
rest of the first is that of the image. Text has as many word pieces as the experiment allows. Contour models run all
steps of their decoder. Takes seconds. Prints the line of the experiment's header; writes no file.
"""

from __future__ import annotations

from benchmarks.harness.command import Benchmark
from benchmarks.harness.operations import operations, weightless
from rvos.configuration import train_config

BENCHMARK = Benchmark(__file__, __doc__)


def cost(experiment: str) -> str:
    """The line of an experiment. Raises `UnknownNameError` for an unknown experiment."""
    settings = train_config([f"experiment={experiment}", "data.root=nowhere"])
    model = weightless(settings.model)
    side = settings.preprocessing.size_px
    one, two = (operations(model, side, count, settings.model.max_words) for count in (1, 2))
    millions = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in model.named_children()}
    total = sum(p.numel() for p in model.parameters()) / 1e6
    return (
        f"{total:.1f} M parameters ({millions['vision']:.1f} vision, {millions['text']:.1f} text); "
        f"{2 * one - two:.0f} GFLOP an image + {two - one:.1f} GFLOP an expression at {side} px"
    )


def main() -> None:
    parser = BENCHMARK.parser(writes=False)
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT")
    for name in parser.parse_args().experiments:
        print(f"{name}: {cost(name)}")


if __name__ == "__main__":
    BENCHMARK.start(main)
