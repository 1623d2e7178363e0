"""Maps of other distances and of smaller spaces, beside that of the whole one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import explorer
from explorer import InvalidInput, MaskSettings, Probe, SelectionSettings, UnusableEmbedding
from explorer.core.distances import DISTANCES
from explorer.core.references import Reference
from explorer.evaluation.spaces import HOW, by_dimensions, by_distance, doublings

D = 12
MASKING = MaskSettings(n_masks=60, feature_res=3)
MIRROR = SelectionSettings(threshold=0.3)


def lengthening(batch: np.ndarray) -> np.ndarray:
    """(b, h, w, c) -> (b, D): two numbers for the left and right half, the rest seen through a fixed mix."""
    left, right = batch[:, :, :10].mean(axis=(1, 2, 3)), batch[:, :, 10:].mean(axis=(1, 2, 3))
    mix = np.random.default_rng(1).normal(size=(2, D - 2))
    seen = np.stack([left, right], axis=1)
    return np.concatenate([seen + 0.1, np.tanh(seen @ mix)], axis=1)


@pytest.fixture(scope="module")
def probe() -> Probe:
    picture = np.random.default_rng(0).random((16, 20, 1))
    return explorer.probe(picture, encoder=explorer.from_function(lengthening), masking=MASKING)


@pytest.fixture(scope="module")
def target() -> Reference:
    return Reference(np.random.default_rng(2).normal(size=D) + 1, "an embedding")


def ranked(probe: Probe, embedding: np.ndarray, selection: SelectionSettings) -> np.ndarray:
    return explorer.rank(probe, embedding=embedding, selection=selection).relative


@pytest.mark.parametrize("mode", ["mirror", "closest", "rank_weighted"])
def test_every_distance_beside_the_cosine(probe: Probe, target: Reference, mode: str) -> None:
    found = by_distance(probe, target, SelectionSettings(mode=mode, threshold=0.3, distance="dot"))
    assert list(found) == list(DISTANCES)
    whole = ranked(probe, target.embedding, SelectionSettings(mode=mode, threshold=0.3))
    for distance, seen in found.items():
        own = ranked(probe, target.embedding, SelectionSettings(mode=mode, threshold=0.3, distance=distance))
        np.testing.assert_array_equal(seen.attribution, own)
        assert seen.pearson == pytest.approx(np.corrcoef(own.ravel(), whole.ravel())[0, 1])
    same = found["cosine"]
    assert (same.pearson, same.spearman, same.ranking) == pytest.approx((1, 1, 1))
    assert found["angular"].ranking == pytest.approx(1)  # the angle grows with the cosine distance
    assert found["euclidean"].ranking < 0.999


def test_spearman_is_scipys(probe: Probe, target: Reference) -> None:
    stats = pytest.importorskip("scipy.stats")
    seen = by_distance(probe, target, MIRROR)["euclidean"]
    whole = ranked(probe, target.embedding, MIRROR)
    assert seen.spearman == pytest.approx(stats.spearmanr(seen.attribution.ravel(), whole.ravel())[0])
    far, near = (
        explorer.rank(probe, embedding=target.embedding, selection=replace(MIRROR, distance=key)).distances
        for key in ("euclidean", "cosine")
    )
    assert seen.ranking == pytest.approx(stats.spearmanr(far, near)[0])


def test_truncation_keeps_the_first_coordinates(probe: Probe, target: Reference) -> None:
    found = by_dimensions(probe, target, MIRROR, (3, D))
    np.testing.assert_allclose(found[D].attribution, ranked(probe, target.embedding, MIRROR))
    cut = replace(probe, embeddings=probe.embeddings[:, :3])
    np.testing.assert_array_equal(found[3].attribution, ranked(cut, target.embedding[:3], MIRROR))
    assert found[D].pearson == pytest.approx(1)
    assert found[3].pearson < 0.999


def test_principal_directions_turn_into_the_whole_space(probe: Probe, target: Reference) -> None:
    """The part of the reference that no copy reaches only scales the cosine, so the ranking stays."""
    outside = replace(probe, embeddings=np.pad(probe.embeddings, ((0, 0), (0, 5))))
    longer = replace(target, embedding=np.concatenate([target.embedding, np.full(5, 3.0)]))
    found = by_dimensions(outside, longer, MIRROR, doublings(D), how="principal")
    assert found[D].ranking == pytest.approx(1, abs=1e-6)
    assert found[D].pearson == pytest.approx(1, abs=1e-6)
    # Distances in the first k directions by hand, from the covariances about zero.
    rows = probe.embeddings.astype(float)
    vectors = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :4]
    by_hand = replace(probe, embeddings=rows @ vectors)
    np.testing.assert_allclose(
        by_dimensions(probe, target, MIRROR, (4,), how="principal")[4].attribution,
        ranked(by_hand, vectors.T @ target.embedding, MIRROR),
        atol=1e-6,
    )


def test_random_directions_are_seeded_and_nested(probe: Probe, target: Reference) -> None:
    few, many = (by_dimensions(probe, target, MIRROR, dims, how="project", seed=3) for dims in ((4,), (4, 2, D)))
    np.testing.assert_array_equal(few[4].attribution, many[4].attribution)
    other = by_dimensions(probe, target, MIRROR, (4,), how="project", seed=4)[4]
    assert not np.array_equal(other.attribution, few[4].attribution)


def test_many_random_directions_keep_the_ranking() -> None:
    """Johnson & Lindenstrauss: in a space of 300 dimensions 256 random ones tell nearly the same."""
    encoder = explorer.from_function(lambda batch: batch.reshape(len(batch), -1) - 0.2)
    picture = np.random.default_rng(0).random((16, 20, 1))
    probe = explorer.probe(picture, encoder=encoder, masking=MASKING)
    target = Reference(picture[::-1].ravel() - 0.2, "an embedding")
    found = by_dimensions(probe, target, MIRROR, (2, 256), how="project")
    assert found[256].ranking > 0.8
    assert found[256].ranking > found[2].ranking + 0.2


def test_where_there_is_no_map_nothing_correlates(target: Reference) -> None:
    dead = explorer.from_function(lambda batch: np.ones((len(batch), D)))
    probe = explorer.probe(np.ones((16, 20, 1)), encoder=dead, masking=MASKING)
    for seen in by_distance(probe, target, MIRROR).values():
        assert (seen.pearson, seen.spearman, seen.ranking) == (0, 0, 0)


@pytest.mark.parametrize("dims", [(0,), (3, D + 1), (-1,)])
def test_dimensions_there_are_not(probe: Probe, target: Reference, dims: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match=f"take 1 to {D}"):
        by_dimensions(probe, target, MIRROR, dims)


def test_an_unknown_way(probe: Probe, target: Reference) -> None:
    with pytest.raises(InvalidInput, match=", ".join(HOW)):
        by_dimensions(probe, target, MIRROR, (3,), how="umap")


def test_where_nothing_is_left_of_an_embedding(probe: Probe, target: Reference) -> None:
    gone = replace(target, embedding=np.concatenate([[0.0, 0.0], target.embedding[2:]]))
    with pytest.raises(UnusableEmbedding, match="zero length"):
        by_dimensions(probe, gone, MIRROR, (2,))
    assert by_dimensions(probe, gone, replace(MIRROR, distance="euclidean"), (2,))[2].attribution.any()


def test_doublings() -> None:
    assert doublings(1) == (1,)
    assert doublings(8) == (1, 2, 4, 8)
    assert doublings(1000) == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
