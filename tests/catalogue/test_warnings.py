"""What a release lacks is said, never made up in silence."""

from __future__ import annotations

from pathlib import Path

import yaml

from ocspark.catalogue.inputs import read_inputs
from ocspark.settings import conf_path, make_settings
from tests.toy import Toy


def test_choices_for_what_a_release_lacks_are_warnings(toy: Toy, tmp_path: Path) -> None:
    tree = yaml.safe_load(conf_path("releases", "dr3.yaml").read_text())
    tree |= {"name": "dr3", "correlations": "zero", "zero_point": "none"}
    tree["magnitude_errors"]["n_obs"] = {"G": 300, "BP": 30, "RP": 30}
    (tmp_path / "bare.yaml").write_text(yaml.safe_dump(tree))
    settings = toy.settings(release=str(tmp_path / "bare.yaml"))
    inputs = read_inputs(make_settings(settings))
    first = [warning.split(":")[0] for warning in inputs.warnings()]
    assert first == [
        "release dr3 has no correlations",
        "release dr3 has no numbers of observations",
        "release dr3 has no zero point",
    ]
    assert not {"pmra_pmdec_corr", "phot_g_n_obs", "solution"} & set(inputs.columns.names)
    assert read_inputs(make_settings(toy.settings())).warnings() == []
