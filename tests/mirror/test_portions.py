"""How a mirror is cut for tasks: everything once, nothing too dear, whatever the row groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ocspark.errors import InputError
from ocspark.mirror import portions, scan
from ocspark.mirror.columns import find_columns
from ocspark.mirror.footers import CheckedFile, RowGroup, check_files
from ocspark.mirror.layout import MirrorFile, list_pieces
from ocspark.mirror.portions import Portion, cut_by_counts, cut_by_rows
from ocspark.mirror.scan import Scan
from ocspark.release import load_release
from ocspark.sky.cover import cover_cones
from tests.helpers.toy import Toy

DR3 = load_release("dr3")
COLUMNS, _ = find_columns([DR3.columns[name][0] for name in DR3.needed], DR3, "toy")
EVERYWHERE = cover_cones(np.array([0.0]), np.array([0.0]), np.array([180.0]))


@pytest.fixture(params=[90, 250, 10_000])
def files(toy: Toy, tmp_path: Path, request: pytest.FixtureRequest) -> list[CheckedFile]:
    """The toy sky in three files of a random order, with row groups of so many rows."""
    stars = toy.sources.sample(frac=1.0, random_state=7)
    for number in range(3):
        part = stars.iloc[number::3]
        part.to_parquet(tmp_path / f"{number}.parquet", row_group_size=request.param, index=False)
    mirror = list_pieces(str(tmp_path))
    return check_files(mirror.files, DR3, mirror.healpix_column)


def names_of(files: list[CheckedFile]) -> list[str]:
    return [Path(file.file.path).name for file in files]


def read(cut: list[Portion]) -> list[int]:
    """The source_id of every row that the portions' tasks would read."""
    ids: list[int] = []
    for portion in cut:
        for piece in portion.pieces:
            part = Scan(piece, COLUMNS)
            columns, _ = part.sources(np.arange(len(part.healpix_29)))
            ids += columns["source_id"].tolist()
    return ids


@pytest.mark.parametrize("most", [40, 300, 100_000])
def test_a_search_reads_every_row_once_in_portions_of_limited_size(
    files: list[CheckedFile], toy: Toy, most: int
) -> None:
    cut = cut_by_rows(files, names_of(files), EVERYWHERE, most)
    assert sorted(read(cut)) == sorted(toy.sources["source_id"])
    assert all(portion.rows <= most for portion in cut)
    assert sum(portion.rows for portion in cut) == len(toy.sources)


def count(files: list[CheckedFile], wanted: set[int]) -> pd.DataFrame:
    """Count wanted sources by chunk, as pass 1 does with those in cones."""
    parts = []
    for portion in cut_by_rows(files, names_of(files), EVERYWHERE):
        for piece in portion.pieces:
            part = Scan(piece, COLUMNS)
            columns, _ = part.sources(np.arange(len(part.healpix_29)))
            rows = np.flatnonzero(np.isin(columns["source_id"], list(wanted)))
            group, chunk = part.chunks(rows)
            parts.append(pd.DataFrame({"row_group": group, "chunk": chunk, "file": part.name}))
    counted = pd.concat(parts).groupby(["file", "row_group", "chunk"]).size()
    return counted.rename("cost").reset_index()


def test_what_a_search_counted_is_read_once_by_portions_of_like_cost(
    files: list[CheckedFile], toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (portions, scan):
        monkeypatch.setattr(module, "CHUNK_ROWS", 32)
    monkeypatch.setattr(portions, "FEWEST_PAIRS", 20)
    wanted = set(toy.sources["source_id"].iloc[100:800])
    counts = count(files, wanted)
    assert counts["cost"].sum() == len(wanted)
    cut = cut_by_counts(files, names_of(files), counts)
    ids = read(cut)
    assert len(ids) == len(set(ids)) and wanted <= set(ids)
    costs = np.array([portion.cost for portion in cut])
    assert len(cut) > 20 and costs.max() <= 2 * costs.mean()


def test_where_nothing_was_found_nothing_is_read(files: list[CheckedFile]) -> None:
    nothing = pd.DataFrame({"file": [], "row_group": [], "chunk": [], "cost": []})
    assert cut_by_counts(files, names_of(files), nothing) == []
    number = names_of(files)[1]
    one = pd.DataFrame({"file": [number], "row_group": [0], "chunk": [0], "cost": [5.0]})
    (portion,) = cut_by_counts(files, names_of(files), one)
    (piece,) = portion.pieces
    assert (piece.name, piece.groups, piece.first) == (number, (0,), 0)


def test_there_are_hundreds_of_portions_where_there_is_work_enough() -> None:
    """None is dearer than twice the mean, and there are 300 at least; on 4,000 uneven chunks."""
    rng = np.random.default_rng(1)
    group = portions.CHUNK_ROWS * 100
    groups = [RowGroup(group, None, None) for _ in range(40)]
    file = CheckedFile(MirrorFile("a", None), group * 40, "", {}, COLUMNS, groups, None)
    counts = pd.DataFrame(
        {
            "file": "a",
            "row_group": np.repeat(np.arange(40), 100),
            "chunk": np.tile(np.arange(100), 40),
            "cost": rng.gamma(0.3, 1500, 4000),
        }
    )
    cut = cut_by_counts([file], ["a"], counts)
    costs = np.array([portion.cost for portion in cut])
    assert len(cut) >= 300 and costs.max() <= 2 * costs.mean()


@pytest.mark.parametrize("harm", ["cut", "flipped", "gone"])
def test_a_damaged_file_is_bad_input(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    monkeypatch.setattr("ocspark.storage.RETRY_PAUSES", (0.0, 0.0))
    path = tmp_path / "a.parquet"
    toy.sources.to_parquet(path, index=False)
    mirror = list_pieces(str(tmp_path))
    files = check_files(mirror.files, DR3, mirror.healpix_column)
    (portion,) = cut_by_rows(files, ["a"], EVERYWHERE)
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        middle = pq.read_metadata(path).row_group(0).column(3).data_page_offset
        spoilt = content[:middle] + bytes(200) + content[middle + 200 :]
        path.write_bytes(spoilt if harm == "flipped" else content[:1000])
    with pytest.raises(InputError, match=r"a.parquet: cannot be read; expected a whole Parquet"):
        read([portion])
