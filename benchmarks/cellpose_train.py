"""Train a Cellpose network from nothing on simulated samples, by the library's own trainer.

The weights of Cellpose's makers cannot be had everywhere. This makes some to fill its rows of
`dermogan benchmark` with, by samples of the preset that our own models of confocal images learn
from: images, and the interiors of their cells, which is what `dermogan-cellpose` shows it.

    pip install 'cellpose==3.0.9'
    python benchmarks/cellpose_train.py -o cellpose-simulated
    dermogan benchmark --method cellpose --cellpose cellpose-simulated -o benchmark

Networks of Cellpose 4 have 300 million weights and can only be tuned further by it; the file that
is made here is for version 3.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import simcell

SETS = ["frame.shape=[192, 192]", "frame.spacing_um=1.0"]
Images = list[NDArray[np.float32]]
Labels = list[NDArray[np.int32]]


def samples(count: int, seed: int) -> tuple[Images, Labels]:
    """Return images and interiors of samples, and the labels of both."""
    preset = simcell.load_preset("rcm-sg").with_set(SETS)
    images: Images = []
    labels: Labels = []
    for index in range(count):
        made = simcell.simulate(preset.scene(seed=seed, index=index), seed=seed, index=index)
        assert made.image is not None
        assert made.prior is not None
        truth = made.labels.astype(np.int32)
        inside = np.where(truth > 0, 1 - made.prior.astype(np.float32) / made.prior.max(), 0)
        images += [made.image.astype(np.float32), inside.astype(np.float32)]
        labels += [truth, truth]
    return images, labels


def main() -> None:
    """Train, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, required=True, help="file of weights to write")
    parser.add_argument("-n", type=int, default=150, help="samples")
    parser.add_argument("--steps", type=int, default=250, help="batches of four, in tens")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    for path in (told.out, told.out.parent / "models" / told.out.name):  # the library's own copy
        if path.exists():
            parser.error(f"{path}: exists; name another file")
    if told.n < 20 or told.steps < 10:
        parser.error("-n must be at least 20, --steps at least 10")

    import torch
    from cellpose import io, models, train

    io.logger_setup()
    torch.manual_seed(told.seed)
    np.random.seed(told.seed)  # noqa: NPY002 - the library draws from it
    network = models.CellposeModel(gpu=False, pretrained_model=False, diam_mean=30.0).net
    images, labels = samples(told.n, told.seed)
    start = time.process_time()
    train.train_seg(
        network,
        train_data=images,
        train_labels=labels,
        channels=[0, 0],
        batch_size=4,
        nimg_per_epoch=40,
        n_epochs=told.steps // 10,
        learning_rate=1e-3,
        weight_decay=1e-4,
        save_path=told.out.parent,
        save_every=10**6,
        model_name=told.out.name,
    )
    network.save_model(str(told.out))
    print(f"{told.out}: {time.process_time() - start:.0f} CPU-seconds")


if __name__ == "__main__":
    main()
