#!/usr/bin/env bash
# What a build needs beside Rust; with the words `python` and `kafka`, what tests need too. Installs what is missing where that
# is allowed (apt as root, or through sudo), else says exactly what is missing.
set -euo pipefail
command -v cargo >/dev/null || { echo "missing: a Rust toolchain; see https://rustup.rs" >&2; exit 1; }
missing=()
{ command -v cc && command -v make; } >/dev/null || missing+=(build-essential)
command -v cmake >/dev/null || missing+=(cmake)
for word in "$@"; do
    case "$word" in
        python) python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv) ;;
        kafka)
            command -v java >/dev/null || missing+=(default-jre-headless)
            command -v mvn >/dev/null || missing+=(maven)
            ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    # Without a terminal nobody can type a password.
    [ -t 0 ] || as_root+=(-n)
fi
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
else
    echo "missing: ${missing[*]} (as Debian calls them); install them as root: apt-get install ${missing[*]}" >&2
    exit 1
fi
