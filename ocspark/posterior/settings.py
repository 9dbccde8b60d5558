"""What a user may choose of the posterior; all other numbers stand beside the code they rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PosteriorSettings:
    """Settings with their defaults.

    Attributes
    ----------
    seed : int
        Of the keyed weights of the bootstrap.
    n_replicates : int
        Replicates of the bootstrap behind posterior_low and posterior_high; 0 for no intervals.
    min_radius_pc : float
        Least R [pc] that holds enough field.
    min_training_members : int
        Least number of training members within R.
    min_recovered, low_recovered : float
        Least share of the training members with posterior >= 0.5, and the share below which the
        cluster is flagged.
    small_radius_pc : float
        R [pc] below which the cluster is flagged.
    max_offset_sum, max_offset_share : float
        The moved-off sum may reach this many stars, or this share of N if that is more.
    """

    seed: int = 42
    n_replicates: int = 10
    min_radius_pc: float = 5.0
    min_training_members: int = 15
    min_recovered: float = 0.85
    low_recovered: float = 0.90
    small_radius_pc: float = 15.0
    max_offset_sum: float = 5.0
    max_offset_share: float = 0.05
