"""The figures of the DIX paper (Barkan et al. 2023, arXiv:2310.15368), tables 1 to 5, to stand beside ours.

They are taken from the paper as printed, and belong to its own networks: RN is ResNet-101, CN ConvNeXt-Base, DN
DenseNet-201, and the two transformers are ViT-Base and ViT-Small. Its code squeezes whole pictures to 224 x 224.
"""

from __future__ import annotations

from dataclasses import dataclass

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


def _table(number: int, title: str, attention: bool | None, methods: str, text: str) -> PaperTable:
    """From lines of data set, network, metric and numbers."""
    figures = {}
    for line in text.strip().splitlines():
        data, network, metric, *numbers = line.split()
        figures[data, network, metric] = tuple(float(number) for number in numbers)
    metrics = tuple(dict.fromkeys(metric for _, _, metric in figures))
    return PaperTable(number, title, attention, tuple(methods.split()), metrics, figures)


TABLES = (
    # The paper's text leaves out DIX2's NEG of RN; table 5, which repeats table 1, has it.
    _table(1, "Explanation tests, convolutional networks", False, "GC GC++ LIFT AC IG GIG BIG FG LC XGC DIX2 DIX3", """
IN RN NEG 56.41 55.20 55.39 54.98 45.66 43.97 42.25 54.81 53.52 53.46 56.28 57.13
IN RN POS 17.82 18.01 17.53 19.38 17.24 17.68 17.44 18.06 17.92 21.02 15.69 17.11
IN RN INS 48.14 47.56 45.39 47.05 39.87 37.92 36.04 42.68 46.11 43.26 48.09 48.91
IN RN DEL 13.97 14.17 15.32 14.23 13.49 14.18 13.95 14.64 14.31 14.98 12.84 13.36
IN RN ADP 17.87 16.91 18.03 16.18 37.52 35.28 40.85 21.06 24.34 17.02 15.68 16.02
IN RN PIC 36.69 36.53 35.95 35.52 19.94 18.72 24.53 31.59 35.43 36.18 40.21 37.29
IN RN SIC 76.91 76.44 76.73 73.36 54.67 55.04 56.98 75.35 73.93 72.64 77.61 78.12
IN RN AIC 74.36 71.97 72.76 70.35 51.92 53.38 53.36 71.49 65.77 69.85 76.09 76.34
IN CN NEG 52.86 53.82 53.98 53.68 45.24 41.43 40.72 52.06 54.12 52.13 54.40 55.23
IN CN POS 17.52 17.85 18.23 18.19 17.42 18.03 18.14 18.26 17.58 20.83 16.96 16.51
IN CN INS 45.65 45.19 43.86 49.18 37.22 32.99 31.02 42.01 44.14 42.07 49.53 49.86
IN CN DEL 13.43 14.17 15.18 14.73 12.36 13.08 13.29 14.21 13.64 14.78 11.95 11.74
IN CN ADP 22.46 22.35 29.13 24.38 36.98 35.79 41.73 30.75 37.62 25.68 22.24 22.19
IN CN PIC 23.16 24.42 22.34 24.59 17.65 13.12 20.69 22.13 22.17 23.26 28.31 28.47
IN CN SIC 65.93 67.94 54.75 63.95 53.36 58.35 57.27 62.84 69.11 59.12 69.83 70.18
IN CN AIC 75.64 75.52 57.06 71.53 51.68 55.82 53.82 67.15 75.41 62.38 76.44 77.29
IN DN NEG 57.40 57.16 58.01 56.63 40.74 37.31 36.67 56.79 56.96 55.74 57.31 58.25
IN DN POS 17.75 17.81 18.87 18.67 17.31 17.46 17.38 17.84 17.62 18.67 16.59 17.14
IN DN INS 51.09 50.89 50.63 50.41 37.58 33.31 31.32 50.44 50.60 49.62 50.97 51.58
IN DN DEL 13.61 13.63 13.29 15.31 13.26 13.27 13.54 14.34 13.85 14.75 12.73 12.98
IN DN ADP 17.46 17.01 19.45 17.13 35.61 34.51 40.04 20.21 24.23 19.59 16.29 16.58
IN DN PIC 34.68 35.21 34.13 31.22 22.35 16.62 26.18 31.05 33.81 30.39 38.91 37.78
IN DN SIC 75.62 74.75 74.72 73.94 54.59 58.55 57.66 72.93 74.34 73.94 77.24 77.32
IN DN AIC 74.22 71.82 72.65 70.21 54.74 54.56 56.08 70.63 71.82 70.12 75.98 76.39
"""),
    _table(2, "Explanation tests, transformers", True, "T-Attr GAE DIX2 DIX3", """
IN ViT-B NEG 54.16 54.61 56.43 56.94
IN ViT-B POS 17.03 17.32 15.10 14.85
IN ViT-B INS 48.58 48.96 49.51 50.59
IN ViT-B DEL 14.20 14.37 12.62 12.16
IN ViT-B ADP 54.02 37.84 35.93 35.58
IN ViT-B PIC 13.37 23.65 28.21 27.41
IN ViT-B SIC 68.59 68.35 68.94 69.11
IN ViT-B AIC 61.34 57.92 62.42 65.03
IN ViT-S NEG 53.29 52.81 55.98 56.13
IN ViT-S POS 14.16 14.75 13.09 12.32
IN ViT-S INS 45.72 45.21 46.62 47.36
IN ViT-S DEL 11.28 11.92 11.18 10.56
IN ViT-S ADP 51.94 36.98 36.31 36.57
IN ViT-S PIC 13.67 8.68 18.39 18.25
IN ViT-S SIC 69.46 70.19 70.92 71.55
IN ViT-S AIC 63.86 64.49 65.17 65.58
"""),
    _table(3, "Segmentation tests, convolutional networks", False, "GC GC++ LIFT AC DIX2 DIX3", """
IN-Seg CN PA 77.01 77.54 63.77 77.04 78.32 78.93
IN-Seg CN mAP 81.01 85.63 69.40 86.93 87.13 87.34
IN-Seg CN mIoU 56.58 58.35 53.81 58.42 58.64 58.79
IN-Seg CN mF1 36.88 38.26 35.91 41.29 42.51 42.95
IN-Seg RN PA 71.93 71.96 71.68 70.36 72.43 73.17
IN-Seg RN mAP 84.21 84.23 83.79 81.14 84.58 85.37
IN-Seg RN mIoU 53.06 53.29 52.17 52.91 53.93 54.16
IN-Seg RN mF1 42.51 42.68 41.95 42.08 42.75 43.18
IN-Seg DN PA 73.00 73.21 72.87 72.44 73.58 73.90
IN-Seg DN mAP 85.04 85.53 84.82 84.62 85.57 85.98
IN-Seg DN mIoU 54.18 54.57 54.11 54.89 55.42 56.03
IN-Seg DN mF1 41.74 42.58 41.61 43.51 43.71 43.79
COCO CN PA 68.75 66.49 60.37 64.10 68.87 69.38
COCO CN mAP 75.02 75.21 67.98 76.09 76.94 77.43
COCO CN mIoU 43.46 44.01 37.08 44.27 44.89 45.06
COCO CN mF1 28.96 29.85 26.92 30.81 31.28 31.99
COCO RN PA 64.17 64.39 64.02 63.90 64.75 64.94
COCO RN mAP 74.19 74.27 73.78 72.80 74.38 74.91
COCO RN mIoU 42.37 43.25 42.59 42.88 43.54 43.87
COCO RN mF1 31.64 32.82 31.77 32.41 33.39 33.71
COCO DN PA 63.50 64.06 63.25 64.51 64.98 65.37
COCO DN mAP 72.61 73.07 72.15 73.85 74.02 74.67
COCO DN mIoU 43.02 43.75 42.85 44.16 44.75 44.82
COCO DN mF1 31.04 32.31 30.83 33.93 34.14 34.59
VOC CN PA 72.54 72.09 63.32 69.83 72.68 72.81
VOC CN mAP 77.27 79.47 68.83 80.45 81.35 81.79
VOC CN mIoU 50.28 50.63 48.86 49.76 51.12 51.29
VOC CN mF1 35.24 35.67 33.26 34.51 35.92 36.57
VOC RN PA 68.74 69.01 68.61 68.00 69.38 69.74
VOC RN mAP 79.68 79.96 79.41 78.02 81.02 81.49
VOC RN mIoU 49.44 49.91 49.15 49.32 50.43 51.58
VOC RN mF1 33.08 33.56 32.69 32.74 34.28 34.68
VOC DN PA 68.43 68.78 68.24 68.36 68.89 68.95
VOC DN mAP 78.68 79.06 78.52 78.62 79.43 79.66
VOC DN mIoU 49.29 49.68 49.03 49.11 49.91 50.24
VOC DN mF1 32.92 33.83 32.28 32.56 34.11 34.26
"""),
    _table(4, "Segmentation tests, transformers", True, "T-Attr GAE DIX2 DIX3", """
IN-Seg ViT-B PA 79.70 76.30 79.91 81.02
IN-Seg ViT-B mAP 86.03 85.28 87.12 87.45
IN-Seg ViT-B mIoU 61.95 58.34 62.53 63.47
IN-Seg ViT-B mF1 40.17 41.85 44.94 45.66
IN-Seg ViT-S PA 80.86 76.66 81.54 81.83
IN-Seg ViT-S mAP 86.13 84.23 86.48 86.96
IN-Seg ViT-S mIoU 63.61 57.70 64.13 64.67
IN-Seg ViT-S mF1 43.60 40.72 46.34 46.82
COCO ViT-B PA 68.89 67.10 68.95 69.42
COCO ViT-B mAP 78.57 78.72 80.63 81.22
COCO ViT-B mIoU 46.62 46.51 47.75 47.79
COCO ViT-B mF1 26.28 31.70 33.87 34.12
COCO ViT-S PA 69.90 67.95 70.41 70.64
COCO ViT-S mAP 79.28 78.65 80.55 80.89
COCO ViT-S mIoU 48.62 46.52 50.81 51.22
COCO ViT-S mF1 30.88 30.96 35.61 35.74
VOC ViT-B PA 73.70 71.32 75.33 75.84
VOC ViT-B mAP 81.08 80.88 81.75 81.89
VOC ViT-B mIoU 53.09 51.82 53.62 53.71
VOC ViT-B mF1 31.50 35.72 36.38 36.59
VOC ViT-S PA 74.96 71.85 76.35 76.56
VOC ViT-S mAP 81.76 80.60 82.74 82.91
VOC ViT-S mIoU 55.37 51.55 55.83 55.98
VOC ViT-S mF1 36.03 34.95 39.27 39.41
"""),
    _table(5, "Ablations of DIX", None, "DIX1 IG DIX2 DIX2-MUL DIX3-GRADS DIX3", """
IN RN NEG 55.47 45.66 56.28 55.24 56.05 57.13
IN RN POS 17.47 17.24 15.69 17.28 18.13 17.11
IN RN INS 47.53 39.87 48.09 47.13 47.88 48.91
IN RN DEL 13.72 13.49 12.84 13.59 14.52 13.36
IN RN ADP 17.21 37.52 15.68 21.38 17.43 16.02
IN RN PIC 36.54 19.94 40.21 28.46 37.10 37.29
IN RN SIC 76.85 54.67 77.61 75.17 76.13 78.12
IN RN AIC 75.48 51.92 76.09 74.21 74.88 76.34
IN ViT-B NEG 55.98 40.94 56.43 55.62 55.78 56.94
IN ViT-B POS 15.49 22.43 15.10 15.37 15.81 14.85
IN ViT-B INS 49.38 35.07 49.51 49.27 49.33 50.59
IN ViT-B DEL 13.06 17.90 12.62 12.85 13.12 12.16
IN ViT-B ADP 36.96 41.35 35.93 38.62 36.08 35.58
IN ViT-B PIC 26.94 16.89 28.21 26.39 27.13 27.41
IN ViT-B SIC 67.79 58.91 68.94 68.43 68.32 69.11
IN ViT-B AIC 61.56 54.93 62.42 62.18 61.94 65.03
"""),
)  # fmt: skip
