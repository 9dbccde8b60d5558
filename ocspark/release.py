"""What differs between Gaia releases, read from ``conf/releases/*.yaml``."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

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

    @property
    def number(self) -> str:
        """Number of Gaia's data release, 4 of dr4: by its own name, or else by PyGaia's name."""
        names = (self.name, self.performance.pygaia)
        numbers = [re.match(r"dr(\d+)", name, re.IGNORECASE) for name in names]
        return next((found[1] for found in numbers if found), self.name)

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


def release_of_run(record: Mapping[str, Any], where: str = "run.json") -> Release:
    """Return the release that a run carries in its run.json, whatever has become of its file.

    Parameters
    ----------
    record : mapping
        The content of run.json; its ``inputs.release`` has the whole release.
    where : str
        What errors call the file.

    Raises
    ------
    InputError
        If it has none, or that of another version.
    """
    try:
        return Release.model_validate(record["inputs"]["release"])
    except (KeyError, TypeError):
        raise InputError(f"{where}: has no inputs.release; expected a run's") from None
    except ValidationError as error:
        raise InputError(f"{where}: inputs.release: {_first_fault(error)}") from None


def _read_release(path: Path) -> Release:
    try:
        return Release.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise InputError(f"release: {path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise InputError(f"release: {path}: not YAML: {error}") from None
    except ValidationError as error:
        raise InputError(f"release: {path}: {_first_fault(error)}") from None


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'release'}: {first['msg']}"


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
