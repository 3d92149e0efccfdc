#!/usr/bin/env bash
# Installs what wherry's tests and demo need from the system: Python's venv module, make and git.  For Debian and Ubuntu;
# elsewhere install the same by the system's own means.  The Makefile names this script when something is missing.
set -euo pipefail
if ! command -v apt-get >/dev/null; then
  echo "no apt-get here: install Python 3.11 or newer with its venv module, make and git" >&2
  exit 1
fi
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3 python3-venv make git
