#!/usr/bin/env bash
# minimise.sh [TARGET…]: makes fuzz/corpus/TARGET as small as it can be without losing coverage, and puts those of its inputs among
# the seeds that reach code which no seed reaches.
#
# Only code counts for the seeds (edges, not how often they are taken), and only inputs of up to 1 KiB: what is committed stays small.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo +nightly fuzz build --fuzz-dir fuzz
(($#)) || mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir fuzz)
(($#)) && targets=("$@")
for target in "${targets[@]}"; do
    corpus=$PWD/fuzz/corpus/$target seeds=$PWD/fuzz/seeds/$target
    [[ -d $corpus ]] || continue
    cargo +nightly fuzz cmin --fuzz-dir fuzz "$target" "$corpus"
    cargo +nightly fuzz run --fuzz-dir fuzz "$target" "$seeds" "$corpus" -- -merge=1 -use_counters=0 -max_len=1024
    printf '%s: %s seeds, %s octets\n' "$target" "$(find "$seeds" -type f | wc -l)" "$(cat "$seeds"/* | wc -c)"
done
