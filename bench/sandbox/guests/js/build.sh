#!/bin/sh
# Builds quickjs.wasm into the file $2 from the source of QuickJS in the folder $1. It takes Debian's
# packages clang, lld, wasi-libc and libclang-rt-14-dev-wasm32; the source is Debian 13's package
# quickjs 2025.04.26.
set -eu
source=$1
out=$2
cd "$(dirname "$0")"
clang --target=wasm32-wasi -mexec-model=reactor -O2 -D_GNU_SOURCE -D_WASI_EMULATED_SIGNAL -DEMSCRIPTEN \
	-DCONFIG_VERSION='"2025-04-26"' -Istub -I"$source" -Wno-everything -Wl,--strip-all -Wl,-z,stack-size=1048576 -o "$out" \
	quickjs.c "$source"/quickjs.c "$source"/cutils.c "$source"/dtoa.c "$source"/libregexp.c "$source"/libunicode.c \
	-lwasi-emulated-signal
