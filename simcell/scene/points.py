"""Point processes: where the objects of a scene lie.

A ``density`` is what the pattern will have, an ``activity`` (β of a Gibbs
process) what it would have if its points did not interact. Both are per mm² in
2-D and per mm³ in 3-D; distances are in µm.
"""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from simcell.arrays import MM_IN_UM
from simcell.scene._spec import Spec
from simcell.scene.colony import Colony

Matrix: TypeAlias = tuple[tuple[float, ...], ...]
Density: TypeAlias = Annotated[
    float, Field(gt=0, le=1e12, description="points per mm² (2-D) or mm³ (3-D)")
]
Activity: TypeAlias = Annotated[
    float,
    Field(gt=0, le=1e12, description="density without interaction, per mm² (2-D) or mm³ (3-D)"),
]
Distance: TypeAlias = Annotated[float, Field(gt=0, le=1e5, description="distance in µm")]
Steps: TypeAlias = Annotated[
    int | None,
    Field(ge=1, le=10**10, description="length of the chain; None = chosen from the activity"),
]
Method: TypeAlias = Literal["mh", "perfect"]


class _Uneven(Spec):
    """Points that may be denser in one part of the window than in another.

    Neither the gradient nor the map changes the mean density of the window.
    """

    gradient_axis: int = Field(0, ge=0, le=2, description="axis the intensity varies along")
    gradient_ratio: float = Field(
        1.0, ge=1e-3, le=1e3, description="intensity at the far end over that at the near end"
    )
    intensity_map: str | None = Field(
        None, description="path of a .npy or .tif array of relative intensities over the box"
    )


class Poisson(_Uneven):
    """Independent points; their number is Poisson distributed."""

    kind: Literal["poisson"] = "poisson"
    density: Density = 2000.0


class Binomial(_Uneven):
    """A fixed number of independent points."""

    kind: Literal["binomial"] = "binomial"
    count: int = Field(
        33, ge=0, le=5_000_000, description="number of points in the window: field and margin"
    )


class MaternI(Spec):
    """Poisson points, all those dropped that have another within a distance."""

    kind: Literal["matern_i"] = "matern_i"
    density: Density = 600.0
    distance_um: Distance = 12.0


class MaternII(Spec):
    """Poisson points with birth times; the younger of two close ones is dropped."""

    kind: Literal["matern_ii"] = "matern_ii"
    density: Density = 1500.0
    distance_um: Distance = 12.0


class HardCore(Spec):
    """Points placed one after another wherever there is room."""

    kind: Literal["hard_core"] = "hard_core"
    density: float | None = Field(
        2000.0, gt=0, le=1e12, description="points per mm² or mm³; None = until nothing fits"
    )
    distance_um: Distance = 12.0
    distance_sides: float | None = Field(
        None,
        gt=0,
        le=1.2,
        description="in place of distance_um: the distance over 1/√density (2-D) or 1/∛density, "
        "so that points are as orderly whatever their density",
    )
    spread: float = Field(
        0.0, ge=0, le=0.5, description="coefficient of variation of the individual radius"
    )

    def apart_um(self, ndim: int) -> float:
        """Distance of the points in µm, mean of the pairs where it varies.

        Examples
        --------
        >>> HardCore(density=2500.0, distance_sides=0.5).apart_um(2)
        10.0
        """
        if self.distance_sides is None or self.density is None:
            return self.distance_um
        return float(self.distance_sides * MM_IN_UM / self.density ** (1 / ndim))

    @model_validator(mode="after")
    def _sides_need_a_density(self) -> Self:
        if self.distance_sides is not None and self.density is None:
            msg = (
                f"distance_sides = {self.distance_sides:g}: it is relative to a density, which is "
                "null here; give a density, or distance_um"
            )
            raise ValueError(msg)
        return self


class Strauss(Spec):
    """Gibbs process in which each pair within a distance costs a factor gamma."""

    kind: Literal["strauss"] = "strauss"
    activity: Activity = 3000.0
    gamma: float = Field(0.5, ge=0, le=1, description="factor per close pair, 1 = Poisson")
    distance_um: Distance = 12.0
    method: Method = "mh"
    steps: Steps = None


class HardCoreGibbs(Spec):
    """Poisson process conditioned on no pair being within a distance."""

    kind: Literal["hard_core_gibbs"] = "hard_core_gibbs"
    activity: Activity = 5000.0
    distance_um: Distance = 12.0
    method: Method = "mh"
    steps: Steps = None


class MultiStrauss(Spec):
    """Strauss process with several types of points and an optional hard core."""

    kind: Literal["multi_strauss"] = "multi_strauss"
    activities: tuple[float, ...] = Field(
        (2000.0, 1500.0), min_length=1, description="activity of each type, per mm² or mm³"
    )
    gamma: Matrix = Field(
        ((0.3, 0.7), (0.7, 0.5)), description="factor per close pair, by types, 0 to 1"
    )
    interaction_um: Matrix = Field(
        ((14.0, 12.0), (12.0, 12.0)), description="interaction distance by types in µm"
    )
    hard_core_um: Matrix = Field(
        ((0.0, 0.0), (0.0, 0.0)), description="least distance by types in µm, 0 = none"
    )
    method: Method = "mh"
    steps: Steps = None

    @model_validator(mode="after")
    def _symmetric(self) -> Self:
        """Check shapes, symmetry and ranges of the three matrices."""
        n = len(self.activities)
        if not all(0 < beta <= 1e12 for beta in self.activities):
            msg = f"activities = {self.activities}: each must lie in (0, 1e12]; change them"
            raise ValueError(msg)
        for name, low, high in (
            ("gamma", 0.0, 1.0),
            ("interaction_um", 1e-9, 1e5),
            ("hard_core_um", 0.0, 1e5),
        ):
            _check_matrix(name, getattr(self, name), n, low, high)
        return self


