"""Tests of sluice-worker. Usage: run.py BUILD_DIR [--frames CODEC_TEST]. Prints sentences; last line: N passed, N failed."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import abi_tests
import header_tests
import protocol_tests
import sandbox_tests
from workers import identities

BUILD = os.path.abspath(sys.argv[1])


def all_tests():
    rooms = (sandbox_tests, protocol_tests, abi_tests)
    return [f for room in rooms for name, f in vars(room).items() if name.startswith("test_")]


def main():
    passed = failed = 0
    if "--frames" in sys.argv:
        out = subprocess.run([sys.argv[sys.argv.index("--frames") + 1]], capture_output=True, text=True)
        print(out.stdout + out.stderr, end="")
        count = re.findall(r"^(\d+) passed, (\d+) failed$", out.stdout, re.M)
        passed, failed = (int(count[-1][0]), int(count[-1][1])) if count else (0, 1)
        failed += out.returncode != 0 and failed == 0
    for name, test in vars(header_tests).items():
        if not name.startswith("test_"):
            continue
        try:
            test(BUILD)
            passed += 1
            print(f"ok    {test.__doc__}")
        except Exception:
            failed += 1
            print(f"FAIL  {test.__doc__}\n{traceback.format_exc()}")
    # Another user must be able to reach the worker and the plugins.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        build = shutil.copytree(BUILD, os.path.join(folder, "c"))
        for who, worker in identities(build):
            for test in all_tests():
                sentence = f"{test.__doc__} [{who}]"
                try:
                    test(worker)
                    passed += 1
                    print(f"ok    {sentence}")
                except Exception:
                    failed += 1
                    print(f"FAIL  {sentence}\n{traceback.format_exc()}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
