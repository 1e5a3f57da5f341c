"""The simulated SaaS beside the host."""
import json
import os
import subprocess

from expecting import expect, expect_equal
from programs import end, program, request


class World:
    """One `sluice-world`."""

    def __init__(self, folder, *options):
        secrets = os.path.join(folder, "world.json")
        self.process = subprocess.Popen([program("sluice-world"), *map(str, options), "--credentials", secrets],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the world ended: " + self.process.stderr.read())
        self.started = json.loads(line)
        self.address = self.started["listening"]
        self.url = f"http://{self.address}"
        self.day = self.started["first_day"]
        self.finished = False
        with open(secrets) as f:
            self.secrets = json.load(f)
        os.remove(secrets)

    def control(self, method, path, body=None):
        headers = {"Authorization": "Bearer " + self.secrets["control_token"], "Content-Type": "application/json"}
        status, _, data = request(self.address, method, "/control/" + path, None if body is None else json.dumps(body), headers)
        expect(status == 200, lambda: f"the world answered {method} {path} with {status}: {data[:300]}")
        return json.loads(data)

    def faults(self, *faults):
        self.control("POST", "faults", list(faults))

    def edit(self, *edits):
        answer = self.control("POST", "edits", list(edits))
        expect_equal(answer.get("missed"), [], "edits that fit nothing")

    def close_day(self):
        answer = self.control("POST", "barrier", {"day": self.day})
        self.finished = answer["finished"]
        if not self.finished:
            self.day = answer["day"]

    def effects(self):
        items, after = [], 0
        while True:
            answer = self.control("GET", f"effects?after={after}")
            if not answer["items"]:
                return items
            items += answer["items"]
            after = answer["last"]

    def list(self, stream):
        """Every record as it is now, by id, past every fault."""
        items, cursor = {}, ""
        while cursor is not None:
            status, _, data = request(self.address, "GET", f"/api/v1/{stream}{cursor}", headers={"Authorization": "Bearer " + self.secrets["token"]})
            expect(status == 200, lambda: f"the world answered {status}: {data[:200]}")
            page = json.loads(data)
            items.update({item["id"]: item for item in page["items"]})
            after = page["next"]
            cursor = after and f"?updated_since={after['updated_at']}&after_id={after['id']}"
        return items

    def end(self):
        end(self.process)
