"""The short names behind `hub:`: which repositories, at which commit, under which licence, how large. Light to import.

Commits, sizes and licences come from public code that pins the same weights by hash, as of November 2026; the hub
itself could not be reached. Weights of another commit are never taken for these: a commit is a hash of its files.
"""

from __future__ import annotations

from dataclasses import dataclass

from image_core.errors import UnknownNameError


@dataclass(frozen=True)
class Repository:
    """A repository of the hub with pinned commit, size and licence."""

    name: str  # OWNER/NAME
    revision: str  # the commit, 40 hex digits
    model_type: str  # as its config.json has it
    licence: str
    download_bytes: int  # of the weights; the other files are small
    gated: bool = False  # only users who accepted the licence can download it

    @property
    def size(self) -> str:
        """`download_bytes` as text, such as "603 MB"."""
        return size_of(self.download_bytes)


@dataclass(frozen=True)
class HubModel:
    """A short name for one or more repositories, whose networks together form the model."""

    name: str
    repositories: tuple[Repository, ...]
    kind: str  # name of the adapter: clipseg, grounded or sam3
    summary: str  # what it can do
    published: str  # its authors' metrics, with the benchmark; "" if these weights have none

    @property
    def text(self) -> str:
        """The repositories joined by +, as they can be written after `hub:`."""
        return "+".join(repository.name for repository in self.repositories)

    @property
    def download_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(repository.download_bytes for repository in self.repositories)

    @property
    def licence(self) -> str:
        """The licences of all weights, each once."""
        return ", ".join(dict.fromkeys(repository.licence for repository in self.repositories))

    @property
    def gated(self) -> bool:
        """Whether any repository is gated."""
        return any(repository.gated for repository in self.repositories)


def size_of(count: int) -> str:
    """A number of bytes as text, in MB, or in GB from 1000 MB on."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


CLIPSEG = Repository(
    "CIDAS/clipseg-rd64-refined",
    "999e0328d9e10b484360c477313983f9afdd7050",
    "clipseg",
    "Apache-2.0",
    603_049_496,
)
GROUNDING_DINO = Repository(
    "IDEA-Research/grounding-dino-base",
    "12bdfa3120f3e7ec7b434d90674b3396eccf88eb",
    "grounding-dino",
    "Apache-2.0",
    933_400_872,
)
GROUNDING_DINO_TINY = Repository(
    "IDEA-Research/grounding-dino-tiny",
    "a2bb814dd30d776dcf7e30523b00659f4f141c71",
    "grounding-dino",
    "Apache-2.0",
    689_359_096,
)
OWLV2 = Repository(
    "google/owlv2-base-patch16-ensemble",
    "cfd3195ba4ea9592eec887ded089f4c08eff231d",
    "owlv2",
    "Apache-2.0",
    619_918_824,
)
SAM = Repository(
    "facebook/sam-vit-base",
    "70c1a07f894ebb5b307fd9eaaee97b9dfc16068f",
    "sam",
    "Apache-2.0",
    375_042_383,  # of the first release of these weights, which the repository holds in another format
)
SAM2 = Repository(
    "facebook/sam2.1-hiera-base-plus",
    "b7320756a13354e7530a63935656d35b2f91a290",
    "sam2_video",
    "Apache-2.0",
    323_476_296,
)
SAM2_SMALL = Repository(
    "facebook/sam2.1-hiera-small",
    "ee5bba1d82bb8749febdf90f45e84b687142ba03",
    "sam2_video",
    "Apache-2.0",
    184_305_280,
)
SAM2_LARGE = Repository(
    "facebook/sam2.1-hiera-large",
    "665f8e2ad61cf5f53d65644ff27c8ee525124610",
    "sam2_video",
    "Apache-2.0",
    897_897_416,
)
EDGETAM = Repository(
    "yonigozlan/EdgeTAM-hf",
    "c266ce53b3fc00f0f495b583f6a116c4e57f53bb",
    "edgetam_video",
    "Apache-2.0",
    55_912_824,
)
SAM3 = Repository(
    "facebook/sam3",
    "3c879f39826c281e95690f02c7821c4de09afae7",
    "sam3_video",
    "SAM License",
    3_439_938_512,
    gated=True,
)

REPOSITORIES = {
    repository.name: repository
    for repository in (
        *(CLIPSEG, GROUNDING_DINO, GROUNDING_DINO_TINY, OWLV2, SAM, SAM2, SAM2_SMALL, SAM2_LARGE, EDGETAM, SAM3),
    )
}
"""By OWNER/NAME."""

HUB_MODELS = {
    model.name: model
    for model in (
        HubModel(
            "clipseg",
            (CLIPSEG,),
            "clipseg",
            'any expression as a dense map of 352 px; it knows no "not there"',
            "",
        ),
        HubModel(
            "grounded-sam2",
            (GROUNDING_DINO, SAM2),
            "grounded",
            "boxes by words (GroundingDINO), drawn by SAM 2.1; relations by our rules",
            "GroundingDINO-B: COCO box AP 56.7; SAM 2.1 B+: SA-V test J&F 78.2",
        ),
        HubModel(
            "owlv2-sam",
            (OWLV2, SAM),
            "grounded",
            "boxes by words (OWLv2), many of them on one encoding, drawn by SAM; relations by our rules",
            "",
        ),
        HubModel(
            "sam3",
            (SAM3,),
            "sam3",
            "all instances of a noun phrase, and whether it is there; relations by our rules",
            "SA-Co/Gold cgF1 54.1; LVIS mask AP 48.5, zero-shot",
        ),
    )
}
"""By short name."""


def hub_model(name: str) -> HubModel:
    """The model with this short name. Raises `UnknownNameError` with the nearest name."""
    if name not in HUB_MODELS:
        raise UnknownNameError("hub model", name, list(HUB_MODELS))
    return HUB_MODELS[name]
