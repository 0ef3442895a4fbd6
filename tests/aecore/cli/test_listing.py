"""`list` and `show`: what there is to train, and what is known of one system."""

from typing import Any

from aecore.models import zoo
from aecore.models.architecture import Architecture


def test_the_list_has_every_system_with_what_its_architecture_costs(aecore: Any) -> None:
    rows = {row["name"]: row for row in aecore("list", "--json").json}
    assert list(rows) == list(zoo.SYSTEMS)
    row = rows["shallow-strided-bn"]
    assert (row["parameters"], row["code"], row["epochs"], row["dataset"]) == (28_931, 8192, 4, "cifar10")
    assert row["layers"].startswith("conv32 | bn | conv32:s2 |")
    text = aecore("list").out
    assert all(name in text for name in rows)
    assert "28,931" in text


def test_a_system_is_shown_layer_by_layer(aecore: Any) -> None:
    done = aecore("show", "shallow-strided", "--json").json
    assert done["architecture"] == "conv32 | conv32:s2 | conv32 | up | conv32 | conv3:k1:sigmoid"
    assert [layer["output"] for layer in done["layers"]] == [
        "32×32×32",
        "32×16×16",
        "32×16×16",
        "32×32×32",
        "32×32×32",
        "3×32×32",
    ]
    assert [layer["parameters"] for layer in done["layers"]] == [896, 9248, 9248, 0, 9248, 99]
    assert done["parameters"] == sum(layer["parameters"] for layer in done["layers"])
    assert done["macs"] == sum(layer["MACs"] for layer in done["layers"])
    assert (done["code_size"], done["recipe"]["epochs"], done["run"]) == (8192, 2, None)
    text = aecore("show", "shallow-strided").out
    assert "28,739 parameters" in text
    assert "2.67× the picture's" in text
    assert "Not trained yet: python -m aecore train 'shallow-strided'" in text


def test_a_line_of_layers_is_shown_as_it_is(aecore: Any) -> None:
    done = aecore("show", "1x28x28 | flatten | dense8 | dense784:sigmoid | reshape1x28x28", "--json").json
    assert (done["name"], done["code_size"], done["code_shape"]) == ("custom", 8, [8])
    assert done["parameters"] == 784 * 8 + 8 + 8 * 784 + 784


def test_where_a_skip_goes_past_every_layer_no_code_is_shown(aecore: Any) -> None:
    done = aecore("show", "denoise-unet", "--json").json
    assert (done["code_size"], done["code_shape"], done["code_ratio"]) == (None, None, None)
    assert "No code: a skip connection bypasses every layer." in aecore("show", "denoise-unet").out
    (line,) = [line for line in aecore("list").out.splitlines() if line.startswith("denoise-unet ")]
    assert line.split()[3] == "–"


def test_the_penalties_that_layers_report_are_shown(aecore: Any) -> None:
    layers = "conv4 | sparsity | conv3:k1:sigmoid"
    assert aecore("show", layers, "--json").json["penalties"] == ["sparsity"]
    assert "Penalties that its layers report: sparsity." in aecore("show", layers).out
    assert aecore("show", "dense", "--json").json["penalties"] == []
    assert "enalties" not in aecore("show", "dense").out


def test_saved_architectures_are_listed_and_shown_under_their_names(aecore: Any) -> None:
    zoo.own_zoo().save("slim", Architecture.parse("conv8 | conv3"))
    row = aecore("list", "--json").json[-1]
    assert (row["name"], row["family"], row["layers"], row["parameters"]) == ("slim", "your own", "conv8 | conv3", 443)
    assert "Slim: Saved: conv8 | conv3." in aecore("show", "slim").out
    with zoo.own_zoo().path.open("a") as file:
        file.write('cut = "conv\n')
    done = aecore("list")
    assert (done.status, done.err) == (
        0,
        "architectures.toml is damaged in line 3: what stands there is left out, and stays in the file.\n",
    )
    assert "slim" in done.out
