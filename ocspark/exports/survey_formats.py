"""Define the columns of target lists for 4MOST and WEAVE.

4MOST: the target catalogue of VIS-MAN-4MOST-47110-1720-0001, format version 2.6. WEAVE: the
catalogue template of its data model 8.00, without the columns of the analysis system (``APS_*``),
which have defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import healpy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import types as T

from ocspark.exports.targets import likelihood
from ocspark.tables.fields import Field

_D, _E, _I, _J, _K, _A = (
    T.DoubleType(),
    T.FloatType(),
    T.ShortType(),
    T.IntegerType(),
    T.LongType(),
    T.StringType(),
)
_TYPES = {"D": _D, "E": _E, "I": _I, "J": _J, "K": _K, "A": _A}
INTEGER_BITS = {"I": 16, "J": 32, "K": 64}
_NAN = float("nan")


class SurveyColumn(NamedTuple):
    """A column of a survey's format.

    Attributes
    ----------
    name : str
        Name of the column.
    code : str
        FITS code, with the width of texts.
    unit, description : str
        Unit, and description of the content.
    value : TargetColumn, callable or constant
        Column of the targets, function of the targets and `Source.facts`, or constant.
    """

    name: str
    code: str
    unit: str
    description: str
    value: Any

    @property
    def field(self) -> Field:
        """The column as a field of a `Source`."""
        return Field(self.name, _TYPES[self.code[-1]], self.unit, self.description)


class Survey(NamedTuple):
    """The format of a survey.

    Attributes
    ----------
    columns : sequence of SurveyColumn
        All columns.
    to_fill : sequence of str
        Columns that only the survey's team can fill.
    header : mapping
        FITS keywords.
    max_dec : float
        Northernmost declination [deg].
    """

    columns: Sequence[SurveyColumn]
    to_fill: Sequence[str]
    header: Mapping[str, str]
    max_dec: float


class TargetColumn(NamedTuple):
    """The name of a column of the targets."""

    name: str


def _name(rows: pa.RecordBatch, facts: Mapping[str, Any]) -> pa.Array:
    prefix = f"GaiaDR{facts['release_number']}_"
    return pc.binary_join_element_wise(prefix, rows["source_id"].cast(pa.string()), "")


def _id(rows: pa.RecordBatch, facts: Mapping[str, Any]) -> pa.Array:
    return rows["source_id"].cast(pa.string())


def _release(rows: pa.RecordBatch, facts: Mapping[str, Any]) -> pa.Array:
    return pa.array([facts["release_number"]] * rows.num_rows)


def _rp(rows: pa.RecordBatch, facts: Mapping[str, Any]) -> pa.Array:
    return pc.subtract(rows["phot_g_mean_mag"], rows["g_rp"])


def _rp_error(rows: pa.RecordBatch, facts: Mapping[str, Any]) -> pa.Array:
    # the variance of the colour is the sum of those of G and RP
    colour, g = (
        rows[n].to_numpy(zero_copy_only=False) for n in ("g_rp_error", "phot_g_mean_mag_error")
    )
    return pa.array(np.sqrt(np.maximum(colour**2 - g**2, 0.0)))


def _priority(rows: pa.RecordBatch, facts: Mapping[str, Any]) -> pa.Array:
    return pc.add(1.0, pc.multiply(9.0, likelihood(rows)))


def _healpix(rows: pa.RecordBatch, facts: Mapping[str, Any]) -> pa.Array:
    place = (rows["ra"].to_numpy(), rows["dec"].to_numpy())
    return pa.array(healpy.ang2pix(16, *place, nest=True, lonlat=True))


_4MOST = [
    SurveyColumn("NAME", "256A", "", "Target", _name),
    SurveyColumn("RA", "D", "deg", "Right ascension at EPOCH", TargetColumn("ra")),
    SurveyColumn("DEC", "D", "deg", "Declination at EPOCH", TargetColumn("dec")),
    SurveyColumn(
        "PMRA", "E", "mas/yr", "Proper motion in RA, times cos(dec)", TargetColumn("pmra")
    ),
    SurveyColumn("PMDEC", "E", "mas/yr", "Proper motion in Dec", TargetColumn("pmdec")),
    SurveyColumn("EPOCH", "E", "yr", "Epoch of the position", TargetColumn("epoch")),
    SurveyColumn("RESOLUTION", "I", "", "1 LRS, 2 HRS", 1),
    SurveyColumn("SUBSURVEY", "256A", "", "Sub-survey", ""),
    SurveyColumn("TEMPLATE", "256A", "", "Spectral template", ""),
    SurveyColumn("RULESET", "256A", "", "Rules of spectral success", ""),
    SurveyColumn("EXTENT_FLAG", "J", "", "0 point source", 0),
    SurveyColumn("EXTENT_PARAMETER", "E", "arcsec", "Sersic radius, not used", 0.0),
    SurveyColumn("EXTENT_INDEX", "E", "", "Sersic index, not used", 0.0),
    SurveyColumn("MAG_TYPE", "256A", "", "What MAG is", "Gaia_G_Vega"),
    SurveyColumn("MAG", "E", "mag", "G magnitude", TargetColumn("phot_g_mean_mag")),
    SurveyColumn("MAG_ERR", "E", "mag", "Error of MAG", TargetColumn("phot_g_mean_mag_error")),
    SurveyColumn("DATE_EARLIEST", "D", "d", "Julian date", 0.0),
    SurveyColumn("DATE_LATEST", "D", "d", "Julian date", 0.0),
    SurveyColumn("CADENCE", "K", "", "Coded cadence", 0),
    SurveyColumn("REDDENING", "E", "mag", "E(B-V) for the template", _NAN),
    SurveyColumn("REDSHIFT_ESTIMATE", "E", "", "Redshift", 0.0),
    SurveyColumn("REDSHIFT_ERROR", "E", "", "Error of redshift", 0.0),
    SurveyColumn("TEMPLATE_REDSHIFT", "E", "", "Redshift of the template", 0.0),
    SurveyColumn("CAL_MAG_BLUE", "E", "mag", "Not known", _NAN),
    SurveyColumn("CAL_MAG_GREEN", "E", "mag", "G magnitude", TargetColumn("phot_g_mean_mag")),
    SurveyColumn("CAL_MAG_RED", "E", "mag", "RP magnitude", _rp),
    SurveyColumn("CAL_MAG_ERR_BLUE", "E", "mag", "Not known", _NAN),
    SurveyColumn(
        "CAL_MAG_ERR_GREEN", "E", "mag", "Error of G", TargetColumn("phot_g_mean_mag_error")
    ),
    SurveyColumn("CAL_MAG_ERR_RED", "E", "mag", "Error of RP", _rp_error),
    SurveyColumn("CAL_MAG_ID_BLUE", "256A", "", "What CAL_MAG_BLUE is", ""),
    SurveyColumn("CAL_MAG_ID_GREEN", "256A", "", "What CAL_MAG_GREEN is", "GAIA_G_VEGA_PSF"),
    SurveyColumn("CAL_MAG_ID_RED", "256A", "", "What CAL_MAG_RED is", "GAIA_GRP_VEGA_PSF"),
    SurveyColumn("CLASSIFICATION", "256A", "", "Expected class", "STAR"),
    SurveyColumn("COMPLETENESS", "E", "", "Wanted completeness of the sub-survey", 1.0),
    SurveyColumn("PARALLAX", "E", "mas", "Parallax", TargetColumn("parallax")),
]

_WEAVE = [
    SurveyColumn("CNAME", "20A", "", "WEAVE object name, given at submission", ""),
    SurveyColumn("TARGSRVY", "15A", "", "Survey", ""),
    SurveyColumn("TARGPROG", "40A", "", "All clusters of the target", TargetColumn("clusters")),
    SurveyColumn("TARGCAT", "30A", "", "Catalogue file", ""),
    SurveyColumn("TARGID", "30A", "", "Identifier of the target", _id),
    SurveyColumn("TARGNAME", "30A", "", "Likeliest cluster of the target", TargetColumn("cluster")),
    SurveyColumn("TARGPRIO", "E", "", "Priority, 1 to 10: 1 + 9 posterior (or votes)", _priority),
    SurveyColumn("TARGUSE", "1A", "", "T target", "T"),
    SurveyColumn("TARGCLASS", "12A", "", "Class", "STAR"),
    SurveyColumn("PROGTEMP", "8A", "", "Observing programme template", ""),
    SurveyColumn("OBSTEMP", "5A", "", "Observing constraints template", ""),
    SurveyColumn("GAIA_ID", "25A", "", "Gaia source identifier", _id),
    SurveyColumn("GAIA_DR", "5A", "", "Gaia release", _release),
    SurveyColumn("GAIA_RA", "D", "deg", "Right ascension at GAIA_EPOCH", TargetColumn("ra")),
    SurveyColumn("GAIA_DEC", "D", "deg", "Declination at GAIA_EPOCH", TargetColumn("dec")),
    SurveyColumn("GAIA_EPOCH", "E", "yr", "Epoch of the position", TargetColumn("epoch")),
    SurveyColumn(
        "GAIA_PMRA", "E", "mas/yr", "Proper motion in RA, times cos(dec)", TargetColumn("pmra")
    ),
    SurveyColumn("GAIA_PMRA_ERR", "E", "mas/yr", "Error of GAIA_PMRA", TargetColumn("pmra_error")),
    SurveyColumn("GAIA_PMDEC", "E", "mas/yr", "Proper motion in Dec", TargetColumn("pmdec")),
    SurveyColumn(
        "GAIA_PMDEC_ERR", "E", "mas/yr", "Error of GAIA_PMDEC", TargetColumn("pmdec_error")
    ),
    SurveyColumn("GAIA_PARAL", "E", "mas", "Parallax", TargetColumn("parallax")),
    SurveyColumn(
        "GAIA_PARAL_ERR", "E", "mas", "Error of GAIA_PARAL", TargetColumn("parallax_error")
    ),
    SurveyColumn("HEALPIX", "I", "", "Nested HEALPix pixel, Nside 16", _healpix),
    SurveyColumn("IFU_SPAXEL", "6A", "", "Not used", ""),
    SurveyColumn("IFU_PA", "D", "deg", "Not used", _NAN),
    SurveyColumn("IFU_DITHER", "I", "", "Not used", 0),
    SurveyColumn("MAG_G", "E", "mag", "SDSS-like g, not known", _NAN),
    SurveyColumn("MAG_G_ERR", "E", "mag", "Not known", _NAN),
    SurveyColumn("MAG_R", "E", "mag", "SDSS-like r, not known", _NAN),
    SurveyColumn("MAG_R_ERR", "E", "mag", "Not known", _NAN),
    SurveyColumn("MAG_I", "E", "mag", "SDSS-like i, not known", _NAN),
    SurveyColumn("MAG_I_ERR", "E", "mag", "Not known", _NAN),
    SurveyColumn("GAIA_MAG_G", "E", "mag", "G magnitude", TargetColumn("phot_g_mean_mag")),
    SurveyColumn("GAIA_MAG_G_ERR", "E", "mag", "Error of G", TargetColumn("phot_g_mean_mag_error")),
    SurveyColumn("GAIA_MAG_BP", "E", "mag", "BP magnitude, not known", _NAN),
    SurveyColumn("GAIA_MAG_BP_ERR", "E", "mag", "Not known", _NAN),
    SurveyColumn("GAIA_MAG_RP", "E", "mag", "RP magnitude", _rp),
    SurveyColumn("GAIA_MAG_RP_ERR", "E", "mag", "Error of RP", _rp_error),
]

SURVEYS = {
    "4most": Survey(
        _4MOST,
        ("SUBSURVEY", "TEMPLATE", "RULESET"),
        {"FMTDOC": "VIS-MAN-4MOST-47110-1720-0001", "FMTVERS": "2.6"},
        40.0,
    ),
    "weave": Survey(
        _WEAVE,
        ("TARGSRVY", "TARGCAT", "PROGTEMP", "OBSTEMP"),
        {"DATAMVER": "8.00"},
        90.0,
    ),
}
