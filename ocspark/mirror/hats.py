"""The small files of a HATS catalogue: properties, list of pixels, where a pixel's rows lie."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ocspark import storage
from ocspark.errors import InputError
from ocspark.sky.healpix import HEALPIX_COLUMN, HEALPIX_ORDER, HealpixPixel, n_pixels

PIXELS_PER_DIR = 10_000
#: Stands in the catalogue's root from before the first file until the properties are there.
UNFINISHED = "_ocspark_unfinished"
PROPERTIES = ("properties", "hats.properties")
COLLECTION = "collection.properties"
#: Types of catalogue that have each source once; margins, indexes and associations do not.
_WITH_SOURCES = ("object", "source")
#: Catalogues inside a folder that an error names.
_NAMED = 8


@dataclass(frozen=True)
class ListedPartition:
    """A row of partition_info.csv: a pixel, and its rows (None where the file does not say)."""

    pixel: HealpixPixel
    rows: int | None


@dataclass(frozen=True)
class HatsCatalogue:
    """The content of an object catalogue's small files.

    Attributes
    ----------
    path : str
        Folder of the object catalogue (inside a collection: of its primary table).
    properties : mapping
    partitions : list of ListedPartition
        As partition_info.csv lists them, in sky order.
    """

    path: str
    properties: Mapping[str, str]
    partitions: list[ListedPartition]

    @property
    def healpix_column(self) -> str | None:
        """Column with the order-29 index, None if the catalogue's index has another order."""
        if self.properties.get("hats_col_healpix_order", "29") != str(HEALPIX_ORDER):
            return None
        return self.properties.get("hats_col_healpix", HEALPIX_COLUMN)

    @property
    def in_folders(self) -> bool:
        """Whether a pixel is a folder of files."""
        return self._suffix == "/"

    @property
    def _suffix(self) -> str:
        return self.properties.get("hats_npix_suffix", ".parquet")

    def overlaps(self) -> Iterator[tuple[HealpixPixel, HealpixPixel]]:
        """Yield listed pixels that lie in another one, with that one."""
        outer = None
        for partition in self.partitions:  # in sky order, parents before children
            if outer is not None and partition.pixel.first < outer.end:
                yield partition.pixel, outer
            else:
                outer = partition.pixel

    def location(self, pixel: HealpixPixel) -> str:
        """Return the file of a pixel, or its folder."""
        return partition_path(self.path, pixel, "" if self.in_folders else self._suffix)

    def files_of(self, pixel: HealpixPixel) -> list[str]:
        """Return the files of a pixel; one that is not in a folder is not looked for on disk."""
        location = self.location(pixel)
        if not self.in_folders:
            return [location]
        return [name for name in storage.list_files(location) if is_data(name)]


def partition_path(root: str, pixel: HealpixPixel, suffix: str = ".parquet") -> str:
    """Return the path of a pixel's file in a catalogue, or without a suffix of its folder."""
    folder = f"Dir={pixel.pixel // PIXELS_PER_DIR * PIXELS_PER_DIR}"
    name = f"Npix={pixel.pixel}{suffix}"
    return storage.join(root, "dataset", f"Norder={pixel.order}", folder, name)


def is_data(path: str) -> bool:
    """Whether a file's name is that of Parquet data, neither hidden nor metadata."""
    name = path.rsplit("/", 1)[-1]
    return name.endswith((".parquet", ".pq")) and not name.startswith(("_", "."))


def find_catalogue(path: str) -> HatsCatalogue | None:
    """Return the HATS catalogue at `path`, or the one whose folder ``dataset`` it is.

    Returns None, and raises what it raises, as `find_hats` does.
    """
    inner = path.rstrip("/")
    if inner.rpartition("/")[2] == "dataset":
        return find_hats(path) or find_hats(inner.removesuffix("dataset").rstrip("/") or ".")
    return find_hats(path)


