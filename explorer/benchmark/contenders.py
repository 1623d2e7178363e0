"""Programs that answer the same question about the same network, for ``explorer bench``; each is imported late."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.core.arrays import as_numpy
from explorer.core.distances import measure
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.core.masks import MaskSettings
from explorer.verbs import explain

Map = NDArray[np.floating]
Runner = Callable[[int, int, Callable[[], None]], Any]
Embed = Callable[[NDArray[Any]], NDArray[np.floating]]
FEATURE_RES, P_KEEP = 8, 0.5
BATCH = 10
"""Rows at once of a network in plain torch, as ``distance_explainer`` asks for."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A program, ready to be run.

    Attributes:
        title: What it is called.
        run: (passes, seed, tell) -> a map (h, w), higher where the picture is closer to the reference; None where it
            makes none. It calls ``tell`` once it has a first map to show. Those that draw
            from a global generator draw on.
        package: What has to be installed.
        why_not: Why it cannot be run, in words; empty where it can.
    """

    title: str
    run: Runner
    package: str = ""
    why_not: str = ""


def contenders(question: Question, image: Any, reference: Any) -> list[Contender]:
    """The network alone, ours, and the peers: on the network as it is in torch, as their users run it.

    Args:
        question: The pair, on the encoder.
        image: Its picture, as ``explain`` takes it.
        reference: Its reference.
    """
    encoder = question.encoder

    def alone(n: int, seed: int, tell: Callable[[], None]) -> Any:
        encoder.exercise(question.pixels, n)

    def ours(n: int, seed: int, tell: Callable[[], None]) -> Map:
        masking = MaskSettings(n_masks=n, feature_res=FEATURE_RES, p_keep=P_KEEP, seed=seed)

        def on_progress(done: int, wanted: int) -> None:
            tell()

        return explain(
            image, reference=reference, encoder=encoder, masking=masking, on_progress=on_progress
        ).attribution

    found = [Contender("the network alone", alone), Contender("Distance Explorer", ours)]
    for title, package, make in PEERS:
        why_not = ""
        run: Runner = alone
        if importlib.util.find_spec(package.replace("-", "_")) is None:
            why_not = f"not installed: pip install {package}"
        else:
            try:
                run = make(question, _in_torch(question))
            except (InvalidInput, WeightsMissing) as error:  # it is no network in torch, or not here
                why_not = str(error)
        found.append(Contender(title, run, package, why_not))
    return found


def _in_torch(question: Question) -> Embed:
    """The network in plain torch, from pixels less what stands for hidden, which is then zero, to embeddings."""
    import torch

    module = question.encoder.differentiable(question.pixels).module
    hidden = _hidden(question)

    def embed(planes: NDArray[Any]) -> NDArray[np.floating]:
        with torch.inference_mode():
            pixels = np.asarray(planes, np.float32) + hidden
            return as_numpy(module(torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))))

    return embed


def _hidden(question: Question) -> NDArray[np.float32]:
    return np.asarray(question.encoder.zero_colour, np.float32)


def _planes(question: Question) -> NDArray[np.float32]:
    return np.asarray(question.pixels - _hidden(question), np.float32)


def _closeness(question: Question, rows: NDArray[np.floating]) -> NDArray[np.float64]:
    return 1 - measure(question.distance, rows, question.target.embedding)


def _distance_explainer(question: Question, embed: Embed) -> Runner:
    """The reference implementation of the paper."""
    from distance_explainer import DistanceExplainer

    def run(n: int, seed: int, tell: Callable[[], None]) -> Map:
        explainer = DistanceExplainer(n_masks=n, feature_res=FEATURE_RES, p_keep=P_KEEP, axis_labels={2: "channels"})
        found = explainer.explain_image_distance(embed, _planes(question), question.target.embedding)
        return np.asarray(found).squeeze()

    return run


def _dianna(question: Question, embed: Embed) -> Runner:
    """RISE, whose class is the closeness."""
    from dianna.methods.rise_image import RISEImage

    def closeness(planes: Any) -> NDArray[np.float64]:
        return _closeness(question, embed(np.asarray(planes)))[:, None]

    def run(n: int, seed: int, tell: Callable[[], None]) -> Map:
        rise = RISEImage(n_masks=n, feature_res=FEATURE_RES, p_keep=P_KEEP, axis_labels={2: "channels"})
        found: Map = np.asarray(rise.explain(closeness, _planes(question), labels=[0], batch_size=BATCH))[0]
        return found

    return run


def _xaitk(question: Question, embed: Embed) -> Runner:
    """Similarity saliency over RISE masks: regions whose hiding takes the picture away from the reference."""
    from xaitk_saliency.impls.gen_descriptor_sim_sal.similarity_scoring import SimilarityScoring
    from xaitk_saliency.impls.perturb_image.rise import RISEGrid

    def run(n: int, seed: int, tell: Callable[[], None]) -> Map:
        planes = _planes(question)
        masks = RISEGrid(n=n, s=FEATURE_RES, p1=P_KEEP, seed=seed, threads=0).perturb(planes)
        rows = [embed(planes * masks[i : i + BATCH, :, :, None]) for i in range(0, n, BATCH)]
        whole, target = embed(planes[None])[0], question.target.embedding
        found: Map = SimilarityScoring("cosine").generate(whole, target[None], np.concatenate(rows), masks)[0]
        return found

    return run


def _kernel_shap(question: Question, embed: Embed) -> Runner:
    """Captum's, on the cells of a grid."""
    import torch
    from captum.attr import KernelShap

    height, width = question.pixels.shape[:2]
    cells = (np.arange(height) * FEATURE_RES // height)[:, None] * FEATURE_RES + np.arange(width) * FEATURE_RES // width
    features = torch.from_numpy(cells[None, :, :, None].astype(np.int64))

    def closeness(planes: Any) -> Any:
        return torch.from_numpy(_closeness(question, embed(planes.numpy())))

    def run(n: int, seed: int, tell: Callable[[], None]) -> Map:
        planes = torch.from_numpy(_planes(question)[None])
        found = KernelShap(closeness).attribute(
            planes, baselines=0.0, feature_mask=features, n_samples=n, perturbations_per_eval=BATCH
        )
        mean: Map = as_numpy(found)[0].mean(axis=2)
        return mean

    return run


PEERS: tuple[tuple[str, str, Callable[[Question, Embed], Runner]], ...] = (
    ("distance-explainer", "distance-explainer", _distance_explainer),
    ("DIANNA, RISE", "dianna", _dianna),
    ("xaitk-saliency, similarity", "xaitk-saliency", _xaitk),
    ("captum, KernelSHAP", "captum", _kernel_shap),
)
"""What it is called, the package, and what makes it ready for a question and a network."""
