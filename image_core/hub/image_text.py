"""Image-text-to-text models of transformers (SmolVLM, Qwen-VL, LLaVA and their kin): pictures and a question in, a text
out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from image_core.errors import CheckpointError
from image_core.hub.loading import Network, Where, read_network
from image_core.hub.sources import Source, told

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

        most_tokens: of the answer. Always the likeliest next token: the same question has the same answer.

        Raises `CheckpointError` where the model cannot take such a question.
        """
        shown = [{"type": "image", "image": picture} for picture in pictures]
        turn = {"role": "user", "content": [*shown, {"type": "text", "text": question}]}
        processor = self.network.processor
        with told(self.name), self.network.asked():
            inputs = processor.apply_chat_template(
                [turn],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                # A picture can be a few pixels wide: the place of the channels must not be guessed from the shape.
                processor_kwargs={"images_kwargs": {"input_data_format": "channels_last"}},
            ).to(self.network.device)
            written = self.network.model.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=most_tokens)
        asked = inputs["input_ids"].shape[1]
        return str(processor.tokenizer.decode(written[0, asked:], skip_special_tokens=True))


def read_image_text_model(source: Source, where: Where) -> ImageTextModel:
    """Raises `CheckpointError` as `read_network` does, and for a model that is asked without a chat."""
    network = read_network(source, "AutoModelForImageTextToText", "AutoProcessor", where)
    processor = network.processor
    if not getattr(processor, "chat_template", None):
        raise CheckpointError(
            f"network '{source.name}': expected an {KIND} model with a chat template, got a '{source.model_type}' "
            "without: take one that is tuned to follow instructions"
        )
    return ImageTextModel(source.name, network)
