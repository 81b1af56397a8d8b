"""Expressions made for a film: each means what it is said to mean, on every frame, whoever is hidden or gone."""

from __future__ import annotations

from random import Random

import pytest

from image_core.synthetic import meanings
from image_core.synthetic.meanings import Meaning
from rvos.synthetic.animation import Animation
from rvos.synthetic.dataset import SyntheticVideos
from rvos.synthetic.expressions import answer
from rvos.synthetic.phrasing import about_nothing, about_one, about_several

VIDEOS = SyntheticVideos("val", 5, (72, 128))
FAMILIES = range(8)


@pytest.fixture
def spelt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts spell their meaning out, as Python writes it, and the number of the utterance."""
    monkeypatch.setattr("rvos.synthetic.phrasing.realise", lambda meaning, rng: f"{meaning!r}#{rng.random()}")


def meaning_of(text: str) -> Meaning:
    return eval(text.partition("#")[0], dict(vars(meanings)))


def always_means(text: str, animation: Animation, object_ids: set[int]) -> bool:
    meaning = meaning_of(text)
    return all(answer(meaning, scene) == object_ids & set(scene.by_id) for scene in animation.visible_scenes)


@pytest.mark.usefixtures("spelt")
@pytest.mark.parametrize("index", FAMILIES)
def test_a_text_about_one_object_means_it_alone_on_every_frame(index: int) -> None:
    animation = VIDEOS.describe(index).animation
    said = about_one(animation, 4, Random(0))
    assert len(said) >= 3 and list(said) == sorted(said)
    for object_id, texts in said.items():
        assert len(set(texts)) == 4
        assert all(always_means(text, animation, {object_id}) for text in texts)


@pytest.mark.usefixtures("spelt")
@pytest.mark.parametrize("index", FAMILIES)
def test_texts_about_several_and_about_nothing(index: int) -> None:
    animation = VIDEOS.describe(index).animation
    several = about_several(animation, 3, Random(0))
    assert len(several) == 3
    for text, object_ids in several:
        assert len(object_ids) > 1 and list(object_ids) == sorted(object_ids)
        assert always_means(text, animation, set(object_ids))
    assert [always_means(text, animation, set()) for text in about_nothing(animation, 2, Random(0))] == [True, True]


def test_texts_are_different_and_the_same_for_the_same_seed() -> None:
    animation = VIDEOS.describe(2).animation
    said = about_one(animation, 4, Random("a seed"))
    assert said == about_one(animation, 4, Random("a seed"))
    assert about_one(animation, 4, Random("another")) != said
    everything = [text for texts in said.values() for text in texts]
    assert len(everything) == len(set(everything)) == 4 * len(said)
