"""Target lists: each star once, moved to the epoch, in the columns that surveys want."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from ocspark.errors import InputError
from ocspark.exports.epoch import propagate
from ocspark.exports.export import Options, export
from ocspark.exports.source import RowFilter
from ocspark.store.finished_run import FinishedRun
from tests.helpers.made_run import CLUSTERS, make_run, table_of

#: FITS codes of the 4MOST target catalogue, format version 2.6.
FORMAT_4MOST = (
    "NAME A RA D DEC D PMRA E PMDEC E EPOCH E RESOLUTION I SUBSURVEY A TEMPLATE A RULESET A "
    "EXTENT_FLAG J EXTENT_PARAMETER E EXTENT_INDEX E MAG_TYPE A MAG E MAG_ERR E DATE_EARLIEST D "
    "DATE_LATEST D CADENCE K REDDENING E REDSHIFT_ESTIMATE E REDSHIFT_ERROR E "
    "TEMPLATE_REDSHIFT E CAL_MAG_BLUE E CAL_MAG_GREEN E CAL_MAG_RED E CAL_MAG_ERR_BLUE E "
    "CAL_MAG_ERR_GREEN E CAL_MAG_ERR_RED E CAL_MAG_ID_BLUE A CAL_MAG_ID_GREEN A "
    "CAL_MAG_ID_RED A CLASSIFICATION A COMPLETENESS E PARALLAX E"
).split()
#: The first 38 columns of WEAVE's catalogue template.
FORMAT_WEAVE = (
    "CNAME 20A TARGSRVY 15A TARGPROG 40A TARGCAT 30A TARGID 30A TARGNAME 30A TARGPRIO E "
    "TARGUSE 1A TARGCLASS 12A PROGTEMP 8A OBSTEMP 5A GAIA_ID 25A GAIA_DR 5A GAIA_RA D GAIA_DEC D "
    "GAIA_EPOCH E GAIA_PMRA E GAIA_PMRA_ERR E GAIA_PMDEC E GAIA_PMDEC_ERR E GAIA_PARAL E "
    "GAIA_PARAL_ERR E HEALPIX I IFU_SPAXEL 6A IFU_PA D IFU_DITHER I MAG_G E MAG_G_ERR E MAG_R E "
    "MAG_R_ERR E MAG_I E MAG_I_ERR E GAIA_MAG_G E GAIA_MAG_G_ERR E GAIA_MAG_BP E GAIA_MAG_BP_ERR "
    "E GAIA_MAG_RP E GAIA_MAG_RP_ERR E"
).split()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return make_run(tmp_path_factory.mktemp("run") / "made", 5000)


@pytest.fixture(scope="module")
def candidates(run: FinishedRun) -> pd.DataFrame:
    return table_of(run).to_pandas()


def targets_of(run: FinishedRun, path: Path, **options: object) -> pd.DataFrame:
    assert export(run, Options("targets", str(path), **options)) is not None  # type: ignore[arg-type]
    return Table.read(path).to_pandas()


def test_a_star_of_several_clusters_is_one_target(
    run: FinishedRun, candidates: pd.DataFrame, tmp_path: Path
) -> None:
    found = targets_of(run, tmp_path / "t.ecsv", rows=RowFilter(min_probability=0.3))
    passing = candidates[candidates["probability"] >= 0.3]
    ranked = passing.sort_values(
        ["source_id", "probability", "cluster"], ascending=[True, False, True]
    )
    groups = ranked.groupby("source_id")
    assert found["source_id"].is_monotonic_increasing and found["source_id"].is_unique
    np.testing.assert_array_equal(found["source_id"], sorted(set(passing["source_id"])))
    np.testing.assert_array_equal(found["probability"], groups["probability"].max())
    np.testing.assert_array_equal(found["cluster"], groups["cluster"].first())
    np.testing.assert_array_equal(found["clusters"], groups["cluster"].agg(";".join))
    np.testing.assert_array_equal(found["n_clusters"], groups.size())
    np.testing.assert_array_equal(found["is_training_member"], groups["is_training_member"].any())
    assert (found["n_clusters"] > 1).sum() > 100


def test_targets_do_not_depend_on_how_the_run_lies_on_disk(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    from ocspark.exports import scatter, targets

    one = targets_of(run, tmp_path / "one.csv")
    other = make_run(tmp_path / "other", 100)
    whole = table_of(run).sort_by([("probability", "ascending"), ("ra", "ascending")])
    for file in (tmp_path / "other" / "candidates").iterdir():
        file.unlink()
    pq.write_table(whole, tmp_path / "other" / "candidates" / "all.parquet")
    for module in (scatter, targets):
        monkeypatch.setattr(module, "BUCKET_ROWS", 700)
    pd.testing.assert_frame_equal(one, targets_of(other, tmp_path / "two.csv"), check_exact=True)


def test_targets_are_members_as_each_cluster_has_them_unless_a_level_is_asked_for(
    run: FinishedRun, candidates: pd.DataFrame, tmp_path: Path
) -> None:
    best = candidates.groupby("source_id")["probability"].max()
    chosen = RowFilter(min_probability=0.0)
    assert len(targets_of(run, tmp_path / "b.fits", rows=chosen)) == len(best)
    stars = candidates.assign(members_by="votes", likely=candidates["probability"])
    by_posterior = stars["cluster"].isin([CLUSTERS[0], CLUSTERS[2]])
    stars.loc[by_posterior, "members_by"] = "posterior"
    stars.loc[by_posterior, "likely"] = stars["posterior"]
    members = stars[stars["likely"] >= 0.5].sort_values(
        ["source_id", "likely", "cluster"], ascending=[True, False, True]
    )
    found = targets_of(run, tmp_path / "a.ecsv")
    wanted = members.groupby("source_id").first()
    for column in ("cluster", "members_by", "probability", "posterior"):
        expected = members.drop_duplicates("source_id")[column].to_numpy()
        np.testing.assert_array_equal(found[column], expected)
    bright = wanted["phot_g_mean_mag"].between(9, 12)
    found = targets_of(run, tmp_path / "c.fits", rows=RowFilter(bright=9.0, faint=12.0))
    assert set(found["source_id"]) == set(wanted.index[bright])


def test_positions_move_as_astropy_moves_them(run: FinishedRun, tmp_path: Path) -> None:
    still = targets_of(run, tmp_path / "still.fits")
    moved = targets_of(run, tmp_path / "moved.fits", epoch=2027.0)
    assert set(still["epoch"]) == {2016.0} and set(moved["epoch"]) == {2027.0}
    assert (still["ra_error"] == 0).all() and (still["dec_error"] == 0).all()
    sky = SkyCoord(
        still["ra"].to_numpy() * u.deg,
        still["dec"].to_numpy() * u.deg,
        distance=np.full(len(still), 1.0) * u.kpc,
        pm_ra_cosdec=still["pmra"].to_numpy() * u.mas / u.yr,
        pm_dec=still["pmdec"].to_numpy() * u.mas / u.yr,
        radial_velocity=np.zeros(len(still)) * u.km / u.s,
        obstime=Time(2016.0, format="jyear", scale="tcb"),
    )
    then = sky.apply_space_motion(Time(2027.0, format="jyear", scale="tcb"))
    ours = SkyCoord(moved["ra"].to_numpy() * u.deg, moved["dec"].to_numpy() * u.deg)
    apart = ours.separation(then).to_value("mas")
    went = SkyCoord(still["ra"].to_numpy() * u.deg, still["dec"].to_numpy() * u.deg).separation(
        ours
    )
    assert apart.max() < 1e-3 and np.median(went.to_value("mas")) > 5
    np.testing.assert_allclose(moved["ra_error"], 11 * still["pmra_error"], rtol=1e-4)
    np.testing.assert_allclose(moved["dec_error"], 11 * still["pmdec_error"], rtol=1e-4)


def test_errors_of_position_and_motion_add_with_their_correlation() -> None:
    """To first order σ²(t) = σ² + 2 t ρ σ σ_μ + t² σ_μ²; at the equator both axes stand alone."""
    rng = np.random.default_rng(5)
    n, t = 200, 11.0
    stars = {
        "ra": rng.uniform(0, 360, n),
        "dec": rng.uniform(-80, 80, n),
        "parallax": rng.normal(0.5, 0.5, n),
        "pmra": rng.normal(0, 5, n),
        "pmdec": rng.normal(0, 5, n),
        **{f"{p}_error": rng.uniform(0.01, 0.5, n) for p in ("ra", "dec", "parallax")},
        **{f"{p}_error": rng.uniform(0.01, 0.5, n) for p in ("pmra", "pmdec")},
        "ra_pmra_corr": rng.uniform(-0.9, 0.9, n),
        "dec_pmdec_corr": rng.uniform(-0.9, 0.9, n),
    }
    then = propagate(stars, 2016.0, 2016.0 + t)
    for place, motion, pair in (
        ("ra", "pmra", "ra_pmra_corr"),
        ("dec", "pmdec", "dec_pmdec_corr"),
    ):
        one, rate = stars[f"{place}_error"], stars[f"{motion}_error"]
        variance = one**2 + 2 * t * stars[pair] * one * rate + (t * rate) ** 2
        np.testing.assert_allclose(then[f"{place}_error"], np.sqrt(variance), rtol=1e-4)
    back = propagate({**stars, **{k: then[k] for k in ("ra", "dec", "pmra", "pmdec")}}, 2027, 2016)
    np.testing.assert_allclose(back["dec"], stars["dec"], atol=1e-12)


def columns_of(path: Path) -> list[str]:
    with fits.open(path) as file:
        return [v for c in file[1].columns for v in (c.name, c.format)]


def test_4most_gets_its_catalogue(
    run: FinishedRun, candidates: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "4most.fits"
    given = {"SUBSURVEY": "clusters", "TEMPLATE": "a.fits", "RULESET": "snr20", "RESOLUTION": 2}
    export(run, Options("targets", str(path), style="4most", epoch=2027.0, given=given))
    codes = [v[-1] if i % 2 else v for i, v in enumerate(columns_of(path))]
    assert codes == FORMAT_4MOST
    header = fits.getheader(path, 1)
    assert (header["FMTDOC"], header["FMTVERS"]) == ("VIS-MAN-4MOST-47110-1720-0001", "2.6")
    units = {header[f"TTYPE{n}"]: header.get(f"TUNIT{n}") for n in range(1, 36)}
    assert units["RA"] == "deg" and u.Unit(units["PMRA"], format="fits") == u.mas / u.yr
    found = Table.read(path).to_pandas()
    assert len(found) > 100 and found["DEC"].max() <= 40  # the survey's limit
    assert found["NAME"].is_unique and found["NAME"].iloc[0].startswith(b"GaiaDR3_")
    assert set(found["RESOLUTION"]) == {2} and set(found["RULESET"]) == {b"snr20"}
    stars = candidates.drop_duplicates("source_id").set_index("source_id")
    ids = found["NAME"].str.decode("ascii").str.removeprefix("GaiaDR3_").astype("int64")
    g = stars.loc[ids, "phot_g_mean_mag"].to_numpy().astype("f4")
    np.testing.assert_array_equal(found["MAG"], g)
    assert found["CAL_MAG_BLUE"].isna().all() and set(found["EPOCH"]) == {2027.0}


def test_weave_gets_its_catalogue(run: FinishedRun, tmp_path: Path) -> None:
    path = tmp_path / "weave.fits"
    export(run, Options("targets", str(path), style="weave", given={"TARGSRVY": "OC-LR"}))
    assert columns_of(path) == FORMAT_WEAVE
    found = Table.read(path).to_pandas()
    plain = targets_of(run, tmp_path / "plain.fits")
    np.testing.assert_array_equal(
        found["GAIA_ID"].str.decode("ascii").astype("int64"), plain["source_id"]
    )
    assert set(found["GAIA_DR"]) == {b"3"} and set(found["TARGUSE"]) == {b"T"}
    np.testing.assert_array_equal(found["GAIA_RA"], plain["ra"])
    by_posterior = plain["members_by"].astype(str).str.contains("posterior")
    likely = plain["posterior"].where(by_posterior, plain["probability"])
    np.testing.assert_allclose(found["TARGPRIO"], 1 + 9 * likely, rtol=1e-6)
    rp = (plain["phot_g_mean_mag"] - plain["g_rp"]).astype("f4")
    np.testing.assert_array_equal(found["GAIA_MAG_RP"], rp)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"NOSUCH": 1}, "no such column"),
        ({"RESOLUTION": "low"}, "whole number"),
        ({"RESOLUTION": 1.5}, "whole number"),
        ({"RESOLUTION": 40_000}, "16 bits"),
        ({"REDDENING": True}, "a number"),
        ({"SUBSURVEY": "x" * 300}, "256 ASCII"),
        ({"SUBSURVEY": "Παρανάλ"}, "256 ASCII"),
    ],
)
def test_a_constant_must_fit_its_column(
    given: dict[str, object], words: str, run: FinishedRun, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        export(run, Options("targets", str(tmp_path / "t.fits"), style="4most", given=given))
    assert not list(tmp_path.iterdir())


def test_an_epoch_is_a_year(run: FinishedRun, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--epoch"):
        export(run, Options("targets", str(tmp_path / "t.fits"), epoch=27.0))
