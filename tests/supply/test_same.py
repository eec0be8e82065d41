"""What `make image-twice` says of two builds."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from same import main

Members = dict[str, tuple[bytes, int, int]]
ONE: Members = {"opt/a.py": (b"a", 0o644, 100), "opt/b.pyc": (b"b", 0o644, 100)}


def _tar(members: Members) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (content, mode, mtime) in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), mode, mtime
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _image(path: Path, *layers: Members) -> Path:
    """A docker-archive of these layers."""
    tars = [_tar(layer) for layer in layers]
    names = [f"{place}.tar" for place in range(len(tars))]
    files = {
        "manifest.json": json.dumps([{"Config": "config.json", "Layers": names}]).encode(),
        "config.json": json.dumps({"rootfs": {"diff_ids": [f"sha256:{hash(tar):x}" for tar in tars]}}).encode(),
        **dict(zip(names, tars, strict=True)),
    }
    path.write_bytes(_tar({name: (content, 0o644, 0) for name, content in files.items()}))
    return path


def test_same_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal layers are said to be the same, whatever the archives' own names."""
    assert main(_image(tmp_path / "one.tar", ONE, ONE), _image(tmp_path / "other.tar", ONE, ONE)) == 0
    assert "the same twice: 2 layers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"opt/b.pyc": (b"c", 0o644, 100)}, "opt/b.pyc: content 3e23e8160039 or 2e7d2c03a950"),
        ({"opt/b.pyc": (b"b", 0o600, 100)}, "opt/b.pyc: mode 644 or 600"),
        ({"opt/a.py": (b"a", 0o644, 200)}, "opt/a.py: time 100 or 200"),
        ({"opt/c": (b"", 0o644, 100)}, "opt/c: only in the second"),
    ],
)
def test_files_that_differ_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: Members, line: str
) -> None:
    """Where layers differ, the layer is named, and in it each file and what about it differs."""
    code = main(_image(tmp_path / "one.tar", ONE, ONE), _image(tmp_path / "other.tar", ONE, {**ONE, **changed}))

    said = capsys.readouterr().out
    assert code == 1
    assert "layer 2: sha256:" in said
    assert "layer 1: " not in said
    assert [text.strip() for text in said.splitlines() if text.strip().startswith("opt/")] == [line]


def test_layers_in_another_order_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files in another order make another layer, and are named."""
    code = main(_image(tmp_path / "one.tar", ONE), _image(tmp_path / "two.tar", dict(reversed(ONE.items()))))

    assert code == 1
    assert "opt/a.py: place 0 or 1" in capsys.readouterr().out


def test_layer_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One layer more is a difference."""
    assert main(_image(tmp_path / "one.tar", ONE), _image(tmp_path / "other.tar", ONE, ONE)) == 1
    assert "1 layers or 2" in capsys.readouterr().out


def test_wheels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wheels are compared by their bytes, and a difference names the file in them."""
    for name, content in (("one", "a"), ("same", "a"), ("other", "b")):
        (tmp_path / name).mkdir()
        with zipfile.ZipFile(tmp_path / name / "job-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(zipfile.ZipInfo("job.py"), content)
    one, same, other = (tmp_path / name / "job-1-py3-none-any.whl" for name in ("one", "same", "other"))

    assert main(one, same) == 0
    assert main(one, other) == 1
    assert "job.py: content e8b7be43 or 71beeff9" in capsys.readouterr().out


def test_sdists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sdists, too."""
    for name, mtime in (("one", 1), ("same", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "job-1.tar.gz").write_bytes(_tar({"job.py": (b"a", 0o644, mtime)}))
    one, same, other = (tmp_path / name / "job-1.tar.gz" for name in ("one", "same", "other"))

    assert main(one, same) == 0
    assert main(one, other) == 1
    assert "job.py: time 1 or 2" in capsys.readouterr().out
