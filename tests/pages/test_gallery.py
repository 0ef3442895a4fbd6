"""The gallery without a browser: every system has its card, and what is missing or damaged is said."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from aecore import zoo

ROOT = Path(__file__).parents[2]


def shown() -> AppTest:
    """The gallery as the dashboard shows it."""
    return AppTest.from_file(ROOT / "pages/components/navigation.py", default_timeout=60).run()


def texts(app: AppTest) -> str:
    return "\n".join(element.value for kind in (app.markdown, app.info, app.warning) for element in kind)


def test_every_system_has_a_card_with_its_story() -> None:
    app = shown()
    assert not app.exception
    for system in zoo.SYSTEMS.values():
        assert f"`{system.name}`" in texts(app)
        assert system.story in texts(app)


def test_a_family_can_be_chosen() -> None:
    app = shown()
    app.button_group[0].set_value(["denoising"]).run()
    assert "`denoise-030`" in texts(app)
    assert "`dense-deep`" not in texts(app)


def test_an_empty_store_says_how_to_fill_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    app = shown()
    assert not app.exception
    assert "python -m aecore train shallow-strided`" in texts(app)


def test_a_damaged_run_is_named_and_the_others_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from aecore.store import Store

    published = {run.name: run.path for run in Store().listing().runs}
    for name in ("shallow-maxpool", "shallow-strided"):
        shutil.copytree(published[name], tmp_path / published[name].name)
    (tmp_path / published["shallow-maxpool"].name / "run.json").write_text("{")
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    app = shown()
    assert not app.exception
    assert "run.json is damaged" in texts(app)
    assert any(metric.value.endswith("dB") for metric in app.metric)
