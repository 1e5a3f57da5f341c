"""The Swift plugins against the simulated SaaS, day by day. Usage: world_check.py BUILD_DIR SLUICE_WORLD [DAYS]."""
import http.client
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from executor_tests import executor
from fake_crm import text
from plugin_host import *
from source_tests import source

BUILD = os.path.abspath(sys.argv[1])
OPTIONS = ["--uid", "20001", "--gid", "20001"] if os.geteuid() == 0 else []
STREAMS = ("accounts", "products", "reps", "opportunities")


class World:
    def __init__(self, binary, days, folder):
        secrets = os.path.join(folder, "world.json")
        self.process = subprocess.Popen([binary, "--seed", "7", "--opportunities", "300", "--days", str(days), "--page-size", "7",
                                         "--credentials", secrets], stdout=subprocess.PIPE, text=True)
        self.started = json.loads(self.process.stdout.readline())
        self.connection = http.client.HTTPConnection(self.started["listening"])
        with open(secrets) as f:
            self.secrets = json.load(f)

    def ask(self, method, target, token, body=None, headers={}):
        self.connection.request(method, target, body, {**headers, "Authorization": "Bearer " + self.secrets[token]})
        response = self.connection.getresponse()
        data = response.read()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, data

    def __call__(self, request):
        """What the host's egress would do."""
        headers = dict(request.headers)
        if request.key:
            headers["Idempotency-Key"] = request.key
        target = request.path + (f"?{request.query}" if request.query else "")
        try:
            return self.ask(request.method, target, "token", request.body or None, headers)
        except (ConnectionError, http.client.HTTPException):
            self.connection.close()
            raise Lost(TRANSIENT, -1, "The connection broke.")

    def control(self, path, body):
        status, _, data = self.ask("POST", f"/control/{path}", "control_token", json.dumps(body))
        assert status == 200, (status, data)
        return json.loads(data)


def start(path):
    return PluginWorker(BUILD, os.path.join(BUILD, path), OPTIONS)


def writes(world, w, day, operation):
    """Closes a deal that is engaging, loses the answer, and finds it by its key; then leaves a task about it."""
    items = json.loads(world.ask("GET", "/api/v1/opportunities", "token")[2])["items"]
    deal = next((d for d in items if d.get("stage") == "Engaging"), None)
    if deal is None:
        return 0
    close = {"opportunity": deal["id"], "set": {"stage": "Lost", "close_date": day}, "expect_version": deal["version"]}
    run = lambda kind, name, given, key, n: w.run(kind, bound(world, given, key) if kind == EXECUTE else world, name=name, body=text(given), key=key, operation=operation + n)
    assert run(DRY_RUN, "close_lost", close, f"{day}-close", 0).outcome == DONE
    world.control("faults", [{"match": "PATCH /api/v1/", "kind": "cut_after_apply"}])
    assert run(EXECUTE, "close_lost", close, f"{day}-close", 1).outcome == UNKNOWN
    probe = run(PROBE, "close_lost", close, f"{day}-close", 2)
    assert probe.outcome == PROBE_DONE and json.loads(probe.result["json"])["version"] == deal["version"] + 1, probe.result
    assert run(EXECUTE, "close_lost", close, f"{day}-again", 3).outcome == REJECTED
    task = {"task": {"about": {"stream": "opportunities", "id": deal["id"]}, "assignee": "Zoë", "text": "Why was it lost?"}}
    assert run(EXECUTE, "create_task", task, f"{day}-task", 4).outcome == DONE
    return 1


def main():
    with tempfile.TemporaryDirectory() as folder:
        world = World(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 60, folder)
        states, known, emitted, closed, operation = dict.fromkeys(STREAMS, b""), {s: {} for s in STREAMS}, 0, 0, 2
        day, finished = world.started["first_day"], False
        try:
            with source(start) as reader, executor(start) as writer:
                while not finished:
                    for turn in range(2):  # the second time after writes of the same day
                        for stream in STREAMS:
                            run = reader.run(PULL, world, name=stream, state=states[stream], operation=operation)
                            assert run.status == 0, run.result
                            known[stream].update({r[0]: (r[3], r[1]) for r in run.records})
                            states[stream], emitted, operation = run.checkpoints[-1][0], emitted + len(run.records), operation + 10
                        if turn == 0:
                            closed, operation = closed + writes(world, writer, day, operation), operation + 10
                    for stream in STREAMS:
                        listed, cursor = {}, ""
                        while cursor is not None:
                            page = json.loads(world.ask("GET", f"/api/v1/{stream}{cursor}", "token")[2])
                            listed.update({r["id"]: (r["version"], 2 if r.get("deleted") else 1) for r in page["items"]})
                            after = page["next"]
                            cursor = after and f"?updated_since={after['updated_at']}&after_id={after['id']}"
                        assert known[stream] == listed, (day, stream)
                    answer = world.control("barrier", {"day": day})
                    day, finished = answer["day"], answer["finished"]
        finally:
            world.process.terminate()
            world.process.wait()
        print(f"{emitted} records over the days, {sum(map(len, known.values()))} known, {closed} deals closed; nothing missing")


if __name__ == "__main__":
    main()
