#!/usr/bin/env bash
# mutants.sh [AREA…]: changes smtp-proto/src one small piece at a time and looks whether a test notices (cargo-mutants, which
# `cargo install cargo-mutants --locked` brings); docs/evidence.md has the figures and the survivors.
#
# An area is a file of smtp-proto/src without `.rs`, and the folder of that name. Without arguments: those that decide what becomes of a
# message. All of them take hours on two cores. It may be stopped at any time: what has been caught is not tried again, until
# target/mutants/AREA is removed.
#
#   SHARD=0/4        only the first quarter of each area's mutants, for several machines
#   QUICK=1          the tests of smtp-proto alone
#   PROPTEST_CASES   cases of each property, 30 unless told otherwise
#
# Each area is gone through twice: by the tests of smtp-proto, unit tests first, and what they miss by the dialogues of the testkit, which
# take longer to build. The second looks at nothing that the first has caught.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$PWD/target/mutants
tree=$out/tree
(($#)) || set -- policy pool transaction body reply tls delivery engine
cargo mutants --version >/dev/null 2>&1 || { echo "mutants: 'cargo install cargo-mutants --locked' first" >&2; exit 1; }

export PROPTEST_CASES=${PROPTEST_CASES:-30}
# Backtraces are of no use here, and linking them takes as long as compiling.
export CARGO_PROFILE_TEST_DEBUG=${CARGO_PROFILE_TEST_DEBUG:-0} CARGO_PROFILE_DEV_DEBUG=${CARGO_PROFILE_DEV_DEBUG:-0}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$out/build}

# A copy of its own, so that work goes on meanwhile; its build stays, so that the next mutant is a matter of seconds.
rm -rf "$tree"
mkdir -p "$tree"
# Touched, so that nothing of a mutant that was interrupted passes for built.
git ls-files -z --cached --others --exclude-standard | tar --create --null --ignore-failed-read --files-from=- | tar --extract --touch --directory "$tree"
cd "$tree"

# Cryptography without optimisation would be most of the time; it is built once.
mkdir -p .cargo
printf '[profile.%s.package."*"]\nopt-level = 2\n' dev test >.cargo/config.toml

# To every call of cargo, so that nothing else is built.
near=(--cargo-arg=--tests)
far=()
for test in conformance connection laws parity reuse; do
    far+=("--cargo-arg=--test=$test")
done

for area; do
    # In random order, so that what is done when it is stopped is a sample of the whole.
    common=(--in-place --iterate --output "$out/$area" --shuffle --colors never --timeout 40
        --file "smtp-proto/src/$area.rs" --file "smtp-proto/src/$area/**" --exclude '**/tests.rs' --exclude '**/tests/**')
    [[ -z ${SHARD:-} ]] || common+=(--shard "$SHARD" --sharding round-robin)
    mkdir -p "$out/$area"
    # Its status tells of survivors, which is no failure of this script. The second has no baseline: that is built for the package that
    # is changed, which has no such tests.
    cargo mutants "${common[@]}" --test-package smtp-proto "${near[@]}" || true
    [[ -n ${QUICK:-} ]] || cargo mutants "${common[@]}" --baseline skip --test-package smtp-testkit "${far[@]}" || true
done

printf '\n%-14s %7s %7s %8s %9s\n' area caught missed timeout unviable
for area; do
    printf '%-14s' "$area"
    for kind in caught missed timeout unviable; do
        # Over all runs: what was caught earlier is in previously_caught.txt.
        printf ' %7s' "$(cat "$out/$area/mutants.out/$kind.txt" "$out/$area/mutants.out/previously_$kind.txt" 2>/dev/null | sort -u | wc -l)"
    done
    echo
done
