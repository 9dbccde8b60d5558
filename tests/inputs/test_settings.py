"""Settings: defaults, layers, overrides, and what is refused with its key."""

from __future__ import annotations

import pytest

from ocspark.errors import InputError
from ocspark.settings import Settings, conf_path, load_settings, make_settings

NEEDED = ["mirror.path=m", "clusters.path=c", "members.path=l"]


def load(*overrides: str, config: str | None = None) -> Settings:
    return load_settings(config, [*NEEDED, *overrides])


def refused(*overrides: str, words: tuple[str, ...], config: str | None = None) -> None:
    with pytest.raises(InputError) as caught:
        load(*overrides, config=config)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_defaults_are_the_contracts():
    got = load()
    assert (got.release, got.model) == ("dr3", "DS10_v02")
    members = got.members
    assert (members.min_probability, members.min_members) == (1.0, 15)
    assert not members.relax_probability
    assert members.neighbourhood is None
    assert got.isochrones.max_age_offset == 0.1
    sampling = got.membership
    assert (sampling.n_samples, sampling.support_size) == (100, 10)
    assert sampling.leave_one_out
    assert sampling.adaptive
    assert (got.search.radius_pc, got.search.sigmas, got.search.max_radius_deg) == (50, 10, 30)
    assert not got.output.non_members


def test_the_file_of_defaults_says_what_the_code_says():
    paths = {"mirror": {"path": "m"}, "clusters": {"path": "c"}, "members": {"path": "l"}}
    assert load() == make_settings(paths)


@pytest.mark.parametrize("missing", NEEDED)
def test_a_path_that_nobody_gives_is_named(missing):
    with pytest.raises(InputError, match=missing.split("=")[0].replace(".", r"\.")):
        load_settings(None, [n for n in NEEDED if n != missing])


