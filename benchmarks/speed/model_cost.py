"""What an experiment's model costs: weights, and floating-point operations a picture and an expression.

python -m benchmarks.speed.model_cost EXPERIMENT...

Two operations a multiply-add, counted on the meta device: nothing is computed, no weight is fetched. One and two
expressions over one picture of the experiment's own size; the second one's cost is that of an expression, and what is
left of the first is that of the picture. Text has as many word pieces as the experiment allows. Contour models run all
steps of their decoder. Takes seconds. Prints the line that stands in the experiment's header; writes nothing.
"""

from __future__ import annotations

from benchmarks.harness.command import Benchmark
from benchmarks.harness.operations import operations, weightless
from rvos.configuration import train_config

BENCHMARK = Benchmark(__file__, __doc__)


def cost(experiment: str) -> str:
    """Raises `UnknownNameError` for an experiment that is not there."""
    settings = train_config([f"experiment={experiment}", "data.root=nowhere"])
    model = weightless(settings.model)
    side = settings.preprocessing.size_px
    one, two = (operations(model, side, count, settings.model.max_words) for count in (1, 2))
    millions = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in model.named_children()}
    total = sum(p.numel() for p in model.parameters()) / 1e6
    return (
        f"{total:.1f} M parameters ({millions['vision']:.1f} vision, {millions['text']:.1f} text); "
        f"{2 * one - two:.0f} GFLOP a picture + {two - one:.1f} GFLOP an expression at {side} px"
    )


def main() -> None:
    parser = BENCHMARK.parser(writes=False)
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT")
    for name in parser.parse_args().experiments:
        print(f"{name}: {cost(name)}")


if __name__ == "__main__":
    BENCHMARK.start(main)
