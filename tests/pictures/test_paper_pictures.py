"""The paper's pictures show what the paper describes, by the mean attribution inside boxes drawn by hand.

One thousand masks, the default settings. Beside each limit stand the values of three seeds it was chosen from,
`mirror` first, then `rank_weighted`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer import MaskSettings, Probe, SelectionSettings

PaperImage = Callable[[str], Path]
BoxShares = tuple[float, float, float, float]

# Boxes as shares of width and height: left, top, right, bottom.
DOG: BoxShares = (0.155, 0.27, 0.46, 0.88)
DOG_HEAD: BoxShares = (0.155, 0.27, 0.27, 0.42)
DOG_TRUNK: BoxShares = (0.18, 0.42, 0.45, 0.72)
CAR: BoxShares = (0.55, 0.08, 1.0, 0.65)
"""The silver car, from behind the tip of the dog's tail, which hangs before its bumper."""
BEE_WINGS: BoxShares = (0.37, 0.02, 0.66, 0.30)
BEE_STRIPES: BoxShares = (0.45, 0.29, 0.70, 0.73)
BEE_HEAD: BoxShares = (0.17, 0.34, 0.31, 0.55)

both_modes = pytest.mark.parametrize("mode", ["mirror", "rank_weighted"])


def inside(attribution: np.ndarray, box: BoxShares) -> float:
    """The mean attribution inside a box."""
    h, w = attribution.shape
    left, top, right, bottom = box
    return float(attribution[round(top * h) : round(bottom * h), round(left * w) : round(right * w)].mean())


@pytest.fixture(scope="module")
def dog_and_car(paper_image: PaperImage) -> Probe:
    return explorer.probe(paper_image("dogcar.jpg"), encoder="efficientnet-lite0")


@pytest.fixture(scope="module")
def dog_and_car_for_captions(paper_image: PaperImage) -> Probe:
    return explorer.probe(paper_image("dogcar.jpg"), encoder="conse-lite0")


@pytest.fixture(scope="module")
def bee(paper_image: PaperImage) -> Probe:
    return explorer.probe(paper_image("bee.jpg"), encoder="efficientnet-lite0", masking=MaskSettings(n_masks=1000))


@both_modes
def test_dog_and_car_against_a_car(dog_and_car: Probe, paper_image: PaperImage, mode: str) -> None:
    """The dog pushes the pictures apart; the car does not, and is what stands out above the rest of the map."""
    found = explorer.rank(
        dog_and_car, reference=paper_image("car1.jpg"), selection=SelectionSettings(mode=mode)
    ).attribution
    dog, car = inside(found, DOG), inside(found, CAR)
    assert dog < -0.10  # -.24 -.28 -.24, -.16 -.17 -.16
    assert car > -0.02  # .006 .040 .048, .005 .014 .027
    assert car - dog > 0.12  # .25 .32 .29, .16 .19 .19
    assert car - found.mean() > 0.03  # .059 .101 .089, .042 .057 .059
    strongest = np.where(found >= np.quantile(found, 0.95), 1.0, 0.0)
    assert inside(strongest, DOG) < 0.02  # 0 0 0, 0 0 .01


@both_modes
def test_dog_and_car_against_a_dog(dog_and_car: Probe, paper_image: PaperImage, mode: str) -> None:
    """The other dog has curls: the network calls it a Bedlington Terrier and this one a Saluki.

    So the smooth trunk pushes them apart, and only the head does not.
    """
    selection = SelectionSettings(mode=mode)
    found = explorer.rank(dog_and_car, reference=paper_image("labradoodle1.jpg"), selection=selection).attribution
    head, trunk, car = inside(found, DOG_HEAD), inside(found, DOG_TRUNK), inside(found, CAR)
    assert trunk < -0.10  # -.26 -.27 -.27, -.18 -.20 -.21
    assert head > -0.05  # .10 .03 -.00, .06 -.01 .03
    assert head - trunk > 0.12  # .36 .29 .27, .24 .20 .24
    assert abs(car) < 0.08  # -.03 .03 .01, -.02 -.00 .01


@both_modes
def test_dog_and_car_against_captions(dog_and_car_for_captions: Probe, mode: str) -> None:
    """Against "a car" the dog is blue and the car red, against "a dog" the reverse: red dog, white car."""
    selection = SelectionSettings(mode=mode)
    car_map, dog_map = (
        explorer.rank(dog_and_car_for_captions, caption=caption, selection=selection).attribution
        for caption in ("a car", "a dog")
    )
    assert inside(car_map, DOG) < -0.15  # -.29 -.31 -.30, -.24 -.24 -.24
    assert inside(car_map, CAR) > 0  # .037 .055 .030, .009 .010 .015
    assert inside(car_map, CAR) - car_map.mean() > 0.04  # .101 .127 .101, .071 .079 .078
    assert inside(dog_map, DOG) > 0.10  # .23 .22 .18, .15 .15 .14
    assert abs(inside(dog_map, CAR)) < 0.05  # .007 .013 -.003, .007 .007 .001
    assert inside(dog_map, CAR) < dog_map.mean() - 0.02  # -.057 -.067 -.057, -.037 -.047 -.040
    highest = np.unravel_index(dog_map.argmax(), dog_map.shape)
    assert highest == pytest.approx((0.46 * 224, 0.34 * 224), abs=15)  # the dog's back, with every seed


@both_modes
def test_a_bee_against_a_fly(bee: Probe, paper_image: PaperImage, mode: str) -> None:
    """The wings make it like a fly, the stripes tell it apart (paper, figure 8)."""
    found = explorer.rank(bee, reference=paper_image("fly.jpg"), selection=SelectionSettings(mode=mode)).attribution
    assert inside(found, BEE_WINGS) > 0.04  # .17 .16 .09, .10 .10 .09
    assert inside(found, BEE_STRIPES) < -0.03  # -.10 -.09 -.12, -.09 -.05 -.08
    assert inside(found, BEE_WINGS) - inside(found, BEE_STRIPES) > 0.1


@both_modes
def test_a_bee_against_another_bee(bee: Probe, paper_image: PaperImage, mode: str) -> None:
    """Same class: the whole animal brings them closer, its face most."""
    found = explorer.rank(bee, reference=paper_image("bee2.jpg"), selection=SelectionSettings(mode=mode)).attribution
    assert inside(found, BEE_HEAD) > 0.15  # .35 .40 .41, .25 .28 .28
    assert inside(found, BEE_STRIPES) > 0.02  # .12 .17 .11, .07 .08 .07
    assert found.max() > 1.5 * abs(found.min())


@pytest.mark.parametrize("name", ["fly", "bee2"])
def test_published_maps_of_another_network(bee: Probe, paper_image: PaperImage, shared: Path, name: str) -> None:
    """The paper's own maps were made with Keras' ResNet50; ours agree with them about most of the picture."""
    published = np.load(shared / "reference_results" / f"attribution_{name}.npy", allow_pickle=False).squeeze()
    ours = explorer.rank(bee, reference=paper_image(f"{name}.jpg")).attribution
    assert np.corrcoef(ours.ravel(), published.ravel())[0, 1] > 0.35  # fly .56 .54 .54, bee .60 .56 .53
