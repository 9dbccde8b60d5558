"""HATS catalogues of one order, of the files that a build's tasks write."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import healpy
import pandas as pd
import pyarrow as pa

from ocspark.build import parts
from ocspark.mirror.hats import partition_path
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