def test_a_config_file_is_laid_over_the_defaults_and_set_over_the_file(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("membership: {n_samples: 7, seed: 5}\nclusters: {names: [A, B]}\n")
    got = load("membership.seed=6", config=str(file))
    assert (got.membership.n_samples, got.membership.seed) == (7, 6)
    assert got.membership.support_size == 10
    assert got.clusters.names == ["A", "B"]


def test_the_last_override_wins():
    got = load(
        "membership.seed=1", "membership.seed=2", "membership={seed: 3}", "membership.seed=4"
    )
    assert got.membership.seed == 4


def test_values_are_yaml():
    got = load(
        "clusters.names=[NGC 2682, 'Blanco 1']",
        "membership.leave_one_out=false",
        "members.relax_probability=yes",
        "search.radius_pc=2.5e1",
        "isochrones.path=null",
        "output.run_id=a-1",
        "output.path=/data/a=b",
        "spark.config={spark.sql.shuffle.partitions: '8'}",
    )
    assert got.clusters.names == ["NGC 2682", "Blanco 1"]
    assert got.membership.leave_one_out is False
    assert got.members.relax_probability is True
    assert got.search.radius_pc == 25.0
    assert got.isochrones.path is None
    assert (got.output.run_id, got.output.path) == ("a-1", "/data/a=b")
    assert got.spark.config == {"spark.sql.shuffle.partitions": "8"}


def test_columns_are_merged_not_replaced(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("clusters: {columns: {ra: RAJ2000, dec: DEJ2000}}\n")
    got = load(
        "clusters.columns={dec: DE_ICRS, a0: AV}",
        "clusters.columns.distance=Dist",
        config=str(file),
    )
    assert got.clusters.columns == {
        "ra": "RAJ2000",
        "dec": "DE_ICRS",
        "a0": "AV",
        "distance": "Dist",
    }


def test_an_empty_map_clears_one_and_an_empty_section_nothing(tmp_path):
    file = tmp_path / "columns.yaml"
    file.write_text("clusters: {columns: {ra: RAJ2000}, names: [A]}\n")
    got = load("clusters.columns={}", "clusters={}", config=str(file))
    assert got.clusters.columns == {} and got.clusters.names == ["A"]
    again = load("clusters.columns={}", "clusters.columns.dec=DE", config=str(file))
    assert again.clusters.columns == {"dec": "DE"}


@pytest.mark.parametrize(("text", "meant"), [("2", 2), ("stars", "stars"), ("null", None)])
def test_a_table_of_a_file_is_chosen_by_name_or_number(text, meant):
    got = load(f"members.table={text}", f"clusters.table={text}")
    assert got.members.table == got.clusters.table == meant


def test_lists_are_replaced_not_merged(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("clusters: {names: [A, B]}\n")
    assert load("clusters.names=[C]", config=str(file)).clusters.names == ["C"]


@pytest.mark.parametrize(
    "key",
    [
        "colour",
        "clusters.radius",
        "membership.samples",
        "membership.n_samples.more",
        "Model",
        "output.path.x",
        "isochrones..path",
    ],
)
def test_an_unknown_key_is_named(key):
    refused(f"{key}=1", words=(key.split(".")[0],))


def test_an_unknown_key_in_a_file_names_the_file_too(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("search: {radius_deg: 3}\n")
    refused(config=str(file), words=("my.yaml", "search.radius_deg", "unknown"))


@pytest.mark.parametrize(
    ("override", "given"),
    [
        ("membership.n_samples=0", "0"),
        ("membership.n_samples=many", "many"),
        ("membership.n_samples=10.5", "10.5"),
        ("membership.support_size=-1", "-1"),
        ("membership.seed=-1", "-1"),
        ("membership.leave_one_out=perhaps", "perhaps"),
        ("members.min_probability=1.5", "1.5"),
        ("members.min_probability=.nan", "nan"),
        ("members.min_members=1", "1"),
        ("search.radius_pc=0", "0"),
        ("search.sigmas=-3", "-3"),
        ("search.sigmas=.nan", "nan"),
        ("search.max_radius_deg=91", "91"),
        ("isochrones.metallicity=-0.1", "-0.1"),
        ("isochrones.max_age_offset=-1", "-1"),
        ("output.run_id=../elsewhere", "elsewhere"),
        ("output.run_id=''", "''"),
        ("output.run_id=.hidden", "hidden"),
        ("clusters.columns=[ra]", "ra"),
        ("mirror.path=5", "5"),
        ("mirror.path=null", "is not set"),
    ],
)
def test_a_bad_value_is_named_with_its_key(override, given):
    refused(override, words=(override.split("=")[0], given))


def test_a_section_that_is_no_mapping_is_refused():
    refused("membership=100", words=("membership",))


@pytest.mark.parametrize("text", ["membership.seed", "", "=5", " =5"])
def test_an_override_that_is_no_key_and_value_is_refused(text):
    refused(text, words=("--set", "key=value"))


def test_an_override_that_is_no_yaml_is_refused():
    refused("clusters.names=[a", words=("--set", "clusters.names"))


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n", "a: [\n", "\x00"])
def test_a_config_file_that_is_no_mapping_is_refused(tmp_path, text):
    file = tmp_path / "my.yaml"
    file.write_text(text)
    refused(config=str(file), words=("my.yaml",))


def test_a_binary_or_missing_config_file_is_refused(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_bytes(bytes(range(128, 256)))
    refused(config=str(file), words=("my.yaml",))
    refused(config=str(tmp_path / "nowhere.yaml"), words=("nowhere.yaml",))
    refused(config=str(tmp_path), words=(str(tmp_path.name),))


def test_an_empty_config_file_changes_nothing(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("# nothing yet\n")
    assert load(config=str(file)) == load()


def test_a_section_left_empty_in_a_file_is_named(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("search:\n  # radius_pc: 20\n")
    refused(config=str(file), words=("my.yaml", "search"))


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load().membership.seed = 3


@pytest.mark.parametrize(
    "path",
    # training.yaml is of another kind: tests/deepsets reads it
    sorted(set(conf_path().glob("*.yaml")) - {conf_path("training.yaml")}),
    ids=lambda p: p.name,
)
def test_ready_configurations_load(path):
    assert load(config=str(path)).mirror.path == "m"
