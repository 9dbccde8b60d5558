"""List the files that a mirror is built from: a bulk directory, a HATS catalogue, one table."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.fits_votable import ASTROPY_FORMATS
from ocspark.mirror.hats import find_catalogue, refuse_catalogues_inside
from ocspark.mirror.layout import list_pieces

MD5_LIST = "_MD5SUM.txt"
#: Kinds of input file, by suffix; any may end in ``.gz`` besides.
#: ECSV is read as CSV, which ESA's files are, whatever they are called.
KINDS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    **ASTROPY_FORMATS,
    **dict.fromkeys((".csv", ".tsv", ".ecsv"), "csv"),
}
#: Parquet files above this many bytes are shared between tasks, by ranges of row groups.
SPLIT_BYTES = 1 << 30
#: Bytes at its beginning by which a file is distinguished from others of its length at first.
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class InputFile:
    """One piece of input: a file, or a range of row groups of a large Parquet file.

    Attributes
    ----------
    path, name : str
        Full path, and path below the input directory.
    n_bytes : int
    modified_ns : int
        With `n_bytes`, shows whether the file is still the one that was read.
    md5 : str or None
        From the directory's MD5 list.
    row_groups : (first, end) or None
    """

    path: str
    name: str
    n_bytes: int
    modified_ns: int
    md5: str | None = None
    row_groups: tuple[int, int] | None = None

    @property
    def kind(self) -> str:
        """``parquet``, ``csv`` or astropy's name of the format."""
        return file_kind(self.name) or ""

    @property
    def identity(self) -> str:
        """The facts, as JSON, that must be unchanged for an earlier reading to count."""
        facts = asdict(self)
        del facts["path"]
        return json.dumps(facts)

    @property
    def key(self) -> str:
        """A name of this piece that is safe as a file name."""
        return hashlib.sha256(f"{self.name} {self.row_groups}".encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Bulk:
    """The input's files, in order of name; those its list has and lacks.

    Attributes
    ----------
    files : list of InputFile
    absent : list of str
        In the MD5 list or the catalogue's list of partitions, but not there.
    unlisted : list of str
        There, but not in the MD5 list (empty without a list).
    """

    files: list[InputFile]
    absent: list[str]
    unlisted: list[str]


def list_bulk(path: str) -> Bulk:
    """List the input files of a mirror.

    Parameters
    ----------
    path : path or URI
        A directory (with ``_MD5SUM.txt`` or not), a HATS catalogue, or one file.

    Raises
    ------
    InputError
        If there is nothing at `path`, no file of a known kind, a file twice, or a folder of several
        HATS catalogues.
    """
    if not storage.exists(path):
        raise InputError(f"--input {path}: no such file or directory; expected {_kinds()}")
    infos = storage.list_infos(path)
    if storage.is_directory(path) and find_catalogue(path) is not None:
        wanted = {storage.resolve(file.path)[1] for file in list_pieces(path).files}
        there = {storage.resolve(info.path)[1]: _input_file(info, path) for info in infos}
        absent = [name for name in sorted(wanted) if name not in there]
        found = [there[name] for name in sorted(wanted) if name in there]
        return Bulk([piece for file in found for piece in _pieces(file)], absent, [])
    refuse_catalogues_inside((info.path for info in infos), path, "--input")
    found = [_input_file(info, path) for info in infos if _is_table(info, path)]
    _refuse_copies(found)
    sums = _read_md5_list(path)
    names = {file.name for file in found}
    absent = sorted(set(sums) - names)
    if not found and not absent:
        raise InputError(f"--input {path}: no table files in it; expected {_kinds()}")
    files = [replace(file, md5=sums.get(file.name)) for file in found]
    unlisted = sorted(names - set(sums)) if sums else []
    # the list says how a file must be as a whole, so such a file stays one piece
    split = [[file] if file.md5 else list(_pieces(file)) for file in files]
    return Bulk([piece for pieces in split for piece in pieces], absent, unlisted)


def _refuse_copies(files: list[InputFile]) -> None:
    """Refuse a file that is there twice under two names.

    Small files may be alike as they have no rows; the sources of a copy are found when pixels
    are written.
    """
    packed = {file.name for file in files if file.name.lower().endswith(".gz")}
    for file in files:
        if f"{file.name}.gz" in packed:
            raise InputError(
                f"--input {file.path}: is there packed as well, as {file.name}.gz; expected every "
                "file once"
            )
    seen: dict[tuple[int, bytes], InputFile] = {}
    lengths = Counter(file.n_bytes for file in files)
    for file in files:
        if file.n_bytes <= _HEAD_BYTES or lengths[file.n_bytes] == 1:
            continue
        head = next(storage.chunks(file.path, _HEAD_BYTES), b"")
        other = seen.setdefault((file.n_bytes, head), file)
        if other is not file and storage.same_content(file.path, other.path):
            raise InputError(
                f"--input {file.path}: has the same content as {other.name}; expected every file "
                "once"
            )


def first_file(path: str) -> InputFile:
    """Return one file that has the columns of an input or a mirror; no file is opened for it.

    Raises
    ------
    InputError
        If there is none.
    """
    if not storage.exists(path):
        raise InputError(f"{path}: no such file or directory; expected {_kinds()}")
    hats = find_catalogue(path) if storage.is_directory(path) else None
    if hats is not None:
        names = next((files for p in hats.partitions if (files := hats.files_of(p.pixel))), [])
        found = [InputFile(name, name.rpartition("/")[2], 0, 0) for name in names[:1]]
    else:
        infos = (info for info in storage.list_infos(path) if _is_table(info, path))
        found = [_input_file(info, path) for info in itertools.islice(infos, 1)]
    if not found:
        raise InputError(f"{path}: no table files in it; expected {_kinds()}")
    return found[0]


def _input_file(info: storage.FileInfo, root: str) -> InputFile:
    return InputFile(info.path, _name(info, root), info.n_bytes, info.modified_ns)


def _name(info: storage.FileInfo, root: str) -> str:
    return storage.relative(info.path, root)


def _is_table(info: storage.FileInfo, root: str) -> bool:
    name = _name(info, root)
    hidden = any(part.startswith(("_", ".")) for part in name.split("/"))
    return not hidden and file_kind(name) is not None


def file_kind(name: str) -> str | None:
    """Return ``parquet``, ``csv`` or astropy's name of a file's format, None for another."""
    base = name.lower().removesuffix(".gz")
    return next((kind for suffix, kind in KINDS.items() if base.endswith(suffix)), None)


def _kinds() -> str:
    return (
        "a directory of ESA bulk files, a HATS catalogue, or tables as Parquet, CSV, ECSV, FITS "
        "or VOTable"
    )


def _read_md5_list(path: str) -> dict[str, str]:
    """Return name to MD5 of the directory's list, {} where there is none."""
    file = storage.join(path, MD5_LIST)
    if not storage.is_directory(path) or not storage.exists(file):
        return {}
    sums = {}
    for number, line in enumerate(storage.read_text(file).splitlines(), 1):
        if not line.strip():
            continue
        digest, _, name = line.strip().partition(" ")
        name = name.lstrip(" *").removeprefix("./")
        if len(digest) != 32 or not name:
            raise InputError(f"--input {file}: line {number}: expected an MD5 and a file name")
        if file_kind(name) is not None:
            sums[name] = digest.lower()
    return sums


def _pieces(file: InputFile) -> Iterator[InputFile]:
    """Yield a large Parquet file as ranges of row groups, any other file whole."""
    if file.kind != "parquet" or file.n_bytes <= SPLIT_BYTES:
        yield file
        return
    try:
        filesystem, inner = storage.resolve(file.path)
        metadata = pq.read_metadata(inner, filesystem=filesystem)
    except (pa.ArrowException, OSError):  # its task will say what is wrong
        yield file
        return
    first, size = 0, 0
    for group in range(metadata.num_row_groups):
        size += metadata.row_group(group).total_byte_size
        if size >= SPLIT_BYTES or group == metadata.num_row_groups - 1:
            yield replace(file, row_groups=(first, group + 1))
            first, size = group + 1, 0
