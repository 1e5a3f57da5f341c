#!/bin/sh
# Lays the documents out as an installation has them: install.sh FOLDER, which is PREFIX/share/doc/sluice. Links to what is
# installed elsewhere lead there; of what only a checkout has, the words stay and the link goes.
set -eu
docs=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cp -R "$docs"/*.md "$docs"/*.txt "$docs/guides" "$docs/adr" "$1/"
for file in "$1"/guides/*.md "$1"/adr/*.md; do
    sed -E -e 's#\]\(\.\./\.\./manifests/#](../../../../lib/sluice/plugins/#g' \
        -e 's#\]\(\.\./\.\./Plugins/examples/#](../../../../lib/sluice/sdk/examples/#g' \
        -e 's#\]\(\.\./\.\./(playbooks|policies)#](../../../sluice/rules/\1#g' \
        -e 's#\[([^]]*)\]\(\.\./\.\./[A-Za-z][^)]*\)#\1#g' "$file" > "$file.new"
    mv "$file.new" "$file"
done
for file in "$1"/*.md; do
    sed -E 's#\[(\.\./)?([^]]*)\]\(\.\./[A-Za-z][^)]*\)#`\2` of a checkout#g' "$file" > "$file.new"
    mv "$file.new" "$file"
done
