"""Methods on transformers, slowly: a transformer written out step by step, and the specification's loops over it.

Written from sections 2.1, 4 (GAE) and 4.2 (T-Attr) of the specification, in float64, one picture, token and head at
a time where that keeps it plain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

EPS = 1e-9


class SlowVit:
    """A transformer as timm builds it, with a class token, from its weights.

    Args:
        network: Of timm, without layer scale.
    """

    def __init__(self, network: Any) -> None:
        self.w = {name: array.double() for name, array in network.state_dict().items()}
        self.blocks, self.heads = len(network.blocks), network.blocks[0].attn.num_heads
        self.patch, self.eps = network.patch_embed.patch_size[0], network.norm.eps

    def norm(self, x: Any, name: str) -> Any:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + self.eps).sqrt()
        return scaled * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def linear(self, x: Any, name: str) -> Any:
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def tokens(self, planes: Any) -> Any:
        """(3, h, w) -> (t, d) tokens before the first block."""
        kernel, p = self.w["patch_embed.proj.weight"], self.patch
        rows = [self.w["cls_token"][0, 0]]
        for i in range(0, planes.shape[1], p):
            for j in range(0, planes.shape[2], p):
                patch = planes[:, i : i + p, j : j + p]
                rows.append((kernel * patch).sum((1, 2, 3)) + self.w["patch_embed.proj.bias"])
        return torch.stack(rows) + self.w["pos_embed"][0]

    def run(self, planes: Any, replaced: dict[int, Any] | None = None) -> tuple[Any, list[dict[str, Any]]]:
        """(3, h, w) -> the embedding (5,), and what was seen on the way in every block.

        Args:
            planes: The picture.
            replaced: Attention (heads, t, t) to use in place of a block's own.
        """
        x, trace = self.tokens(planes), []
        for b in range(self.blocks):
            seen: dict[str, Any] = {"x": x, "normed": self.norm(x, f"blocks.{b}.norm1")}
            size = x.shape[1] // self.heads
            seen["qkv"] = self.linear(seen["normed"], f"blocks.{b}.attn.qkv")
            q, k, v = (part.reshape(len(x), self.heads, size).transpose(0, 1) for part in seen["qkv"].chunk(3, dim=1))
            seen["q"], seen["k"], seen["v"] = q, k, v
            seen["logits"] = torch.stack([q[h] @ k[h].T for h in range(self.heads)])
            attention = (seen["logits"] / size**0.5).exp()
            attention = attention / attention.sum(-1, keepdim=True)
            attention = (replaced or {}).get(b, attention)
            seen["added"] = torch.zeros_like(attention, requires_grad=True)
            seen["a"] = attention + seen["added"]
            seen["heads"] = torch.stack([seen["a"][h] @ v[h] for h in range(self.heads)])
            seen["joined"] = seen["heads"].transpose(0, 1).reshape(x.shape)
            seen["out"] = self.linear(seen["joined"], f"blocks.{b}.attn.proj")
            seen["middle"] = x + seen["out"]
            seen["normed2"] = self.norm(seen["middle"], f"blocks.{b}.norm2")
            seen["inner"] = self.linear(seen["normed2"], f"blocks.{b}.mlp.fc1")
            seen["active"] = seen["inner"] * (1 + torch.erf(seen["inner"] / 2**0.5)) / 2
            seen["mlp"] = self.linear(seen["active"], f"blocks.{b}.mlp.fc2")
            x = seen["middle"] + seen["mlp"]
            trace.append(seen)
        last = self.norm(x, "norm")[0]
        trace.append({"first": last})
        return self.linear(last, "head"), trace

    def slopes(self, score: Any, trace: list[dict[str, Any]]) -> list[np.ndarray]:
        return [slope.numpy() for slope in torch.autograd.grad(score, [seen["added"] for seen in trace[:-1]])]


def cosine(embedding: Any, reference: Any) -> Any:
    return (embedding * reference).sum() / (embedding.square().sum() * reference.square().sum()).sqrt()


def dix(
    vit: SlowVit,
    planes: Any,
    reference: Any,
    depth: int,
    steps: int,
    *,
    sign: int = 1,
    gradients: bool = False,
    added: bool = False,
    each_step: bool = False,
    official_bug: bool = False,
) -> np.ndarray:
    """Section 2.1 for one depth: the row (t - 1,) of the class token."""
    _, trace = vit.run(planes)
    place = vit.blocks - depth
    own = trace[vit.blocks - 1 if official_bug else place]["a"].detach()
    shares = [n / steps for n in range(0 if official_bug else 1, steps + 1)]
    tokens = own.shape[-1]
    sums = [np.zeros((vit.heads, tokens, tokens)) for _ in range(vit.blocks)]
    maps = []
    for share in shares:
        embedding, seen = vit.run(planes, {place: own * share})
        slopes = vit.slopes(sign * cosine(embedding, reference), seen)
        found = []
        for b in range(vit.blocks):
            used = seen[b]["a"].detach().numpy()
            found.append(np.maximum(slopes[b] if gradients else used * slopes[b], 0))
            sums[b] += found[b] / len(shares)
        maps.append(rollout(found, added))
    return np.mean(maps, axis=0) if each_step else rollout(sums, added)


def rollout(found: list[np.ndarray], added: bool = False) -> np.ndarray:
    """Identity added, rows made to add up to 1, from the first block to the last."""
    tokens = found[0].shape[-1]
    total = np.zeros((tokens, tokens)) if added else np.eye(tokens)
    for heads in found:
        mean = sum(heads[h] for h in range(len(heads))) / len(heads) + np.eye(tokens)
        for i in range(tokens):
            mean[i] /= mean[i].sum()
        total = total + mean if added else mean @ total
    return total[0, 1:]


def gae(vit: SlowVit, planes: Any, reference: Any, *, sign: int = 1) -> np.ndarray:
    """R += mean_heads(relu(A G)) R over all blocks: the row (t - 1,) of the class token."""
    embedding, trace = vit.run(planes)
    slopes = vit.slopes(sign * cosine(embedding, reference), trace)
    total = np.eye(slopes[0].shape[-1])
    for b in range(vit.blocks):
        heads = np.maximum(trace[b]["a"].detach().numpy() * slopes[b], 0)
        total = total + heads.mean(0) @ total
    return total[0, 1:]


# Relevance (section 4.2)


def divide(a: Any, b: Any) -> Any:
    return torch.where(b == 0, torch.zeros_like(b), a / (b + EPS))


def through_linear(x: Any, weight: Any, relevance: Any) -> Any:
    """x (n, i), weight (o, i), relevance (n, o) -> (n, i)."""
    found = torch.zeros_like(x)
    for n in range(len(x)):
        plus = x[n].clamp(min=0) * weight.clamp(min=0)  # (o, i)
        minus = x[n].clamp(max=0) * weight.clamp(max=0)
        whole = (plus + minus).sum(1)
        found[n] = ((plus + minus) * divide(relevance[n], whole)[:, None]).sum(0)
    return found


def through_sum(a: Any, b: Any, relevance: Any) -> tuple[Any, Any]:
    parts = [part * divide(relevance, a + b) for part in (a, b)]
    sums = [part.sum() for part in parts]
    size = sums[0].abs() + sums[1].abs()
    return tuple(  # type: ignore[return-value]
        part * divide(divide(one.abs(), size) * relevance.sum(), one) for part, one in zip(parts, sums, strict=True)
    )


def through_product(a: Any, b: Any, relevance: Any) -> tuple[Any, Any]:
    """a (n, m), b (m, k), relevance (n, k): what each entry adds to the product, halved."""
    each = divide(relevance, a @ b)
    terms = a[:, :, None] * b[None] * each[:, None, :]  # (n, m, k)
    return terms.sum(2) / 2, terms.sum(0) / 2


def t_attr(vit: SlowVit, planes: Any, start: Any, slopes_of: Any) -> np.ndarray:
    """Relevance times gradient, of all blocks but the first: the row (t - 1,) of the class token.

    Args:
        vit: The network.
        planes: The picture.
        start: Relevance (5,) of the embedding, from the embedding.
        slopes_of: The score whose gradients are taken, from the embedding.
    """
    embedding, trace = vit.run(planes)
    slopes = vit.slopes(slopes_of(embedding), trace)
    with torch.no_grad():
        relevance = torch.zeros_like(trace[0]["x"])
        first = through_linear(trace[-1]["first"][None], vit.w["head.weight"], start(embedding)[None])
        relevance[0] = first[0]
        at_attention: list[Any] = [None] * vit.blocks
        for b in reversed(range(vit.blocks)):
            relevance, at_attention[b] = _through_block(vit, b, trace[b], relevance)
    tokens = slopes[0].shape[-1]
    total = np.eye(tokens)
    for b in range(1, vit.blocks):
        heads = np.maximum(slopes[b] * at_attention[b].numpy(), 0)
        total = (np.eye(tokens) + heads.mean(0)) @ total
    return total[0, 1:]


def _through_block(vit: SlowVit, b: int, seen: dict[str, Any], relevance: Any) -> tuple[Any, Any]:
    skip, branch = through_sum(seen["middle"], seen["mlp"], relevance)
    branch = through_linear(seen["active"], vit.w[f"blocks.{b}.mlp.fc2.weight"], branch)
    branch = through_linear(seen["normed2"], vit.w[f"blocks.{b}.mlp.fc1.weight"], branch)
    skip, branch = through_sum(seen["x"], seen["out"], skip + branch)
    branch = through_linear(seen["joined"], vit.w[f"blocks.{b}.attn.proj.weight"], branch)
    heads = branch.reshape(len(branch), vit.heads, -1).transpose(0, 1)
    found, to_q, to_k, to_v = [], [], [], []
    for h in range(vit.heads):
        at_attention, at_v = through_product(seen["a"][h], seen["v"][h], heads[h])
        at_q, at_k = through_product(seen["q"][h], seen["k"][h].T, at_attention)
        found.append(at_attention)
        to_q.append(at_q)
        to_k.append(at_k.T)
        to_v.append(at_v)
    joined = [torch.stack(part).transpose(0, 1).reshape(seen["x"].shape) for part in (to_q, to_k, to_v)]
    at_qkv = through_linear(seen["normed"], vit.w[f"blocks.{b}.attn.qkv.weight"], torch.cat(joined, 1))
    return skip + at_qkv, torch.stack(found)
