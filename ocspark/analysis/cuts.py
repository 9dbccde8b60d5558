"""Count stars of a run and of a list at a cut: overlap, reasons, spreads (method §11)."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ocspark.analysis.structure import FAINT_G, FAINT_LEVEL
from ocspark.errors import InputError
from ocspark.tables.analysis import CONFUSION

#: Reasons why a listed star is missed; a star may fail several of the selection's conditions.
REASONS = (
    "not_in_mirror",
    "not_in_cone",
    "not_kept",
    "proper_motion",
    "parallax",
    "isochrone",
    "no_posterior",
    "zero_probability",
    "low_probability",
)
#: The conditions of Eqs. 1 to 3.
CONDITIONS = ("proper_motion", "parallax", "isochrone")
_N_BINS = 10


@dataclass(frozen=True)
class Cut:
    """Stars to compare: those with a least probability, in the run and in the list.

    Attributes
    ----------
    name : str
        Name of the cut.
    probability : float
        Least probability in the list, and least posterior or votes in the run: whichever each
        cluster's members are chosen by.
    max_radius_pc : float or None
        Stars have a projected radius below this [pc].
    max_g : float or None
        Stars are brighter than this [mag].
    """

    name: str
    probability: float
    max_radius_pc: float | None = None
    max_g: float | None = None

    def describe(self) -> str:
        """Return the cut in words."""
        words = [f"p ≥ {self.probability:g}"]
        if self.max_radius_pc is not None:
            words.append(f"f_R < {self.max_radius_pc:g} pc")
        if self.max_g is not None:
            words.append(f"G < {self.max_g:g}")
        return ", ".join(words)


#: The two cuts of the paper's Fig. 3.
PAPER_CUTS = (Cut("all", 0.1), Cut("probable", 0.5, 20.0, 18.0))


def parse_cut(text: str) -> Cut:
    """Return the cut of ``p=0.5,radius_pc=20,g=18`` (p is required).

    Raises
    ------
    InputError
        If the text is of another form.
    """
    expected = f"--cut {text}: expected p=PROBABILITY[,radius_pc=PC][,g=MAG]"
    try:
        values = {k.strip(): float(v) for k, v in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise InputError(expected) from None
    if not set(values) <= {"p", "radius_pc", "g"} or not 0.0 < values.get("p", -1.0) <= 1.0:
        raise InputError(expected)
    name = "_".join(f"{key}{values[key]:g}" for key in ("p", "radius_pc", "g") if key in values)
    return Cut(name, values["p"], values.get("radius_pc"), values.get("g"))


def count_at(stars: DataFrame, cut: Cut) -> DataFrame:
    """Return the `COMPARISON` rows of a cut, one per cluster and one (cluster null) for all.

    Parameters
    ----------
    stars : DataFrame
        Listed stars and candidates; ``p`` is their posterior or votes, whichever their cluster's
        members are chosen by.
    cut : Cut
        The cut.
    """
    fits = F.lit(True)
    if cut.max_radius_pc is not None:
        fits &= F.coalesce(F.col("f_r") < cut.max_radius_pc, F.lit(False))
    if cut.max_g is not None:
        fits &= F.coalesce(F.col("phot_g_mean_mag") < cut.max_g, F.lit(False))
    p, listed_p = F.col("p"), F.col("list_probability")
    named = F.coalesce(listed_p >= cut.probability, F.lit(False))
    ours = F.coalesce(p >= cut.probability, F.lit(False)) & fits
    listed = named & fits
    limited = cut.max_radius_pc is not None or cut.max_g is not None
    unknown = named & F.col("f_r").isNull() if limited else F.lit(False)
    marked = stars.withColumns(
        {
            "_ours": ours,
            "_ours_votes": F.coalesce(F.col("probability") >= cut.probability, F.lit(False)) & fits,
            "_listed": listed,
            "_unknown": unknown,
            "_missed": listed & ~ours,
            "_faint": p >= FAINT_LEVEL,
            **{f"_{r}": listed & ~ours & c for r, c in _reason_columns(cut.probability).items()},
        }
    )

    def count(condition: Column, name: str) -> Column:
        return F.count_if(condition).cast("long").alias(name)

    sums = [
        count(F.col("_listed"), "n_listed"),
        count(F.col("_ours"), "n_ours"),
        count(F.col("_listed") & F.col("_ours"), "n_both"),
        count(F.col("_ours_votes"), "n_ours_votes"),
        count(F.col("_listed") & F.col("_ours_votes"), "n_both_votes"),
        count(F.col("_listed") & ~F.col("_ours"), "n_listed_only"),
        count(F.col("_ours") & ~F.col("_listed"), "n_ours_only"),
        count(F.col("_unknown"), "n_unknown"),
        count(F.col("_missed") & F.col("probability").isNull(), "n_not_candidate"),
        *[count(F.col(f"_{reason}"), f"n_{reason}") for reason in REASONS],
        count(F.col("_faint") & (F.col("phot_g_mean_mag") > FAINT_G), "_n_faint"),
        count(F.col("_faint"), "_n_p10"),
    ]
    for side in ("ours", "listed"):
        for feature in ("f_plx", "f_pm"):
            values = F.when(F.col(f"_{side}"), F.col(feature))
            spread = F.percentile(values, F.array(*map(F.lit, (0.15, 0.5, 0.85))))
            sums.append(spread.alias(f"{side}_{feature}"))
    rows = marked.rollup("cluster").agg(*sums).where("cluster is null or n_listed + n_ours > 0")
    reached = F.col("n_listed") - F.col("n_not_in_cone")
    return rows.withColumns(
        {
            "cut": F.lit(cut.name),
            "recovered": F.try_divide("n_both", "n_listed"),
            "recovered_in_cone": F.try_divide(F.col("n_both"), reached),
            "faint_fraction": F.try_divide("_n_faint", "_n_p10"),
        }
    )


def _reason_columns(level: float) -> dict[str, Column]:
    """Return for each reason the condition that it holds for a missed star."""
    outside = F.col("probability").isNull()
    fails = {c: outside & F.coalesce(~F.col(f"passes_{c}"), F.lit(False)) for c in CONDITIONS}
    there = F.coalesce("in_mirror", F.lit(False))
    kept = F.coalesce("kept", F.lit(False))
    in_cone = F.coalesce("in_cone", F.lit(False))
    zero = F.col("p") == 0.0
    return {
        "not_in_mirror": outside & ~there,
        # a star that is not kept is in no cone either, but that is another reason
        "not_in_cone": outside & ~in_cone & (kept | ~there),
        "not_kept": outside & there & ~kept,
        **fails,
        "no_posterior": ~outside & F.col("p").isNull(),
        "zero_probability": F.coalesce(zero, F.lit(False)),
        "low_probability": F.coalesce(~zero & (F.col("p") < level), F.lit(False)),
    }


def confusion_table(stars: DataFrame) -> DataFrame:
    """Return the `CONFUSION` table: stars by bins of both probabilities, −1 where one has none.

    `stars` is that of `count_at`.
    """

    def in_bins(column: str) -> Column:
        # a decimal step such as 0.3 must not fall below its own edge
        tenth = F.floor(F.col(column) * _N_BINS + 1e-9).cast("int")
        inside = F.least(tenth, F.lit(_N_BINS - 1))  # which would return the limit for null
        return F.when(F.col(column).isNull(), -1).otherwise(inside)

    bins = {"list_bin": in_bins("list_probability"), "our_bin": in_bins("p")}
    counts = stars.withColumns(bins).groupBy("cluster", "list_bin", "our_bin")
    return counts.agg(F.count("*").alias("n")).select([f.name for f in CONFUSION])
