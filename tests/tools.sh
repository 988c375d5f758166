#!/usr/bin/env bash
# What the tests need beside Rust: a Python with shapely, DuckDB, Polars, deltalake, pyarrow, movingpandas and moto (a server
# that speaks S3), in a folder of its own.
set -euo pipefail
python="${CARGO_TARGET_DIR:-$HOME/.cache/rhumb-target}/python"
wanted="shapely==2.1.2 duckdb==1.4.2 polars==1.35.2 deltalake==1.2.1 pyarrow==22.0.0"
# movingpandas does not pin what it stands on.
wanted="$wanted movingpandas==0.23.0 geopandas==1.2.0 pandas==3.1.1 numpy==2.4.6 pyproj==3.7.2 geopy==2.5.0"
wanted="$wanted moto[server]==5.2.5"
[ "$(cat "$python/wanted" 2>/dev/null)" = "$wanted" ] && exit 0
rm -rf "$python"
mkdir -p "$(dirname "$python")"
python3 -m venv "$python"
# shellcheck disable=SC2086
"$python/bin/pip" install --quiet --disable-pip-version-check $wanted
echo "$wanted" > "$python/wanted"
