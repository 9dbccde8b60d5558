"""What every page of the site needs beside it: style, script and the table library."""

from __future__ import annotations

import re
from importlib.resources import files

from ocspark import storage
from ocspark.errors import InputError

_EXPORT = re.compile(r"export\s*\{([^{}]*)\}\s*;?\s*")


def own_texts() -> list[str]:
    """Return the package's templates, styles and scripts for pages."""
    folders = [files("ocspark.reports").joinpath(name) for name in ("templates", "assets")]
    paths = [path for folder in folders for path in folder.iterdir()]
    return [path.read_text("utf-8") for path in sorted(paths, key=lambda path: path.name)]


def write_assets(output: str) -> None:
    """Write style, script and DataTables into ``assets/`` of the site."""
    folder = storage.join(output, "assets")
    storage.make_directory(folder)
    for name in ("site.css", "site.js", "front.js"):
        text = files("ocspark.reports").joinpath("assets", name).read_text("utf-8")
        storage.write_file(storage.join(folder, name), text)
    bundle = files("itables").joinpath("html")
    script = classic_script(bundle.joinpath("dt_bundle.js").read_text("utf-8"))
    storage.write_file(storage.join(folder, "datatables.js"), script)
    style = bundle.joinpath("dt_bundle.css").read_text("utf-8")
    storage.write_file(storage.join(folder, "datatables.css"), style)


def classic_script(module: str) -> str:
    """Return the DataTables module of the package itables as a script that sets ``DataTable``.

    Browsers load no module from a page opened from disk, but any classic script.

    Raises
    ------
    InputError
        If the module has no default export any more.
    """
    exports = list(_EXPORT.finditer(module))
    default = re.search(r"(\w+|\$\w*) as default", exports[-1].group(1)) if exports else None
    if default is None:
        raise InputError("itables: its DataTables bundle has no default export; expected itables 2")
    end = exports[-1]
    body = module[: end.start()] + module[end.end() :]
    return f"(() => {{\n{body}\nwindow.DataTable = {default.group(1)};\n}})();\n"
