#!/bin/sh
# The quick tests on every other Python at hand, and on the lowest versions that pyproject.toml allows.
set -eu
uv=.venv/bin/uv
run() { # run NAME PYTHON [OPTION…]
  name=$1 python=$2
  shift 2
  folder=.venv/matrix/$name
  "$uv" venv --quiet --clear --python "$python" "$folder"
  "$uv" pip install --quiet --python "$folder/bin/python" "$@" -e . --group dev
  echo "== $name: $("$folder/bin/python" --version)"
  "$folder/bin/python" -m pytest -q -m "not slow and not product"
}
for version in 3.12 3.13; do
  if "$uv" python find --no-python-downloads "$version" >/dev/null 2>&1; then
    run "$version" "$version"
  else
    echo "== $version: not on this machine, left out"
  fi
done
run lowest 3.11 --resolution lowest-direct
