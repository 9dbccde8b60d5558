"""A small bulk directory as ESA lays it out, and the same sources as other formats."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ocspark.build import build_mirror as build
from ocspark.build.build_mirror import BuildResult
from ocspark.build.build_output import BuildOptions
from ocspark.release import load_release

#: ECSV types of what is in the files; all else that the release needs is float32 or float64.
TYPES = {
    "solution_id": "int64",
    "designation": "string",
    "source_id": "int64",
    "phot_g_n_obs": "int16",
    "phot_bp_n_obs": "int16",
    "phot_rp_n_obs": "int16",
    "astrometric_params_solved": "int16",
    "rv_nb_transits": "int16",
    "has_xp_continuous": "bool",
    "libname_gspphot": "string",
}
DOUBLES = ("ra", "dec", "parallax", "pmra", "pmdec", "ecl_lat")
#: Rows of a file of a mirror that `make` builds.
MAX_ROWS = 60
NEEDED = tuple(spellings[0] for spellings in load_release("dr3").columns.values())


def make_sources(n: int = 600, seed: int = 3) -> pd.DataFrame:
    """Sources in a few crowded patches and all over the sky, with nulls of every type."""
    rng = np.random.default_rng(seed)
    sky = rng.normal(size=(n, 3))
    crowd = rng.normal(size=(4, 3))[rng.integers(0, 4, n)]
    dense = rng.random(n) < 0.7
    sky[dense] = crowd[dense] / np.linalg.norm(crowd[dense], axis=1)[:, None]
    sky[dense] += rng.normal(size=(dense.sum(), 3)) * 1e-3
    sky /= np.linalg.norm(sky, axis=1)[:, None]
    table = pd.DataFrame({"solution_id": np.full(n, 1636148068921376768)})
    table["source_id"] = rng.permutation(n) * 34359738368 + 4295806720
    table["designation"] = [f"Gaia DR3 {i}" for i in table["source_id"]]
    for name in NEEDED:
        if name not in (*TYPES, "ra", "dec"):
            kind = "f8" if name in DOUBLES else "f4"
            table[name] = rng.lognormal(size=n).astype(kind)
            table.loc[rng.random(n) < 0.1, name] = np.nan
    table["ra"] = np.degrees(np.arctan2(sky[:, 1], sky[:, 0])) % 360
    table["dec"] = np.degrees(np.arcsin(sky[:, 2]))
    for name, kind in TYPES.items():
        if kind == "int16":
            table[name] = pd.Series(rng.integers(0, 900, n), dtype="Int16")
    table.loc[rng.random(n) < 0.6, "rv_nb_transits"] = pd.NA
    table["has_xp_continuous"] = rng.random(n) < 0.5
    table["libname_gspphot"] = np.where(rng.random(n) < 0.5, "MARCS", None)
    return table


def write_bulk(folder: Path, sources: pd.DataFrame, n_files: int = 4) -> list[Path]:
    """Write sources as ESA's bulk files with their MD5 list; return the files."""
    folder.mkdir(parents=True)
    files = []
    ordered, size = sources.sort_values("source_id"), -(-len(sources) // n_files)
    for number in range(n_files):
        rows = ordered[number * size : (number + 1) * size]
        file = folder / f"GaiaSource_{number:06d}-{number:06d}.csv.gz"
        file.write_bytes(gzip.compress(ecsv(rows).encode(), mtime=0))
        files.append(file)
    list_md5(folder, files)
    return files


def list_md5(folder: Path, files: list[Path]) -> None:
    lines = [f"{hashlib.md5(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files]
    (folder / "_MD5SUM.txt").write_text("".join(lines))


def ecsv(rows: pd.DataFrame) -> str:
    """Return sources as ESA writes them: ECSV header, `null`, quoted strings and booleans."""
    head = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:"]
    for name in rows:
        kind = TYPES.get(name) or ("float64" if name in DOUBLES else "float32")
        head += ["-", f"  name: {name}", f"  datatype: {kind}"]
    lines = [f"# {line}" for line in [*head, "schema: astropy-2.0"]] + [",".join(rows)]
    columns = [[_text(v) for v in rows[name]] for name in rows]
    lines += [",".join(values) for values in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n"


def _text(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return "null"
    if isinstance(value, str | bool | np.bool_):
        return f'"{value}"'
    return str(value)


def expected(sources: pd.DataFrame, columns: list[str]) -> pa.Table:
    """Return the sources as a mirror should hold them, sorted by source_id."""
    table = pa.Table.from_pandas(
        sources.sort_values("source_id")[columns], preserve_index=False
    ).replace_schema_metadata()
    return table.cast(
        pa.schema(
            [f.with_type(pa.string()) if f.name == "designation" else f for f in table.schema]
        )
    )


def make(source: Path, output: Path, spark: Any = True, **settings: Any) -> BuildResult:
    options = BuildOptions(str(source), str(output), "dr3", **{"max_rows": MAX_ROWS, **settings})
    return build.build_mirror(options, spark)


def content(mirror: Path) -> dict[str, bytes]:
    """Everything of a mirror that does not tell when it was made."""
    files = [*(mirror / "dataset").rglob("*"), mirror / "partition_info.csv"]
    return {str(f.relative_to(mirror)): f.read_bytes() for f in files if f.is_file()}


def spoil_checksum(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
