#!/bin/sh
# Builds contract.c as it was built when ABI 1.0 was frozen: build.sh HEADERS OUT. With the compiler that is named here the
# result is contract-x86_64.so byte for byte; neither that file nor contract.c is ever built or written anew.
# gcc (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40
set -eu
here=$(dirname "$0")
cp "$here/contract.c" "$2.c"
cd "$(dirname "$2")"
gcc -std=c11 -Os -fPIC -shared -fvisibility=hidden -fno-ident -fno-asynchronous-unwind-tables -ffile-prefix-map="$PWD"=. \
    -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,--hash-style=gnu -s -I "$1" "$(basename "$2").c" -o "$(basename "$2")"
