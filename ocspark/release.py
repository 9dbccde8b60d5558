"""What differs between Gaia releases, read from ``conf/releases/*.yaml``."""

from __future__ import annotations

import importlib.util
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ocspark.errors import InputError
from ocspark.settings import conf_path

#: Canonical names that every release must have a column for.
_NEEDED = frozenset(
    "source_id ra dec parallax parallax_error pmra pmra_error pmdec pmdec_error parallax_pmra_corr "
    "parallax_pmdec_corr pmra_pmdec_corr phot_g_mean_mag phot_bp_mean_mag phot_rp_mean_mag "
    "phot_g_n_obs phot_bp_n_obs phot_rp_n_obs ecl_lat nu_eff pseudocolour solution".split()
)


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
    `foreign` are columns that it does not have and another release does: a mirror with one of
    them is of that release.
    """

    name: str
    draft: bool = False
    epoch: float
    expected_rows: int
    null_fractions: dict[str, float] = {}
    columns: dict[str, str]
    foreign: dict[str, str] = {}
    zero_point: Literal["lindegren2021", "column", "none"]
    solution_codes: dict[int, int]
    performance: Performance
    magnitude_errors: MagnitudeErrorSource
    extinction: ExtinctionSource

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        lacking = sorted(_NEEDED - self.columns.keys())
        if self.zero_point == "column" and "parallax_bias" not in self.columns:
            lacking.append("parallax_bias")
        if lacking:
            raise ValueError(f"columns lacks {', '.join(lacking)}")
        unknown = sorted(self.columns.keys() - _NEEDED - {"parallax_bias"})
        if unknown:
            raise ValueError(f"columns has {unknown[0]}, which is no canonical name")
        return self

    @cached_property
    def magnitude_errors_path(self) -> Path:
        """The spline file of `magnitude_errors`."""
        return package_file(self.magnitude_errors.package, self.magnitude_errors.file)


def load_release(name: str) -> Release:
    """Return the release called `name`, or the one in the YAML file that it is the path of.

    Raises
    ------
    InputError
        If ``conf/releases`` has no such file, or the file does not describe a release.
    """
    if name.endswith((".yaml", ".yml")):
        return _read_release(Path(name))
    folder = conf_path("releases")
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise InputError(
            f"release: {name!r} is not known; expected one of {', '.join(known)}, or a YAML file"
        )
    return _read_release(folder / f"{name}.yaml")


def _read_release(path: Path) -> Release:
    try:
        return Release.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise InputError(f"release: {path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise InputError(f"release: {path}: not YAML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "release"
        raise InputError(f"release: {path}: {key}: {first['msg']}") from None


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
