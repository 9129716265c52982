#!/usr/bin/env bash
# Install a wheel in a clean environment outside the repository and use it there as a newcomer would.
# Usage: try_wheel.sh WHEEL
set -euo pipefail
wheel="$(realpath "$1")"
repository="$(cd "$(dirname "$0")/.." && pwd)"
python="${PYTHON:-python3}"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
step() { printf '  %s\n' "$*"; }

step "clean environment with the base package: no napari, no Qt"
"$python" -m venv venv
export PIP_REQUIRE_VIRTUALENV=1
pip() { "$work/venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip install --constraint "$repository/constraints.txt" torch
pip install --constraint "$repository/constraints.txt" "$wheel"
PATH="$work/venv/bin:$PATH"
export NAPARI_SAM_CACHE="$work/cache"

python - "$repository" <<'PY'
import importlib.util
import sys

import napari_sam

repository = sys.argv[1]
assert not napari_sam.__file__.startswith(repository), napari_sam.__file__
assert "torch" not in sys.modules, "importing napari_sam imported torch"
for name in ("napari", "qtpy", "PyQt6", "magicgui"):
    assert importlib.util.find_spec(name) is None, f"{name} came with the base package"
PY

step "the command"
napari-sam --version
python -m napari_sam --version
napari-sam models list
napari-sam models verify sam_lite
napari-sam demo --headless -o demo
test -s demo/demo.png
test -s demo/labels.tif
image="$(python -c 'from napari_sam.io.samples import sample_path; print(sample_path("coins"))')"
napari-sam predict "$image" --point 125,45 --box 100,250,145,300 -o masks.tif --json masks.json
napari-sam benchmark --repeats 1 --prompts 4 --json benchmark.json
python - <<'PY'
import json

import tifffile

masks = tifffile.imread("masks.tif")
assert masks.ndim == 3 and masks.dtype == "uint8" and set(masks.ravel().tolist()) <= {0, 1}, (masks.shape, masks.dtype)
assert json.load(open("masks.json"))["masks"][0]["area"] == int(masks[0].sum())
PY
if napari-sam predict "$image" --point -3,5 -o never.tif; then
    echo "a point outside the image was accepted" >&2
    exit 1
fi
test ! -e never.tif

step "the plugin: with napari, without a Qt binding"
pip install --constraint "$repository/constraints.txt" "$wheel[gui]"
python - <<'PY'
import sys
import time

started = time.perf_counter()
import npe2

imported = time.perf_counter()
manager = npe2.PluginManager.instance()
manager.discover()
manifest = manager.get_manifest("napari-sam-studio")
found = time.perf_counter()
assert manifest.display_name == "Segment Anything"
assert "torch" not in sys.modules, "discovering the plugin imported torch"
assert "napari_sam.gui" not in sys.modules, "discovering the plugin imported its widgets"
print(f"  npe2 import {imported - started:.2f} s, discovery {found - imported:.2f} s")
PY
napari-sam demo --headless -o demo2
cmp demo/labels.tif demo2/labels.tif
step "the wheel works"
