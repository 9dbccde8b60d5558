"""What columns a release's mirror must have, and which would make it another release's."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa

from ocspark.errors import InputError

#: Integer columns of a release; the others are floating point.
INTEGERS = ("source_id", "phot_g_n_obs", "phot_bp_n_obs", "phot_rp_n_obs", "solution")


def require_columns(
    there: Collection[str],
    columns: Mapping[str, str],
    foreign: Mapping[str, str] | None,
    path: str,
) -> None:
    """Check that a file or table has the columns of a release and none of another.

    Parameters
    ----------
    there : collection of str
        Its columns.
    columns : mapping
        Canonical name to the release's column.
    foreign : mapping or None
        Columns that this release does not have to the release that has them.
    path : str

    Raises
    ------
    InputError
        Naming all that are missing, and what release it looks like.
    """
    missing = [column for column in columns.values() if column not in there]
    others = {c: other for c, other in (foreign or {}).items() if c in there}
    if not missing and not others:
        return
    faults = []
    if missing:
        word = "columns" if len(missing) > 1 else "column"
        verb = "are" if len(missing) > 1 else "is"
        faults.append(f"{word} {', '.join(missing)} {verb} missing")
    if others:
        like = ", ".join(sorted(set(others.values())))
        faults.append(f"column {', '.join(others)} is not of this release: looks like {like}")
    raise InputError(f"mirror.path: {path}: {'; '.join(faults)}")


def check_type(name: str, column: str, kind: pa.DataType, path: str) -> None:
    """Check the type of the column that holds the canonical column `name`.

    Raises
    ------
    InputError
        If it is not a number, or source_id not int64.
    """
    if name in INTEGERS and name != "source_id":
        fits = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    elif name == "source_id":
        fits = pa.types.is_int64(kind)
    else:
        fits = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    if not fits:
        expected = "int64" if name == "source_id" else "a number"
        raise InputError(f"mirror.path: {path}: column {column} is {kind}; expected {expected}")
