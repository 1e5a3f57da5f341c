"""Reads the ABI's headers: structs with their fields, constants, texts. Nothing of C beyond what they use."""
import glob
import os
import re

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "Sources/Plugin/CSluicePlugin/include/sluice")


def files():
    """The ABI. The C kit, which is no part of it, stands beside."""
    return sorted(set(glob.glob(f"{ROOT}/*.h") + glob.glob(f"{ROOT}/ext/*.h")) - {f"{ROOT}/kit.h"})


def without_comments(path):
    with open(path) as f:
        return re.sub(r"//[^\n]*|/\*.*?\*/", "", f.read(), flags=re.S)


def fields(body):
    """Yields (name, type text); a function pointer's type has no name in it."""
    for part in filter(None, (" ".join(p.split()) for p in body.split(";"))):
        slot = re.fullmatch(r"(.*?)\(\*(\w+)\)\((.*)\)", part)
        if slot:
            yield slot[2], f"{slot[1].strip()}(*)({slot[3]})"
        else:
            plain = re.fullmatch(r"(.*?)(\w+)", part)
            yield plain[2], plain[1].strip()


class Headers:
    def __init__(self, paths=None):
        self.structs, self.constants, self.texts = {}, [], []
        for path in paths or files():
            text = without_comments(path)
            for name, body in re.findall(r"struct (\w+) \{(.*?)\n\}", text, re.S):
                self.structs[name] = list(fields(body))
            for body in re.findall(r"enum \{(.*?)\}", text, re.S):
                self.constants += re.findall(r"(SLUICE_\w+) =", body)
            self.constants += re.findall(r"static const int64_t (\w+) =", text)
            self.texts += re.findall(r"static const char (\w+)\[\]", text)
