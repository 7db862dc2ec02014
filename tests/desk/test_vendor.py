"""Files taken from others are exactly those their README names, and ask for nothing from elsewhere."""

import hashlib
import re
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[2] / "studies" / "static" / "studies" / "vendor"
FOLDERS = sorted(folder for folder in VENDOR.iterdir() if folder.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_vendored_files_are_those_of_their_readme(folder):
    readme = (folder / "README.md").read_text()
    told = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", readme, re.MULTILINE))
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.iterdir()
        if file.name != "README.md"
    }
    assert told == found
    assert "Origin:" in readme and "License:" in readme


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_vendored_scripts_name_no_source_map(folder):
    """A named map that is not shipped would break hashed static files."""
    for file in [*folder.glob("*.js"), *folder.glob("*.css")]:
        assert "sourceMappingURL" not in file.read_text()
