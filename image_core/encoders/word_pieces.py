"""BERT's tokenizer, made from a vocabulary of word pieces as it comes with published checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from image_core.errors import DataError

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def read_word_pieces(path: Path) -> Tokenizer:
    """From vocab.txt, a word piece a line, as in bert-base-uncased; or from a tokenizer.json, which is complete.

    Lower case, accents off, [CLS] before and [SEP] behind; padded at the end. Raises `DataError` for a file that is
    missing, broken, or lacks one of the special tokens.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a vocabulary in UTF-8, got a file that cannot be read ({error})") from error
    if path.suffix == ".json":
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the library raises bare ones
            raise DataError(f"{path}: expected a tokenizer's JSON, got another file ({error})") from error
        vocabulary = tokenizer.get_vocab()
    else:
        lines = text.splitlines()
        vocabulary = {word: row for row, word in enumerate(lines)}
        if len(vocabulary) != len(lines):
            raise DataError(f"{path}: expected each word piece once, got {len(lines) - len(vocabulary)} of them again")
        tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    if missing := [word for word in _SPECIAL if word not in vocabulary]:
        raise DataError(f"{path}: expected {', '.join(_SPECIAL)} among the words, got none of {', '.join(missing)}")
    if path.suffix != ".json":
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)  # pyright: ignore[reportAttributeAccessIssue]
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # pyright: ignore[reportAttributeAccessIssue]
        tokenizer.post_processor = processors.BertProcessing(  # pyright: ignore[reportAttributeAccessIssue]
            ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
        )
    tokenizer.enable_padding(direction="right", pad_id=vocabulary["[PAD]"], pad_token="[PAD]")
    return tokenizer


def bert_document(tokenizer: Tokenizer, options: Mapping[str, Any]) -> str:
    """What `build_text_encoder` takes as `tokenizer_json`: a BERT of such a config, and its tokenizer."""
    config = {"model_type": "bert", **options}
    return json.dumps({"config": config, "tokenizer": json.loads(tokenizer.to_str())})
