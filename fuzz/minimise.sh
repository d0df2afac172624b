#!/usr/bin/env bash
# minimise.sh [TARGET…]: makes fuzz/corpus/TARGET as small as it can be without losing coverage, and puts the fewest of its inputs among
# the seeds that reach all the code which it reaches and they do not.
#
# Only code counts for the seeds (edges, not how often they are taken), and only inputs of up to 256 octets: what is committed stays small.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo +nightly fuzz build --fuzz-dir fuzz
(($#)) || mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir fuzz)
(($#)) && targets=("$@")
for target in "${targets[@]}"; do
    corpus=$PWD/fuzz/corpus/$target seeds=$PWD/fuzz/seeds/$target
    [[ -d $corpus ]] || continue
    cargo +nightly fuzz cmin --fuzz-dir fuzz "$target" "$corpus"
    found=$(mktemp -d)
    cargo +nightly fuzz run --fuzz-dir fuzz "$target" "$found" "$seeds" "$corpus" -- -set_cover_merge=1 -use_counters=0 -max_len=256
    # Seeds that were chosen again come under another name.
    known=$(sha1sum "$seeds"/* | cut -d' ' -f1)
    for file in "$found"/*; do
        grep -qF "$(basename "$file")" <<<"$known" || cp "$file" "$seeds/"
    done
    rm -r "$found"
    printf '%s: %s seeds, %s octets\n' "$target" "$(find "$seeds" -type f | wc -l)" "$(cat "$seeds"/* | wc -c)"
done
