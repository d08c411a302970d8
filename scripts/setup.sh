# Sourced by the other scripts: makes .venv from a lock, and does nothing where that was done before.

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3.14 python3; do
    if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "deskbridge needs Python 3.11 or newer, with venv (Debian: apt install python3-venv)" >&2
  return 1
}

# set_up LOCK: a copy of what was installed is kept in .venv and compared with what is wanted.
set_up() {
  local lock="$1" python
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python="$(find_python)"
    "$python" -m venv --clear .venv
  fi
  if ! cmp -s "$lock" ".venv/$lock"; then
    echo "installing $lock" >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$lock"
    cp "$lock" ".venv/$lock"
  fi
  if ! cmp -s pyproject.toml .venv/pyproject.toml || ! [ -x .venv/bin/deskbridge ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
      --no-deps --no-index --no-build-isolation --editable .
    cp pyproject.toml .venv/pyproject.toml
  fi
}
