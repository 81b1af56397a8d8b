"""Networks of transformers in sizes for tests: random weights, written as published ones are.

Each function writes one into a folder and returns the folder. The tokenizers have letters for their vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def made(kind: str, *parts: Any, **fields: Any) -> Any:
    """An object of a class of transformers; declared fields leave out some of those that its configurations take."""
    import transformers

    return getattr(transformers, kind)(*parts, **fields)


def saved(folder: Path, *parts: Any) -> Path:
    """The folder, with all parts saved in it."""
    for part in parts:
        part.save_pretrained(folder)
    return folder


def clip_tokenizer(length: int) -> Any:
    """CLIP's, with letters alone and at the end of a word as its only pieces."""
    letters = f"{LETTERS}.,"
    pieces = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    return made(
        "CLIPTokenizer",
        vocab={piece: i for i, piece in enumerate(pieces)},
        merges=[],
        pad_token="<|endoftext|>",
        model_max_length=length,
    )


def text_of(tokenizer: Any, length: int) -> dict[str, Any]:
    """A configuration of CLIP's text side that fits a tokenizer of letters."""
    last = len(tokenizer) - 1
    ends = {"bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last}
    return SMALL | ends | {"vocab_size": len(tokenizer), "max_position_embeddings": length}


def write_clipseg(folder: Path) -> Path:
    tokenizer = clip_tokenizer(20)
    config = made(
        "CLIPSegConfig",
        text_config=text_of(tokenizer, 20),
        vision_config=SMALL | {"num_hidden_layers": 3, "image_size": 64, "patch_size": 16},
        projection_dim=16,
        reduce_dim=16,
        extract_layers=[0, 1],
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )
    torch.manual_seed(0)
    resize = made("ViTImageProcessor", size={"height": 64, "width": 64})
    model = made("CLIPSegForImageSegmentation", config)
    return saved(folder, model, made("CLIPSegProcessor", resize, tokenizer))


def write_sam3(folder: Path) -> Path:
    """Its presence head is sure that everything is there, so that random weights find something."""
    tokenizer = clip_tokenizer(32)
    torch.manual_seed(0)
    model = made("Sam3Model", sam3_config(tokenizer, 32))
    torch.nn.init.constant_(model.detr_decoder.presence_head.layer3.bias, 4.0)
    images = made("Sam3ImageProcessor", size={"height": 56, "width": 56})
    return saved(folder, model, made("Sam3Processor", images, tokenizer))


def sam3_vision(hidden: int) -> Any:
    vit = made(
        "Sam3ViTConfig",
        **(SMALL | {"num_hidden_layers": 2}),
        image_size=56,
        patch_size=14,
        window_size=2,
        global_attn_indexes=[1],
    )
    return made("Sam3VisionConfig", backbone_config=vit, fpn_hidden_size=hidden, scale_factors=[4.0, 2.0, 1.0, 0.5])


def sam3_config(tokenizer: Any, hidden: int) -> Any:
    inner = {"hidden_size": hidden, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return made(
        "Sam3Config",
        vision_config=sam3_vision(hidden),
        text_config=text_of(tokenizer, 32) | {"projection_dim": 16},
        geometry_encoder_config=made("Sam3GeometryEncoderConfig", **inner),
        detr_encoder_config=made("Sam3DETREncoderConfig", **inner),
        detr_decoder_config=made("Sam3DETRDecoderConfig", **inner, num_queries=5),
        mask_decoder_config=made("Sam3MaskDecoderConfig", hidden_size=hidden, num_attention_heads=2),
    )


def write_grounding_dino(folder: Path, kind: str = "GroundingDino") -> Path:
    """kind: GroundingDino or MMGroundingDino."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *LETTERS, *(f"##{c}" for c in LETTERS)]
    tokenizer = made("BertTokenizer", vocab={piece: i for i, piece in enumerate(pieces)})
    config = made(
        f"{kind}Config",
        backbone_config=made(
            "SwinConfig",
            image_size=64,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=made("BertConfig", **SMALL, vocab_size=len(pieces)),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=10,
        disable_custom_kernels=True,
    )
    torch.manual_seed(0)
    model = made(f"{kind}ForObjectDetection", config)
    for name, parameter in model.named_parameters():
        if "class_embed" in name and name.endswith("bias"):  # MM-GroundingDINO begins with "nothing is there"
            torch.nn.init.zeros_(parameter)
    images = made("GroundingDinoImageProcessor", size={"shortest_edge": 128, "longest_edge": 160})
    processor = made("GroundingDinoProcessor", image_processor=images, tokenizer=tokenizer)
    return saved(folder, model, processor)


def write_owl(folder: Path, kind: str = "Owlv2") -> Path:
    """kind: Owlv2 or OwlViT."""
    tokenizer = clip_tokenizer(40)
    config = made(
        f"{kind}Config",
        text_config=text_of(tokenizer, 40),
        vision_config=SMALL | {"image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    torch.manual_seed(0)
    model = made(f"{kind}ForObjectDetection", config)
    torch.nn.init.zeros_(model.class_head.logit_shift.weight)  # so that words tell
    images = made(f"{kind}ImageProcessor", size={"height": 32, "width": 32})
    processor = made(f"{kind}Processor", image_processor=images, tokenizer=tokenizer)
    return saved(folder, model, processor)


COCO = {0: "N/A", 1: "person", 2: "Dog", 3: "tvmonitor"}


def _resnet() -> Any:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
    return made("ResNetConfig", **sizes, out_features=["stage4"], layer_type="basic")


def write_detr(folder: Path) -> Path:
    config = made(
        "DetrConfig",
        backbone_config=_resnet(),
        use_timm_backbone=False,
        backbone=None,
        use_pretrained_backbone=False,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=12,
        id2label=COCO,
    )
    torch.manual_seed(0)
    images = made("DetrImageProcessor", size={"shortest_edge": 64, "longest_edge": 96})
    return saved(folder, made("DetrForObjectDetection", config), images)


def write_rt_detr(folder: Path) -> Path:
    backbone = made(
        "RTDetrResNetConfig",
        embedding_size=8,
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = made(
        "RTDetrConfig",
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 16, 16],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=8,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        num_denoising=0,
        id2label=COCO,
    )
    torch.manual_seed(0)
    images = made("RTDetrImageProcessor", size={"height": 64, "width": 64})
    return saved(folder, made("RTDetrForObjectDetection", config), images)


def write_d_fine(folder: Path) -> Path:
    backbone = made(
        "HGNetV2Config",
        stage_in_channels=[16, 16, 16, 16],
        stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[16, 16, 16, 16],
        stage_num_blocks=[1, 1, 1, 1],
        stage_downsample=[False, True, True, True],
        stage_light_block=[False, False, False, False],
        stage_kernel_size=[3, 3, 3, 3],
        stage_numb_of_layers=[1, 1, 1, 1],
        stem_channels=[3, 8, 16],
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 16, 16, 16],
        embedding_size=16,
        out_features=["stage2", "stage3", "stage4"],
        return_idx=[1, 2, 3],
    )
    config = made(
        "DFineConfig",
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[16, 16, 16],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=8,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_n_points=[2, 2, 2],
        num_denoising=0,
        id2label=COCO,
    )
    torch.manual_seed(0)
    images = made("RTDetrImageProcessor", size={"height": 64, "width": 64})
    return saved(folder, made("DFineForObjectDetection", config), images)


PROMPTS = {"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
DECODER = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}


def write_sam(folder: Path, kind: str = "Sam", layers: int = 2) -> Path:
    """kind: Sam or SamHQ."""
    vision = made(
        f"{kind}VisionConfig",
        **(SMALL | {"num_hidden_layers": layers}),
        output_channels=32,
        image_size=64,
        patch_size=16,
        window_size=2,
        global_attn_indexes=(1,),
        num_pos_feats=16,
        mlp_dim=16,
    )
    more = {"vit_dim": 16} if kind == "SamHQ" else {}
    config = made(
        f"{kind}Config",
        vision_config=vision,
        prompt_encoder_config=made(f"{kind}PromptEncoderConfig", **PROMPTS),
        mask_decoder_config=made(f"{kind}MaskDecoderConfig", **DECODER, **more),
    )
    torch.manual_seed(0)
    sides = {"height": 64, "width": 64}
    images = made("SamImageProcessor", size={"longest_edge": 64}, pad_size=sides, mask_size={"longest_edge": 16},
                  mask_pad_size={"height": 16, "width": 16})  # fmt: skip
    return saved(folder, made(f"{kind}Model", config), made(f"{kind}Processor", images))


def hiera() -> tuple[Any, list[int]]:
    """SAM 2's encoder, and its channels."""
    backbone = made(
        "Sam2HieraDetConfig",
        hidden_size=8,
        num_attention_heads=1,
        image_size=[64, 64],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 4],
        window_positional_embedding_background_size=[4, 4],
        global_attention_blocks=[3],
    )
    return backbone, [64, 32, 16, 8]


def write_sam2(folder: Path) -> Path:
    return _write_sam2(folder, "Sam2", *hiera())


def write_edgetam(folder: Path) -> Path:
    return _write_sam2(folder, "EdgeTam", *repvit())


def repvit() -> tuple[Any, list[int]]:
    """EdgeTAM's encoder, of random weights: timm has no smaller one. And its channels."""
    channels = [8, 16, 24, 32]
    backbone = made(
        "TimmWrapperConfig",
        architecture="repvit_m1.dist_in1k",
        model_args={"in_chans": 3, "features_only": True, "out_indices": (0, 1, 2, 3), "embed_dim": channels},
    )
    return backbone, channels[::-1]


def _write_sam2(folder: Path, kind: str, backbone: Any, channels: list[int]) -> Path:
    config = made(
        f"{kind}Config",
        vision_config=pyramid(kind, backbone, channels, 32),
        prompt_encoder_config=made(f"{kind}PromptEncoderConfig", **PROMPTS),
        mask_decoder_config=made(f"{kind}MaskDecoderConfig", **DECODER),
    )
    torch.manual_seed(0)
    images = made("Sam2ImageProcessor", size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16})
    return saved(folder, made(f"{kind}Model", config), made("Sam2Processor", images, target_size=64))


