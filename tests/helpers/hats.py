"""Write the toy sky as HATS catalogues of one order or several, and read a mirror's rows."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import healpy
import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import SparkSession

from ocspark.build import parts
from ocspark.mirror.footers import CheckedFile
from ocspark.mirror.hats import partition_path
from ocspark.mirror.read import read_rows
from ocspark.mirror.sources import kept_sources
from ocspark.sky.healpix import HealpixPixel


def write_hats(
    sources: pd.DataFrame,
    path: Path,
    order: int,
    *,
    folders: bool = False,
    row_group_rows: int = parts.ROW_GROUP_ROWS,
) -> None:
    """Write sources as a HATS catalogue, a file or a folder with a file for each pixel."""
    at = sources[["ra", "dec"]].to_numpy().T
    index = healpy.ang2pix(1 << 29, *at, nest=True, lonlat=True)
    table = sources.assign(_healpix_29=index)
    partitions = []
    with patch.object(parts, "ROW_GROUP_ROWS", row_group_rows):
        for pixel, rows in table.groupby(index >> 2 * (29 - order)):
            part = pa.Table.from_pandas(rows, preserve_index=False)
            partitions.append(
                parts.write_partition(part, str(path), HealpixPixel(order, int(pixel)))
            )
    schema = pa.Table.from_pandas(table, preserve_index=False).schema.remove_metadata()
    parts.write_catalogue_metadata(str(path), partitions, schema, catalogue_name="toy")
    if not folders:
        return
    for partition in partitions:
        file = Path(partition_path(str(path), partition.pixel))
        file.rename(file.with_suffix(".moving"))
        file.with_suffix("").mkdir()
        file.with_suffix(".moving").rename(file.with_suffix("") / "part.parquet")
    for name in ("properties", "hats.properties"):
        text = (path / name).read_text()
        (path / name).write_text(text.replace("suffix=.parquet", "suffix=/"))


def write_pixel(sources: pd.DataFrame, root: Path, order: int, pixel: int, folder: bool) -> None:
    at = healpy.ang2pix(2**29, *sources[["ra", "dec"]].to_numpy().T, nest=True, lonlat=True)
    inside = sources[at >> 2 * (29 - order) == pixel].assign(
        _healpix_29=at[at >> 2 * (29 - order) == pixel]
    )
    stem = root / "dataset" / f"Norder={order}" / f"Dir={pixel // 10000 * 10000}" / f"Npix={pixel}"
    file = stem / "part0.parquet" if folder else stem.with_name(f"{stem.name}.parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    inside.to_parquet(file, index=False)


def mixed_orders(sources: pd.DataFrame, root: Path, folder: bool) -> list[tuple[int, int]]:
    """Write a HATS catalogue of base pixels, the busiest one split into its four children."""
    base = healpy.ang2pix(1, *sources[["ra", "dec"]].to_numpy().T, nest=True, lonlat=True)
    counts = pd.Series(base).value_counts()
    busy = int(counts.index[0])
    child = healpy.ang2pix(2, *sources[["ra", "dec"]].to_numpy().T, nest=True, lonlat=True)
    pixels = [(0, int(p)) for p in counts.index[1:]]
    pixels += [(1, int(c)) for c in np.unique(child[base == busy])]
    for order, pixel in pixels:
        write_pixel(sources, root, order, pixel, folder)
    info = "\n".join(f"{o},{p}" for o, p in pixels)
    (root / "partition_info.csv").write_text(f"Norder,Npix\n{info}\n")
    suffix = "/" if folder else ".parquet"
    (root / "hats.properties").write_text(
        f"#HATS catalog\nobs_collection=toy\nhats_col_healpix=_healpix_29\n"
        f"hats_col_healpix_order=29\nhats_npix_suffix={suffix}\n"
    )
    return pixels


def kept_rows(spark: SparkSession, files: list[CheckedFile]) -> pd.DataFrame:
    """Return the kept sources that Spark reads, with their index."""
    columns = files[0].columns
    rows = read_rows(spark, files, columns).toArrow().combine_chunks()
    return pa.Table.from_batches(
        [kept_sources(batch, columns, ["healpix_29"]) for batch in rows.to_batches()]
    ).to_pandas()
