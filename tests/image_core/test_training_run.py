"""Whole runs of a few steps: stopped and continued is in one go, what a run leaves behind, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from torch import Tensor, nn

from image_core.checkpoint import load_model
from image_core.errors import ConfigError, DataError, OutputError
from image_core.evaluation.scoring import evaluate_images, predict_with
from image_core.folder import lock_folder
from image_core.models.description import ModelConfig
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing
from image_core.sample import ImageSample
from image_core.segmenter import ImageSegmenter
from image_core.synthetic.dataset import SyntheticImages
from image_core.synthetic.language import training_words
from image_core.training import recipe
from image_core.training.batches import PseudoPart
from image_core.training.config import TRAINING, DataConfig, OptimiserConfig, TrainConfig
from image_core.training.engine import Engine, state_file
from image_core.training.log import read_log
from image_core.training.recipe import data_name, datasets, train
from image_core.training.subset import labelled_indices

MakeSettings = Callable[..., TrainConfig]
pytestmark = pytest.mark.usefixtures("without_curves")


class Killed(BaseException):
    """Not an `Exception`: nothing on the way may catch it."""


class Samples:
    """Synthetic pictures, until one is asked for at which the process is killed."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.pictures, self.killed_at = SyntheticImages("train", 0, (32, 32), 3), killed_at

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> ImageSample:
        if self.killed_at is not None and index >= self.killed_at:
            raise Killed
        return self.pictures[index]


def run(settings: TrainConfig, killed_at_step: int | None = None, validate: Any = None) -> Engine:
    """A run from its beginning, or from where an earlier one was killed."""
    killed_at = None if killed_at_step is None else killed_at_step * settings.batch_images
    torch.manual_seed(settings.seed)
    engine = Engine(build_model(settings.model), Samples(killed_at), settings)
    engine.run(validate or (lambda weights, step: {"mIoU": digest(weights)}))
    return engine


def digest(weights: Mapping[str, Tensor]) -> float:
    return sum(float(value.double().abs().sum()) for value in weights.values())


def lines(out: Path) -> list[dict[str, Any]]:
    """The log without what depends on the clock."""
    return [{k: v for k, v in line.items() if k != "images_per_s"} for line in read_log(out / "log.jsonl")]


def assert_same_state(a: Path, b: Path) -> None:
    first, second = (torch.load(state_file(out), weights_only=True) for out in (a, b))
    assert first["step"] == second["step"]
    for part in ("model", "average"):
        assert first[part].keys() == second[part].keys()
        assert all(torch.equal(first[part][key], second[part][key]) for key in first[part])
    for key, values in first["optimiser"]["state"].items():
        assert all(torch.equal(value, second["optimiser"]["state"][key][name]) for name, value in values.items())


@pytest.fixture(scope="module")
def in_one_go(tiny_settings: MakeSettings) -> TrainConfig:
    settings = tiny_settings()
    run(settings)
    return settings


def test_killed_and_continued_is_in_one_go(in_one_go: TrainConfig, tiny_settings: MakeSettings) -> None:
    """Killed twice: two steps after a save, so that two steps are done again; and then in the step after a save."""
    settings = tiny_settings(save_every=3, eval_every=6)
    with pytest.raises(Killed):
        run(settings, killed_at_step=5)
    assert [line["step"] for line in lines(settings.out)] == [1, 2, 3, 4, 5]
    with pytest.raises(Killed):
        run(settings, killed_at_step=9)
    run(settings)
    expected = [{"step": step, "kind": "train"} for step in range(1, 13)]
    found = [{k: line[k] for k in ("step", "kind")} for line in lines(settings.out) if line["kind"] == "train"]
    assert found == expected
    assert lines(settings.out) == lines(in_one_go.out)  # losses, norms, rates and validation, digit by digit
    assert_same_state(settings.out, in_one_go.out)


def test_a_kill_between_saving_and_validating_loses_no_validation(
    in_one_go: TrainConfig, tiny_settings: MakeSettings
) -> None:
    settings = tiny_settings()

    def killed(weights: Mapping[str, Tensor], step: int) -> dict[str, float]:
        if step == at:
            raise Killed
        return {"mIoU": digest(weights)}

    for at in (6, 12):
        with pytest.raises(Killed):
            run(settings, validate=killed)
        assert torch.load(state_file(settings.out), weights_only=True)["step"] == at
    run(settings)
    assert lines(settings.out) == lines(in_one_go.out)


