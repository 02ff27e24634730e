#!/bin/sh
# Finds what the tests need beyond npm packages (redis-server), or installs it on Debian as root.
set -eu
command -v redis-server >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing redis-server for the tests"
  apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends redis-server >/dev/null
  command -v redis-server >/dev/null 2>&1 && exit 0
fi
echo "the tests need redis-server on PATH: install it (Debian: apt-get install redis-server) and run npm test again" >&2
exit 1
