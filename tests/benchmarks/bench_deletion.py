"""Areas of incremental deletion on the paper's pairs, by what deleted pixels become (paper, section 4.1).

    python tests/benchmarks/bench_deletion.py [--n-masks 1000] [--fill mean black blur zero] [--upto 1 0.2]
        [--encoder efficientnet-lite0]

Each line: the area under LoDF's and HiDF's curves less the mean of five random orders, with how far one random order
lies from another (standard deviation). Needs the paper's pictures beside the repository.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from explorer.attributions.question import DistanceExplainer, make_question
from explorer.core.fills import FILLS
from explorer.core.masks import MaskSettings
from explorer.core.steps import run
from explorer.evaluation.deletion import deletion

PAPER = Path(__file__).parents[3] / "shared" / "paper_images"
REFERENCES = ("fly.jpg", "bee2.jpg")
STEPS = 40
"""Points of a curve, as in the study of figures 2 and 4."""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-masks", type=int, default=1000)
    parser.add_argument("--fill", nargs="*", choices=list(FILLS), default=["mean", "black", "blur"])
    parser.add_argument("--upto", nargs="*", type=float, default=[1.0, 0.2])
    parser.add_argument("--encoder", default="efficientnet-lite0")
    asked = parser.parse_args()
    for reference in REFERENCES:
        question = make_question(PAPER / "bee.jpg", reference=PAPER / reference, encoder=asked.encoder)
        attribution = run(DistanceExplainer(MaskSettings(n_masks=asked.n_masks))(question))
        for fill in asked.fill:
            found = run(deletion(question, attribution, steps=STEPS, fill=fill))
            for upto in asked.upto:
                lodf, hidf = (found.against_random(order, upto) for order in ("lodf", "hidf"))
                spread = found.random_areas(upto).std(ddof=1)
                what = f"bee.jpg against {reference}, {fill}, up to {100 * upto:g} %"
                print(what, f"LoDF {lodf:+.4f}, HiDF {hidf:+.4f}, random ±{spread:.4f}", "", sep="  ", flush=True)


if __name__ == "__main__":
    main()
