"""One host: its life, its control socket, its workers and its metrics."""
import contextlib
import json
import os
import socket
import subprocess

from expecting import PROJECT, HostDied, Refused, expect_equal, wait_for
from programs import end, free_port, program, request
from standing import Database, Standing


class Host(Standing):
    """One data folder, and the `sluice up` that runs on it."""

    def __init__(self, folder, tenant="demo"):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.tenant = tenant
        self.log = os.path.join(folder, "host.log")
        self.port = free_port()
        self.process = None
        self.options = ()
        self.wrapper = []  # goes before the program, as setpriv does
        self.address = f"127.0.0.1:{self.port}"
        self.state = Database(os.path.join(self.data, "tenants", tenant, "state.db"))

    def start(self, crash=None, environment=None):
        environment = {**{k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}, **(environment or {})}
        if crash:
            environment["SLUICE_CRASH_AT"] = crash
        begin = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, program("sluice"), "up", "--data-dir", self.data, "--listen", self.address, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=PROJECT, env=environment)
        self.state.close()

        def is_ready():
            if self.process.poll() is not None:
                raise HostDied(f"the host ended with {self.process.returncode}: {self.log_text(begin)[-1500:]}")
            return '"host.started"' in self.log_text(begin)
        wait_for(is_ready, lambda: f"the host runs: {self.log_text(begin)[-1500:]}", 60)

    def log_text(self, begin=0):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, "rb") as f:
            f.seek(begin)
            return f.read().decode(errors="replace")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def check_alive(self):
        if not self.alive():
            raise HostDied(f"the host ended with {self.process.returncode if self.process else None}: {self.log_text()[-800:]}")

    def reply(self, command, **arguments):
        """What the control socket answers, a result or an error."""
        self.check_alive()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            try:
                s.connect(os.path.join(self.data, "control.sock"))
                s.sendall(json.dumps({"command": command, "arguments": {"tenant": self.tenant, **arguments}}).encode() + b"\n")
                line = b""
                while not line.endswith(b"\n"):
                    part = s.recv(1 << 16)
                    if not part:
                        break
                    line += part
            except (ConnectionError, FileNotFoundError):
                line = b""
        if not line.endswith(b"\n"):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.check_alive()
            raise AssertionError(f"the host cut {command} off and lives")
        return json.loads(line)

    def ask(self, command, **arguments):
        reply = self.reply(command, **arguments)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["result"]

    def stop(self):
        code = end(self.process, seconds=30)
        self.state.close()
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.state.close()

    def workers(self, plugin=""):
        """Process ids of the sandboxed workers, of one plugin or of all."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    with open(f"/proc/{name}/stat") as f:
                        rest = f.read().rsplit(") ", 1)[1].split()
                    if int(rest[1]) == self.process.pid and rest[0] != "Z":
                        with open(f"/proc/{name}/cmdline", "rb") as f:
                            if plugin.encode() in f.read():
                                found.append(int(name))
        return found

    def metrics(self):
        status, _, data = request(self.address, "GET", "/metrics", headers={"Host": self.address})
        expect_equal(status, 200, "status of /metrics")
        found = {}
        for line in data.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def metric(self, name, **labels):
        return sum(value for key, value in self.metrics().items()
                   if key.split("{")[0] == name and all(f'{k}="{v}"' in key for k, v in labels.items()))
