"""Which tests run a second time, on Spark Connect (``pytest --connect``)."""

from __future__ import annotations

import pytest

#: Left out, with the reason.
_LEFT_OUT = {
    "tests/jobs/": "start a spark-submit of their own",
    "tests/test_readme.py": "runs jobs as a shell would",
    "tests/catalogue/test_resume.py": "starts and kills processes of its own",
    "tests/analysis/test_differences.py::test_the_job": "draws what the tests before it made",
    "tests/analysis/test_literature.py::test_the_job": "draws what the tests before it made",
    "tests/build/test_verify.py::test_a_planted_fault": "22 times what a sound mirror has shown",
    "tests/build/test_clients.py": "is about other readers of what test_write.py has written",
    "tests/mock/test_generate.py::test_partitioning": "makes mocks as the other tests there do",
    "tests/catalogue/test_layouts.py::test_a_mirror_and_an_overlay": "plans as others do",
    "tests/training/test_make_training_set.py::test_the_job_on_one_core": "starts its own session",
    "tests/catalogue/test_object_store.py": "tells tasks of the store as classic Spark can",
    "tests/training/test_shipped_model.py": "trains in the driver; the rest is the main job again",
}


def runs_on_connect(item: pytest.Item) -> bool:
    """Whether a test has a Spark session that may as well be a Connect one."""
    uses_spark = "spark" in getattr(item, "fixturenames", ())
    return uses_spark and not item.nodeid.startswith(tuple(_LEFT_OUT))
