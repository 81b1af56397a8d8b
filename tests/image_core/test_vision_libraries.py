"""timm and torchvision come without torch's compiler, and lose nothing by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ASKED = """
import sys
import torch
from image_core.vision_libraries import timm

heavy = {"torch._dynamo", "sympy", "triton"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)

# What asks it a question still gets its answer: it comes then.
from torch._dynamo.utils import is_compile_supported
import torchvision
asked = sys.modules["torchvision.ops.roi_align"].is_compile_supported
assert asked is not is_compile_supported and asked("cpu") == is_compile_supported("cpu") and not asked("mps")
assert torch._dynamo is sys.modules["torch._dynamo"] and hasattr(torch._dynamo, "reset")
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist() == [2, 2]

# What the compiler was to leave alone while it was not there is left alone now.
net = timm.create_model("naflexvit_base_patch16_gap", embed_dim=32, depth=1, num_heads=2, num_classes=2).eval()
assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 2)
"""


def test_the_compiler_is_imported_only_on_request() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
