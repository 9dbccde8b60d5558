"""List a mirror's Parquet files and, for a HATS catalogue, the sky pixel of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from ocspark import storage
from ocspark.errors import InputError
from ocspark.mirror.hats import (
    UNFINISHED,
    HatsCatalogue,
    find_catalogue,
    refuse_catalogues_inside,
)
from ocspark.sky.cover import Cover
from ocspark.sky.healpix import HealpixPixel, index_ranges


@dataclass(frozen=True)
class MirrorFile:
    """One Parquet file.

    Attributes
    ----------
    path : str
    pixel : HealpixPixel or None
        That holds its rows; None where the mirror does not say.
    name : str
        Names it inside the mirror, wherever that lies.
    """

    path: str
    pixel: HealpixPixel | None
    name: str = field(default="", kw_only=True)

    @property
    def in_table(self) -> bool:
        """Whether it is a range of a table, which Spark reads."""
        return False


@dataclass(frozen=True)
class Mirror:
    """A mirror as found on disk, before any footer is read.

    Attributes
    ----------
    files : list of MirrorFile
        In sky order for HATS, by name otherwise.
    healpix_column : str or None
        Column with the order-29 nested index, where the layout promises one.
    """

    files: list[MirrorFile]
    healpix_column: str | None

    def touched_by(self, cover: Cover) -> list[MirrorFile]:
        """Return the files whose pixels overlap a cover, and those that have no pixel."""
        placed = [f.pixel for f in self.files if f.pixel is not None]
        hit = iter(cover.touches(*index_ranges(placed)).tolist())
        return [f for f in self.files if f.pixel is None or next(hit)]

    def overlaid(self, path: str) -> Mirror:
        """Return this mirror with the Parquet files of a directory, wherever on the sky, added.

        Raises
        ------
        InputError
            If there are none.
        """
        files = [f for f in storage.list_files(path) if _is_data(f, path)]
        if not files:
            raise InputError(f"overlay: {path}: no Parquet files; expected a directory of them")
        added = [MirrorFile(f, None, name=storage.relative(f, path)) for f in files]
        return Mirror([*self.files, *added], self.healpix_column)


def list_pieces(path: str) -> Mirror:
    """List a HATS catalogue or collection, or a plain Parquet directory.

    Raises
    ------
    InputError
        If there is nothing at `path`, or it is neither.
    """
    if not storage.exists(path):
        raise InputError(
            f"mirror.path: {path}: no such directory; expected a HATS catalogue or Parquet files"
        )
    if not storage.is_directory(path):
        raise InputError(f"mirror.path: {path}: is a file; expected a directory")
    catalogue = find_catalogue(path)
    if catalogue is not None:
        return _hats_mirror(catalogue, path)
    if storage.exists(storage.join(path, UNFINISHED)):
        raise InputError(
            f"mirror.path: {path}: its building has not finished; expected a finished mirror "
            "(run the command that builds it again)"
        )
    there = storage.list_files(path, recursive=True)
    refuse_catalogues_inside(there, path, "mirror.path:")
    files = [f for f in there if _is_data(f, path)]
    if not files:
        raise InputError(
            f"mirror.path: {path}: no Parquet files and no hats.properties; expected a HATS "
            "catalogue or Parquet files"
        )
    return Mirror([MirrorFile(f, None, name=storage.relative(f, path)) for f in files], None)


def _is_data(file: str, root: str) -> bool:
    parts = storage.relative(file, root).split("/")
    hidden = any(part.startswith(("_", ".")) for part in parts)
    return not hidden and file.endswith((".parquet", ".pq"))


def _hats_mirror(catalogue: HatsCatalogue, root: str) -> Mirror:
    files = []
    for inner, outer in catalogue.overlaps():
        raise InputError(
            f"mirror.path: {catalogue.path}: {inner} lies in {outer}; expected partitions that do "
            "not overlap"
        )
    for pixel in (partition.pixel for partition in catalogue.partitions):
        names = catalogue.files_of(pixel)
        if not names:
            raise InputError(
                f"mirror.path: {catalogue.location(pixel)}: no Parquet file; partition_info.csv "
                "lists this pixel"
            )
        files += [MirrorFile(name, pixel, name=storage.relative(name, root)) for name in names]
    return Mirror(files, catalogue.healpix_column)
