"""Image-text-to-text models of transformers (SmolVLM, Qwen-VL, LLaVA and their kin): pictures and a question in, a text
out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from image_core.errors import CheckpointError
from image_core.hub.loading import Network, Where, read_network
from image_core.hub.sources import Source

KIND = "image-text-to-text"
"""As the hub calls them."""


class ImageTextModel:
    """A model that answers questions about pictures. It holds no state between calls."""

    def __init__(self, name: str, network: Network) -> None:
        """name: as it was asked for, for messages."""
        self.name = name
        self.network = network

    def answer(self, pictures: Sequence[np.ndarray], question: str, most_tokens: int) -> str:
        """N pictures (h, w, 3) uint8 RGB of any sizes, shown in this order before the question -> what it writes.

        most_tokens: of the answer. Decoding is greedy, so that the same question has the same answer.

        Raises `CheckpointError` where the model cannot take such a question: its context or its device is too small.
        """
        shown = [{"type": "image", "image": picture} for picture in pictures]
        turn = {"role": "user", "content": [*shown, {"type": "text", "text": question}]}
        processor = self.network.processor
        with self._told(len(pictures)), self.network.asked():
            inputs = processor.apply_chat_template(
                [turn],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                # A picture can be a few pixels wide: the channel axis must not be guessed from the shape.
                processor_kwargs={"images_kwargs": {"input_data_format": "channels_last"}},
            ).to(self.network.device)
            written = self.network.model.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=most_tokens)
        asked = inputs["input_ids"].shape[1]
        return str(processor.tokenizer.decode(written[0, asked:], skip_special_tokens=True))

    @contextmanager
    def _told(self, pictures: int) -> Iterator[None]:
        try:
            yield
        except (ValueError, RuntimeError, IndexError) as error:
            first = (str(error).splitlines() or [""])[0].strip() or type(error).__name__
            raise CheckpointError(
                f"network '{self.name}': cannot answer a question with {pictures} pictures ({first}): show it fewer or "
                "smaller ones, or take another model"
            ) from error


def read_image_text_model(source: Source, where: Where) -> ImageTextModel:
    """Raises `CheckpointError` as `read_network` does, and for a model that is asked without a chat."""
    network = read_network(source, "AutoModelForImageTextToText", "AutoProcessor", where)
    processor = network.processor
    if not getattr(processor, "chat_template", None):
        raise CheckpointError(
            f"network '{source.name}': expected an {KIND} model with a chat template, got a '{source.model_type}' "
            "without: take one that is tuned to follow instructions"
        )
    _take_the_likeliest(network)
    return ImageTextModel(source.name, network)


def _take_the_likeliest(network: Network) -> None:
    """Turns sampling off, and removes the sampling settings of published models, of which transformers would warn at
    every question."""
    config, tokenizer = network.model.generation_config, network.processor.tokenizer
    config.update(do_sample=False, temperature=None, top_p=None, top_k=None)
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
