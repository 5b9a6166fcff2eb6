#!/usr/bin/env bash
# Checks, tunes and measures this machine.
#   ./run.sh all    cuda|cpu LIMIT [FILE]        the four below in this order, all together within LIMIT (9m, 540s)
#   ./run.sh check  cuda|cpu [OPTIONS]           every kernel family against the float64 evaluator (minutes)
#   ./run.sh tune   cuda|cpu BUDGET [FILE]       tunes a list of operators (default: that of the target)
#   ./run.sh report cuda|cpu [FILE]              best found against libraries and hand-written kernels, as text and as JSON
#   ./run.sh export                              winners as text
#   ./run.sh sanitize                            the check under compute-sanitizer, where the CUDA toolkit has it
# Results go to the folder results (or $OUT): at most eight files. Whatever ends a step, what it found until then is there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tune=${TUNE:-$here/bin/tune}
results=${OUT:-$here/results}
mkdir -p "$results"
export PICOGRAD_TUNEDB="${PICOGRAD_TUNEDB:-$results/tunedb.litedb}"
# Compiled kernels are large and of use here only.
export PICOGRAD_CUBINS="${PICOGRAD_CUBINS:-${TMPDIR:-/tmp}/picograd-cubins}"
# Programs without a home still need a folder for .NET's own files.
export HOME="${HOME:-$results}"

step=${1:-}
target=${2:-cuda}

usage() {
    sed -n '3,9p' "$0" | cut -c3- >&2
    exit 2
}

# One step of `all`: at most SECONDS, then SIGTERM, upon which it keeps what it has, and ten seconds later SIGKILL.
#   limited SECONDS FILE COMMAND…               what it prints, progress too, goes to FILE as well
running=
ended=
limited() {
    local seconds=$1 file=$2 code=0
    shift 2
    [[ -z $ended ]] || return 143
    timeout -s TERM -k 10 "$seconds" "$@" > >(tee "$file") 2>&1 &
    running=$!
    wait "$running" || code=$?
    # A signal ends the wait; the step is then waited for again.
    while kill -0 "$running" 2>/dev/null; do
        code=0
        wait "$running" || code=$?
    done
    running=
    return "$code"
}

# A signal ends the step at work, which keeps what it has; of the others only the export follows.
stop() {
    ended=yes
    [[ -z $running ]] || kill -TERM "$running" 2>/dev/null || true
}

all() {
    local limit=${1:-} file=${2:-$here/$target.specs} seconds
    case $limit in
    *[0-9]m) seconds=$((${limit%m} * 60)) ;;
    *[0-9]s) seconds=${limit%s} ;;
    *) usage ;;
    esac
    ((seconds >= 20)) || { echo "run.sh: LIMIT is $limit, but it must be at least 20s." >&2; exit 2; }
    local start=$SECONDS
    local last=4 # for the export
    left() { echo $((seconds - last - (SECONDS - start))); }
    trap stop TERM INT HUP
    local codes="" code=0

    # A fifth for the check, a quarter for the report, the rest for tuning.
    limited $((seconds / 5)) "$results/selfcheck-$target.txt" "$tune" selfcheck --target "$target" || code=$?
    codes="check $code"
    # 2: the target cannot be used here, so nothing else can be done.
    ((code == 2)) && exit 2
    local report=$((seconds / 4)) budget
    code=0
    # Tuning may overdraw its budget by a tenth, or by a second.
    budget=$((($(left) - report) * 10 / 11 - 1))
    limited $(($(left) - report)) "$results/tune-$target.txt" "$tune" run "$file" --target "$target" --budget "${budget}s" || code=$?
    codes+=", tune $code"
    "$tune" db export "$results/winners.txt" >/dev/null || true
    code=0
    limited "$(($(left) > 2 ? $(left) : 2))" "$results/report-$target.txt" "$tune" report "$file" --target "$target" --save "$results/report-$target.json" || code=$?
    codes+=", report $code"
    code=0
    "$tune" db export "$results/winners.txt" || code=$?
    codes+=", export $code"
    echo "run.sh: exit codes: $codes; $((SECONDS - start)) s of $limit"
    [[ $codes == "check 0, tune 0, report 0, export 0" ]]
}

case "$step" in
all) all "${@:3}" ;;
check) "$tune" selfcheck --target "$target" "${@:3}" | tee "$results/selfcheck-$target.txt" ;;
sanitize) compute-sanitizer --error-exitcode 1 "$tune" selfcheck --target cuda --choices 1 --in-process | tee "$results/sanitizer.txt" ;;
tune) "$tune" run "${4:-$here/$target.specs}" --target "$target" --budget "${3:-5m}" | tee "$results/tune-$target.txt" ;;
report) "$tune" report "${3:-$here/$target.specs}" --target "$target" --save "$results/report-$target.json" | tee "$results/report-$target.txt" ;;
export) "$tune" db export "$results/winners.txt" ;;
*) usage ;;
esac