class Geyer(Spec):
    """Saturated Strauss process: clusters for gamma above 1, order below."""

    kind: Literal["geyer"] = "geyer"
    activity: Activity = 1500.0
    gamma: float = Field(1.3, ge=0, le=100, description="factor per neighbour up to saturation")
    distance_um: Distance = 12.0
    saturation: float = Field(2.0, ge=0, le=20, description="neighbours that count at most")
    steps: Steps = None


class AreaInteraction(Spec):
    """Widom–Rowlinson process: discs that shun (eta < 1) or seek (> 1) overlap."""

    kind: Literal["area_interaction"] = "area_interaction"
    activity: Activity = 3000.0
    eta: float = Field(0.2, gt=0, le=10, description="factor per disc area that is shared")
    radius_um: Distance = 8.0
    steps: Steps = None


class ObjectType(Spec):
    """How many objects of one type there are, and their marks' laws."""

    activity: Activity = 3000.0
    radius_um: float = Field(
        6.0, gt=0, le=1e4, description="mean radius in µm of the disc or ball of equal size"
    )
    radius_cv: float = Field(0.15, ge=0, le=0.55, description="its coefficient of variation")
    radius_law: Literal["uniform", "lognormal"] = "uniform"
    axis_ratio_min: float = Field(1.0, ge=0.1, le=1, description="least short/long axis ratio")
    axis_ratio_max: float = Field(1.0, ge=0.1, le=1, description="largest short/long axis ratio")
    orientation_rad: float = Field(
        0.0, ge=-3.15, le=3.15, description="preferred long axis, from the x towards the y axis"
    )
    alignment: float = Field(
        0.0, ge=0, le=500, description="concentration of the orientation, 0 = any direction"
    )
    tilt: float = Field(
        1.0, ge=0, le=1, description="3-D: largest |sin| of the axis's elevation, 1 = isotropic"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        """Check that the two ends of the axis ratio are in order."""
        if self.axis_ratio_min > self.axis_ratio_max:
            msg = (
                f"axis_ratio_min = {self.axis_ratio_min}: must not exceed axis_ratio_max"
                f" = {self.axis_ratio_max}; swap or widen them"
            )
            raise ValueError(msg)
        return self


class Objects(Spec):
    """Discs, ellipses or ellipsoids whose overlap is penalised or forbidden."""

    kind: Literal["objects"] = "objects"
    types: tuple[ObjectType, ...] = Field((ObjectType(),), min_length=1, max_length=20)
    overlap_penalty: float = Field(
        10.0, ge=0, le=1e6, description="energy per shared size over the smaller object's size"
    )
    overlap_limit: float = Field(
        0.2, ge=0, le=1, description="shared size over the smaller size that is forbidden beyond"
    )
    packing: float = Field(
        0.0, ge=0, le=2, description="least centre distance, in units of the sum of the two radii"
    )
    method: Literal["mh", "mbd"] = "mh"
    steps: Steps = None
    delta: float = Field(0.1, gt=0, le=1, description="mbd: time step of births and deaths")
    cooling: float = Field(
        1.0, ge=0.9, le=1, description="mbd: factor on temperature and step per iteration"
    )


class Thomas(Spec):
    """Clusters with a Poisson number of members, normally scattered."""

    kind: Literal["thomas"] = "thomas"
    density: Density = 2000.0
    cluster_size: float = Field(8.0, gt=0, le=1e6, description="mean number of points a cluster")
    spread_um: Distance = 8.0


class MaternCluster(Spec):
    """Clusters with a Poisson number of members, uniform in a disc or ball."""

    kind: Literal["matern_cluster"] = "matern_cluster"
    density: Density = 2000.0
    cluster_size: float = Field(8.0, gt=0, le=1e6, description="mean number of points a cluster")
    radius_um: Distance = 16.0


class SimcepCluster(Spec):
    """A few centres around which a share of the points gathers, as in SIMCEP."""

    kind: Literal["simcep_cluster"] = "simcep_cluster"
    density: Density = 2000.0
    clusters: int = Field(4, ge=1, le=10_000, description="number of cluster centres")
    probability: float = Field(0.25, ge=0, le=1, description="chance that a point is clustered")
    spread: float = Field(
        0.05, gt=0, le=1, description="standard deviation of the offsets over the window's size"
    )


PointSpec = Annotated[
    Poisson
    | Binomial
    | MaternI
    | MaternII
    | HardCore
    | Strauss
    | HardCoreGibbs
    | MultiStrauss
    | Geyer
    | AreaInteraction
    | Objects
    | Thomas
    | MaternCluster
    | SimcepCluster
    | Colony,
    Field(discriminator="kind"),
]


def _check_matrix(name: str, matrix: Matrix, n: int, low: float, high: float) -> None:
    """Refuse a matrix that is not n by n, symmetric and within [low, high]."""
    if len(matrix) != n or any(len(row) != n for row in matrix):
        msg = f"{name}: must be {n} x {n}, a row and a column per activity; add or drop entries"
        raise ValueError(msg)
    for i, j in product(range(n), repeat=2):
        value = matrix[i][j]
        if value != matrix[j][i] or not low <= value <= high:
            msg = (
                f"{name}[{i}][{j}] = {value}: must equal {name}[{j}][{i}] = {matrix[j][i]}"
                f" and lie in [{low}, {high}]; change it"
            )
            raise ValueError(msg)
