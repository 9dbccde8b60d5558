"""Define the settings of the training job: inputs, instances, and the training loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ocspark.settings import (
    ClusterSettings,
    IsochroneSettings,
    MemberSettings,
    MirrorSettings,
    SearchSettings,
    Section,
    SparkSettings,
    settings_tree,
    validate_tree,
)


class InstanceSettings(Section):
    """Settings of the clusters and instances of a training set (paper §3.2)."""

    test_clusters: list[str] | str | None = None
    min_listed: int = Field(80, ge=1)
    longitude_deg: tuple[float, float] = (60.0, 300.0)
    max_parallax: float = Field(4.0, gt=0.0)
    validation_fraction: float = Field(0.3, gt=0.0, lt=1.0)
    duplicates: int = Field(2, ge=1, le=100)
    non_members_per_instance: int = Field(5, ge=1, le=1000)
    support_size: int = Field(10, ge=1, le=1000)
    seed: int = Field(42, ge=0, lt=2**63)


class LoopSettings(Section):
    """Settings of the network and the training loop (paper §3.3)."""

    width: int = Field(64, ge=1, le=4096)
    dropout: float = Field(0.5, ge=0.0, lt=1.0)
    batch_size: int = Field(2048, ge=1)
    learning_rate: float = Field(3e-4, gt=0.0)
    weight_decay: float = Field(1e-5, ge=0.0)
    class_weights: tuple[Annotated[float, Field(gt=0.0)], Annotated[float, Field(gt=0.0)]] = (
        1.0,
        5.0,
    )
    max_gradient_norm: float = Field(5.0, gt=0.0)
    max_epochs: int = Field(200, ge=1)
    patience: int = Field(20, ge=1)
    seed: int = Field(42, ge=0, lt=2**63)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = Field(1, ge=1, le=1024)
    distributor: Literal["local", "spark"] = "local"
    start_from: str | None = None


class TrainingSettings(Section):
    """All settings of the training job, explained in ``conf/training.yaml``."""

    name: str = Field("model", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    set_path: str | None = None
    release: str = "dr3"
    mirror: MirrorSettings | None = None
    clusters: ClusterSettings | None = None
    members: MemberSettings | None = None
    isochrones: IsochroneSettings = IsochroneSettings()
    search: SearchSettings = SearchSettings()
    instances: InstanceSettings = InstanceSettings()
    training: LoopSettings = LoopSettings()
    spark: SparkSettings = SparkSettings()

    @model_validator(mode="after")
    def _enough_for_a_support_set(self) -> TrainingSettings:
        if self.members and self.members.min_members <= self.instances.support_size:
            raise ValueError(
                f"members.min_members must exceed instances.support_size "
                f"({self.instances.support_size}): a member is not in its own support set"
            )
        return self


def load_training_settings(
    config: str | None = None, overrides: Sequence[str] = ()
) -> TrainingSettings:
    """Read the settings of the training job.

    Parameters
    ----------
    config : str, optional
        File whose values replace those of ``conf/training.yaml``.
    overrides : sequence of str
        ``key=value`` pairs that replace those of both files.

    Raises
    ------
    InputError
        For an unreadable file, an unknown key or a value out of range, naming it.
    """
    tree, where = settings_tree("training.yaml", config, overrides)
    for section in ("mirror", "clusters", "members"):
        if isinstance(tree.get(section), dict) and tree[section].get("path") is None:
            tree[section] = None  # not needed if the set is already made
    return validate_tree(TrainingSettings, tree, where)
