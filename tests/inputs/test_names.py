"""Names of one cluster agree between catalogues; names of two do not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ocspark.names import matching_name

ONE = [
    ["FSR_0123", "FSR 123", "fsr 0123", "FSR-123", " FSR  123 ", "[FSR2007] 123", "Cl FSR 123"],
    ["ESO 092 05", "ESO_092_05", "ESO 92-5", "ESO 092-05"],
    ["UBC1001", "UBC 1001", "UBC_1001"],
    ["Melotte 22", "Cl Melotte 22", "Mel 22", "MELOTTE_22"],
    ["COIN-Gaia_13", "COIN-Gaia 13", "[CKS2019] COIN-Gaia 13"],
    ["Alessi-Teutsch 5", "Alessi_Teutsch_5", "Name Alessi Teutsch 5"],
    ["ASCC_10", "[KPR2005] 10"],
    ["vdBergh-Hagen 99", "VDBH 99", "BH_99", "Cl VDBH 99"],
    ["vdBergh_80", "VDB80"],
    ["Berkeley_14A", "Berkeley 14 a", "Cl Ber 14A"],
    ["M 67", "M67", "Messier 67"],
    ["FoF_2117", "LP_2117"],
    ["Berkeley 17", "Be 17", "Be17", "Ber 17", "Cl Be 17"],
    ["Czernik_3", "Cz 3"],
    ["Stock 1", "St 1"],
    ["Tombaugh_2", "Tom 2"],
    ["Bochum 3", "Bo_3"],
    ["Dolidze_25", "Do 25"],
    ["Haffner 8", "Haf 8"],
    ["Trumpler_10", "Tr 10", "Trump 10"],
    ["BH 99", "VdB-Hagen 99", "vdB-Hagen_99", "Cl vdB-Hagen 99"],
]
TWO = [
    ("ESO 092 05", "ESO 920 5"),
    ("Berkeley 14", "Berkeley 14A"),
    ("UBC 10a", "UBC 10b"),
    ("NGC 1", "NGC 10"),
    ("Teutsch J0332.2+4450", "Teutsch J0332.2-4450"),
    ("Collinder 1", "Cluster 1"),
    ("vdBergh 80", "vdBergh-Hagen 80"),
    ("Clx 1", "x 1"),
    ("Be 17", "Bel 17"),
    ("Stephenson 1", "St 1"),
    ("DoDz 1", "Dolidze 1"),
    ("vdBergh 80", "VdB-Hagen 80"),
]


@pytest.mark.parametrize("names", ONE, ids=lambda names: names[0])
def test_spellings_of_one_cluster_agree(names):
    assert len({matching_name(name) for name in names}) == 1


@pytest.mark.parametrize(("one", "other"), TWO)
def test_names_of_two_clusters_differ(one, other):
    assert matching_name(one) != matching_name(other)


DATA = Path(__file__).parents[2] / "../shared/data/catalogues"


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data/catalogues")
@pytest.mark.parametrize(("file", "column"), [("cg20.csv", "oc"), ("vizier_hunt2023.csv", "Name")])
def test_no_two_clusters_of_a_catalogue_have_one_name(file, column):
    names = pd.read_csv(DATA / file, usecols=[column])[column]
    assert names.map(matching_name).nunique() == len(names)
