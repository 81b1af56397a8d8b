"""Image-text-to-text networks of transformers in sizes for tests, as `tests.tiny_networks` has the others.

Their tokenizer writes bytes, so that it has a piece for every text.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests.tiny_networks import SMALL, made, saved


def chat_template(picture: str) -> str:
    """A chat as published templates write one. picture: what stands for a picture."""
    part = f"{{% if part['type'] == 'image' %}}{picture}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
    turn = f"User: {{% for part in turn['content'] %}}{part}{{% endfor %}}<|end|>"
    return f"{{% for turn in messages %}}{turn}{{% endfor %}}" + "{% if add_generation_prompt %}Assistant:{% endif %}"


def byte_tokenizer(*special: str) -> Any:
    """One whose pieces are bytes, so that it can write any text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(alphabet)}, merges=[]))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    ends = {"eos_token": "<|end|>", "pad_token": "<|pad|>"}
    tokenizer = made("PreTrainedTokenizerFast", tokenizer_object=pieces, **ends)
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


def language_of(tokenizer: Any, **more: Any) -> dict[str, Any]:
    """A configuration of a language model that fits a tokenizer."""
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 8192, "num_key_value_heads": 2}
    return SMALL | ends | sizes | more


def write_idefics3(folder: Path) -> Path:
    """SmolVLM's kind: a picture is cut into tiles."""
    tokenizer = byte_tokenizer("<fake_token_around_image>", "<image>", "<end_of_utterance>")
    images = made("Idefics3ImageProcessor", size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    template = chat_template("<image>")
    processor = made("Idefics3Processor", images, tokenizer, image_seq_len=4, chat_template=template)
    config = made(
        "Idefics3Config",
        vision_config=made("Idefics3VisionConfig", **SMALL, image_size=32, patch_size=8),
        text_config=made("LlamaConfig", **language_of(tokenizer)),
        scale_factor=2,
        tie_word_embeddings=True,
        image_token_id=processor.image_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    return saved(folder, made("Idefics3ForConditionalGeneration", config), processor)


def write_qwen2_vl(folder: Path) -> Path:
    """A picture keeps its proportions."""
    marks = {name: f"<|{name}|>" for name in ("vision_start", "vision_end", "image_pad", "video_pad")}
    tokenizer = byte_tokenizer(*marks.values())
    tokenizer.image_token, tokenizer.video_token = marks["image_pad"], marks["video_pad"]
    images = made("Qwen2VLImageProcessor", min_pixels=28 * 28, max_pixels=56 * 56)
    template = chat_template("<|vision_start|><|image_pad|><|vision_end|>")
    processor = made("Qwen2VLProcessor", images, tokenizer, made("Qwen2VLVideoProcessor"), chat_template=template)
    ids = {name: tokenizer.convert_tokens_to_ids(mark) for name, mark in marks.items()}
    turned = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    config = made(
        "Qwen2VLConfig",
        vision_config={
            "depth": 1,
            "embed_dim": 16,
            "hidden_size": 16,
            "num_heads": 2,
            "patch_size": 14,
            "mlp_ratio": 2,
        },
        text_config=language_of(tokenizer, rope_parameters=turned),
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=ids["vision_end"],
    )
    torch.manual_seed(0)
    return saved(folder, made("Qwen2VLForConditionalGeneration", config), processor)


def write_llava(folder: Path) -> Path:
    """Every picture becomes a square."""
    tokenizer = byte_tokenizer("<image>")
    sides = {"height": 32, "width": 32}
    images = made("CLIPImageProcessor", size={"shortest_edge": 32}, crop_size=sides)
    processor = made(
        "LlavaProcessor",
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template("<image>"),
    )
    vision = SMALL | {"num_hidden_layers": 2, "image_size": 32, "patch_size": 8}
    config = made(
        "LlavaConfig",
        vision_config=made("CLIPVisionConfig", **vision),
        text_config=made("LlamaConfig", **language_of(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
    )
    torch.manual_seed(0)
    return saved(folder, made("LlavaForConditionalGeneration", config), processor)


CHAT_WRITERS: dict[str, Callable[[Path], Path]] = {
    "idefics3": write_idefics3,
    "qwen2_vl": write_qwen2_vl,
    "llava": write_llava,
}
