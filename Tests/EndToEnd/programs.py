"""The real programs: where they are, how one runs to its end or is ended, and one HTTP request."""
import http.client
import os
import signal
import socket
import subprocess

from expecting import PROJECT, Settings


def program(name):
    return os.path.join(Settings.programs, name)


def sluice(*arguments, input=None, seconds=120, environment=None):
    """Runs the command line to its end."""
    return subprocess.run([program("sluice"), *map(str, arguments)], input=input, capture_output=True, text=True,
                          timeout=seconds, cwd=PROJECT, env={**os.environ, **(environment or {})})


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
