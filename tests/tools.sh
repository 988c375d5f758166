#!/usr/bin/env bash
# What the tests need beside Rust: a Python with shapely, DuckDB, Polars, deltalake and pyarrow, in a folder of its own.
set -euo pipefail
python="${CARGO_TARGET_DIR:-$HOME/.cache/rhumb-target}/python"
wanted="shapely==2.1.2 duckdb==1.4.2 polars==1.35.2 deltalake==1.2.1 pyarrow==22.0.0"
[ "$(cat "$python/wanted" 2>/dev/null)" = "$wanted" ] && exit 0
rm -rf "$python"
mkdir -p "$(dirname "$python")"
python3 -m venv "$python"
# shellcheck disable=SC2086
"$python/bin/pip" install --quiet --disable-pip-version-check $wanted
echo "$wanted" > "$python/wanted"
