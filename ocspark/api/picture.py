"""A picture that notebooks show and that is saved as PNG, SVG or PDF."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from matplotlib.figure import Figure
from PIL import Image

from ocspark import storage
from ocspark.errors import InputError
from ocspark.figures import pdf, svg


@dataclass(frozen=True, repr=False)
class Picture:
    """A picture that notebooks show; `save` writes it.

    Attributes
    ----------
    png : bytes
    draw : callable, optional
        Draws it anew and returns the figure, for SVG and PDF; a picture that was read from a file
        has none.
    """

    png: bytes
    draw: Callable[[], Figure] | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture as PNG, SVG or PDF, as the suffix of `path` says; its folder is made.

        Raises
        ------
        InputError
            For another suffix, or if the picture was read from a PNG and the suffix is not .png.
        """
        place = os.fspath(path)
        suffix = PurePath(place).suffix.lower()
        kinds = (".png",) if self.draw is None else (".png", ".svg", ".pdf")
        if suffix not in kinds:
            raise InputError(f"save: {place}: expected a name that ends in {' or '.join(kinds)}")
        if suffix == ".png" or self.draw is None:
            content = self.png
        else:
            content = {".svg": svg, ".pdf": pdf}[suffix](self.draw())
        folder = place.rpartition("/")[0]
        if folder:
            storage.make_directory(folder)
        storage.write_file(place, content)

    def _repr_png_(self) -> bytes:
        """Return it with few colours, so that a notebook stays small."""
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(self.png)) as picture:
            few = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        few.save(buffer, "png")
        return buffer.getvalue()

    def __repr__(self) -> str:
        with Image.open(io.BytesIO(self.png)) as picture:
            width, height = picture.size
        return f"Picture({width} x {height} pixels; save(path) writes it)"
