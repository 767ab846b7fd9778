#!/bin/sh
# Builds the guests in C and Rust into the folder $1, by default beside their sources. It takes
# Debian's packages clang, lld, rustc and libstd-rust-dev-wasm32. A toolchain without the wasm32
# target cannot build the Rust ones: name another with RUSTC.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
rustc=${RUSTC:-rustc}
mkdir -p "$out/c" "$out/rust"
for name in millrace extism; do
	clang --target=wasm32 -nostdlib -O2 -Wl,--no-entry -Wl,--strip-all -o "$out/c/$name.wasm" "c/$name.c"
	"$rustc" --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=3 -C panic=abort -C lto -C strip=symbols \
		--edition 2021 -o "$out/rust/$name.wasm" "rust/$name.rs"
done
