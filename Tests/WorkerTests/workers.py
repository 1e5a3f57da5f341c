"""Starts workers as each user under test, with the plugins the tests use."""
import json
import os

from host import *

HTTP = "sluice.http/1"


def identities(build):
    """Yields (name, a function that starts a worker as that user)."""
    def start(options, wrapper):
        def worker(plugin, *more, parent=None):
            path = plugin if plugin.startswith("/") else os.path.join(build, plugin)
            return Worker(build, path, [*options, *more], wrapper, parent)
        worker.build, worker.options, worker.wrapper = build, options, wrapper
        return worker
    if os.geteuid() != 0:
        yield "unprivileged", start([], [])
        return
    yield "root, own uid", start(["--uid", "20001", "--gid", "20001"], [])
    drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    yield "uid 65534", start([], drop)
    yield "uid 65534, netns", start(["--netns"], drop)


def counter(worker, config, *options):
    w = worker("plugins/counter.so", *options)
    ready = w.ready()
    assert "abi" in ready, ready
    result = w.configure(json.dumps(config))
    assert result["status"] == 0, result
    return w


def hostile(worker, attack, *options, extensions=()):
    w = worker("tests/hostile.so", *options)
    ready = w.ready()
    assert "abi" in ready, ready
    assert w.configure(json.dumps({"attack": attack}), extensions)["status"] == 0
    return w


def reports(found):
    return {r[0]: json.loads(r[5]) for r in found}
