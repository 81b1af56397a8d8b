"""The kinds of model that can be trained, with a one-line description. Light to import: `table` has the models."""

from __future__ import annotations

KINDS: dict[str, str] = {
    "cgformer": "CGFormer (CVPR 2023): tokens that group cells, words fused inside the encoder",
    "haris": "HARIS (arXiv 2405.10707): human-like attention with feedback, frozen encoders, late fusion",
    "lavt": "LAVT (CVPR 2022): pixels attend to words inside the encoder, level by level, early fusion",
    "partial_res": "Partial-RES (CVPR 2023): SeqTR's sequence point by point, few masks, late fusion",
    "rela": "ReLA (CVPR 2023): regions attend to words and to each other, several targets or none, early fusion",
    "s2rm": "S2RM + CASG (arXiv 2405.09006): recurrent mining after the encoder, late fusion",
    "safari": "SafaRi (ECCV 2024): gated cross-attention inside both encoders, contour sequence",
    "seqtr": "SeqTR (ECCV 2022): the contour as a sequence of coordinate tokens, late fusion",
}
