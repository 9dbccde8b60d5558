"""Five real clusters that the package carries."""

from __future__ import annotations

from typing import Any

import yaml

from ocspark.places import beside_package


def sample() -> dict[str, Any]:
    """Return the settings of a run on five real clusters in Gaia EDR3, which the package carries.

    They are IC 4651, NGC 2158, NGC 2301, NGC 2447 and NGC 2548 (M 48), with 11,159 sources of
    G < 18 around them; ``conf/sample/README.md`` says where all of it is from and whom to
    acknowledge.

    Returns
    -------
    dict
        Mirror, cluster table, member list, isochrones.

    Raises
    ------
    InputError
        If the package lacks its folder ``conf``.

    Examples
    --------
    >>> import ocspark
    >>> run = ocspark.run(ocspark.sample(), output="runs/sample", membership={"n_samples": 10})
    >>> len(ocspark.members_of(run, "NGC 2548")) > 300
    True
    """
    conf = beside_package("conf")
    settings: dict[str, Any] = yaml.safe_load((conf / "sample.yaml").read_text())
    del settings["output"]
    for section in settings.values():
        section["path"] = str(conf / section["path"].removeprefix("conf/"))
    return settings
