"""Small stand-ins of MobileSAM's two ONNX files: random networks, laid down under the names that the release has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from image_core.grounded.sam_decoder import BoxDecoder
from image_core.grounded.tiny_vit import EncoderSizes, ImageEncoder

SIDE = 8
"""Cells of the padded square: pictures of 128 px."""
SIZES = EncoderSizes(channels=(8, 12, 16, 24), depths=(1, 2, 1, 1), heads=(2, 4, 3), windows=(3, 5, 2), embedding=32)

ENCODER_NODES = (
    # Our layer -> node that its weights go into.
    (r"patch_embed\.conv1", r"/patch_embed/seq/seq.0/c/Conv"),
    (r"patch_embed\.conv2", r"/patch_embed/seq/seq.2/c/Conv"),
    (r"stages\.0\.blocks\.(\d)\.(conv\d)", r"/layers.0/blocks.\1/\2/c/Conv"),
    (r"stages\.1\.downsample\.(conv\d)", r"/layers.0/downsample/\1/c/Conv"),
    (r"stages\.2\.downsample\.(conv\d)", r"/layers.1/downsample/\1/c/Conv"),
    (r"stages\.3\.downsample\.(conv\d)", r"/layers.2/downsample/\1/c/Conv"),
    (r"stages\.(\d)\.blocks\.(\d)\.local_conv", r"/layers.\1/blocks.\2/local_conv/c/Conv"),
    (r"stages\.(\d)\.blocks\.(\d)\.(attn|mlp)\.(qkv|proj|fc1|fc2)", r"/layers.\1/blocks.\2/\3/\4/MatMul"),
)
Network = TypeVar("Network", ImageEncoder, BoxDecoder)


class OnnxFile:
    """Tensors and the nodes that they go into, as an export of torch writes them."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def kept(self, name: str, value: Tensor) -> None:
        """Under its own name."""
        self.tensors.append(numpy_helper.from_array(value.contiguous().numpy(), name))

    def numbered(self, node: str, place: int, value: Tensor) -> None:
        """As input number `place` of a node, under a number."""
        operation = re.split(r"[/_]", node)[-1 if "_" not in node.rpartition("/")[2] else -2]
        name = f"onnx::{operation}_{2000 + len(self.tensors)}"
        self.kept(name, value)
        same = next((one for one in self.nodes if one.name == node), None)
        if same is None:
            self.nodes.append(helper.make_node(operation, [f"x{i}" for i in range(place)], ["y"], name=node))
            same = self.nodes[-1]
        same.input.append(name)

    def constant(self, node: str, value: Tensor) -> None:
        """As a constant of the graph."""
        constant = numpy_helper.from_array(value.numpy())
        self.nodes.append(helper.make_node("Constant", [], ["c"], name=node, value=constant))

    def write(self, path: Path) -> Path:
        """The file."""
        graph = helper.make_graph(self.nodes, "stand_in", [], [], self.tensors)
        path.write_bytes(helper.make_model(graph).SerializeToString())
        return path


def write_encoder(path: Path, seed: int = 0) -> ImageEncoder:
    """A random encoder and its file."""
    network = _random(ImageEncoder(SIZES), seed)
    file = OnnxFile()
    for name, module in network.named_modules():
        nodes = [re.sub(ours, node, name) for ours, node in ENCODER_NODES if re.fullmatch(ours, name)]
        own = dict(module.named_parameters(recurse=False))
        if name in ("neck.1", "neck.3"):
            file.numbered(f"/neck/{name}/Mul", 0, own["weight"][:, None, None])
            file.numbered(f"/neck/{name}/Add_1", 1, own["bias"][:, None, None])
        elif nodes and isinstance(module, nn.Conv2d):
            file.numbered(nodes[0], 1, own["weight"])
            file.numbered(nodes[0], 2, own["bias"])
        elif nodes:
            file.numbered(nodes[0], 1, own["weight"].T)
            file.kept(f"{name.replace('stages', 'layers')}.bias", own["bias"])
        else:
            for part, value in own.items():
                theirs = name.replace("stages", "layers")
                if part == "biases":
                    file.constant(f"{_path(theirs)}/Constant_5", value)
                else:
                    file.kept(f"{theirs}.{part}", value)
    file.write(path)
    return network


def write_decoder(path: Path, seed: int = 1) -> BoxDecoder:
    """A random decoder and its file, with the parts of a release that boxes do not need."""
    network = _random(BoxDecoder(SIZES.embedding, 24, 2, SIDE), seed)
    file = OnnxFile()
    prompts = "model.prompt_encoder."
    for name, value in network.named_parameters():
        layer, _, part = name.rpartition(".")
        if re.fullmatch(r"transformer\..+(_proj|lin\d)\.weight", name):
            file.numbered(f"{_path(layer)}/MatMul", 1, value.T)
        elif layer in ("output_upscaling.0", "output_upscaling.3"):
            inputs = network.get_submodule(layer).get_parameter("weight").shape[1]
            turned = value.view(2, 2, -1, inputs).permute(3, 2, 0, 1) if part == "weight" else value[: len(value) // 4]
            file.kept(f"mask_decoder.{name}", turned)
        elif name == "output_upscaling.1.weight":
            file.numbered("/output_upscaling/output_upscaling.1/Mul", 0, value[:, None, None])
        elif name == "output_upscaling.1.bias":
            file.numbered("/output_upscaling/output_upscaling.1/Add_1", 1, value[:, None, None])
        elif name == "output_tokens":
            file.numbered("/Expand_1", 0, value)
        elif name == "no_mask":
            file.numbered("/Mul_9", 1, value[None, :, None, None])
        elif name == "frequencies":
            file.kept(f"{prompts}pe_layer.positional_encoding_gaussian_matrix", value)
        elif name in ("upper_left", "lower_right"):
            file.kept(f"{prompts}point_embeddings.{2 + (name == 'lower_right')}.weight", value)
        else:
            file.kept(f"mask_decoder.{name}", value)
    for unused in ("point_embeddings.0.weight", "not_a_point_embed.weight", "mask_downscaling.0.weight"):
        file.kept(prompts + unused, torch.zeros(1, 2))
    file.constant("/pe_layer/Constant", torch.zeros(SIDE, SIDE, 2))
    file.constant("/Constant_76", torch.zeros(1, 4))
    file.write(path)
    return network


def _path(name: str) -> str:
    """layers.0.fc -> /layers.0/fc."""
    return "/" + re.sub(r"\.(?!\d)", "/", name)


def _random(network: Network, seed: int) -> Network:
    """Filled with numbers of a seed, about those of a trained network: weights keep the size of what goes through."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.named_parameters():
        fan = value[0].numel() if value.ndim > 1 else 16
        norm = value.ndim == 1 and name.endswith("weight")
        value.data = torch.randn(value.shape, generator=generator) / fan**0.5 + norm
    if isinstance(network, BoxDecoder):
        for layer in ("0", "3"):  # one bias for the four cells that come of one
            bias = network.output_upscaling[layer].get_parameter("bias")
            bias.data = bias.data[: len(bias) // 4].repeat(4)
    return network.eval().requires_grad_(False)
