"""List the columns of a Gaia source that the method uses.

Everything else about them derives from `SOURCE_COLUMNS`: the columns that a release must have and
that a search reads, the sources that are kept, the tables that hold sources, the mock, verification
and the UCDs of exports. A new column is a line here and a name in ``conf/releases``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

#: The use of a column. Those with "always" are needed in every release. A release chooses among the
#: others (see `Release.uses`): its own correlations; magnitude errors from numbers of observations
#: or from flux errors; the parallax zero point by DR3's recipe or by a column. No calculation uses
#: "identity", which identifies the release.
Use = Literal["always", "correlations", "n_obs", "flux_errors", "recipe", "bias", "identity"]
#: A source is kept only if it has a value in all "needed" and a positive one in all "positive"
#: columns (method §1). Values of "optional" columns may be missing.
Demand = Literal["needed", "positive", "optional"]


class SourceColumn(NamedTuple):
    """A column of a Gaia source.

    Attributes
    ----------
    name : str
        Canonical name.
    stored : str
        Type in Gaia's own tables, by its numpy name.
    use : Use
        What the column is used for.
    demand : Demand
        Whether a source must have a value.
    unit, ucd, description : str
        Unit ("" if none), UCD1+, and meaning.
    """

    name: str
    stored: str
    use: Use
    demand: Demand
    unit: str
    ucd: str
    description: str

    @property
    def is_integer(self) -> bool:
        """Return whether its values are whole numbers."""
        return self.stored.startswith("int")


_C = SourceColumn
#: All columns, in the order in which tables and the mock's files have them.
# fmt: off
SOURCE_COLUMNS = [
    _C("source_id", "int64", "always", "needed", "", "meta.id;meta.main",
       "Gaia source identifier of the release"),
    _C("ra", "float64", "always", "needed", "deg", "pos.eq.ra;meta.main",
       "Right ascension, ICRS at the release's epoch"),
    _C("dec", "float64", "always", "needed", "deg", "pos.eq.dec;meta.main",
       "Declination, ICRS at the release's epoch"),
    _C("parallax", "float64", "always", "needed", "mas", "pos.parallax.trig", "Parallax"),
    _C("parallax_error", "float32", "always", "positive", "mas", "stat.error;pos.parallax.trig",
       "Standard error of parallax"),
    _C("pmra", "float64", "always", "needed", "mas/yr", "pos.pm;pos.eq.ra",
       "Proper motion in right ascension, times cos(dec)"),
    _C("pmra_error", "float32", "always", "positive", "mas/yr", "stat.error;pos.pm;pos.eq.ra",
       "Standard error of pmra"),
    _C("pmdec", "float64", "always", "needed", "mas/yr", "pos.pm;pos.eq.dec",
       "Proper motion in declination"),
    _C("pmdec_error", "float32", "always", "positive", "mas/yr", "stat.error;pos.pm;pos.eq.dec",
       "Standard error of pmdec"),
    _C("parallax_pmra_corr", "float32", "correlations", "needed", "",
       "stat.correlation;pos.parallax.trig;pos.pm;pos.eq.ra", "Correlation of parallax and pmra"),
    _C("parallax_pmdec_corr", "float32", "correlations", "needed", "",
       "stat.correlation;pos.parallax.trig;pos.pm;pos.eq.dec", "Correlation of parallax and pmdec"),
    _C("pmra_pmdec_corr", "float32", "correlations", "needed", "",
       "stat.correlation;pos.pm;pos.eq.ra;pos.pm;pos.eq.dec", "Correlation of pmra and pmdec"),
    _C("phot_g_mean_mag", "float32", "always", "needed", "mag", "phot.mag;em.opt", "G magnitude"),
    _C("phot_bp_mean_mag", "float32", "always", "needed", "mag", "phot.mag;em.opt.B",
       "BP magnitude"),
    _C("phot_rp_mean_mag", "float32", "always", "needed", "mag", "phot.mag;em.opt.R",
       "RP magnitude"),
    _C("phot_g_n_obs", "int16", "n_obs", "positive", "", "meta.number", "Observations in G"),
    _C("phot_bp_n_obs", "int16", "n_obs", "positive", "", "meta.number", "Observations in BP"),
    _C("phot_rp_n_obs", "int16", "n_obs", "positive", "", "meta.number", "Observations in RP"),
    _C("phot_g_mean_flux", "float64", "flux_errors", "positive", "electron/s", "phot.flux;em.opt",
       "Flux in G"),
    _C("phot_g_mean_flux_error", "float32", "flux_errors", "positive", "electron/s",
       "stat.error;phot.flux;em.opt", "Standard error of the flux in G"),
    _C("phot_rp_mean_flux", "float64", "flux_errors", "positive", "electron/s",
       "phot.flux;em.opt.R", "Flux in RP"),
    _C("phot_rp_mean_flux_error", "float32", "flux_errors", "positive", "electron/s",
       "stat.error;phot.flux;em.opt.R", "Standard error of the flux in RP"),
    _C("ecl_lat", "float64", "recipe", "needed", "deg", "pos.ecliptic.lat", "Ecliptic latitude"),
    _C("nu_eff", "float32", "recipe", "optional", "1/um", "em.wavenumber",
       "Effective wavenumber used in the astrometric solution"),
    _C("pseudocolour", "float32", "recipe", "optional", "1/um", "em.wavenumber",
       "Wavenumber estimated in the astrometric solution"),
    _C("solution", "int16", "recipe", "needed", "", "meta.code",
       "Code of the astrometric solution, with a bit for each parameter"),
    _C("parallax_bias", "float64", "bias", "optional", "mas", "pos.parallax.trig;arith.zp",
       "Bias of the parallax, to be subtracted from it"),
    _C("ref_epoch", "float64", "identity", "optional", "yr", "meta.ref;time.epoch",
       "Epoch of the position, Julian"),
]
# fmt: on
BY_NAME = {column.name: column for column in SOURCE_COLUMNS}
#: A source needs one of these if the zero point follows DR3's recipe.
COLOURS = ("nu_eff", "pseudocolour")
CORRELATIONS = [column.name for column in SOURCE_COLUMNS if column.use == "correlations"]
#: Columns that some releases do not use, so that their sources lack them.
NOT_IN_EVERY_RELEASE = [column.name for column in SOURCE_COLUMNS if column.use != "always"]


def matching(there: Iterable[str], spellings: Collection[str]) -> list[str]:
    """Return the columns whose name is one of some spellings, in any letter case.

    Parameters
    ----------
    there : iterable of str
        Names of columns.
    spellings : collection of str
        Names to look for.
    """
    wanted = {name.lower() for name in spellings}
    return [name for name in there if name.lower() in wanted]
