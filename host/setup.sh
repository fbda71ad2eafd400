#!/bin/sh
# Installs what the build host needs: Debian packages of packages.txt, npm packages of package-lock.json.
# Does nothing, quickly, where all is there. `--check` only says what is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."

listed() { sed 's/#.*//' "$here/packages.txt"; }

missing=''
for package in $(listed); do
  if command -v dpkg-query >/dev/null 2>&1; then
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
  else
    missing="$missing $package"
  fi
done
command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"

if [ -n "$missing" ]; then
  if [ "${1:-}" = --check ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: this host lacks these Debian packages (or their like, on another system):$missing" >&2
    command -v apt-get >/dev/null 2>&1 || echo "setup: there is no apt here; install them by your own means" >&2
    [ "${1:-}" = --check ] && exit 1
    # Another system may have the programs under other names: go on, and let the build name what it misses.
  else
    become=''
    if [ "$(id -u)" != 0 ]; then
      command -v sudo >/dev/null 2>&1 || {
        echo "setup: run as root: apt-get install --no-install-recommends$missing" >&2
        exit 1
      }
      become=sudo
    fi
    echo "setup: installing$missing" >&2
    $become apt-get -qq update
    # shellcheck disable=SC2086 # one word a package
    $become env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $missing >&2
  fi
fi

[ "${1:-}" = --check ] && exit 0

# npm's own copy of the lock file says what is installed.
if ! cmp -s package-lock.json node_modules/.oramaos-lock; then
  echo 'setup: npm packages' >&2
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  cp package-lock.json node_modules/.oramaos-lock
fi
