#!/usr/bin/env bash
# coverage.sh [CARGO TEST ARGUMENT…]: which lines of smtp-proto/src the tests run through; docs/evidence.md has the figures and what they
# leave out.  Without arguments, the tests of smtp-proto and of the testkit are run.
#
#   LLVM_TOOLS=DIR   where llvm-profdata and llvm-cov are, of rustc's LLVM or a newer one
#
# Only the workspace's own crates are instrumented, so nothing else is built again.  target/coverage/lines.txt says which lines of which
# file were not reached, target/coverage/lcov.info the same for other programs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$PWD/target/coverage
mkdir -p "$out"

die() {
    printf 'coverage: %s\n' "$*" >&2
    exit 1
}

# The toolchain's own tools (rustup component llvm-tools), the machine's, or the Debian package's, unpacked and not installed.
find_tools() {
    local major=$1 dir
    for dir in "${LLVM_TOOLS:-}" "$(rustc --print sysroot)"/lib/rustlib/*/bin "/usr/lib/llvm-$major/bin" "$out/llvm/usr/lib/llvm-$major/bin"; do
        [[ ! -x $dir/llvm-cov ]] || { tools=$dir; return 0; }
    done
    return 1
}

unpack_tools() {
    local major=$1 deb
    command -v apt-get >/dev/null || die "no llvm-cov of LLVM $major: 'rustup component add llvm-tools' brings it"
    mkdir -p "$out/debs" "$out/llvm"
    (cd "$out/debs" && apt-get -qq -o APT::Sandbox::User=root download "llvm-$major" "libllvm$major") ||
        die "no llvm-cov of LLVM $major, and no Debian package llvm-$major: 'rustup component add llvm-tools' brings it"
    for deb in "$out"/debs/*.deb; do
        dpkg-deb -x "$deb" "$out/llvm"
    done
}

major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
find_tools "$major" || { unpack_tools "$major" && find_tools "$major"; } || die "no llvm-cov of LLVM $major"
LLVM_LIB=$(echo "$out"/llvm/usr/lib/*-linux-gnu)
llvm() {
    LD_LIBRARY_PATH=$LLVM_LIB "$tools/llvm-$1" "${@:2}"
}

# A wrapper for the workspace alone is part of what cargo tells builds apart by.
wrapper=$out/rustc
printf '#!/bin/sh\nexec "$@" -C instrument-coverage\n' >"$wrapper.new"
chmod +x "$wrapper.new"
cmp -s "$wrapper.new" "$wrapper" || cp -p "$wrapper.new" "$wrapper"
export RUSTC_WORKSPACE_WRAPPER=$wrapper
export LLVM_PROFILE_FILE=$out/raw/%4m.profraw

rm -rf "$out/raw"
(($#)) || set -- -p smtp-proto -p smtp-testkit --lib --tests
cargo test --locked "$@" --no-run --message-format=json-render-diagnostics |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | sort -u >"$out/objects"
# A test that fails has covered what it covered.
cargo test --locked --no-fail-fast "$@" || echo "coverage: some tests failed" >&2

llvm profdata merge --sparse "$out"/raw/*.profraw -o "$out/merged.profdata"
mapfile -t objects < <(sed '2,$s/^/--object=/' "$out/objects")
llvm cov export --format=lcov --instr-profile="$out/merged.profdata" "${objects[@]}" \
    --sources "$PWD/smtp-proto/src" >"$out/lcov.info"

# Lines of the code itself; files of tests are no code.
awk -v root="$PWD/smtp-proto/src/" '
    /^SF:/ { file = substr($0, 4); sub(root, "", file); skip = file ~ /(^|\/)tests(\/|\.rs$)/ }
    skip { next }
    /^DA:/ {
        split(substr($0, 4), at, ",")
        total[file]++
        if (at[2] > 0) hit[file]++; else missed[file] = missed[file] " " at[1]
    }
    END {
        for (file in total) {
            printf "%6.2f%% %5d of %5d  %s%s\n", 100 * hit[file] / total[file], hit[file], total[file], file, missed[file] ? ":" missed[file] : ""
            all += total[file]
            reached += hit[file]
        }
        printf "%6.2f%% %5d of %5d  ~ all\n", 100 * reached / all, reached, all
    }' "$out/lcov.info" | sort -k5 >"$out/lines.txt"
cut -c1-60 "$out/lines.txt" | sed 's/:.*//'
echo "Lines not reached: $out/lines.txt"
