"""What a mirror is made of: HATS with files or folders, mixed orders, plain directories."""

from __future__ import annotations

import shutil
from pathlib import Path

import healpy
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocspark.build.bulk import list_bulk
from ocspark.errors import InputError
from ocspark.mirror.footers import check_files
from ocspark.mirror.layout import list_pieces
from ocspark.release import load_release
from ocspark.sky.cover import cover_cones
from tests.helpers.hats import mixed_orders
from tests.helpers.toy import Toy

DR3 = load_release("dr3")


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


def of_type(kind: str, root: Path) -> None:
    """Change a catalogue's properties to those of another type."""
    with (root / "hats.properties").open("a") as file:
        file.write(f"dataproduct_type={kind}\nhats_primary_table_url=gaia\n")


@pytest.mark.parametrize("kind", ["margin", "index", "association", "map"])
def test_a_catalogue_of_another_type_is_refused(toy: Toy, tmp_path: Path, kind: str) -> None:
    """Alone, or through its folder of data."""
    mixed_orders(toy.sources, tmp_path, folder=False)
    of_type(kind, tmp_path)
    for path in (tmp_path, tmp_path / "dataset"):
        words = rf"dataproduct_type is {kind}; expected an object catalogue \(it belongs to gaia\)"
        with pytest.raises(InputError, match=words):
            list_pieces(str(path))


def test_the_data_of_a_catalogue_are_the_catalogue(toy: Toy, tmp_path: Path) -> None:
    mixed_orders(toy.sources, tmp_path, folder=False)
    assert list_pieces(str(tmp_path / "dataset")).files[0].pixel is not None
    assert len(list_pieces(f"{tmp_path}/dataset/").files) == len(list_pieces(str(tmp_path)).files)


def test_a_folder_of_catalogues_names_them(toy: Toy, tmp_path: Path) -> None:
    for name in ("gaia", "gaia_margin"):
        (tmp_path / "hats" / name).mkdir(parents=True)
        mixed_orders(toy.sources, tmp_path / "hats" / name, folder=False)
    of_type("margin", tmp_path / "hats/gaia_margin")
    words = r"hats: holds the HATS catalogues gaia \(object\), gaia_margin \(margin\); expected the"
    with pytest.raises(InputError, match=words):
        list_pieces(str(tmp_path / "hats"))
    with pytest.raises(InputError, match=words):
        list_bulk(str(tmp_path / "hats"))


@pytest.mark.parametrize("again", ["parent", "same"])
def test_partitions_that_overlap_are_refused(toy: Toy, tmp_path: Path, again: str) -> None:
    pixels = mixed_orders(toy.sources, tmp_path, folder=False)
    order, pixel = next(p for p in pixels if p[0] == 1)
    listed = (order, pixel) if again == "same" else (0, pixel // 4)
    with (tmp_path / "partition_info.csv").open("a") as file:
        file.write("{},{}\n".format(*listed))
    words = (
        rf"Norder={order}, Npix=\d+ lies in Norder={listed[0]}, Npix={listed[1]}; .* not overlap"
    )
    with pytest.raises(InputError, match=words):
        list_pieces(str(tmp_path))


def test_a_copy_of_a_file_is_refused_and_one_that_is_only_alike_is_not(
    toy: Toy, tmp_path: Path
) -> None:
    some = toy.sources.iloc[:50]
    alike = {"write_statistics": False, "compression": "none", "use_dictionary": False}
    some.to_parquet(tmp_path / "a.parquet", **alike)
    some.assign(source_id=some["source_id"] + 1).to_parquet(tmp_path / "b.parquet", **alike)
    files = list_pieces(str(tmp_path)).files
    checked = check_files(files, DR3, None)
    assert checked[0].footer_sha256 == checked[1].footer_sha256  # told apart by content alone
    shutil.copy(tmp_path / "a.parquet", tmp_path / "a (1).parquet")
    with pytest.raises(InputError, match=r"a\.parquet: has the same content as .*a \(1\)\.parquet"):
        check_files(list_pieces(str(tmp_path)).files, DR3, None)


def test_a_unit_that_a_mirror_tells_must_be_gaias(toy: Toy, tmp_path: Path) -> None:
    table = pa.Table.from_pandas(toy.sources.iloc[:10], preserve_index=False)
    number = table.schema.get_field_index("pmra")
    for unit, right in (("mas.yr**-1", True), ("arcsec/yr", False), ("furlong", False)):
        field = table.schema.field("pmra").with_metadata({"unit": unit})
        pq.write_table(table.set_column(number, field, table["pmra"]), tmp_path / "a.parquet")
        files = list_pieces(str(tmp_path)).files
        if right:
            assert check_files(files, DR3, None)
            continue
        with pytest.raises(InputError, match=f"column pmra is in {unit}; expected mas/yr"):
            check_files(files, DR3, None)
