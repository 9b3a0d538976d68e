"""A format of another package, used with a stack."""

from __future__ import annotations

from tests.support.format_plug_ins import DOTS, install


def test_upload_and_export(connected, tmp_path):
    """It goes up with `--from` and by detection, and comes back with `export`; a stack without it refuses it."""
    folder = tmp_path / "plug-ins"
    folder.mkdir()
    install(folder, "layernext-dots", {"dots_format": DOTS}, {"dots": "dots_format:FORMAT"})
    path = {"PYTHONPATH": str(folder)}
    source = tmp_path / "boxes.dots"
    source.write_text("a.jpg|cup|1.0|2.0|3.0|4.0\n")
    for options in (("--from", "dots"), ()):
        done = connected("upload", "dotted", "model 7", source, *options, **path)
        assert "1 annotation on 1 image" in done.stdout
    target = tmp_path / "back.dots"
    connected("export", "dotted", "model 7", target, "--to", "dots", **path)
    assert target.read_text() == source.read_text()
    start = ("exports", "start", "--collection", "dotted", "--run", "model 7", "--to", "dots")
    assert "no format 'dots'" in connected(*start, code=4, **path).stderr
    missing = connected("upload", "dotted", "model 7", source, "--from", "dots", code=3)
    assert "no format 'dots'" in missing.stderr
