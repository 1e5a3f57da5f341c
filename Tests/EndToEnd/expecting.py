"""Expecting and waiting: what a test may say, what it could not tell, and how long it waits."""
import os
import time

PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


class Settings:
    programs = os.path.join(PROJECT, ".build", "debug")
    seed = 7
    whole = False
    require = bool(os.environ.get("REQUIRE"))
    shared = os.environ.get("SLUICE_SHARED", "")


class Skip(Exception):
    """Why a test cannot tell anything here: something is missing that can be had. With REQUIRE=1 it is a failure."""


class NotAllowed(Skip):
    """What this user may not do here; no installation would change it."""


class HostDied(Exception):
    pass


class Refused(Exception):
    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.message = error["code"], error["message"]


def expect(condition, message):
    if not condition:
        raise AssertionError(message() if callable(message) else message)


def expect_equal(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: found {short(found)}, expected {short(expected)}{difference(found, expected)}")


def short(value, size=600):
    text = repr(value)
    return text if len(text) <= size else text[:size] + "…"


def difference(found, expected):
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [k for k in sorted(set(found) | set(expected), key=str) if found.get(k) != expected.get(k)]
        return "; differing: " + "; ".join(f"{k}: {short(found.get(k), 200)} for {short(expected.get(k), 200)}" for k in keys[:8])
    if isinstance(found, (list, set)) and isinstance(expected, (list, set)):
        more, less = [x for x in found if x not in expected], [x for x in expected if x not in found]
        return f"; {len(more)} too many: {short(more, 300)}; {len(less)} missing: {short(less, 300)}"
    return ""


def wait_for(condition, what, seconds=30.0, every=0.01):
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(every)
