"""Folders for names that come from catalogues, and their order."""

from __future__ import annotations

import random

from ocspark.reports.names import natural_order, page_folders


def test_plain_names_stay_readable() -> None:
    assert page_folders(["NGC 2682", "UBC_274", "FSR+1_a-b"]) == {
        "NGC 2682": "NGC_2682",
        "UBC_274": "UBC_274",
        "FSR+1_a-b": "FSR+1_a-b",
    }


def test_hostile_names_are_harmless_and_told_apart() -> None:
    names = ["../../etc", "..", ".hidden", "a/b", "a b?", "a#b", "<b>x</b>", "Ωμέγα", "x" * 300]
    names += ["ngc_1", "NGC_1", "con:1", "-", "%2e%2e"]
    folders = page_folders(names)
    assert len({f.lower() for f in folders.values()}) == len(names)
    for folder in folders.values():
        assert folder and set(folder) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-"
        )
        assert len(folder) <= 100


def test_names_stand_in_the_order_in_which_people_count() -> None:
    names = ["12 Tau", "Berkeley_9", "NGC 188", "NGC_2682", "ubc 2", "UBC_10", "UBC 10 a", "²"]
    shuffled = random.Random(1).sample(names, len(names))
    assert shuffled != names and natural_order(shuffled) == names
