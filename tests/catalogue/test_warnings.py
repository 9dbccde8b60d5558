"""What a release lacks is said, never made up in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ocspark.catalogue.input_report import input_warnings
from ocspark.catalogue.inputs import read_inputs
from ocspark.errors import InputError
from ocspark.settings import conf_path, make_settings
from tests.helpers.toy import Toy


def test_choices_for_what_a_release_lacks_are_warnings(toy: Toy, tmp_path: Path) -> None:
    tree = yaml.safe_load(conf_path("releases", "dr3.yaml").read_text())
    tree |= {"name": "dr3", "correlations": "zero", "zero_point": "none"}
    tree["magnitude_errors"]["n_obs"] = {"G": 300, "BP": 30, "RP": 30}
    tree["extinction"]["passbands"] = ["GAIA/GAIA4.G", "GAIA/GAIA4.Gbp", "GAIA/GAIA4.Grp"]
    (tmp_path / "bare.yaml").write_text(yaml.safe_dump(tree))
    settings = toy.settings(release=str(tmp_path / "bare.yaml"))
    inputs = read_inputs(make_settings(settings))
    first = [warning.split(":")[0] for warning in input_warnings(inputs)]
    assert first == [
        "release dr3 has no correlations",
        "release dr3 has no numbers of observations",
        "release dr3 has no zero point",
        "the isochrones are in passbands of Gaia (E)DR3, those of dr3 are DR4's",
    ]
    assert not {"pmra_pmdec_corr", "phot_g_n_obs", "solution"} & set(inputs.columns.names)
    assert input_warnings(read_inputs(make_settings(toy.settings()))) == []


def test_isochrones_of_a_later_release_are_refused(toy: Toy, tmp_path: Path) -> None:
    head = "# Photometric system: Gaia DR4 (all Vegamags)\n# Zini logAge Mini label logTe "
    (tmp_path / "dr4.dat").write_text(f"{head}Gmag G_BPmag G_RPmag\n.0152 8 1 1 3.7 4 5 3\n")
    settings = toy.settings(isochrones={"path": str(tmp_path / "dr4.dat")})
    with pytest.raises(InputError, match=r"dr4\.dat: in passbands of Gaia DR4; .* for dr3"):
        read_inputs(make_settings(settings))
