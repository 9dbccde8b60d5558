"""Give the UCD1+ of the Virtual Observatory for columns, by name."""

from __future__ import annotations

from ocspark.tables.fields import Field
from ocspark.tables.source_columns import SOURCE_COLUMNS

#: Valid for every table that is exported: a name means the same in all of them.
UCDS = {
    **{column.name: column.ucd for column in SOURCE_COLUMNS},
    "cluster": "meta.id.parent",
    "ra_error": "stat.error;pos.eq.ra",
    "dec_error": "stat.error;pos.eq.dec",
    "epoch": "time.epoch",
    "phot_g_mean_mag_error": "stat.error;phot.mag;em.opt",
    "g_rp": "phot.color",
    "g_rp_error": "stat.error;phot.color",
    "bp_rp": "phot.color",
    "f_r": "pos.distance",
    "f_pm": "pos.pm;arith.diff",
    "f_plx": "pos.parallax;arith.diff",
    "f_c": "phot.color;arith.diff",
    "f_g": "phot.mag;arith.diff",
    "probability": "stat.probability",
    "mean_logit": "stat.likelihood",
    "n_samples": "meta.number",
    "p_low": "stat.probability;stat.min",
    "p_high": "stat.probability;stat.max",
    "posterior": "stat.probability",
    "posterior_low": "stat.probability;stat.min",
    "posterior_high": "stat.probability;stat.max",
    "errors_mended": "meta.code",
    "is_training_member": "meta.code",
    "list_probability": "stat.probability",
    "clusters": "meta.id.parent",
    "status": "meta.code.status",
    "reason": "meta.note",
    "lacking": "meta.note",
    "cone_ra": "pos.eq.ra",
    "cone_dec": "pos.eq.dec",
    "radius_deg": "pos.angDistance",
    "radius_bounded": "meta.code",
    "training_probability": "stat.probability",
    "members_by": "meta.note",
    "expected_members": "meta.number",
    "expected_members_error": "stat.error",
    "contaminants_posterior_50": "meta.number",
    "contaminants_votes_50": "meta.number",
    "posterior_reason": "meta.note",
    "posterior_flags": "meta.code",
    "posterior_radius_pc": "phys.size.radius",
    "posterior_offset_sum": "meta.number",
    "fitted_pmra": "pos.pm;pos.eq.ra;stat.fit.param",
    "fitted_pmdec": "pos.pm;pos.eq.dec;stat.fit.param",
    "fitted_parallax": "pos.parallax;stat.fit.param",
    "fitted_pm_width": "stat.stdev;pos.pm",
    "fitted_parallax_width": "stat.stdev;pos.parallax",
    "fitted_colour_shift_g12": "phot.color;arith.diff",
    "fitted_colour_shift_g15": "phot.color;arith.diff",
    "fitted_colour_shift_g18": "phot.color;arith.diff",
    "fitted_colour_width": "stat.stdev;phot.color",
    "fitted_half_radius_pc": "phys.size.radius",
    "support_size": "meta.number",
    "delta_pm": "pos.pm;arith.diff",
    "delta_plx_plus": "pos.parallax;arith.diff",
    "delta_plx_minus": "pos.parallax;arith.diff",
    "delta_c": "phot.color;arith.diff",
    "delta_g": "phot.mag;arith.diff",
    "isochrone_log_age": "time.age",
    "isochrone_age_offset": "time.age;arith.diff",
    "distance": "pos.distance",
    "log_age": "time.age",
    "a0": "phys.absorption",
    "model_saw_cluster": "meta.code",
}


def ucd_of(field: Field) -> str:
    """Return the UCD1+ of a column, "" if it has none. Counts are known by their name, ``n_…``."""
    by_name = UCDS.get(field.name, "meta.number" if field.name.startswith("n_") else "")
    return field.ucd or by_name
