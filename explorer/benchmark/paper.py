"""The figures of the DIX paper (Barkan et al. 2023, arXiv:2310.15368), tables 1 to 5, to stand beside ours.

They are taken from the paper as printed, and belong to its own networks: RN is ResNet-101, CN ConvNeXt-Base, DN
DenseNet-201, and the two transformers are ViT-Base and ViT-Small. Its code squeezes whole pictures to 224 x 224.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAPER = "Barkan et al. 2023, Deep Integrated Explanations, arXiv:2310.15368"

PAPER_METHODS = {
    "GC": "grad-cam",
    "GC++": "grad-cam++",
    "LIFT": "lift-cam",
    "AC": "ablation-cam",
    "IG": "integrated-gradients",
    "GIG": "guided-ig",
    "BIG": "blur-ig",
    "FG": "full-grad",
    "LC": "layer-cam",
    "XGC": "x-grad-cam",
    "T-Attr": "t-attr",
    "GAE": "gae",
    "DIX1": "dix1",
    "DIX2": "dix2",
    "DIX3": "dix3",
    "DIX2-MUL": "dix2-mul",
    "DIX3-GRADS": "dix3-grads",
}
"""Keys of METHODS by the paper's abbreviations."""

PAPER_METRICS = {
    "NEG": "neg", "POS": "pos", "INS": "ins", "DEL": "del", "ADP": "adp", "PIC": "pic", "SIC": "sic", "AIC": "aic",
    "PA": "pa", "mAP": "map", "mIoU": "miou", "mF1": "mf1-official",
}  # fmt: skip
"""Keys of METRICS; the paper's mF1 is what its code computes, which is not the F1 of a picture."""

PAPER_NETWORKS = {
    "RN": "timm:resnet101.tv_in1k",
    "DN": "timm:densenet201.tv_in1k",
    "ViT-B": "timm:vit_base_patch16_224.orig_in21k_ft_in1k",
}
"""Keys of the encoders that have the very weights of the paper's code (github.com/dix-cikm23/dix, fda6545).

torchvision's ConvNeXt-Base is not among timm's, and of ViT-Small the code links other weights than it loads.
"""

PAPER_DATA = {"IN": "imagenet", "IN-Seg": "imagenet-seg", "COCO": "coco", "VOC": "voc"}
"""Keys of DATASETS."""


@dataclass(frozen=True)
class PaperTable:
    """One table of the paper.

    Attributes:
        number: 1 to 5.
        title: What is in it.
        attention: Whether it is about transformers; None where about both.
        methods: The columns, in the paper's abbreviations.
        metrics: The rows of each network, in the paper's abbreviations.
        figures: Rows of numbers by data set, network and metric, each as long as ``methods``.
    """

    number: int
    title: str
    attention: bool | None
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    figures: dict[tuple[str, str, str], tuple[float, ...]]


def _table(text: str) -> PaperTable:
    """From a block of ``paper_tables.txt``."""
    head, *lines = text.splitlines()
    number, title, networks, methods = head.split(" | ")
    attention = {"convolutional": False, "transformers": True, "both": None}[networks]
    figures = {}
    for line in lines:
        data, network, metric, *numbers = line.split()
        figures[data, network, metric] = tuple(float(number) for number in numbers)
    metrics = tuple(dict.fromkeys(metric for _, _, metric in figures))
    return PaperTable(int(number), title, attention, tuple(methods.split()), metrics, figures)


_, *_BLOCKS = Path(__file__).with_name("paper_tables.txt").read_text(encoding="utf-8").strip().split("\n\n")
TABLES = tuple(_table(block) for block in _BLOCKS)
