"""Tests of the Swift plugins in the real worker. Usage: run.py BUILD_DIR. Prints sentences; last line: N passed, N failed."""
import os
import shutil
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plugin_host
import example_tests
import executor_tests
import kit_tests
import rust_tests
import source_tests
from workers import identities

BUILD = os.path.abspath(sys.argv[1])


def all_tests():
    rooms = (kit_tests, example_tests, rust_tests, source_tests, executor_tests)
    return [(room.__name__, f) for room in rooms for name, f in vars(room).items() if name.startswith("test_")]


def main():
    passed = failed = 0
    # Another user must be able to reach the worker and the plugins.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        build = os.path.join(folder, "c")
        needed = ["sluice-worker", "plugins/crm-source.so", "plugins/crm-executor.so", "plugins/stripe.so", "guide/hello.so", "guide/hello-cpp.so", "tests/migrating.so",
                  *example_tests.libraries(BUILD)]
        for name in needed:
            os.makedirs(os.path.dirname(os.path.join(build, name)), exist_ok=True)
            shutil.copy(os.path.join(BUILD, name), os.path.join(build, name))
        for name in ("crm-actions.yaml", "counter.yaml", "counter.so"):
            shutil.copy(os.path.join(BUILD, "plugins", name), os.path.join(build, "plugins", name))
        for who, start in identities(build):
            for room, test in all_tests():
                sentence = f"{room.split('_')[0]}: {test.__doc__} [{who}]"
                try:
                    test(start)
                    passed += 1
                    print(f"ok    {sentence}")
                except plugin_host.Skipped as skipped:
                    print(f"skip  {sentence}: {skipped}")
                except Exception:
                    failed += 1
                    print(f"FAIL  {sentence}\n{traceback.format_exc()}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
