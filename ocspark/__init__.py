"""Find the members of open clusters in the whole Gaia catalogue, with Spark.

Make, or point at, data::

    sample()                         five real clusters that the package carries: settings
    make_mock(output)                a small mock Galaxy with planted clusters, and its settings
    run(settings, **sections)        membership probabilities for all clusters of a table -> Run
    plan(settings, **sections)       what that would do and why: only what has changed -> RunPlan
    find_members(mirror, …)          the same for one cluster of your own -> Run
    search(mirror, positions)        sources in cones around any table of positions -> DataFrame

Look at what came out::

    open_run(path)                   a finished run -> Run: path, record, clusters, table(name)
    members_of(run, cluster)         the members of one cluster -> pandas
    plot(run, cluster)               a picture: four panels, or another of `kind`
    compare(run, members, output)    against a member list -> Comparison
    differences(run, later, output)  against another run -> Differences
    report(run, output)              a web site of all clusters, to open from disk

Each has a help of its own with an example, such as ``help(ocspark.run)``. Bad input raises
`InputError` with one line that says what and where. `spark` may be a classic or a Spark Connect
session; left out, it is the active one, or a new one. Nothing of Spark is imported before it is
used. What takes long tells how far it is; ``run(…, progress=False)`` does not, and no verb does
after ``logging.getLogger("ocspark").setLevel("WARNING")``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocspark.api.looking import compare as compare
    from ocspark.api.looking import differences as differences
    from ocspark.api.looking import plot as plot
    from ocspark.api.looking import report as report
    from ocspark.api.mock import make_mock as make_mock
    from ocspark.api.own import find_members as find_members
    from ocspark.api.picture import Picture as Picture
    from ocspark.api.results import Run as Run
    from ocspark.api.running import members_of as members_of
    from ocspark.api.running import open_run as open_run
    from ocspark.api.running import plan as plan
    from ocspark.api.running import run as run
    from ocspark.api.sample import sample as sample
    from ocspark.api.search import search as search
    from ocspark.errors import InputError as InputError
    from ocspark.settings import Settings as Settings

__version__ = "0.2.0"

#: Where each public name is; it is imported when it is first asked for.
_HOMES = {
    "sample": "api.sample",
    "make_mock": "api.mock",
    "run": "api.running",
    "plan": "api.running",
    "find_members": "api.own",
    "search": "api.search",
    "open_run": "api.running",
    "members_of": "api.running",
    "plot": "api.looking",
    "compare": "api.looking",
    "differences": "api.looking",
    "report": "api.looking",
    "Run": "api.results",
    "Picture": "api.picture",
    "Settings": "settings",
    "InputError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        from ocspark.names import did_you_mean

        hint = "" if name.startswith("_") else did_you_mean(name, _HOMES)
        raise AttributeError(f"module 'ocspark' has no attribute {name!r}{hint}")
    value = getattr(import_module(f"ocspark.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # no __all__, by which help(ocspark) would show the help of each of them, 1,200 lines
    return sorted({*(name for name in globals() if name.startswith("__")), *_HOMES})
