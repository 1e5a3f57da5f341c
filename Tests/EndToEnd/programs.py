"""The real programs: where they are, how one runs to its end or is ended, and one HTTP request."""
import http.client
import os
import pty
import select
import signal
import socket
import subprocess
import termios
import time

from expecting import PROJECT, Settings, expect_equal


def program(name):
    return os.path.join(Settings.programs, name)


def sluice(*arguments, input=None, seconds=120, environment=None):
    """Runs the command line to its end."""
    return subprocess.run([program("sluice"), *map(str, arguments)], input=input, capture_output=True, text=True,
                          timeout=seconds, cwd=PROJECT, env={**os.environ, **(environment or {})})


def on_terminal(words, *steps, seconds=60):
    """Runs the command line on a terminal of its own. Each step is what it must show, and the keys that are typed then.

    Returns its exit and all that it showed; the terminal must be left as it was.
    """
    steps = list(steps)
    leader, follower = pty.openpty()
    before = termios.tcgetattr(follower)
    process = subprocess.Popen([program("sluice"), *map(str, words)], stdin=follower, stdout=follower, stderr=follower, cwd=PROJECT, start_new_session=True)
    shown, begin, deadline = "", 0, time.monotonic() + seconds
    try:
        while process.poll() is None or select.select([leader], [], [], 0)[0]:
            if time.monotonic() > deadline:
                raise AssertionError(f"{words} shows {steps[:1]}: {shown[-2000:]}")
            if select.select([leader], [], [], 0.1)[0]:
                shown += os.read(leader, 65_536).decode(errors="replace")
            if steps and steps[0][0] in shown[begin:]:
                begin = len(shown)
                os.write(leader, steps.pop(0)[1])
        expect_equal(steps, [], f"what {words} did not show: {shown[-2000:]}")
        expect_equal(termios.tcgetattr(follower), before, "the terminal afterwards")
        return process.returncode, shown
    finally:
        end(process, signal.SIGKILL)
        os.close(leader)
        os.close(follower)


def end(process, number=signal.SIGTERM, seconds=10):
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
    return process.returncode


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def request(address, method, path, body=None, headers=None, seconds=60):
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()
