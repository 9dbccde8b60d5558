"""What differs between Gaia releases, read from ``conf/releases/*.yaml``."""

from __future__ import annotations

import importlib.util
from functools import cached_property
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from ocspark.errors import InputError
from ocspark.settings import conf_path


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MagnitudeErrorSource(_Part):
    """A spline table in an installed package, its base numbers of observations, range [mag]."""

    package: str
    file: str
    base_n_obs: dict[str, float]
    mag_range: tuple[float, float]


class ExtinctionSource(_Part):
    """A dustapprox polynomial and its names of G, BP and RP."""

    law: str
    passbands: tuple[str, str, str]


class Performance(_Part):
    """How well a release measures, for mocks: PyGaia's name of it, mean G observations a source."""

    pygaia: str
    mean_n_obs: float


class Release(_Part):
    """One Gaia release: column map, zero point, photometric errors, passbands, epoch, row count.

    `null_fractions` are published shares of sources without a value, by canonical name.
    `zero_point` is a recipe, none, or "column": the release ships ``parallax_bias``.
    `solution_codes` are the catalogue's codes of solutions with 2, 5 and 6 parameters.
    """

    name: str
    draft: bool = False
    epoch: float
    expected_rows: int
    null_fractions: dict[str, float] = {}
    columns: dict[str, str]
    zero_point: Literal["lindegren2021", "column", "none"]
    solution_codes: dict[int, int]
    performance: Performance
    magnitude_errors: MagnitudeErrorSource
    extinction: ExtinctionSource

    @cached_property
    def magnitude_errors_path(self) -> Path:
        """The spline file of `magnitude_errors`."""
        return package_file(self.magnitude_errors.package, self.magnitude_errors.file)


def load_release(name: str) -> Release:
    """Return the release called `name`.

    Raises
    ------
    InputError
        If ``conf/releases`` has no such file.
    """
    folder = conf_path("releases")
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise InputError(f"release: {name!r} is not known; expected one of {', '.join(known)}")
    return Release.model_validate(yaml.safe_load((folder / f"{name}.yaml").read_text()))


def package_file(package: str, file: str) -> Path:
    """Return a data file of an installed package, which is found but not imported.

    Raises
    ------
    InputError
        If the package or the file is missing.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f"package {package} is not installed; run `make setup`")
    path = Path(spec.origin).parent / file
    if not path.is_file():
        raise InputError(
            f"package {package}: {file} is missing; expected the version in constraints.txt"
        )
    return path
