"""Read the settings of a run: defaults, a YAML file over them, ``--set key=value`` over both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from ocspark import storage
from ocspark.errors import InputError
from ocspark.names import did_you_mean
from ocspark.places import beside_package


def conf_path(*parts: str) -> Path:
    """Return a file of ``conf/``."""
    return beside_package("conf").joinpath(*parts)


#: A run's id is also the name of its folder.
_RUN_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class Section(BaseModel):
    """A part of the settings: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


_Kind = TypeVar("_Kind", bound=Section)


class MirrorSettings(Section):
    """The Gaia mirror."""

    path: str


def _in_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class ClusterSettings(Section):
    """The cluster table; `columns` maps canonical names to the file's, or names a column map.

    `names` are the clusters to do, one or a list; `table` is the name or number of the table in a
    file that has several.
    """

    path: str
    table: str | int | None = None
    names: Annotated[list[str] | None, BeforeValidator(_in_list)] = None
    columns: dict[str, str] | str = Field(default_factory=dict)


class MemberSettings(Section):
    """The member list the training members come from (method §3)."""

    path: str
    table: str | int | None = None
    columns: dict[str, str] | str = Field(default_factory=dict)
    min_probability: float = Field(1.0, ge=0.0, le=1.0)
    min_members: int = Field(15, ge=2)
    relax_probability: bool = False
    neighbourhood: str | None = None


class IsochroneSettings(Section):
    """The isochrone table; `max_age_offset` in dex; `interpolate` between neighbouring ages."""

    path: str | None = None
    metallicity: float | None = Field(None, gt=0.0)
    max_age_offset: float = Field(0.1, ge=0.0)
    interpolate: bool = False


class MembershipSettings(Section):
    """The Monte Carlo (method §10); `adaptive` leaves out samples whose vote is certain."""

    n_samples: int = Field(100, gt=0, le=1_000_000)
    support_size: int = Field(10, gt=0, le=1000)
    seed: int = Field(42, ge=0, lt=2**63)
    leave_one_out: bool = True
    adaptive: bool = True
    colour_covariance: bool = False
    device: Literal["auto", "cpu", "gpu"] = "auto"


class PosteriorSection(Section):
    """The posterior (method §13): whether it is computed, and when it is not used."""

    enabled: bool = True
    n_replicates: int = Field(10, ge=0, le=1000)
    min_radius_pc: float = Field(5.0, gt=0.0)
    min_training_members: int = Field(15, ge=2)
    min_recovered: float = Field(0.85, ge=0.0, le=1.0)
    max_offset_sum: float = Field(5.0, ge=0.0)
    max_offset_share: float = Field(0.05, ge=0.0)


class SearchSettings(Section):
    """The cone search (method §1)."""

    radius_pc: float = Field(50.0, gt=0.0)
    sigmas: float = Field(10.0, gt=0.0)
    max_radius_deg: float = Field(30.0, gt=0.0, le=90.0)


class OutputSettings(Section):
    """The place of tables: ``<path>/<run_id>/``, or a catalogue and the working folder `work`.

    `base` is an earlier run whose unchanged clusters are copied; `columns` are columns of the
    mirror that go to the candidates unchanged.
    """

    path: str = "runs"
    work: str | None = None
    base: str | None = Field("latest", pattern=_RUN_ID)
    run_id: str | None = Field(None, pattern=_RUN_ID)
    non_members: bool = False
    columns: list[str] = Field(default_factory=list)


class SparkSettings(Section):
    """Spark's own settings; none of them changes a result."""

    config: dict[str, str] = Field(default_factory=dict)


class Settings(Section):
    """All settings of the main job. See ``conf/default.yaml`` for their meaning."""

    release: str = "dr3"
    mirror: MirrorSettings
    clusters: ClusterSettings
    members: MemberSettings
    isochrones: IsochroneSettings = IsochroneSettings()
    model: str = "DS10_v02"
    membership: MembershipSettings = MembershipSettings()
    posterior: PosteriorSection = PosteriorSection()
    search: SearchSettings = SearchSettings()
    output: OutputSettings = OutputSettings()
    spark: SparkSettings = SparkSettings()
    #: See `ocspark.locations.configure`. Never part of a record: it may hold secrets.
    storage: dict[str, dict[str, Any]] = Field(default_factory=dict, exclude=True, repr=False)

    @field_validator("release")
    @classmethod
    def _as_known(cls, name: str) -> str:
        """Return the name of a release as ``conf/releases`` has it, so that DR3 is dr3."""
        return name if name.endswith((".yaml", ".yml")) else name.lower()


