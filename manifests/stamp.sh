#!/bin/sh
# Writes a manifest to stdout with the SHA-256 of its library. Usage: stamp.sh MANIFEST FOLDER_OF_LIBRARIES
# In the source, `library.sha256` is `built`: only a build knows the bytes.
set -eu
file=$(awk '/^[^ #]/ { inside = /^library:/ } inside && $1 == "file:" { print $2; exit }' "$1")
[ -n "$file" ] || { echo "stamp.sh: $1 names no library.file" >&2; exit 1; }
[ -f "$2/$file" ] || { echo "stamp.sh: $1: the library $file was not built" >&2; exit 1; }
grep -q '^ *sha256: built$' "$1" || { echo "stamp.sh: $1 has no line 'sha256: built'" >&2; exit 1; }
digest=$(sha256sum "$2/$file")
sed "s/^\( *sha256:\) built\$/\1 ${digest%% *}/" "$1"
