"""What a mirror is made of: HATS with files or folders, mixed orders, plain directories."""

from __future__ import annotations

from pathlib import Path

import healpy
import numpy as np
import pandas as pd
import pytest

from ocspark.errors import InputError
from ocspark.mirror.layout import check_files, list_pieces
from ocspark.release import load_release
from ocspark.sky.cover import cover_cones
from tests.toy import Toy

DR3 = load_release("dr3")


def write_pixel(sources: pd.DataFrame, root: Path, order: int, pixel: int, folder: bool) -> None:
    at = healpy.ang2pix(2**29, *sources[["ra", "dec"]].to_numpy().T, nest=True, lonlat=True)
    inside = sources[at >> 2 * (29 - order) == pixel].assign(
        _healpix_29=at[at >> 2 * (29 - order) == pixel]
    )
    stem = root / "dataset" / f"Norder={order}" / f"Dir={pixel // 10000 * 10000}" / f"Npix={pixel}"
    file = stem / "part0.parquet" if folder else stem.with_name(f"{stem.name}.parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    inside.to_parquet(file, index=False)


def mixed_orders(sources: pd.DataFrame, root: Path, folder: bool) -> list[tuple[int, int]]:
    """Base pixels, the busiest one split into its four children."""
    base = healpy.ang2pix(1, *sources[["ra", "dec"]].to_numpy().T, nest=True, lonlat=True)
    counts = pd.Series(base).value_counts()
    busy = int(counts.index[0])
    child = healpy.ang2pix(2, *sources[["ra", "dec"]].to_numpy().T, nest=True, lonlat=True)
    pixels = [(0, int(p)) for p in counts.index[1:]]
    pixels += [(1, int(c)) for c in np.unique(child[base == busy])]
    for order, pixel in pixels:
        write_pixel(sources, root, order, pixel, folder)
    info = "\n".join(f"{o},{p}" for o, p in pixels)
    (root / "partition_info.csv").write_text(f"Norder,Npix\n{info}\n")
    suffix = "/" if folder else ".parquet"
    (root / "hats.properties").write_text(
        f"#HATS catalog\nobs_collection=toy\nhats_col_healpix=_healpix_29\n"
        f"hats_col_healpix_order=29\nhats_npix_suffix={suffix}\n"
    )
    return pixels


@pytest.mark.parametrize("folder", [True, False])
def test_hats_with_mixed_orders_lists_its_pixels_in_sky_order(
    toy: Toy, tmp_path: Path, folder: bool
) -> None:
    pixels = mixed_orders(toy.sources, tmp_path, folder)
    mirror = list_pieces(str(tmp_path))
    assert {(f.pixel.order, f.pixel.pixel) for f in mirror.files} == set(pixels)
    starts = [f.pixel.pixel << 2 * (29 - f.pixel.order) for f in mirror.files]
    assert starts == sorted(starts)
    checked = check_files(mirror.files, DR3, mirror.healpix_column)
    assert sum(f.rows for f in checked) == len(toy.sources)
    assert all("_healpix_29" in f.types for f in checked)


def test_only_pixels_under_a_cone_are_chosen(toy: Toy, tmp_path: Path) -> None:
    mixed_orders(toy.sources, tmp_path, folder=True)
    mirror = list_pieces(str(tmp_path))
    cover = cover_cones(np.array([45.0]), np.array([0.5]), np.array([0.2]))
    chosen = {(f.pixel.order, f.pixel.pixel) for f in mirror.touched_by(cover)}
    expected = {
        (o, p)
        for o in (0, 1)
        for p in healpy.query_disc(
            2**o, healpy.ang2vec(45.0, 0.5, lonlat=True), np.radians(0.2), True, 64, True
        )
    }
    assert chosen
    assert chosen <= expected


def test_a_plain_directory_leaves_hidden_files_out(toy: Toy, tmp_path: Path) -> None:
    toy.sources.iloc[:10].to_parquet(tmp_path / "a.parquet")
    (tmp_path / "_metadata.parquet").write_bytes(b"not data")
    (tmp_path / ".b.parquet.crc").write_bytes(b"not data")
    mirror = list_pieces(str(tmp_path))
    assert [Path(f.path).name for f in mirror.files] == ["a.parquet"]
    assert mirror.healpix_column is None


def test_a_catalogue_that_lists_a_pixel_it_lacks_is_refused(toy: Toy, tmp_path: Path) -> None:
    pixels = mixed_orders(toy.sources, tmp_path, folder=False)
    order, pixel = pixels[0]
    next(tmp_path.rglob(f"Norder={order}/*/Npix={pixel}.parquet")).unlink()
    mirror = list_pieces(str(tmp_path))
    with pytest.raises(InputError, match=rf"Npix={pixel}\.parquet.*no such file"):
        check_files(mirror.files, DR3, mirror.healpix_column)


def test_files_whose_column_types_differ_are_refused(toy: Toy, tmp_path: Path) -> None:
    toy.sources.iloc[:10].to_parquet(tmp_path / "a.parquet")
    toy.sources.iloc[10:20].astype({"pmra": "float32"}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: column pmra is float; expected double"):
        check_files(list_pieces(str(tmp_path)).files, DR3, None)


@pytest.mark.parametrize("kind", ["empty", "file"])
def test_something_else_than_a_mirror_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mirror"
    path.mkdir() if kind == "empty" else path.write_text("no")
    with pytest.raises(InputError, match=r"mirror\.path"):
        list_pieces(str(path))


def test_overlay_is_always_touched_and_the_mirrors_files_as_without_it(
    toy: Toy, tmp_path: Path
) -> None:
    mixed_orders(toy.sources, tmp_path / "hats", folder=False)
    (tmp_path / "extra").mkdir()
    toy.sources.head(3).to_parquet(tmp_path / "extra" / "more.parquet")
    mirror = list_pieces(str(tmp_path / "hats"))
    both = mirror.overlaid(str(tmp_path / "extra"))
    cover = cover_cones(np.array([120.0]), np.array([89.7]), np.array([0.5]))
    added = [f for f in both.touched_by(cover) if f.path.endswith("more.parquet")]
    assert len(added) == 1
    assert [f for f in both.touched_by(cover) if f not in added] == mirror.touched_by(cover)
    assert len(mirror.touched_by(cover)) < len(mirror.files)


def test_overlay_without_files_is_refused(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    mirror = list_pieces(str(toy.folder / "plain"))
    for name in ("empty", "nowhere"):
        with pytest.raises(InputError, match=r"^overlay: .*no Parquet files"):
            mirror.overlaid(str(tmp_path / name))
