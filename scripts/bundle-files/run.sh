#!/usr/bin/env bash
# Checks, tunes and measures this machine.
#   ./run.sh check  cuda|cpu [OPTIONS]           every kernel family against the float64 evaluator (minutes)
#   ./run.sh tune   cuda|cpu BUDGET [FILE]       tunes a list of operators (default: that of the target)
#   ./run.sh report cuda|cpu [FILE]              best found against libraries and hand-written kernels, as text and as JSON
#   ./run.sh export                              winners as text
#   ./run.sh sanitize                            the check under compute-sanitizer, where the CUDA toolkit has it
# Results go to the folder results (or $OUT).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tune=$here/bin/tune
results=${OUT:-$here/results}
mkdir -p "$results"
export PICOGRAD_TUNEDB="${PICOGRAD_TUNEDB:-$results/tunedb.litedb}"
# Compiled kernels are large and of use here only.
export PICOGRAD_CUBINS="${PICOGRAD_CUBINS:-${TMPDIR:-/tmp}/picograd-cubins}"
# Programs without a home still need a folder for .NET's own files.
export HOME="${HOME:-$results}"

step=${1:-}
target=${2:-cuda}
case "$step" in
check) "$tune" selfcheck --target "$target" "${@:3}" | tee "$results/selfcheck-$target.txt" ;;
sanitize) compute-sanitizer --error-exitcode 1 "$tune" selfcheck --target cuda --choices 1 --in-process | tee "$results/sanitizer.txt" ;;
tune) "$tune" run "${4:-$here/$target.specs}" --target "$target" --budget "${3:-5m}" | tee "$results/tune-$target.txt" ;;
report)
    "$tune" report "${3:-$here/$target.specs}" --target "$target" | tee "$results/report-$target.txt"
    "$tune" report "${3:-$here/$target.specs}" --target "$target" --json >"$results/report-$target.json"
    ;;
export) "$tune" db export "$results/winners.txt" ;;
*)
    sed -n '3,8p' "$0" | cut -c3- >&2
    exit 2
    ;;
esac
