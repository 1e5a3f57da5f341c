#!/bin/sh
# Lays the SDK out as an installation has it: sdk.sh FOLDER. `sluice plugin new` copies from there.
set -eu
examples=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$examples/../../Sources/Plugin" && pwd)
rm -rf "$1"
mkdir -p "$1/CSluicePlugin" "$1/examples"
cp "$sources/VERSION" "$1/"
cp -R "$sources/CSluicePlugin/include" "$sources/CSluicePlugin/plugin_note.c" "$1/CSluicePlugin/"
cp -R "$sources/SluiceKit" "$sources/sluice-rs" "$1/"
rm -rf "$1/sluice-rs/target"
cp -R "$examples"/tides-* "$examples"/tickets-* "$1/examples/"
