"""What a test gets: a folder of its own, and by `from rig import *` all that it says, starts and looks at."""
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

from expecting import *
from host import *
from programs import *
from scenario import *
from standing import *
from world import *

STREAMS = ("accounts", "products", "reps", "opportunities")


class Rig:
    """A folder for one test; ends every process that was started in it."""

    def __init__(self, keep=False):
        self.folder = tempfile.mkdtemp(prefix="sluice-e2e-")
        # Workers run as other users and must reach the plugins; each data folder is private by itself.
        os.chmod(self.folder, 0o755)
        self.keep = keep
        self.scenarios = []
        self.closing = []

    def path(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def scenario(self, name="s", **options):
        scenario = Scenario(self.path(name), **options)
        self.scenarios.append(scenario)
        return scenario

    def host(self, name="h"):
        host = Host(self.path(name))
        self.closing.append(lambda: host.process and end(host.process, signal.SIGKILL))
        return host

    def preload(self, name, source):
        """A library for LD_PRELOAD: its calls go before the system's."""
        compiler = shutil.which("cc") or shutil.which("clang")
        if compiler is None:
            raise Skip(f"there is no C compiler to make another {name}")
        library, path = (os.path.join(self.folder, name + end) for end in (".so", ".c"))
        with open(path, "w") as f:
            f.write(source)
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, path, "-ldl"], check=True, capture_output=True)
        return library

    def generate(self, name, seed, opportunities=400, days=60):
        target = os.path.join(self.folder, name)
        made = subprocess.run([program("sluice-world"), "generate", "--seed", str(seed), "--to", target, "--opportunities", str(opportunities),
                               "--days", str(days)], capture_output=True, text=True, timeout=60)
        expect_equal(made.returncode, 0, f"exit of generate ({made.stderr})")
        return target

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for scenario in self.scenarios:
            scenario.close()
        for close in self.closing:
            close()
        if error is not None and not isinstance(error, Skip):
            for scenario in self.scenarios:
                tail = scenario.host.log_text()[-1200:]
                if tail:
                    print(f"      the host's last words: {tail}")
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
