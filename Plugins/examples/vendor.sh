#!/bin/sh
# Puts what an example needs of Sluice into its folder, so that it builds without a checkout: vendor.sh LANGUAGE FOLDER.
# LANGUAGE is c, cpp, swift or rust. FOLDER/vendor is written anew.
set -eu
sources=$(cd "$(dirname "$0")/../../Sources/Plugin" && pwd)
# The examples themselves stay as they are: what is vendored in them would be taken for sources of Sluice.
examples=$(cd "$(dirname "$0")" && pwd)
case $(cd "$2" && pwd)/ in "$examples"/*) echo "vendor.sh: copy the example first, then give the copy's folder" >&2; exit 1 ;; esac
vendor=$2/vendor
rm -rf "$vendor"
mkdir -p "$vendor"
cp "$sources/VERSION" "$vendor/"
case $1 in
c) cp -R "$sources/CSluicePlugin/include" "$vendor/include" ;;
cpp)
    cp -R "$sources/CSluicePlugin/include" "$vendor/include"
    cp "$sources/SluiceKit/exports.map" "$vendor/"
    ;;
swift)
    cp -R "$sources/CSluicePlugin/include" "$vendor/include"
    cp "$sources/CSluicePlugin/plugin_note.c" "$vendor/"
    cp -R "$sources/SluiceKit" "$vendor/SluiceKit"
    ;;
rust) cp -R "$sources/sluice-rs" "$vendor/sluice-rs" ;;
*) echo "vendor.sh: the language is c, cpp, swift or rust" >&2; exit 1 ;;
esac
