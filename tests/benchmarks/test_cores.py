"""The comparison of cores is one of equals."""

from benchmarks.accuracy.cores import CORES, settings_of


def test_cores_are_trained_alike() -> None:
    """On the same pictures, as many of them, at one size; the networks alone differ."""
    settings = {name: settings_of(name, core, 3, 200) for name, core in CORES.items()}
    first = settings["s2rm"]
    assert {s.model.name for s in settings.values()} == set(CORES)
    assert len({s.out for s in settings.values()}) == len(CORES)
    for name, each in settings.items():
        shared = (each.data, each.preprocessing, each.steps, each.batch_images, each.sizes, each.seed, each.ema)
        assert shared == (first.data, first.preprocessing, 200, 8, first.sizes, 3, first.ema), name
        assert each.model.max_words == first.model.max_words, name
