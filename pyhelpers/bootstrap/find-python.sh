# shellcheck shell=bash
# Sourced by `run` and by tools/setup: which Python to start.

# find_python PROGRAM [ARGUMENT…]: run PROGRAM with the first Python that is new enough; print what it prints.
# Candidates: BELAY_PYTHON alone if it is set, else those on PATH, else those that GitHub keeps in the tool cache
# (its ubuntu-22.04 image has 3.10 on PATH and newer ones there). -I: PYTHONHOME, PYTHONPATH and the current folder
# don't matter. -S: no site-packages, which saves time. Returns 1 when there is none.
find_python() {
  local floor=$'import sys\nif sys.version_info < (3, 11):\n    sys.exit(1)\n' program=$1 candidate
  local -a candidates=(python3 python python3.14 python3.13 python3.12 python3.11)
  shift
  if [[ -n ${BELAY_PYTHON:-} ]]; then
    candidates=("$BELAY_PYTHON")
  elif [[ -n ${RUNNER_TOOL_CACHE:-} ]]; then
    candidates+=("$RUNNER_TOOL_CACHE"/Python/3.*/*/bin/python3)
  fi
  for candidate in "${candidates[@]}"; do
    "$candidate" -I -S -c "$floor$program" "$@" 2>/dev/null && return
  done
  return 1
}
