"""Pictures of cells, and files of all kinds, good and bad."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import tifffile


def noise(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(5).normal(100, 20, shape).astype(np.float32)


def honeycomb(side: int = 96, step: int = 24) -> np.ndarray:
    """Square cells with bright membranes, 255 on 0."""
    image = np.zeros((side, side), np.uint8)
    image[::step] = image[:, ::step] = image[-1] = image[:, -1] = 255
    return cv2.dilate(image, np.ones((2, 2)))


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, **options)
    elif path.suffix == ".npy":
        np.save(path, array)
    else:
        order = array[..., ::-1] if array.ndim == 3 and array.shape[2] == 3 else array
        assert cv2.imwrite(str(path), order)
    return path


def broken_files(folder: Path) -> dict[str, str]:
    """Write files that cannot be used; return what is said of each."""
    holes = np.ones((5, 5), np.float32)
    holes[2, 2] = np.nan
    save(folder / "nan.tif", holes)
    save(folder / "flat.png", np.full((5, 5), 7, np.uint8))
    whole = save(folder / "cut.tif", noise((64, 64))).read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.tif").write_bytes(b"")
    save(folder / "complex.npy", np.ones((4, 4), complex))
    return {
        "nan.tif": "1 of 25 pixels are NaN",
        "flat.png": "all pixels are 7",
        "cut.tif": "cannot be read",
        "text.png": "cannot be read",
        "empty.tif": "cannot be read",
        "complex.npy": "holds complex128",
        "lost.tif": "no such file",
        "table.csv": "is no image",
    }
