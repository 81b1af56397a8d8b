"""Maskers that are asked on their own: what they draw of a box, and how they are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from image_core.adapters.maskers import identify_masker, packaged_revision, resolve_masker
from image_core.errors import CheckpointError, ConfigError, RvosError, UnknownNameError
from image_core.weights.manifest import bundle_of
from tests.tiny_networks import WRITERS

BOXES = [(4.0, 4.0, 30.0, 40.0), (20.0, 10.0, 60.0, 44.0)]


def no_weights(name: str) -> dict[str, Path]:
    raise CheckpointError(f"weights '{name}': not here")


@pytest.mark.parametrize("kind", ["sam", "sam_hq", "sam2", "edgetam"])
def test_masks_of_a_box_do_not_depend_on_other_boxes(kind: str, tmp_path: Path) -> None:
    masker = resolve_masker(f"hub:{WRITERS[kind](tmp_path)}", "cpu", "fp32", no_weights)
    image = np.random.default_rng(0).integers(0, 255, (48, 80, 3), dtype=np.uint8)
    encoded = masker.encode_image(image)
    together = masker.predict_masks(encoded, BOXES)
    alone = [masker.predict_masks(encoded, [box])[0] for box in BOXES]
    assert [len(each) for each in together] == [3, 3]
    for one, other in zip([d for each in together for d in each], [d for each in alone for d in each], strict=True):
        assert one.mask.shape == (48, 80) and 0 <= one.quality <= 1 and one.quality == other.quality
        np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("foto", UnknownNameError, r"unknown masker 'foto': did you mean 'photo'\?"),
        ("hub:sam", UnknownNameError, r"unknown masker 'hub:sam': .* hub:OWNER/NAME or hub:FOLDER"),
        ("photo", CheckpointError, "weights 'photo': not here"),
    ],
)
def test_a_masker_that_cannot_be_loaded_is_reported(name: str, kind: type[RvosError], message: str) -> None:
    with pytest.raises(kind, match=message):
        resolve_masker(name, "cpu", "fp32", no_weights)


def test_a_network_that_is_no_masker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected one of sam, .*, which is a 'clipseg'"):
        identify_masker(f"hub:{WRITERS['clipseg'](tmp_path)}")


def test_the_packaged_masker_has_no_other_precision_than_fp32() -> None:
    with pytest.raises(ConfigError, match="expected fp32 with the masker 'photo', got bf16"):
        resolve_masker("photo", "cpu", "bf16", no_weights)


def test_the_packaged_masker_is_known_without_its_weights() -> None:
    identity, (revision, licence) = identify_masker("photo"), packaged_revision()
    assert (identity.name, identity.revision, identity.licence) == ("photo", revision, licence)
    assert licence in {package.licence for package in bundle_of("photo").packages} and len(revision) == 64