def load_settings(config: str | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Read ``conf/default.yaml``, lay the file `config` and then the overrides over it.

    Parameters
    ----------
    config : str, optional
        Path or URI of a YAML file.
    overrides : sequence of str
        ``key=value`` with a dotted key and a YAML value; the last wins.

    Raises
    ------
    InputError
        For an unreadable file, an unknown key or a value out of range, naming it.
    """
    return make_settings(*settings_tree("default.yaml", config, overrides))


def settings_tree(
    defaults: str, config: str | None, overrides: Sequence[str]
) -> tuple[dict[str, Any], str]:
    """Return the tree of a file of ``conf/`` with `config` and overrides over it, and its name."""
    tree = _read_yaml(str(conf_path(defaults)))
    where = "settings"
    if config is not None:
        lay_over(tree, _read_yaml(config))
        where = config
    for override in overrides:
        lay_over(tree, _parse_override(override))
    return tree, where


def make_settings(tree: Mapping[str, Any], where: str = "settings") -> Settings:
    """Validate a settings tree; an `InputError` names the key and what was expected."""
    return validate_tree(Settings, tree, where)


def validate_tree(kind: type[_Kind], tree: Mapping[str, Any], where: str) -> _Kind:
    """Return a settings object of a tree; an `InputError` names the key and what was expected."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        faults = error.errors()
        # a key that is not known first: it is often a misspelt one of those that are missing
        first = next((f for f in faults if f["type"] == "extra_forbidden"), faults[0])
        key = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            hint = did_you_mean(key, _known_keys(kind))
            raise InputError(f"{where}: {key}: unknown setting{hint}") from None
        if (first["type"] == "missing" or first.get("input") is None) and key in _NEEDED:
            raise InputError(f"{where}: {key} is not set; expected {_NEEDED[key]}") from None
        given = first.get("input")
        shown = "nothing" if given is None or isinstance(given, dict) else repr(given)
        raise InputError(f"{where}: {key}: {first['msg']}, got {shown}") from None


#: Settings that have no default, and what each is.
_NEEDED = {
    "mirror.path": "a Gaia mirror: a HATS catalogue, a Parquet directory, or table:NAME",
    "clusters.path": "a table of clusters",
    "members.path": "a list of members",
}


def _known_keys(kind: type[BaseModel], prefix: str = "") -> list[str]:
    """Return the dotted keys of all settings of a kind."""
    keys = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        keys.append(prefix + name)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += _known_keys(inner, f"{prefix}{name}.")
    return keys


def _read_yaml(path: str) -> dict[str, Any]:
    if not storage.is_file(path):
        raise InputError(f"{path}: no such file; expected YAML settings")
    try:
        tree = yaml.safe_load(storage.read_text(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {error}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise InputError(f"{path}: expected a YAML mapping of settings")
    return tree


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text}: expected key=value")
    try:
        tree: Any = yaml.safe_load(value)
    except yaml.YAMLError:
        raise InputError(f"--set {key}: {value!r} is not a YAML value") from None
    for part in reversed(key.strip().split(".")):
        tree = {part: tree}
    return dict(tree)


def lay_over(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Replace in a settings tree what another one has, key by key.

    A map inside a section (columns, config) is laid over the one there, as one would expect of
    ``--set``; an empty one clears it.
    """
    for key, value in over.items():
        _lay_over(base, key, value)


def _lay_over(base: dict[str, Any], key: str, value: Any, section: bool = True) -> None:
    if isinstance(value, dict) and isinstance(base.get(key), dict) and (value or section):
        for inner, own in value.items():
            _lay_over(base[key], inner, own, section=False)
    else:
        base[key] = value
