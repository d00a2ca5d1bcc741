"""Images of every kind that people have, and what is said of those that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from image_files import broken_files, save

from dermogan.images import (
    image_files,
    name_of,
    read_image,
    read_labels,
    read_picture,
    write_labels,
)
from simcell import SimcellError


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy", ".bmp"])
def test_images_are_read_as_they_are(tmp_path: Path, suffix: str) -> None:
    kind = np.uint8 if suffix == ".bmp" else np.uint16
    image = (np.arange(35).reshape(5, 7) * (7 if kind is np.uint8 else 1800)).astype(kind)
    read = read_image(save(tmp_path / f"größe{suffix}", image))
    assert read.dtype == np.float32
    assert (read == image).all()


def test_odd_tiffs(tmp_path: Path) -> None:
    image = np.linspace(0, 1, 35, dtype=np.float64).reshape(5, 7)
    for name, array, options in (
        ("float64", image, {}),
        ("bool", image > 0.5, {}),
        ("one page", image[None, None].astype(np.float32), {"metadata": {"axes": "ZCYX"}}),
        ("signed", (image * 100 - 50).astype(np.int16), {}),
        ("packed", (image * 65535).astype(np.uint16), {"compression": "zlib", "predictor": True}),
        ("big", (image * 65535).astype(">u2"), {"byteorder": ">"}),
    ):
        path = save(tmp_path / f"{name}.tif", array, **options)
        assert read_image(path).shape == (5, 7), name
        assert np.allclose(read_image(path), array.reshape(5, 7), rtol=1e-6), name


def test_colours_become_grey_by_a_clear_rule(tmp_path: Path) -> None:
    colours = np.zeros((4, 5, 3), np.uint8)
    colours[0, 0], colours[1, 1], colours[2, 2] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    for suffix, extra in ((".png", {}), (".tif", {"photometric": "rgb"})):
        path = save(tmp_path / f"c{suffix}", colours, **extra)
        grey = read_image(path)
        assert grey[[0, 1, 2], [0, 1, 2]] == pytest.approx([76.245, 149.685, 29.07], abs=1e-3)
        assert read_image(path, channel=2)[2].tolist() == [0, 0, 255, 0, 0]
    clear = np.dstack([colours, np.full((4, 5), 9, np.uint8)])
    path = save(tmp_path / "alpha.tif", clear, photometric="rgb", extrasamples=["unassalpha"])
    assert read_image(path)[1, 1] == pytest.approx(149.685)


def test_stacks_and_channels_want_a_choice(tmp_path: Path) -> None:
    stack = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    path = save(tmp_path / "stack.tif", stack, photometric="minisblack")
    with pytest.raises(SimcellError, match=r"stack.tif: has 3 pages; name one by --page, 0 to 2"):
        read_image(path)
    assert (read_image(path, page=2) == stack[2]).all()
    with pytest.raises(SimcellError, match="no --page 3: has 3 pages"):
        read_image(path, page=3)
    path = save(tmp_path / "channels.tif", stack, imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(SimcellError, match="has 3 channels; name one by --channel, 0 to 2"):
        read_image(path)
    assert (read_image(path, channel=1) == stack[1]).all()
    flat = save(tmp_path / "flat.tif", stack[0])
    for wrong in ({"channel": 1}, {"page": 1}):
        with pytest.raises(SimcellError, match=r"has one (channel|page); there is no"):
            read_image(flat, **wrong)
    sizes = tmp_path / "sizes.tif"
    with tifffile.TiffWriter(sizes) as file:
        file.write(stack[0])
        file.write(stack[0, :2])
    with pytest.raises(SimcellError, match="has 2 pages"):
        read_image(sizes)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    for name, said in broken_files(tmp_path).items():
        with pytest.raises(SimcellError, match=said) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("top", "kind"), [(5, np.uint16), (70_000, np.uint32)])
def test_labels_survive_their_file(tmp_path: Path, top: int, kind: type) -> None:
    labels = np.zeros((300, 300), np.int32)
    labels[5:9, 5:9] = top
    path = tmp_path / "labels.tif"
    write_labels(path, labels)
    assert tifffile.imread(path).dtype == kind
    assert (read_labels(path) == labels).all()
    assert [p.name for p in tmp_path.iterdir()] == ["labels.tif"]


def test_what_is_no_label_image_is_refused(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.tif", np.float32([[0, 1], [2, 2]]))
    assert read_labels(whole).tolist() == [[0, 1], [2, 2]]
    grey = save(tmp_path / "grey.png", np.dstack([np.uint8([[0, 9]])] * 3))
    assert read_labels(grey).tolist() == [[0, 9]]
    for name, array in (
        ("half.tif", np.float32([[0, 0.5]])),
        ("minus.tif", np.int16([[0, -1]])),
        ("colours.png", np.uint8([[[0, 1, 2], [0, 0, 0]]])),
    ):
        with pytest.raises(SimcellError, match=f"{name}: has"):
            read_labels(save(tmp_path / name, array))


# Types of numbers


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "u4", "i4", "u8", "f2", "f4", "f8", "?"])
def test_grey_values_of_every_type(tmp_path: Path, kind: str) -> None:
    image = np.arange(35).reshape(5, 7) % 2 if kind == "?" else np.arange(35).reshape(5, 7) * 3
    image = image.astype(kind)
    np.save(tmp_path / "a.npy", image)
    picture = read_picture(tmp_path / "a.npy")
    assert picture.pixels.dtype == image.dtype
    assert (read_image(tmp_path / "a.npy") == image.astype(np.float32)).all()


def test_numbers_that_do_not_fit_are_told_of(tmp_path: Path) -> None:
    image = np.ones((4, 4))
    image[0, 0] = 1e300
    np.save(tmp_path / "a.npy", image)
    with pytest.raises(SimcellError, match="1 of 16 pixels are NaN or infinite"):
        read_image(tmp_path / "a.npy")


# The size of a pixel


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 0.4, "PhysicalSizeY": 0.5}}, 1),
        (
            {
                "ome": True,
                "metadata": {
                    "axes": "YX",
                    "PhysicalSizeX": 400.0,
                    "PhysicalSizeXUnit": "nm",
                    "PhysicalSizeY": 0.0005,
                    "PhysicalSizeYUnit": "mm",
                },
            },
            1,
        ),
        ({"ome": True, "metadata": {"axes": "YX"}}, None),
        ({"imagej": True, "resolution": (2.5, 2.0), "metadata": {"unit": "um"}}, 1),
        ({"imagej": True, "resolution": (2500, 2000), "metadata": {"unit": "mm"}}, 1),
        ({"imagej": True, "resolution": (2.5, 2.0)}, None),
        ({"resolution": (25_000, 20_000), "resolutionunit": "CENTIMETER"}, 1),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (1, 1), "resolutionunit": "NONE"}, None),
        ({}, None),
    ],
)
def test_tiffs_say_how_large_a_pixel_is(tmp_path: Path, options: Any, wanted: Any) -> None:
    path = tmp_path / ("a.ome.tif" if "ome" in options else "a.tif")
    tifffile.imwrite(path, np.arange(35, dtype=np.uint16).reshape(5, 7), **options)
    found = read_picture(path).spacing_um
    assert found == (pytest.approx((0.5, 0.4), rel=1e-6) if wanted else None)


def test_labels_keep_the_size_of_a_pixel(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    write_labels(path, np.arange(30, dtype=np.int32).reshape(5, 6), (0.5, 0.4))
    assert read_picture(path).spacing_um == pytest.approx((0.5, 0.4), rel=1e-6)


# Zarr


def ngff(folder: Path, array: np.ndarray, axes: str, version: str, units: bool = True) -> Path:
    """Write an OME-Zarr image of two levels by hand, 0.4 or 0.5."""
    kind = 2 if version == "0.4" else 3
    group = zarr.create_group(folder, zarr_format=kind)
    for name, each in (("fine", array), ("coarse", array[..., ::2, ::2])):
        level = group.create_array(name, shape=each.shape, chunks=each.shape, dtype=each.dtype)
        level[...] = each
    named = [
        {"name": name, "type": "space", **({"unit": "nanometer"} if units and name in "yx" else {})}
        for name in axes
    ]
    scale = [{"y": 250.0, "x": 200.0}.get(name, 1.0) for name in axes]
    levels = [
        {
            "path": name,
            "coordinateTransformations": [
                {"type": "scale", "scale": [s * factor if s > 1 else s for s in scale]}
            ],
        }
        for name, factor in (("fine", 1), ("coarse", 2))
    ]
    twice = [{"type": "scale", "scale": [2.0 if name in "yx" else 1.0 for name in axes]}]
    image = [{"axes": named, "datasets": levels, "coordinateTransformations": twice}]
    if version == "0.4":
        group.attrs["multiscales"] = image
    else:
        group.attrs["ome"] = {"version": version, "multiscales": image}
    return folder


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_images(tmp_path: Path, version: str) -> None:
    array = np.arange(2 * 3 * 8 * 10, dtype=np.uint16).reshape(2, 3, 8, 10)
    flat = read_picture(ngff(tmp_path / "flat.ome.zarr", array[0, 0], "yx", version))
    assert flat.pixels.dtype == np.uint16
    assert (flat.pixels == array[0, 0]).all()
    assert flat.spacing_um == pytest.approx((0.5, 0.4))
    path = ngff(tmp_path / "many.ome.zarr", array, "tcyx", version, units=False)
    with pytest.raises(SimcellError, match="has 2 pages; name one by --page, 0 to 1"):
        read_picture(path)
    with pytest.raises(SimcellError, match="has 3 channels; name one by --channel, 0 to 2"):
        read_picture(path, page=1)
    found = read_picture(path, page=1, channel=2)
    assert (found.pixels == array[1, 2]).all()
    assert found.spacing_um is None
    long = ngff(tmp_path / "long.zarr", array[:1, :, None], "tczyx"[-5:], version)
    assert (read_image(long, channel=1) == array[0, 1]).all()


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    """Of a stack with a damaged page the others can be read."""
    stack = np.arange(3 * 8 * 8, dtype=np.uint16).reshape(3, 8, 8)
    array = zarr.create_array(tmp_path / "a.zarr", shape=stack.shape, chunks=(1, 8, 8), dtype="u2")
    array[...] = stack
    chunk = tmp_path / "a.zarr" / "c" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:10])
    assert (read_image(tmp_path / "a.zarr", page=2) == stack[2]).all()
    with pytest.raises(SimcellError, match=r"a.zarr: cannot be read .*; is it whole\?"):
        read_image(tmp_path / "a.zarr", page=1)


def test_plain_zarr_arrays(tmp_path: Path) -> None:
    image = np.arange(48, dtype=np.float32).reshape(6, 8)
    for name, array, axes, options in (
        ("flat", image, None, {}),
        ("colours", np.dstack([image] * 3), None, {}),
        ("named", image[None], ("c", "y", "x"), {}),
        ("turned", np.stack([image, 0 * image], axis=-1), ("y", "x", "c"), {"channel": 0}),
        ("stack", np.stack([0 * image, image]), None, {"page": 1}),
    ):
        made = zarr.create_array(
            tmp_path / name, shape=array.shape, dtype="f4", dimension_names=axes
        )
        made[...] = array
        assert np.allclose(read_image(tmp_path / name, **options), image), name
    old = zarr.create_array(tmp_path / "old", shape=image.shape, dtype="f4", zarr_format=2)
    old[...] = image
    assert (read_image(tmp_path / "old") == image).all()


def test_zarr_groups_that_are_no_image(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "plate.zarr")
    group.create_array("b", shape=(4, 4), dtype="u1")
    group.create_group("a")
    with pytest.raises(SimcellError, match="is a Zarr group, no image; name what is in it: a, b"):
        read_image(tmp_path / "plate.zarr")
    with pytest.raises(SimcellError, match=r"lost.zarr: no such file"):
        read_image(tmp_path / "lost.zarr")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    with pytest.raises(SimcellError, match=r"bad.zarr: cannot be read"):
        read_image(tmp_path / "bad.zarr")


def test_folders_of_images(tmp_path: Path) -> None:
    ngff(tmp_path / "b.ome.zarr", np.eye(8, dtype=np.uint8), "yx", "0.5")
    (tmp_path / "more").mkdir()
    for name in ("c.TIF", "a.png", "notes.txt", "more/d.jpg"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in image_files(tmp_path)] == ["a.png", "b.ome.zarr", "c.TIF"]
    deep = ["a.png", "b.ome.zarr", "c.TIF", "d.jpg"]
    assert [p.name for p in image_files(tmp_path, deep=True)] == deep
    assert [name_of(p) for p in image_files(tmp_path)] == ["a", "b", "c"]
