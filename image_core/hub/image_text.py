"""Image-text-to-text models of transformers, such as SmolVLM, Qwen-VL and LLaVA: images and a question in, a text
out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from image_core.errors import CheckpointError
from image_core.hub.loading import Network, Placement, read_network
from image_core.hub.sources import Source

KIND = "image-text-to-text"
"""The hub's name for this task."""


class ImageTextModel:
    """A model that answers questions about images. It holds no state between calls."""

    def __init__(self, name: str, network: Network) -> None:
        """name: as the user gave it, for messages."""
        self.name = name
        self.network = network

    def answer(self, images: Sequence[np.ndarray], question: str, most_tokens: int) -> str:
        """N images (h, w, 3) uint8 RGB of any sizes, placed in this order before the question -> the generated text.

        most_tokens: the largest number of tokens of the answer. Decoding is greedy, so the same question always gets
        the same answer.

        Raises `CheckpointError` if the model cannot process the question: its context or the device's memory is too
        small.
        """
        image_parts = [{"type": "image", "image": image} for image in images]
        message = {"role": "user", "content": [*image_parts, {"type": "text", "text": question}]}
        processor = self.network.processor
        with self._generation_errors(len(images)), self.network.inference():
            inputs = processor.apply_chat_template(
                [message],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                # An image can be a few pixels wide: the channel axis must not be guessed from the shape.
                processor_kwargs={"images_kwargs": {"input_data_format": "channels_last"}},
            ).to(self.network.device)
            output_ids = self.network.model.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=most_tokens)
        prompt_length = inputs["input_ids"].shape[1]
        return str(processor.tokenizer.decode(output_ids[0, prompt_length:], skip_special_tokens=True))

    @contextmanager
    def _generation_errors(self, image_count: int) -> Iterator[None]:
        try:
            yield
        except (ValueError, RuntimeError, IndexError) as error:
            first = (str(error).splitlines() or [""])[0].strip() or type(error).__name__
            raise CheckpointError(
                f"network '{self.name}': cannot answer a question with {image_count} images ({first}): use fewer or "
                "smaller ones, or another model"
            ) from error


def read_image_text_model(source: Source, placement: Placement) -> ImageTextModel:
    """Load a model. Raises `CheckpointError` as `read_network` does, and for a model without a chat template."""
    network = read_network(source, "AutoModelForImageTextToText", "AutoProcessor", placement)
    processor = network.processor
    if not getattr(processor, "chat_template", None):
        raise CheckpointError(
            f"network '{source.name}': expected an {KIND} model with a chat template, got a '{source.model_type}' "
            "without: use an instruction-tuned model"
        )
    _set_greedy_decoding(network)
    return ImageTextModel(source.name, network)


def _set_greedy_decoding(network: Network) -> None:
    """Turn sampling off, and remove the published sampling settings, about which transformers would warn at every
    call."""
    config, tokenizer = network.model.generation_config, network.processor.tokenizer
    config.update(do_sample=False, temperature=None, top_p=None, top_k=None)
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
