"""The order-29 nested HEALPix index that HATS files carry and are sorted by."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F

HEALPIX_COLUMN, HEALPIX_ORDER = "_healpix_29", 29


def healpix_29() -> Callable[[Column, Column], Column]:
    """Return a UDF of right ascension and declination [deg] that gives the index.

    It is made at the call, since an UDF made at import would ask for a Spark session.
    """

    @F.pandas_udf("bigint")  # type: ignore[call-overload]
    def index(ra: pd.Series, dec: pd.Series) -> pd.Series:
        import healpy

        nside = 1 << HEALPIX_ORDER
        return pd.Series(
            healpy.ang2pix(nside, ra.to_numpy(), dec.to_numpy(), nest=True, lonlat=True)
        )

    udf: Callable[[Column, Column], Column] = index
    return udf
