#!/bin/sh
# Finds what the tests need beyond npm packages, or installs it on Debian as root.
set -eu
# Commands, each in the Debian package of the same name.
tools='redis-server curl wget git'

missing() {
  for tool in $tools; do
    command -v "$tool" >/dev/null 2>&1 || printf '%s ' "$tool"
  done
}

needed=$(missing)
[ -z "$needed" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing for the tests: $needed"
  # shellcheck disable=SC2086 # a list of words
  apt-get update -qq >/dev/null &&
    apt-get install -y -qq --no-install-recommends $needed >/dev/null
  needed=$(missing)
  [ -z "$needed" ] && exit 0
fi
echo "the tests need on PATH: ${needed% } (Debian: apt-get install ${needed% }) and run npm test again" >&2
exit 1