def find_hats(path: str) -> HatsCatalogue | None:
    """Return the HATS object catalogue at `path` or, for a collection, its primary table.

    Returns
    -------
    HatsCatalogue or None
        None if no file of properties says that this is HATS.

    Raises
    ------
    InputError
        If one does, and what it promises is not there, or it is no catalogue of sources.
    """
    collection = storage.join(path, COLLECTION)
    if storage.exists(collection):
        table = parse_properties(storage.read_text(collection)).get("hats_primary_table_url", "")
        if not table:
            raise InputError(f"mirror.path: {collection}: expected hats_primary_table_url")
        absolute = "://" in table or table.startswith("/")
        target = table if absolute else storage.join(path, table)
        catalogue = find_hats(target) if target.rstrip("/") != path.rstrip("/") else None
        if catalogue is None:
            raise InputError(
                f"mirror.path: {collection}: its hats_primary_table_url, {target}, is no HATS "
                "catalogue"
            )
        return catalogue
    for name in reversed(PROPERTIES):
        file = storage.join(path, name)
        if storage.exists(file):
            properties = parse_properties(storage.read_text(file))
            _check_type(properties, file)
            return HatsCatalogue(path, properties, _read_partitions(path))
    return None


def _check_type(properties: Mapping[str, str], file: str) -> None:
    kind = _type_of(properties)
    if kind not in _WITH_SOURCES:
        primary = properties.get("hats_primary_table_url")
        raise InputError(
            f"mirror.path: {file}: dataproduct_type is {kind}; expected an object catalogue"
            f"{f' (it belongs to {primary})' if primary else ''}"
        )


def _type_of(properties: Mapping[str, str]) -> str:
    return properties.get("dataproduct_type", "object").lower()


def refuse_catalogues_inside(files: Iterable[str], path: str, key: str) -> None:
    """Refuse a folder of HATS catalogues, whose rows together have sources several times.

    Parameters
    ----------
    files : iterable of str
        All files below `path`, which is no catalogue itself.
    path, key : str
        For the error.

    Raises
    ------
    InputError
        Naming the catalogues with their types.
    """
    found: dict[str, str] = {}
    for file in sorted(files):
        folder, _, name = file.rpartition("/")
        if name == COLLECTION:
            found[folder] = "collection"
        elif name in PROPERTIES:
            found.setdefault(folder, _type_of(parse_properties(storage.read_text(file))))
    if found:
        names = [f"{storage.relative(f, path)} ({kind})" for f, kind in found.items()]
        more = ", …" if len(names) > _NAMED else ""
        raise InputError(
            f"{key} {path}: holds the HATS catalogues {', '.join(names[:_NAMED])}{more}; expected "
            "the path of one of them"
        )


def parse_properties(text: str) -> dict[str, str]:
    """Return what a file of properties says."""
    lines = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in lines if not key.startswith("#")}


def _read_partitions(path: str) -> list[ListedPartition]:
    info = storage.join(path, "partition_info.csv")
    if not storage.exists(info):
        raise InputError(f"mirror.path: {info}: no such file; a HATS catalogue has one")
    return parse_partitions(storage.read_text(info), f"mirror.path: {info}")


def parse_partitions(text: str, where: str) -> list[ListedPartition]:
    """Return the partitions that a partition_info.csv lists, in sky order.

    Raises
    ------
    InputError
        If it is no such list; the message starts with `where`.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or not {"Norder", "Npix"} <= set(rows[0]):
        raise InputError(f"{where}: expected rows with Norder and Npix")
    try:
        partitions = [_partition(row) for row in rows]
    except (TypeError, ValueError):
        raise InputError(
            f"{where}: Norder, Npix (and num_rows) must be whole numbers, Norder 0 to "
            "29 and Npix a pixel of it"
        ) from None
    return sorted(partitions, key=lambda p: (p.pixel.first, p.pixel.order))


def _partition(row: Mapping[str, str]) -> ListedPartition:
    pixel = HealpixPixel(int(row["Norder"]), int(row["Npix"]))
    if not 0 <= pixel.order <= HEALPIX_ORDER or not 0 <= pixel.pixel < n_pixels(pixel.order):
        raise ValueError
    return ListedPartition(pixel, int(row["num_rows"]) if row.get("num_rows") else None)
