"""A predictor that looks at an image from eight sides: its turns and mirrors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dermogan.tiles import Map, Output, Predictor


@dataclass(frozen=True)
class Turned:
    """The mean of what a predictor of cells says of an image turned and mirrored eight ways.

    Parameters
    ----------
    predictor : Predictor
    """

    predictor: Predictor

    @property
    def halo_px(self) -> int:
        """That of the predictor, as all else that is not told here."""
        return self.predictor.halo_px

    @property
    def multiple(self) -> int:  # noqa: D102
        return self.predictor.multiple

    @property
    def diameter_px(self) -> float | None:  # noqa: D102
        return self.predictor.diameter_px

    @property
    def channels(self) -> int:  # noqa: D102
        return self.predictor.channels

    @property
    def output(self) -> Output:  # noqa: D102
        return self.predictor.output

    def normalise(self, image: Map) -> Map:  # noqa: D102
        return self.predictor.normalise(image)

    def predict(self, batch: Map) -> Map:
        """Map images (n, 1, y, x) to mean probabilities (n, channels, y, x)."""
        said = []
        for turns in range(4):
            for step in (1, -1):  # as it is, and mirrored
                seen = np.rot90(batch[..., ::step], turns, axes=(2, 3))
                found = self.predictor.predict(np.ascontiguousarray(seen))
                said.append(np.rot90(found, -turns, axes=(2, 3))[..., ::step])
        return np.mean(said, axis=0, dtype=np.float32)
