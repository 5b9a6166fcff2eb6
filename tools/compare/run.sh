#!/usr/bin/env bash
# Builds the comparison with libtorch and runs it: tools/compare/run.sh semantics --cases 20
#
# libtorch 2.10 is built against glibc 2.38. On an older system (Debian 12 has 2.36) PICOGRAD_GLIBC names a folder into which
# the packages libc6, libstdc++6, libgcc-s1 and libgomp1 of Debian 13 were unpacked:
#   dpkg -x libc6_….deb "$PICOGRAD_GLIBC"       (and the same with the others)
# and 'patchelf' must be installed: the program then starts with that folder's loader.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dotnet build -c Release --nologo -v q "$here" >&2
out=$here/bin/Release/net10.0/linux-x64
export DOTNET_ROOT=${DOTNET_ROOT:-$(dirname "$(readlink -f "$(command -v dotnet)")")}
# A database of its own, so that both libraries run as installed; name one to compare tuned kernels.
export PICOGRAD_TUNEDB=${PICOGRAD_TUNEDB:-$out/compare-tune.db}

have=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
if [ "$(printf '%s\n' 2.38 "$have" | sort -V | head -n1)" = 2.38 ]; then
    exec "$out/compare" "$@"
fi
if [ -z "${PICOGRAD_GLIBC:-}" ]; then
    echo "compare: libtorch 2.10 needs glibc 2.38, and this system has $have. Set PICOGRAD_GLIBC; $0 says how." >&2
    exit 2
fi
libraries=$PICOGRAD_GLIBC/usr/lib/x86_64-linux-gnu
loader=$libraries/ld-linux-x86-64.so.2
if [ ! -e "$loader" ]; then
    echo "compare: there is no $loader: is libc6 of Debian 13 unpacked in PICOGRAD_GLIBC?" >&2
    exit 2
fi
command -v patchelf > /dev/null || { echo "compare: 'patchelf' is not installed (apt-get install patchelf)." >&2; exit 2; }
patchelf --set-interpreter "$loader" --output "$out/compare-with-loader" "$out/compare"
LD_LIBRARY_PATH=$libraries:$out:/usr/lib/x86_64-linux-gnu exec "$out/compare-with-loader" "$@"
