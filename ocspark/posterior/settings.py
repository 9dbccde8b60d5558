"""Define the settings of the posterior. All other constants are beside the code that uses them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PosteriorSettings:
    """Settings of the posterior with their defaults.

    Attributes
    ----------
    seed : int
        Seed of the bootstrap's weights.
    n_replicates : int
        Number of bootstrap replicates for posterior_low and posterior_high; 0 for no intervals.
    min_radius_pc : float
        Least covered radius R [pc]: a smaller one does not hold enough field stars.
    min_training_members : int
        Least number of training members within R.
    min_recovered, low_recovered : float
        Least share of the training members with posterior >= 0.5, and the share below which the
        cluster is flagged.
    small_radius_pc : float
        R [pc] below which the cluster is flagged.
    max_offset_sum, max_offset_share : float
        The moved-off sum may reach this number of stars, or this share of N if that is more.
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
