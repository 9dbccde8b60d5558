"""The order-29 nested HEALPix index that HATS files carry and are sorted by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

HEALPIX_COLUMN, HEALPIX_ORDER = "_healpix_29", 29


def index_29(ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the index of positions [deg], shape (n,).

    Raises
    ------
    ValueError
        If a declination lies outside -90 to 90, or a coordinate is not finite.
    """
    import healpy

    index: NDArray[np.int64] = healpy.ang2pix(
        1 << HEALPIX_ORDER, ra_deg, dec_deg, nest=True, lonlat=True
    )
    return index


def healpix_29() -> Callable[[Column, Column], Column]:
    """Return a UDF of right ascension and declination [deg] that gives the index.

    It is made at the call, since an UDF made at import would ask for a Spark session.
    """

    @F.pandas_udf("bigint")  # type: ignore[call-overload]
    def index(ra: pd.Series, dec: pd.Series) -> pd.Series:
        return pd.Series(index_29(ra.to_numpy(), dec.to_numpy()))

    udf: Callable[[Column, Column], Column] = index
    return udf
