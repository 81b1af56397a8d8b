"""Trains the WordPiece vocabulary of the small text encoder on expressions of the synthetic language.

python tools/train_vocabulary.py [--expressions N] [--seed S] [--out DIR]
"""

from __future__ import annotations

import argparse
import string
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from image_core.encoders.text import SMALL_VOCABULARY
from image_core.synthetic.language import expression_texts, training_words

SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
ALPHABET = [c for c in string.printable if c.isascii() and not c.isspace() and not c.isupper()]
PROBE = 'the jagged vehicle\'s 2nd-left wheel (no. 7), quartz & "zebra" ~ {x_1}^2 = $5 | <b> #@ %*+/\\;:?![]`'


def train_vocabulary(lines: Sequence[str], pieces: int = 400) -> PreTrainedTokenizerFast:
    """A lower-casing WordPiece tokenizer with about `pieces` trained word pieces and every whole word of `lines`.

    It covers any printable ASCII text: each character is in the vocabulary, alone and as a continuation. The trainer
    breaks ties at random, so fragments and ids differ from run to run; a model file carries its own tokenizer.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=pieces, special_tokens=list(SPECIAL.values()), initial_alphabet=ALPHABET, show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    vocabulary = dict(sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))
    continuations = [f"##{c}" for c in string.ascii_lowercase + string.digits]
    for piece in continuations + words_of(tokenizer, lines):
        vocabulary.setdefault(piece, len(vocabulary))
    tokenizer.model = models.WordPiece(vocabulary, unk_token="[UNK]")
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(t, vocabulary[t]) for t in ("[CLS]", "[SEP]")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **SPECIAL)


def words_of(tokenizer: Tokenizer, lines: Sequence[str]) -> list[str]:
    """The words of `lines`, the most frequent first, as `tokenizer` splits them."""
    assert tokenizer.normalizer is not None and tokenizer.pre_tokenizer is not None
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(w for w, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(line)))
    return [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expressions", type=int, default=20_000, help="expressions to train on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=SMALL_VOCABULARY)
    arguments = parser.parse_args()
    lines = [*expression_texts("train", arguments.seed, arguments.expressions), *sorted(training_words())]
    tokenizer = train_vocabulary(lines)
    if "[UNK]" in tokenizer.tokenize(PROBE):
        raise SystemExit(f"some characters of the probe are unknown: {tokenizer.tokenize(PROBE)}")
    tokenizer.save_pretrained(arguments.out)
    print(f"{len(tokenizer)} entries in {arguments.out}")


if __name__ == "__main__":
    main()
