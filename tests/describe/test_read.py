"""Reading fields: what is odd but usable is said, what nobody could mean is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from simcell import SimcellError, load_preset, simulate
from simcell.describe.field import Field
from simcell.describe.read import annotated_part, fields_of, is_confluent, read_fields
from simcell.io.tiff import save_tiff

TILES = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((10, 10))).astype(np.uint8)


def _apart() -> np.ndarray:
    labels = np.zeros((60, 60), np.uint8)
    for k, (y, x) in enumerate([(8, 8), (8, 40), (40, 10), (42, 44)], 1):
        cv2.circle(labels, (x, y), 5, k, -1)
    return labels


def test_tiff_size_of_a_pixel_is_used_and_said(tmp_path: Path) -> None:
    save_tiff(tmp_path / "a.tif", TILES, (0.4, 0.4))
    said: list[str] = []
    (field,) = read_fields(tmp_path, say=said.append)
    assert field.spacing_um == pytest.approx((0.4, 0.4))
    assert any("0.4 µm" in line for line in said)
    said.clear()
    (field,) = read_fields(tmp_path, spacing_um=0.5, say=said.append)
    assert field.spacing_um == (0.5, 0.5)
    assert any("0.4 µm" in line for line in said)


def test_labels_with_gaps_are_renumbered_and_it_is_said(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.where(_apart() == 3, 90, _apart()).astype(np.uint8))
    said: list[str] = []
    (field,) = read_fields(tmp_path, spacing_um=1.0, say=said.append)
    assert field.labels is not None
    assert np.unique(field.labels).tolist() == [0, 1, 2, 3, 4]
    assert any("gaps" in line for line in said)


def test_one_label_for_all_is_split_and_it_is_said(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), (_apart() > 0).astype(np.uint8) * 255)
    with pytest.warns(UserWarning, match="connected pieces"):
        (field,) = read_fields(tmp_path, spacing_um=1.0)
    assert field.labels is not None
    assert field.labels.max() == 4


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((20, 20), np.uint8), "background"),
        (np.random.default_rng(0).random((20, 20)).astype(np.float32), "whole numbers"),
        (np.zeros((5, 20, 20), np.uint8), "one plane"),
    ],
)
def test_what_is_no_label_image_is_refused(tmp_path: Path, array: np.ndarray, text: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    with pytest.raises(SimcellError, match=text):
        read_fields(tmp_path, spacing_um=1.0, say=lambda _: None)


def test_colours_are_refused_as_labels_and_mixed_as_images(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), colours)
    with pytest.raises(SimcellError, match="colours"):
        read_fields(labels=tmp_path, spacing_um=1.0)
    said: list[str] = []
    (field,) = read_fields(images=tmp_path, spacing_um=1.0, say=said.append)
    assert field.image is not None
    assert field.image.shape == (20, 20)
    assert any("luminance" in line for line in said)


def test_deep_images_come_to_the_scale_of_bytes(tmp_path: Path) -> None:
    deep = np.full((20, 20), 1000, np.uint16)
    deep[0, 0] = 4095
    tifffile.imwrite(tmp_path / "a.tif", deep)
    said: list[str] = []
    (field,) = read_fields(images=tmp_path, spacing_um=1.0, say=said.append)
    assert field.image is not None
    assert field.image.max() == pytest.approx(255)
    assert field.image.min() == pytest.approx(1000 * 255 / 4095, rel=1e-5)
    assert any("12 bits" in line for line in said)


@pytest.mark.parametrize(
    ("spacing", "text"),
    [(None, "spacing-um"), (0.001, "no cell does"), (-1.0, "above 0"), (1e4, "no cell does")],
)
def test_a_wrong_size_of_a_pixel_is_refused(
    tmp_path: Path, spacing: float | None, text: str
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), TILES)
    with pytest.raises(SimcellError, match=text):
        read_fields(tmp_path, spacing_um=spacing, say=lambda _: None)


def test_a_folder_without_images_and_a_broken_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(SimcellError, match="holds no file"):
        read_fields(images=tmp_path, spacing_um=1.0)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(SimcellError, match=r"a\.png.*cannot be read"):
        read_fields(images=tmp_path, spacing_um=1.0)


def test_shapes_of_labels_and_image_must_agree_but_fields_may_differ(tmp_path: Path) -> None:
    for name in ("m", "i"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "m" / "a.png"), TILES)
    cv2.imwrite(str(tmp_path / "i" / "a.png"), rng.integers(0, 255, (40, 39), dtype=np.uint8))
    with pytest.raises(SimcellError, match="must agree"):
        read_fields(tmp_path / "m", tmp_path / "i", spacing_um=1.0)
    cv2.imwrite(str(tmp_path / "m" / "b.png"), TILES[:30])
    said: list[str] = []
    assert len(read_fields(tmp_path / "m", spacing_um=1.0, say=said.append)) == 2
    assert any("2 sizes" in line for line in said)
    (tmp_path / "i" / "a.png").rename(tmp_path / "i" / "z.png")
    with pytest.raises(SimcellError, match="no name is shared"):
        read_fields(tmp_path / "m", tmp_path / "i", spacing_um=1.0)


def test_centres_in_pixels_micrometres_and_counted_from_one(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), TILES)
    for head, shift in (("x,y", 0.0), ("x_1based,y_1based", 0.5)):
        (tmp_path / "a.csv").write_text(f"{head}\n4,8\n10,2\n20,30\n")
        (field,) = read_fields(
            images=tmp_path / "a.png",
            points=tmp_path / "a.csv",
            spacing_um=2.0,
            say=lambda _: None,
        )
        assert field.points is not None
        assert field.points[0].tolist() == [2 * (8 - shift), 2 * (4 - shift)]
    (tmp_path / "a.csv").write_text("image;y_um;x_um\na.png;4;8\n")
    (field,) = read_fields(images=tmp_path / "a.png", points=tmp_path / "a.csv", spacing_um=2.0)
    assert field.points is not None
    assert field.points.tolist() == [[4.0, 8.0]]


def test_points_outside_are_dropped_when_few_and_refused_when_many(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), TILES)
    inside = "\n".join(f"{x},{x}" for x in np.linspace(1, 39, 40))
    table = tmp_path / "a.csv"
    table.write_text(f"x_um,y_um\n{inside}\n99,1\n")
    said: list[str] = []
    (field,) = read_fields(images=tmp_path / "a.png", points=table, spacing_um=1.0, say=said.append)
    assert field.points is not None
    assert len(field.points) == 40
    assert any("1 of 41" in line for line in said)
    table.write_text("x_um,y_um\n99,1\n1,1\n2,2\n")
    with pytest.raises(SimcellError, match="1 of 3 lie outside"):
        read_fields(images=tmp_path / "a.png", points=table, spacing_um=1.0)
    table.write_text("x_um,y_um\n1,one\n")
    with pytest.raises(SimcellError, match="row 1"):
        read_fields(points=table)
    table.write_text("a,b\n1,2\n")
    with pytest.raises(SimcellError, match="name two of them"):
        read_fields(points=table)


def test_tissue_is_told_from_cells_apart_also_when_drawn_with_lines() -> None:
    assert is_confluent(TILES.astype(np.int32))
    lined = TILES.astype(np.int32)
    lined[9::10] = lined[:, 9::10] = 0
    assert is_confluent(lined)
    assert not is_confluent(_apart().astype(np.int32))
    part = np.pad(lined, 20)
    known = annotated_part(part)
    assert known is not None
    assert known[20:58, 20:58].mean() > 0.99
    assert not known[:14].any()
    assert annotated_part(_apart().astype(np.int32)) is None


def test_simulated_fields_have_the_scale_of_real_ones() -> None:
    scene = load_preset("confluent").scene(seed=1, index=0)
    sample = simulate(scene, seed=1, index=0)
    (field,) = fields_of([sample])
    assert sample.image is not None
    assert np.array_equal(field.image, sample.image.astype(np.float32))
    assert field.size_um == pytest.approx(scene.frame.grid.size_um)


def test_a_field_without_arrays_or_with_two_shapes_is_refused() -> None:
    with pytest.raises(SimcellError, match="no array"):
        Field("a", (1.0, 1.0))
    with pytest.raises(SimcellError, match="one shape"):
        Field("a", (1.0, 1.0), np.zeros((8, 8), np.int32), np.zeros((8, 9), np.float32))
