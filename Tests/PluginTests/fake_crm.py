"""A CRM in one dictionary: lists by (day, id), writes once under a key. See sandbox/world/README.md for its API."""
import json
from urllib.parse import parse_qs, unquote


def text(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


class FakeCRM:
    def __init__(self, day="2017-03-01"):
        self.day = day
        self.streams = {"accounts": {}, "products": {}, "reps": {}, "opportunities": {}}
        self.keys, self.made = {}, []
        self.faults = []  # functions of (request) that give an answer, raise, or give None; used once each
        self.before = lambda request: None

    def put(self, stream, id, **fields):
        old = self.streams[stream].get(id, {})
        record = {**old, **fields, "id": id, "updated_at": self.day, "version": old.get("version", 0) + 1}
        self.streams[stream][id] = record
        return record

    def delete(self, stream, id):
        record = self.put(stream, id)
        self.streams[stream][id] = {"id": id, "deleted": True, "updated_at": self.day, "version": record["version"]}

    def now(self, stream):
        """The version that each record is at."""
        return {id: r["version"] for id, r in self.streams[stream].items()}

    def __call__(self, request):
        self.before(request)
        if self.faults:
            fault = self.faults.pop(0)
            answer = fault(request) if fault else None
            if answer is not None:
                return answer
        return self.route(request)

    def route(self, request):
        parts = request.path.split("/")[3:]
        if request.method == "GET" and parts[0] == "idempotency":
            known = self.keys.get(parts[1])
            return (200, {}, text(known)) if known else error(404, "no write was made under this idempotency key")
        if request.method == "GET" and len(parts) == 1:
            return self.list(parts[0], {k: v[0] for k, v in parse_qs(request.query).items()})
        if request.method == "GET":
            record = self.streams[parts[0]].get(parts[1])
            return (200, {}, text(record)) if record else error(404, f"{parts[0]} has no record '{parts[1]}'")
        return self.write(request, parts)

    def list(self, stream, query):
        since, after = query.get("updated_since"), query.get("after_id")
        found = sorted(self.streams[stream].values(), key=lambda r: (r["updated_at"], r["id"]))
        if since:
            start = (since, unquote(after)) if after is not None else None
            found = [r for r in found if ((r["updated_at"], r["id"]) > start if start else r["updated_at"] >= since)]
        items = found[:int(query.get("limit", 200))]
        more = len(found) > len(items)
        cursor = {"id": items[-1]["id"], "updated_at": items[-1]["updated_at"]} if more else None
        return 200, {"content-type": "application/json"}, text({"items": items, "next": cursor, "as_of": self.day})

    def write(self, request, parts):
        known = self.keys.get(request.key)
        if known:
            return known["status"], {"idempotent-replayed": "true"}, text(known["body"])
        status, body = self.apply(request, parts)
        self.keys[request.key] = {"key": request.key, "method": request.method, "path": request.path, "status": status,
                                  "applied": status < 300, "body": body, "replays": 0, "day": self.day}
        return status, {}, text(body)

    def apply(self, request, parts):
        fields = json.loads(request.body)
        if request.method == "POST":
            kind = parts[0][:-1]
            self.made.append((kind, fields))
            return 201, {**fields, "id": f"{kind}-{len(self.made)}", "created_at": self.day}
        record = self.streams[parts[0]].get(parts[1])
        if record is None:
            return 404, words("opportunities has no record")
        if request.headers.get("if-match") not in (None, f'"{record["version"]}"'):
            return 412, words(f"the record is at version {record['version']}")
        if fields.get("owner") == "Nobody":
            return 422, words("'owner': reps have no 'Nobody'")
        return 200, self.put(parts[0], parts[1], **fields)


def words(message):
    return {"error": {"code": "x", "message": message}}


def error(status, message="no", **headers):
    return status, headers, text(words(message))


def always(status, **headers):
    return lambda request: error(status, "no", **{k.replace("_", "-"): v for k, v in headers.items()})
