"""(g) The throttle: what tenants get while one floods (Jain's index), and what the upstream is asked beside what was allowed.

The upstream counts every request and answers with a page that never is the last. All instances have one credential. Each
run is a new host; the first second is not counted, since it spends the burst.
"""
import time

import throttle_tests
from rig import Rig, end
from table import show


def measure(tenants, rate, seconds):
    with Rig() as rig:
        upstream = throttle_tests.Upstream()
        host = throttle_tests.flood(rig, upstream, tenants, rate=rate, burst=max(1, rate // 10), places=8)
        begin = time.monotonic() + 1
        throttle_tests.wait_for(lambda: time.monotonic() >= begin + seconds, "the time is over", seconds + 10, 0.05)
        asked = upstream.between(begin, begin + seconds)
        end(host.process, 9)
    by = {tenant: sum(base == tenant for _, base in asked) for tenant in tenants}
    return {"tenants": tenants, "asked_per_second": rate, "observed_per_second": round(len(asked) / seconds, 2), "by_tenant": by,
            "most_in_a_second": throttle_tests.most_in_a_second([at for at, _ in asked]), "jain": round(throttle_tests.jain(list(by.values())), 4)}


def run(options):
    runs = [measure(tenants, rate, 10) for tenants, rate in (
        ({"a": 1}, 10), ({"a": 4}, 50), ({"a": 2, "b": 2}, 50), ({"loud": 8, "b": 1, "c": 1, "d": 1}, 20), ({"a": 8}, 120))]
    show("(i) What one credential is asked, and by whom, over 10 s", ["instances", "allowed/s", "observed/s", "most in 1 s", "Jain", "by tenant"],
         [[" ".join(f"{t}×{n}" for t, n in r["tenants"].items()), r["asked_per_second"], r["observed_per_second"], r["most_in_a_second"], r["jain"],
           " ".join(f"{t} {n}" for t, n in r["by_tenant"].items())] for r in runs], [])
    return runs
