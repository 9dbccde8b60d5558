"""Run the examples of the public verbs in a folder: ``python -m tests.api.examples FOLDER``.

The examples write into the folder that they run in, so that it has to be named.
"""

from __future__ import annotations

import doctest
import os
import sys

import ocspark

#: In the order in which one uses what another has written.
VERBS = (
    "make_mock run plan open_run members_of plot compare differences report search "
    "find_members sample".split()
)


def main() -> int:
    os.chdir(sys.argv[1])
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    finder = doctest.DocTestFinder(recurse=False)
    names: dict[str, object] = {}  # what one example makes, another may use
    for verb in VERBS:
        (example,) = finder.find(getattr(ocspark, verb), verb, globs={})
        example.globs = names
        if not runner.run(example, clear_globs=False).attempted:
            raise ValueError(f"{verb} has no example")
    return 1 if runner.summarize(verbose=False).failed else 0


if __name__ == "__main__":
    sys.exit(main())
