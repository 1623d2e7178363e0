"""The DIX paper's metrics once more, slowly, from their descriptions (research/dix.md, sections 5.1 and 5.4).

Meant to be read and believed. Pictures are (h, w, 3) in 0 to 255, ``predict`` gives the probabilities of one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import convolve, gaussian_filter
from sklearn.metrics import average_precision_score, f1_score

Predict = Callable[[np.ndarray], np.ndarray]


def chefer(picture: np.ndarray, attribution: np.ndarray, predict: Predict, label: int, highest: bool) -> dict:
    """Chefer et al. 2021: a tenth of the pixels black, two tenths ...: areas of the hits and of the probability.

    No two pixels of the map may be equal, as nobody says which of them goes first.
    """
    h, w = attribution.shape
    assert len(set(attribution.ravel())) == h * w
    pixels = sorted(((y, x) for y in range(h) for x in range(w)), key=lambda p: attribution[p], reverse=highest)
    steps = [i / 10 for i in range(10)]
    hits, probabilities = [], []
    for step in steps:
        copy = picture.copy()
        for y, x in pixels[: int(h * w * step)]:
            copy[y, x, :] = 0
        row = predict(copy)
        hits.append(float(max(range(len(row)), key=lambda k: row[k]) == label))
        probabilities.append(float(row[label]))
    return {"hits": trapezoids(hits, steps), "probabilities": trapezoids(probabilities, steps)}


def trapezoids(y: Sequence[float], x: Sequence[float]) -> float:
    """100 times the area."""
    return 100 * math.fsum((x[i + 1] - x[i]) * (y[i] + y[i + 1]) / 2 for i in range(len(x) - 1))


def rise(normal: np.ndarray, attribution: np.ndarray, predict: Predict, label: int, insert: bool, step: int) -> float:
    """Petsiuk et al. 2018, on a picture (3, h, w) in the network's own space, where zero is its mean colour."""
    pixels = [tuple(p) for p in np.argwhere(np.ones(attribution.shape))]
    pixels.sort(key=lambda p: -attribution[p])
    now, end = (blur(normal), normal) if insert else (normal, np.zeros_like(normal))
    now = now.copy()
    scores = [predict(now)[label]]
    for start in range(0, len(pixels), step):
        for y, x in pixels[start : start + step]:
            now[:, y, x] = end[:, y, x]
        scores.append(predict(now)[label])
    return (sum(scores) - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)


def blur(normal: np.ndarray) -> np.ndarray:
    """The kernel is what a Gaussian filter makes of one bright pixel; outside the picture there is zero."""
    bright = np.zeros((11, 11))
    bright[5, 5] = 1
    kernel = gaussian_filter(bright, 5)
    return np.stack([convolve(channel, kernel, mode="constant") for channel in normal])


def segmentation(maps: Sequence[np.ndarray], objects: Sequence[np.ndarray]) -> dict[str, float]:
    """What the published evaluation counts, over pictures one after another."""
    correct = labelled = 0
    inter, union = np.zeros(2), np.zeros(2)
    precisions, rows, pictures = [], [], []
    for attribution, region in zip(maps, objects, strict=True):
        m = (attribution - attribution.min()) / (attribution.max() - attribution.min())
        guess = (m > m.mean()).astype(int)
        truth = region.astype(int)
        correct += sum(int(g == t) for g, t in zip(guess.flat, truth.flat, strict=True))
        labelled += truth.size
        for k in (0, 1):
            inter[k] += np.logical_and(guess == k, truth == k).sum()
            union[k] += np.logical_or(guess == k, truth == k).sum()
        one_hot = np.concatenate([(truth == 0).ravel(), (truth == 1).ravel()])
        precisions.append(average_precision_score(one_hot, np.concatenate([(1 - m).ravel(), m.ravel()])))
        rows += [f1_score(t, g, zero_division=0) for t, g in zip(truth, guess, strict=True)]
        pictures.append(f1_score(truth.ravel(), guess.ravel(), zero_division=0))
    return {
        "pa": 100 * correct / labelled,
        "miou": 100 * float((inter / (np.spacing(1) + union)).mean()),
        "map": 100 * float(np.mean(precisions)),
        "mf1-official": 100 * float(np.mean(rows)),
        "mf1": 100 * float(np.mean(pictures)),
    }
