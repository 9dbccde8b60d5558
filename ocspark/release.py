"""Read from ``conf/releases/*.yaml`` what differs between Gaia releases."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ocspark import storage
from ocspark.errors import InputError
from ocspark.settings import conf_path
from ocspark.tables.source_columns import BY_NAME, SOURCE_COLUMNS, Use

#: A column's name in a release, or the names that it may have, the likeliest first.
Spellings = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda given: (given,) if isinstance(given, str) else given),
    Field(min_length=1),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MagnitudeErrorSource(_Part):
    """Source of the errors of magnitudes.

    Attributes
    ----------
    method : str
        ``spline``: of a table, scaled by numbers of observations;
        ``flux_errors``: the release's own errors of fluxes.
    n_obs : "columns" or dict
        Each source's own numbers of observations, or one for all by band (G, BP, RP).
    file : str
        The spline's table, in ``conf/releases`` or in `package`.
    package : str or None
        An installed package.
    base_n_obs : dict
        Observations that the spline stands for, by band.
    mag_range : (float, float)
        Magnitudes outside are clipped to it [mag].
    """

    method: Literal["spline", "flux_errors"] = "spline"
    n_obs: Literal["columns"] | dict[Literal["G", "BP", "RP"], float] = "columns"
    package: str | None = None
    file: str
    base_n_obs: dict[str, float]
    mag_range: tuple[float, float]

    @model_validator(mode="after")
    def _has_bands(self) -> Self:
        if self.n_obs != "columns" and len(self.n_obs) < 3:
            raise ValueError("n_obs: expected columns, or a number for each of G, BP and RP")
        return self


class ExtinctionSource(_Part):
    """A dustapprox polynomial and its names of G, BP and RP."""

    law: str
    passbands: tuple[str, str, str]


class Performance(_Part):
    """Numbers about a release that mocks need.

    Attributes
    ----------
    pygaia : str
        PyGaia's name of it, for mocks.
    mean_n_obs : float
        Mean number of G observations of a source.
    """

    pygaia: str
    mean_n_obs: float


class BulkFiles(_Part):
    """Place of a release's bulk files: server, folder and names (a pattern as in a shell)."""

    server: str
    folder: str
    pattern: str


class ArchiveTable(_Part):
    """An archive's table of a release's sources: address of the TAP service, name of the table."""

    server: str
    table: str


class Release(_Part):
    """One Gaia release.

    Attributes
    ----------
    name : str
    draft : bool
        Whether it is not published yet.
    epoch : float
        Of positions [yr, Julian].
    expected_rows : int
    null_fractions : dict
        Published shares of sources without a value, by canonical name.
    columns : dict
        Canonical name (`SOURCE_COLUMNS`) to the column's spellings.
    foreign : dict
        Columns that it does not have to the release that has them.
    zero_point : str
        Of parallaxes: DR3's recipe, none, or "column": the release ships ``parallax_bias``.
    correlations : str
        ``columns``: its own, and a source without is not kept; ``zero_where_missing``: a source
        without is kept with zero; ``zero``: it has none.
    solution_codes : dict
        The catalogue's codes of solutions with 2, 5 and 6 parameters.
    other_codes : dict
        Its codes of other solutions to the share of a mock's sources that have them.
    performance : Performance
    magnitude_errors : MagnitudeErrorSource
    extinction : ExtinctionSource
    bulk : BulkFiles or None
    archive : ArchiveTable or None
    """

    name: str
    draft: bool = False
    epoch: float
    expected_rows: int
    null_fractions: dict[str, float] = {}
    columns: dict[str, Spellings]
    foreign: dict[str, str] = {}
    zero_point: Literal["lindegren2021", "column", "none"]
    correlations: Literal["columns", "zero_where_missing", "zero"] = "columns"
    solution_codes: dict[int, int]
    other_codes: dict[int, float] = {}
    performance: Performance
    magnitude_errors: MagnitudeErrorSource
    extinction: ExtinctionSource
    bulk: BulkFiles | None = None
    archive: ArchiveTable | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        unknown = sorted(self.columns.keys() - BY_NAME.keys())
        if unknown:
            raise ValueError(f"columns has {unknown[0]}, which is no canonical name")
        lacking = [name for name in self.needed if name not in self.columns]
        if lacking:
            raise ValueError(f"columns lacks {', '.join(lacking)}")
        return self

    @property
    def number(self) -> str:
        """Return the number of the data release, 4 of dr4: by its own name, else by PyGaia's."""
        names = (self.name, self.performance.pygaia)
        numbers = [re.match(r"dr(\d+)", name, re.IGNORECASE) for name in names]
        return next((found[1] for found in numbers if found), self.name)

    @property
    def passbands(self) -> str:
        """Return the number of the release whose passbands extinctions are for, "" if unknown."""
        found = re.search(r"GAIA(\d)", self.extinction.passbands[0])
        return found[1] if found else ""

    @cached_property
    def uses(self) -> frozenset[Use]:
        """Return the uses of its sources; see `SourceColumn.use`."""
        uses: set[Use] = {"always"}
        if self.correlations != "zero":
            uses.add("correlations")
        if self.magnitude_errors.method == "flux_errors":
            uses.add("flux_errors")
        elif self.magnitude_errors.n_obs == "columns":
            uses.add("n_obs")
        if self.zero_point != "none":
            uses.add("recipe" if self.zero_point == "lindegren2021" else "bias")
        return frozenset(uses)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """Return canonical names that a calculation uses; all mirrors must have them."""
        return tuple(column.name for column in SOURCE_COLUMNS if column.use in self.uses)

    @cached_property
    def magnitude_errors_path(self) -> Path:
        """Return the spline file of `magnitude_errors`."""
        source = self.magnitude_errors
        if source.package is not None:
            return package_file(source.package, source.file)
        return conf_path("releases", source.file)


def load_release(name: str) -> Release:
    """Return the release called `name`, in any case, or that in the YAML file of this path or URI.

    Raises
    ------
    InputError
        If ``conf/releases`` has no such file, or the file does not describe a release.
    """
    if name.endswith((".yaml", ".yml")):
        return _read_release(name)
    known = known_releases()
    if name.lower() not in known:
        raise InputError(
            f"release: {name!r} is not known; expected one of {', '.join(known)}, or a YAML file"
        )
    return _read_release(str(conf_path("releases", f"{name.lower()}.yaml")))


def known_releases() -> list[str]:
    """Return the names of the releases in ``conf/releases``."""
    return sorted(path.stem for path in conf_path("releases").glob("*.yaml"))


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


def _read_release(path: str) -> Release:
    if not storage.is_file(path):
        raise InputError(f"release: {path}: no such file; expected YAML")
    try:
        return Release.model_validate(yaml.safe_load(storage.read_text(path)))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
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
