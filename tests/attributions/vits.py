"""Tiny transformers of every library that can be looked into, with seeded weights large enough to matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from explorer.encoders.base import Encoder
from explorer.encoders.torch_layers import from_torch

SIDE, PATCH, BLOCKS, HEADS, WIDTH, NUMBERS = 32, 8, 3, 2, 16, 5
"""4 x 4 patches and a class token make 17 tokens."""


def of_timm(**settings: Any) -> Any:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=settings.pop("size", SIDE),
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=settings.pop("depth", BLOCKS),
        num_heads=HEADS,
        num_classes=NUMBERS,
        **settings,
    )


def of_torchvision() -> Any:
    from torchvision.models.vision_transformer import VisionTransformer

    return VisionTransformer(SIDE, PATCH, BLOCKS, HEADS, WIDTH, 4 * WIDTH, num_classes=NUMBERS)


def of_open_clip(**settings: Any) -> Any:
    from open_clip.transformer import QuickGELU, VisionTransformer

    return VisionTransformer(
        SIDE, PATCH, WIDTH, BLOCKS, HEADS, 4.0, output_dim=NUMBERS, act_layer=QuickGELU, **settings
    )


def of_transformers() -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    class Embeds(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower = CLIPVisionModelWithProjection(
                CLIPVisionConfig(
                    hidden_size=WIDTH,
                    intermediate_size=4 * WIDTH,
                    projection_dim=NUMBERS,
                    num_hidden_layers=BLOCKS,
                    num_attention_heads=HEADS,
                    image_size=SIDE,
                    patch_size=PATCH,
                )
            )

        def forward(self, planes: Any) -> Any:
            return self.tower(planes).image_embeds

    return Embeds()


def of_torch() -> Any:
    """torch's own encoder layer, which would take a fast path past its attention."""

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = torch.nn.Conv2d(3, WIDTH, PATCH, PATCH)
            self.first = torch.nn.Parameter(torch.zeros(1, 1, WIDTH))
            layer = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, activation="gelu", batch_first=True)
            self.blocks = torch.nn.TransformerEncoder(layer, BLOCKS, enable_nested_tensor=False)
            self.head = torch.nn.Linear(WIDTH, NUMBERS)

        def forward(self, planes: Any) -> Any:
            tokens = self.patches(planes).flatten(2).transpose(1, 2)
            return self.head(self.blocks(torch.cat((self.first.expand(len(planes), -1, -1), tokens), 1))[:, 0])

    return Plain()


VITS: dict[str, Callable[[], Any]] = {
    "timm": of_timm,
    "timm, layer scale and registers": lambda: of_timm(init_values=0.5, reg_tokens=2),
    "timm, mean": lambda: of_timm(global_pool="avg", class_token=False),
    "timm, oblong": lambda: of_timm(size=(SIDE, 2 * SIDE)),
    "torchvision": of_torchvision,
    "open_clip": of_open_clip,
    "open_clip, mean": lambda: of_open_clip(pool_type="avg"),
    "transformers": of_transformers,
    "torch": of_torch,
}


def vit(name: str = "timm") -> Any:
    """One of them, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = VITS[name]().eval()
        with torch.no_grad():
            for part in network.modules():
                for weight in part.parameters(recurse=False):
                    if isinstance(part, torch.nn.LayerNorm) or "LayerScale" in type(part).__name__:
                        weight.uniform_(0.3, 1.2)
                    else:
                        weight.normal_(std=0.4)
    return network


def vit_encoder(name: str = "timm") -> Encoder:
    return from_torch(vit(name), batch_size=4)
