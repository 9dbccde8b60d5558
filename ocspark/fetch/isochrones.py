"""PARSEC isochrones in Gaia's passbands from the CMD form (http://stev.oapd.inaf.it/cmd)."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin

import numpy as np

from ocspark.errors import InputError
from ocspark.fetch.client import Client
from ocspark.fetch.folder import FileToFetch

SERVER = "https://stev.oapd.inaf.it"
_FORM = "cgi-bin/cmd_3.9"
_LINK = re.compile(r"""(?:\.\./|/)?tmp/output\d+\.dat(?:\.gz)?|output\d+\.dat(?:\.gz)?""")
_END = b"#isochrone terminated"
#: The form's own defaults, but for Gaia EDR3's passbands.
_FIELDS = {
    "submit_form": "Submit",
    "cmd_version": "3.9",
    "track_parsec": "parsec_CAF09_v1.2S",
    "track_omegai": "0.00",
    "track_colibri": "parsec_CAF09_v1.2S_S_LMC_08_web",
    "track_postagb": "no",
    "n_inTPC": "10",
    "eta_reimers": "0.2",
    "kind_interp": "1",
    "kind_postagb": "-1",
    "photsys_file": "YBC_tab_mag_odfnew/tab_mag_gaiaEDR3.dat",
    "photsys_version": "YBCnewVega",
    "dust_sourceM": "dpmod60alox40",
    "dust_sourceC": "AMCSIC15",
    "kind_mag": "2",
    "kind_dust": "0",
    "extinction_av": "0.0",
    "extinction_coeff": "constant",
    "extinction_curve": "cardelli",
    "kind_LPV": "4",
    "imf_file": "tab_imf/imf_kroupa_orig.dat",
    "isoc_isagelog": "1",
    "isoc_ismetlog": "0",
    "output_kind": "0",
    "output_evstage": "1",
    "output_gzip": "0",
}


def wanted_isochrones(
    client: Client,
    metallicity: float,
    log_ages: tuple[float, float, float],
    server: str = SERVER,
) -> FileToFetch:
    """Return the isochrones of one metallicity.

    Parameters
    ----------
    client : Client
    metallicity : float
        Z.
    log_ages : (float, float, float)
        First, last, step [dex].
    server : str

    Raises
    ------
    InputError
        For values that the form does not take.
    """
    first, last, step = log_ages
    if not 0.0001 <= metallicity <= 0.06:
        raise InputError(f"--metallicity {metallicity:g}: expected Z from 0.0001 to 0.06")
    if not (5 <= first <= last <= 10.5 and step > 0):
        raise InputError(f"--log-age {first:g} {last:g} {step:g}: expected FIRST LAST STEP in dex")
    url = f"{server.rstrip('/')}/{_FORM}"
    given = {
        "isoc_lagelow": f"{first:g}",
        # the form leaves its upper limit out
        "isoc_lageupp": f"{last + step / 10:g}",
        "isoc_dlage": f"{step:g}",
        "isoc_zlow": f"{metallicity:g}",
        "isoc_zupp": f"{metallicity:g}",
        "isoc_dz": "0.0",
    }
    name = f"parsec_z{metallicity:g}_age{first:g}-{last:g}-{step:g}.dat"

    def bring(part: Path) -> None:
        page = client.read(url, list({**_FIELDS, **given}.items())).decode("utf-8", "replace")
        found = _LINK.search(page)
        if not found:
            words = " ".join(re.sub(r"<[^>]+>", " ", page).split())[:300]
            raise InputError(f"{url}: the form made no isochrones; it says: {words}")
        link = found.group(0)
        link = link if "tmp/" in link else f"tmp/{link}"
        client.download(urljoin(server.rstrip("/") + "/", link.removeprefix("../")), part)

    def check(path: Path) -> None:
        check_isochrones(path, url, metallicity, log_ages)

    return FileToFetch(
        name, f"{url}?Z={metallicity:g}&log_age={first:g},{last:g},{step:g}", bring, check
    )


def check_isochrones(
    path: Path, origin: str, metallicity: float, log_ages: tuple[float, float, float]
) -> None:
    """Refuse a table that is cut short, or of other isochrones than those asked for.

    Raises
    ------
    InputError
    """
    content = path.read_bytes()
    if not content.rstrip().endswith(_END):
        raise InputError(f"{origin}: the table is cut short; expected a last line {_END.decode()}")
    lines = content.decode("ascii", "replace").splitlines()
    names = next((line.lstrip("# ").split() for line in lines if "logAge" in line), [])
    lacking = {"Zini", "logAge", "Gmag", "G_BPmag", "G_RPmag"} - set(names)
    if lacking:
        raise InputError(f"{origin}: the table has no column {min(lacking)}")
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    try:
        z, age = (
            np.array([float(row[names.index(n)]) for row in rows]) for n in ("Zini", "logAge")
        )
    except (IndexError, ValueError):
        raise InputError(f"{origin}: the table has rows that are not numbers") from None
    first, last, step = log_ages
    wanted = np.arange(round((last - first) / step + 1e-6) + 1) * step + first
    wanted = wanted[wanted <= last + 1e-6]
    have = np.unique(age)
    absent = [a for a in wanted if not np.any(np.abs(have - a) < 1e-3)]
    if absent or not np.allclose(z, metallicity, rtol=1e-3):
        what = f"log age {absent[0]:.3f}" if absent else f"Z = {metallicity:g} alone"
        raise InputError(f"{origin}: the table is not what was asked for; expected {what}")
