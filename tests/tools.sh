#!/bin/sh
# Unpacks servers that tests talk to from Debian's packages into the folder given: Prometheus, Alertmanager and the node
# exporter for the monitoring stack, nginx and fcgiwrap for git over HTTP. Nothing is installed on the machine, and no
# service starts. Where there is no apt, or it reaches no mirror, it says so and ends with 1: those tests are then
# skipped, with the same reason.
set -eu
place="$1"
packages="prometheus prometheus-alertmanager prometheus-node-exporter nginx fcgiwrap"

missing() {
  echo "tests/tools.sh: $1: tests against a real Prometheus or nginx will be skipped" >&2
  exit 1
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || missing "no apt-get here"
mkdir -p "$place/packages"
cd "$place/packages"
# The library of fcgiwrap is called otherwise from one Debian to the next.
library() { apt-cache depends fcgiwrap | sed -n 's/.*Depends: \(libfcgi0[a-z0-9]*\)$/\1/p' | head -n 1; }
download() { apt-get -qq -o APT::Sandbox::User="$(id -un)" download $packages $(library) >/dev/null 2>&1; }
# The lists of packages may be old or not there at all; fetching them needs root.
download || { apt-get -qq update >/dev/null 2>&1 && download; } || missing "apt-get cannot download $packages"
for package in *.deb; do dpkg-deb -x "$package" ..; done
rm -r "$place/packages"
