"""Writes the ABI's headers as a later version might have them: later.py MAJOR MINOR FOLDER. Each struct and each table is
longer by one field, `later_minor`; nothing else differs. What is built with them stands for plugins and hosts to come."""
import os
import re
import sys

from headers import ROOT, files

FIXED = ("sluice_slice", "sluice_pair")  # never change (ABI-1.1)


def later(text, major, minor):
    def longer(struct):
        return struct[0] if struct[1] in FIXED else f"{struct[0]}    uint64_t later_minor;\n"
    text = re.sub(r"(?:typedef )?struct (\w+) \{.*?\n(?=\})", longer, text, flags=re.S)
    text = re.sub(r"(SLUICE_ABI_MAJOR = )\d+", rf"\g<1>{major}", text)
    text = re.sub(r"(SLUICE_ABI_MINOR = )\d+", rf"\g<1>{minor}", text)
    return re.sub(r'"\.short 1, 0\\n"', f'".short {major}, {minor}\\\\n"', text)


if __name__ == "__main__":
    major, minor, folder = sys.argv[1:]
    for path in files():
        out = os.path.join(folder, "sluice", os.path.relpath(path, ROOT))
        os.makedirs(os.path.dirname(out), exist_ok=True)
        with open(path) as source, open(out, "w") as target:
            target.write(later(source.read(), major, minor))
