"""What the frozen headers hold. Run once, with the build's folder. Each docstring is the sentence that is printed."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "abi"))
from headers import ROOT, Headers, files
from later import FIXED

DUMP = os.path.join(HERE, "..", "..", "docs", "abi-1.0.txt")
# All that may cross the border: no C enum, bool, long, float, bit-field or struct by value but these two.
WORDS = {"uint16_t", "uint32_t", "uint64_t", "int32_t", "int64_t", "sluice_status_t", "sluice_slice_t", "void", "char"}


def dumped(text):
    """{struct: (size, [(offset, size, field, type)])}, {constants and texts}"""
    structs, names = {}, set()
    for line in text.splitlines():
        head = re.fullmatch(r"struct (\w+), (\d+) bytes, aligned to 8", line)
        row = re.fullmatch(r" +(\d+) +(\d+)  (\w+)  (.+)", line)
        if head:
            last = structs.setdefault(head[1], (int(head[2]), []))
        elif row:
            last[1].append((int(row[1]), int(row[2]), row[3], row[4]))
        elif re.match(r"SLUICE_\w+ ", line):
            names.add(line.split()[0])
    return structs, names


def missing(headers, text):
    """What the headers have and the dump lacks, or the other way round."""
    structs, names = dumped(text)
    there = {(s, f) for s, fields in headers.structs.items() for f, _ in fields} | {(n, "") for n in headers.constants + headers.texts}
    printed = {(s, f) for s, (_, rows) in structs.items() for _, _, f, _ in rows} | {(n, "") for n in names}
    return sorted(there ^ printed)


def printed(build):
    return subprocess.run([os.path.join(build, "tests/abi-dump")], capture_output=True, text=True, check=True).stdout


def test_dump(build):
    """the ABI is as it was frozen: sizes, offsets, signatures and constants of docs/abi-1.0.txt"""
    with open(DUMP) as f:
        frozen, now = f.read().splitlines(), printed(build).splitlines()
    assert now == frozen, "\n".join(["the headers no longer say what docs/abi-1.0.txt says:"] +
                                    [f"- {line}" for line in frozen if line not in now] + [f"+ {line}" for line in now if line not in frozen])


def test_dump_is_whole(build):
    """the dump leaves out no struct, field, slot or constant of the headers, and would be told if it did"""
    text = printed(build)
    assert missing(Headers(), text) == []
    with tempfile.TemporaryDirectory() as folder:
        for name, old, new in (("host.h", "int64_t watermark_ms;", "int64_t watermark_ms; uint32_t added;"),
                               ("executor.h", "SLUICE_PROBE_ABSENT = 2,", "SLUICE_PROBE_ABSENT = 2, SLUICE_PROBE_ADDED = 9,"),
                               ("ext/http.h", "(*http_close)", "(*http_ended)")):
            paths = []
            for path in files():
                with open(path) as source, open(os.path.join(folder, os.path.basename(path)), "w") as target:
                    target.write(source.read().replace(old, new) if path.endswith(name) else source.read())
                    paths.append(target.name)
            assert missing(Headers(paths), text), f"nobody noticed {new}"


def test_structs(build):
    """every struct starts with its size, has no hole, and holds fixed-width words, slices, pointers and functions only"""
    structs, _ = dumped(printed(build))
    for struct, (size, rows) in structs.items():
        at = 0
        for offset, width, field, kind in rows:
            assert offset == at, f"{struct}: a hole before {field}"
            at += width
            words = set(re.findall(r"\w+", kind)) - {"const"}
            pointed = {w for w in words if re.search(rf"\b{w} \*", kind)}
            assert words - pointed <= WORDS, (struct, field, kind)
        assert at == size, f"{struct}: a hole at its end"
        assert struct in FIXED or rows[0][2:] == ("struct_size", "uint32_t"), struct


def test_compile_alone(build):
    """each header of the ABI and of the C kit compiles alone, without a warning, as C99, C11, C17, C++11 and C++20, by each compiler that is here"""
    tried = 0
    for compiler, language, standards in (("cc", "c", ("c99", "c11", "c17")), ("c++", "c++", ("c++11", "c++20")),
                                          ("clang", "c", ("c99", "c17")), ("clang++", "c++", ("c++11", "c++20"))):
        if shutil.which(compiler) is None:
            continue
        for standard in standards:
            paths = files() + sorted(glob.glob(f"{ROOT}/kit/*.h")) + [f"{ROOT}/kit.h"]
            includes = "".join(f'#include "{os.path.relpath(path, ROOT)}"\nint after_{i};\n' for i, path in enumerate(paths))
            for text in [f'#include "{os.path.relpath(path, ROOT)}"\nint after;\n' for path in paths] + [includes]:
                run = subprocess.run([compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic-errors",
                                      "-fsyntax-only", "-I", ROOT, "-"], input=text, capture_output=True, text=True)
                assert run.returncode == 0, f"{compiler} -std={standard}:\n{text}\n{run.stderr}"
                tried += 1
    assert tried >= 3 * (len(files()) + 1)


def test_note(build):
    """the ELF note says the same version as the headers"""
    text = printed(build)
    version = [int(re.search(rf"SLUICE_ABI_{part} (\d+)", text)[1]) for part in ("MAJOR", "MINOR")]
    with open(os.path.join(build, "plugins/counter.so"), "rb") as f:
        library = f.read()
    at = library.index(b"\x07\0\0\0\x08\0\0\0\x01\0\0\0Sluice\0\0SLC1")
    assert [int.from_bytes(library[at + 24 + 2 * i:at + 26 + 2 * i], "little") for i in range(2)] == version


def test_limits(build):
    """the headers' limits are what the wire carries, where both name one"""
    text = printed(build)
    wire = os.path.join(ROOT, "../../../CSluiceFrames/include/sluice_frames/base.h")
    with open(wire) as f:
        frames = {name: eval(value) for name, value in re.findall(r"SLUICE_FRAME_(\w+) = ([\d* ]+)[,/ ]", f.read())}
    pairs = {"NAME": "NAME", "STREAM": "STREAM", "KEY": "KEY", "VERSION": "VERSION", "RECORD": "RECORD", "STATE": "STATE", "RESULT": "JSON",
             "INPUT": "JSON", "DELIVERY": "BODY", "TEXT": "TEXT", "HTTP_HEADER": "VALUE", "HTTP_HEADERS": "PAIRS", "HTTP_TARGET": "TARGET",
             "HTTP_BODY": "BODY", "HTTP_WINDOW": "WINDOW"}
    for ours, theirs in pairs.items():
        assert int(re.search(rf"SLUICE_{ours}_BYTES_MAX (\d+)", text)[1]) == frames[f"{theirs}_BYTES_MAX"], ours
    assert int(re.search(r"SLUICE_HTTP_HEADERS_MAX (\d+)", text)[1]) == frames["PAIRS_MAX"]