def pyramid(kind: str, backbone: Any, channels: list[int], hidden: int) -> Any:
    sizes = [[16, 16], [8, 8], [4, 4]]
    return made(
        f"{kind}VisionConfig",
        backbone_config=backbone,
        backbone_channel_list=channels,
        backbone_feature_sizes=sizes,
        fpn_hidden_size=hidden,
    )


def write_clip(folder: Path, seed: int = 0) -> Path:
    tokenizer = clip_tokenizer(40)
    config = made(
        "CLIPConfig",
        text_config=text_of(tokenizer, 40),
        vision_config=SMALL | {"image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    torch.manual_seed(seed)
    images = made("CLIPImageProcessor", size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = made("CLIPProcessor", image_processor=images, tokenizer=tokenizer)
    return saved(folder, made("CLIPModel", config), processor)


def write_siglip(folder: Path, kind: str = "Siglip") -> Path:
    """kind: Siglip or Siglip2. The published tokenizers are others; this one fits the same processors."""
    tokenizer = clip_tokenizer(40)
    shape = {"num_patches": 16} if kind == "Siglip2" else {"image_size": 32}
    config = made(f"{kind}Config", text_config=text_of(tokenizer, 40), vision_config=SMALL | shape | {"patch_size": 8})
    torch.manual_seed(0)
    sides = {"patch_size": 8, "max_num_patches": 16} if kind == "Siglip2" else {"size": {"height": 32, "width": 32}}
    images = made(f"{kind}ImageProcessor", **sides)
    processor = made(f"{kind}Processor", image_processor=images, tokenizer=tokenizer)
    return saved(folder, made(f"{kind}Model", config), processor)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "clipseg": write_clipseg,
    "sam3": write_sam3,
    "grounding_dino": write_grounding_dino,
    "mm_grounding_dino": lambda folder: write_grounding_dino(folder, "MMGroundingDino"),
    "owlv2": write_owl,
    "owlvit": lambda folder: write_owl(folder, "OwlViT"),
    "detr": write_detr,
    "rt_detr": write_rt_detr,
    "d_fine": write_d_fine,
    "sam": write_sam,
    "sam_hq": lambda folder: write_sam(folder, "SamHQ"),
    "sam2": write_sam2,
    "edgetam": write_edgetam,
    "clip": write_clip,
    "siglip": write_siglip,
    "siglip2": lambda folder: write_siglip(folder, "Siglip2"),
}
