"""Write FITS binary tables, batch by batch."""

from __future__ import annotations

from typing import IO

from astropy.io import fits

from ocspark.exports.records import packed_column, rows_of
from ocspark.exports.source import Source, measure, require_ascii, watch_files
from ocspark.exports.words import ascii_text, unit_text
from ocspark.tables.ucds import ucd_of

_BLOCK = 2880
_COMMENTS = {
    "run_id": "run of ocspark",
    "release": "Gaia release",
    "model": "network",
}


def write_fits(source: Source, stream: IO[bytes]) -> int:
    """Write a source as a FITS file with one binary table; return the number of rows.

    Missing floats are NaN, missing integers TNULLn, missing booleans 0, missing texts empty. Units,
    descriptions (TCOMMn) and UCDs (TUCDn) are in the header.

    Parameters
    ----------
    source : Source
        The table.
    stream : binary stream
        Gets the file.

    Raises
    ------
    InputError
        If a text is not ASCII.
    """
    measured = measure(source)
    require_ascii(measured, "fits")
    columns = [packed_column(f, measured.widths.get(f.name, 1), None) for f in source.fields]
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name=c.name, format=c.fits, null=None if c.fits == "L" else c.null)
            for c in columns
        ],
        nrows=0,
        name=source.name,
    )
    header = table.header
    header["NAXIS2"] = measured.rows
    for number, field in enumerate(source.fields, 1):
        unit, ucd = unit_text(field.unit, "fits"), ucd_of(field)
        if unit:
            header.set(f"TUNIT{number}", unit, after=f"TFORM{number}")
        header[f"TCOMM{number}"] = ascii_text(field.description)
        if ucd:
            header[f"TUCD{number}"] = ucd
    primary = fits.PrimaryHDU().header
    for target in (primary, header):
        target["ORIGIN"] = "ocspark"
        for name, value in source.provenance.items():
            target[name.upper()] = (value, _COMMENTS.get(name, ""))
        for keyword, value in source.header.items():
            target[keyword] = value
    header["RADESYS"] = "ICRS"
    header["EPOCH_YR"] = (float(source.facts["epoch"]), "[yr] epoch of positions, Julian")
    stream.write(primary.tostring().encode("ascii"))
    stream.write(header.tostring().encode("ascii"))
    written = 0
    for batch in source.batches(None, watch_files(source)):
        written += stream.write(rows_of(batch, columns).tobytes())
    stream.write(bytes(-written % _BLOCK))
    return measured.rows
