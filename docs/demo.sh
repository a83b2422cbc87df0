#!/bin/sh
# The whole life of a project in a minute or two: stamp, run, test, break, see the drift, mend.
set -eu
cd "$(mktemp -d)"
project=credit-line
say() { printf '\n$ %s\n' "$*"; }
shown() { say "$@"; "$@"; }

shown ai-factory new tabular-decision "$project" --defaults
say cd "$project"
cd "$project"
export MAKEFLAGS=--no-print-directory
shown make run
shown make test
shown ai-factory check

managed=src/credit_line/controls/audit/log.py
say "echo '# a quick fix' >> $managed"
echo '# a quick fix' >>"$managed"
say ai-factory check
if ai-factory check; then
  echo "error: the edit went unnoticed" >&2
  exit 1
fi
shown ai-factory restore "$managed"
shown ai-factory check