def test_a_finished_run_is_finished(in_one_go: TrainConfig) -> None:
    before = {path.name: path.read_bytes() for path in in_one_go.out.iterdir()}

    def never(weights: Mapping[str, Tensor], step: int) -> dict[str, float]:
        raise AssertionError("validated again")

    run(in_one_go, killed_at_step=0, validate=never)
    assert {path.name: path.read_bytes() for path in in_one_go.out.iterdir()} == before
    assert sorted(before) == ["curves.png", "log.jsonl", "settings.json", "state.pt"]  # nothing half-written beside


def test_a_finished_run_opens_no_data(tiny_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tiny_settings(steps=4)
    assert recipe.finished(settings) is None
    path = train(settings)

    def opened(*_: Any) -> Any:
        raise AssertionError("opened")

    monkeypatch.setattr(recipe, "datasets", opened)
    assert train(settings) == path == recipe.finished(replace(settings, eval_images=9))
    with pytest.raises(OutputError, match=r"holds another run \(different: seed\): remove it, or take another out="):
        train(replace(settings, seed=5))


def test_a_folder_in_use_is_refused(tiny_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = replace(TRAINING, lock_timeout_s=0.0)
    monkeypatch.setattr(recipe, "TRAINING", hasty)
    settings = tiny_settings(steps=4)
    with lock_folder(settings.out, hasty), pytest.raises(OutputError, match="is in use by another run: wait for it"):
        train(settings)
    assert [path.name for path in settings.out.iterdir()] == [".lock"]
    assert train(settings).exists()


def test_other_settings_are_refused_by_name(tiny_settings: MakeSettings) -> None:
    settings = tiny_settings(steps=4)
    run(settings)
    other = replace(settings, seed=7, optimiser=replace(settings.optimiser, lr=1.0))
    with pytest.raises(OutputError, match=r"holds another run \(different: optimiser.lr, seed\)"):
        run(other)
    assert [line["step"] for line in lines(settings.out)] == [1, 2, 3, 4, 4]  # and is left as it was
    run(replace(settings, workers=1, log_every=2, eval_images=1))


def test_an_out_that_cannot_be_a_folder(tiny_settings: MakeSettings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out, message in ((tmp_path / "file", "got a file"), (tmp_path / "file" / "run", "cannot be written")):
        with pytest.raises(OutputError, match=f"{message}.*take another out="):
            run(tiny_settings(out=out))


def test_training_learns_and_schedules(tiny_settings: MakeSettings, preprocessing: Preprocessing) -> None:
    settings = tiny_settings(steps=6, ema=0.0, save_every=6, preprocessing=replace(preprocessing, size_px=64))
    torch.manual_seed(0)
    engine = Engine(build_model(settings.model), Samples(), settings)
    before = {name: p.detach().clone() for name, p in engine.plain_model.named_parameters()}
    engine.run(lambda weights, step: {"mIoU": 0.0})
    still = [name for name, p in engine.plain_model.named_parameters() if torch.equal(p, before[name])]
    assert still == []
    rates = [line["lr"] for line in lines(settings.out) if line["kind"] == "train"]
    assert rates[:4] == pytest.approx([2e-3 / 3, 4e-3 / 3, 2e-3, 2e-3]) and rates[4] > rates[5] > 0
    own = engine.plain_model.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in engine.average.state.items())  # ema 0: no average


def test_the_gradients_of_two_parts_are_a_weighted_sum(tiny_settings: MakeSettings) -> None:
    """By hand: L(first batch) + 0.25 * L(second batch), the second of another number of pictures."""
    settings = tiny_settings(steps=4)
    model = build_model(settings.model)
    pseudo = PseudoPart(SyntheticImages("val", 0, (32, 32), 2), weight=0.25, images=3)
    engine = Engine(model, Samples(), settings, pseudo)
    engine.model.train()
    batches = engine.parts[0]
    assert [len(batch.images) for batch in batches.values()] == [2, 3]
    torch.manual_seed(5)
    expected = []
    for batch, weight in zip(batches.values(), (1.0, 0.25), strict=True):
        loss = torch.stack(list(model.losses(model(batch), batch).values())).sum() * weight
        gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        expected.append((loss.item(), gradients))
    torch.manual_seed(5)  # the same dropout
    told = engine._gradients(batches)
    assert told["loss"].item() == pytest.approx(expected[0][0] + expected[1][0], rel=1e-6)
    own = model.losses(model(batches[""]), batches[""])
    assert {key.removeprefix("pseudo_") for key in told} == {*own, "loss"}
    for parameter, first, second in zip(model.parameters(), expected[0][1], expected[1][1], strict=True):
        assert (parameter.grad is None) == (first is None)
        if parameter.grad is not None and first is not None and second is not None:
            torch.testing.assert_close(parameter.grad, first + second, rtol=1e-4, atol=1e-6)


def test_both_parts_learn_and_killed_is_in_one_go(tiny_settings: MakeSettings) -> None:
    pseudo = PseudoPart(SyntheticImages("val", 0, (32, 32), 2, length=5), weight=0.5, images=2)

    def start(settings: TrainConfig, killed_at_step: int | None = None, part: PseudoPart | None = pseudo) -> None:
        torch.manual_seed(0)
        killed_at = None if killed_at_step is None else killed_at_step * settings.batch_images
        engine = Engine(build_model(settings.model), Samples(killed_at), settings, part)
        engine.run(lambda weights, step: {"mIoU": digest(weights)})

    whole, broken, alone = (tiny_settings(steps=6, save_every=2, eval_every=3) for _ in range(3))
    start(whole)
    with pytest.raises(Killed):
        start(broken, killed_at_step=3)
    start(broken)
    assert lines(broken.out) == lines(whole.out)
    assert_same_state(broken.out, whole.out)
    start(alone, part=None)
    with pytest.raises(AssertionError):
        assert_same_state(alone.out, whole.out)


def test_the_norm_is_clipped_and_logged(tiny_settings: MakeSettings) -> None:
    settings = tiny_settings(steps=4, save_every=4)
    run(settings)
    assert all(line["gradient_norm"] > 0 for line in lines(settings.out) if line["kind"] == "train")
    off = replace(settings, out=settings.out.with_name("off"), optimiser=replace(settings.optimiser, clip=0.0))
    run(off)
    assert all("gradient_norm" not in line for line in lines(off.out))


def test_a_loss_that_is_no_number_ends_the_run(tiny_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tiny_settings(steps=4)
    engine = Engine(build_model(settings.model), Samples(), settings)
    nn.init.constant_(next(engine.plain_model.parameters()), float("nan"))
    with pytest.raises(FloatingPointError, match="step 0: loss is nan; terms"):
        engine.run(lambda weights, step: {})
    assert not state_file(settings.out).exists()


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, tiny_spec: Callable[..., ModelConfig], preprocessing: Preprocessing
) -> Iterator[Any]:
    """The recipe from end to end: four steps at two sizes in bf16, which this processor may imitate."""
    settings = TrainConfig(
        model=tiny_spec(update="side_by_side", presence_head=True, auxiliary_weight=0.4),
        preprocessing=preprocessing,
        out=tmp_path_factory.mktemp("runs") / "trained",
        data=DataConfig(expressions_per_image=3),
        steps=4,
        batch_images=2,
        sizes=((0.0, 32), (0.5, 64)),
        precision="bf16",
        device="cpu",
        workers=1,
        log_every=2,
        eval_every=2,
        eval_images=3,
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("image_core.device.computes_bf16", lambda device: True)
        yield settings, train(settings, command="rvos train out='a b'")


def test_the_model_file_of_a_run(trained: tuple[TrainConfig, Path]) -> None:
    settings, path = trained
    assert path == settings.out / "model.safetensors"
    loaded = load_model(path)
    told = loaded.provenance
    assert (told.command, told.data, told.seed, told.steps) == ("rvos train out='a b'", data_name(settings.data), 0, 4)
    assert told.words == tuple(sorted(training_words())) and len(told.commit) in (0, 40) and len(told.date) == 10
    assert json.dumps(loaded.spec.to_dict()) == json.dumps(settings.model.to_dict())
    assert loaded.preprocessing == settings.preprocessing
    average = torch.load(state_file(settings.out), weights_only=True)["average"]
    fitted = {"presence_scale", "presence_offset"}
    assert all(torch.equal(value, average[k]) for k, value in loaded.model.state_dict().items() if k not in fitted)
    assert average["presence_scale"] == 1 and average["presence_offset"] == 0


def test_the_scores_of_a_run_can_be_had_again(trained: tuple[TrainConfig, Path]) -> None:
    """The file with its calibration gives the figures of its own provenance and of the log."""
    settings, path = trained
    segmenter = ImageSegmenter.load(path, "cpu", "bf16")
    _, validation, _ = datasets(settings.data, settings)
    report = evaluate_images(predict_with(segmenter), validation, settings.eval_images)
    scores = segmenter.provenance.scores["val"]
    assert {k: report[k] for k in scores} == pytest.approx(scores)
    last = lines(settings.out)[-1]
    assert last["kind"] == "validation" and last["step"] == 4
    assert last["mIoU"] == pytest.approx(scores["mIoU"], abs=1e-4)
    assert scores["T-acc"] >= 0.96


def test_the_curves_of_a_run(trained: tuple[TrainConfig, Path]) -> None:
    picture = cv2.imread(str(trained[0].out / "curves.png"))
    assert picture is not None and picture.std() > 10


def test_a_run_on_data_without_absent_targets(tiny_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As RefCOCO is: there is no N-acc, and nothing to calibrate."""
    families = ("attribute", "location")
    pictures = SyntheticImages("val", 0, (32, 32), 2, families=families)
    monkeypatch.setattr(recipe, "datasets", lambda *_: (pictures, pictures, None))
    path = train(tiny_settings(steps=4, optimiser=replace(tiny_settings().optimiser, warmup_steps=0)))
    loaded = load_model(path)
    assert loaded.provenance.words is None and "N-acc" not in loaded.provenance.scores["val"]
    assert (loaded.model.presence_scale.item(), loaded.model.presence_offset.item()) == (1.0, 0.0)


def test_the_tokenizer_in_training_is_the_one_that_is_saved(
    tiny_settings: MakeSettings, tiny_spec: Callable[..., ModelConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model file must read words as the model in training did, wherever its tokenizer came from."""
    spec = tiny_spec()
    own = json.loads(build_model(spec).get_submodule("text").tokenizer_json())  # type: ignore[operator]
    own["tokenizer"]["model"]["vocab"] = dict(
        zip(own["tokenizer"]["model"]["vocab"], reversed(range(own["config"]["vocab_size"])), strict=True)
    )
    monkeypatch.setattr(recipe, "build_model", lambda s: build_model(s, tokenizer_json=json.dumps(own)))
    path = train(tiny_settings(model=spec, steps=4))
    saved = json.loads(load_model(path).model.get_submodule("text").tokenizer_json())  # type: ignore[operator]
    assert saved["tokenizer"]["model"]["vocab"] == own["tokenizer"]["model"]["vocab"]


def test_few_labels_are_few_images(tiny_settings: MakeSettings) -> None:
    """`labels` on synthetic pictures: those of the subset, in the size of the run, and the whole validation split."""
    settings = tiny_settings(data=DataConfig(images=40, labels=0.1))
    training, validation, _ = datasets(settings.data, settings)
    whole, other, _ = datasets(replace(settings.data, labels=1.0), settings)
    names = [whole[index].sample_id for index in labelled_indices(40, 0.1, settings.seed)]
    assert len(whole) == 40 and len(validation) == len(other)
    assert [training[i].sample_id for i in range(len(training))] == names and len(names) == 4


def test_a_run_that_contradicts_itself_is_refused_before_it_begins(
    tiny_settings: MakeSettings, preprocessing: Preprocessing, tmp_path: Path
) -> None:
    out = tmp_path / "never"
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"device": "cuda:99"}, ConfigError, "cuda:99"),
        (
            {"preprocessing": replace(preprocessing, size_px=40, multiple=4)},
            ConfigError,
            "preprocessing.multiple: expected a multiple of the model's 32, got 4",
        ),
        ({"data": DataConfig("refcoco", root=str(tmp_path / "none"))}, DataError, "none"),
        ({"batch_images": 2, "model": replace(tiny_settings().model, name="s2rn")}, Exception, "did you mean 's2rm'"),
        (
            {"optimiser": OptimiserConfig(frozen=("text.embeddings",))},
            ConfigError,
            "frozen: expected parts with trained weights, got text.embeddings of random ones: give init=FILE",
        ),
    ]
    for changes, kind, message in cases:
        with pytest.raises(kind, match=message) as error:
            train(tiny_settings(out=out, **changes))
        assert "\n" not in str(error.value)
    assert not out.exists()


def test_without_git_the_commit_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert recipe.commit() == ""


def test_a_run_can_start_from_a_model_file(tiny_settings: MakeSettings, tiny_spec: Callable[..., ModelConfig]) -> None:
    first = train(tiny_settings(), command="first")
    settings = tiny_settings(init=str(first), seed=1, steps=4)
    model, origin = recipe.initial_model(settings)
    before = load_model(first).model.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items()) and model.training
    assert origin.command == "first"
    provenance = load_model(train(settings, command="second")).provenance
    assert provenance.command == "first && second" and provenance.steps == 12 + 4
    with pytest.raises(ConfigError, match=r"init: expected the model .* differs in config\.presence_head"):
        recipe.initial_model(replace(settings, model=tiny_spec(presence_head=False)))
    reweighed = replace(settings.model, config={**settings.model.config, "presence_weight": 2.0})
    assert recipe.initial_model(replace(settings, model=reweighed))[0].config.presence_weight == 2.0
    other = 0.0 if settings.model.config.get("auxiliary_weight") else 0.4
    headless = replace(settings.model, config={**settings.model.config, "auxiliary_weight": other})
    with pytest.raises(ConfigError, match="expected the tensors that the settings describe"):
        recipe.initial_model(replace(settings, model=headless))
