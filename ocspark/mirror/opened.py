"""A mirror of any kind, opened: files, files with others laid over them, or a Spark table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import SparkSession

from ocspark.errors import InputError
from ocspark.locations import is_table
from ocspark.mirror.footers import CheckedFile, check_files
from ocspark.mirror.layout import Mirror, MirrorFile, list_pieces
from ocspark.mirror.table import open_table
from ocspark.release import Release
from ocspark.session import get_session
from ocspark.sky.cover import Cover


@dataclass(frozen=True)
class OpenMirror:
    """A mirror whose pieces are files, or ranges of a table.

    Attributes
    ----------
    pieces : Mirror
        All of them.
    release : Release
        Whose columns it has.
    carry : sequence of str
        Further columns to read; see `ocspark.mirror.columns.carry`.
    """

    pieces: Mirror
    release: Release
    carry: Sequence[str] = ()
    _ranges: Mapping[MirrorFile, CheckedFile] = field(default_factory=dict)

    @property
    def is_table(self) -> bool:
        """Whether it is a Spark table."""
        return bool(self._ranges)

    def touched_by(self, cover: Cover) -> list[MirrorFile]:
        """Return the pieces that overlap a cover, and those that may lie anywhere."""
        return self.pieces.touched_by(cover)

    def check_touched(self, *covers: Cover) -> list[CheckedFile]:
        """Return the pieces that overlap one of some covers, checked; one in any case.

        One is checked and read even where nothing is touched, so that an empty search is one of
        a mirror that is as it should be.

        Raises
        ------
        InputError
            See `check_files`.
        """
        touched = set().union(*(self.touched_by(cover) for cover in covers))
        wanted = [piece for piece in self.pieces.files if piece in touched]
        return self._check(wanted or self.pieces.files[:1])

    def check_again(self, files: Sequence[CheckedFile]) -> list[CheckedFile]:
        """Return some pieces checked again; a table, to be read as a whole, is not looked at.

        Raises
        ------
        InputError
            If one was replaced since.
        """
        again = self._check([file.file for file in files])
        for before, after in zip(files, again, strict=True):
            if (before.state, before.footer_sha256) != (after.state, after.footer_sha256):
                raise InputError(
                    f"mirror.path: {after.file.path}: replaced during the run; expected the same "
                    "file from its beginning to its end (run again)"
                )
        return again

    def _check(self, pieces: Sequence[MirrorFile]) -> list[CheckedFile]:
        if self.is_table:
            return [self._ranges[piece] for piece in pieces]
        return check_files(pieces, self.release, self.pieces.healpix_column, self.carry)


def open_mirror(
    path: str,
    release: Release,
    spark: SparkSession | None = None,
    overlay: str | None = None,
    carry: Sequence[str] = (),
) -> OpenMirror:
    """Open a mirror.

    Parameters
    ----------
    path : str
        A HATS catalogue or collection, a plain Parquet directory, or ``table:NAME``.
    release : Release
    spark : SparkSession, optional
        Used for a table only; by default the active one, or a new one.
    overlay : str, optional
        A directory of Parquet files with the mirror's columns, whose rows are searched as if the
        mirror, which is one of files, had them too.
    carry : sequence of str
        Further columns to read; see `ocspark.mirror.columns.carry`.

    Raises
    ------
    InputError
        If there is no mirror, or a table lacks a column.
    """
    if is_table(path):
        if overlay is not None:
            raise InputError(f"mirror.path: {path}: expected a mirror of files under an overlay")
        session = spark or get_session("ocspark")
        pieces, ranges = open_table(session, path, release, carry)
        return OpenMirror(pieces, release, carry, ranges)
    pieces = list_pieces(path)
    return OpenMirror(pieces if overlay is None else pieces.overlaid(overlay), release, carry)
