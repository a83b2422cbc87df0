#!/bin/sh
# The quick tests, and the project of every blueprint, on every other Python at hand and on the lowest versions allowed.
set -eu
uv=$PWD/.venv/bin/uv
export UV_PYTHON_DOWNLOADS=never
run() { # run NAME PYTHON [OPTION...]
  name=$1 python=$2
  shift 2
  folder=.venv/matrix/$name
  "$uv" venv --quiet --clear --python "$python" "$folder"
  "$uv" pip install --quiet --python "$folder/bin/python" "$@" -e ".[github,gitlab,gitea,dask]" --group dev
  echo "== $name: $("$folder/bin/python" --version)"
  "$folder/bin/python" -m pytest -q -m "not slow and not product"
}
projects() { # projects VERSIONS PYTHON
  echo "== projects with the $1 versions: $("$2" --version)"
  .venv/bin/python -m tests.canary --versions "$1" --python "$2"
}
found() { # found VERSION: the path of that Python, also of one that pyenv holds back
  for python in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    if [ -x "$python" ] && "$python" -c pass 2>/dev/null; then
      echo "$python"
      return
    fi
  done
}
for version in 3.12 3.13; do
  python=$(found "$version")
  if [ -n "$python" ]; then
    run "$version" "$python"
    projects tested "$python"
  else echo "== $version: not on this machine, left out"
  fi
done
run lowest python3 --resolution lowest-direct
projects lowest python3
