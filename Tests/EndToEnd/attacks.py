"""The attacks on the sandbox that SECURITY.md's table names, and whether an operator is told of one. Beside the end-to-end tests, the
machine of its own tries them too; so nothing else is needed here.
"""
import json

# The table: what is attacked → the switches of the hostile plugin, each with what its operator is told of it. A system call by
# name, or `state:` words of the instance's state, or `limit:` a limit that was reached; or either of two.
ATTACKS = {
    "files": {"open_etc_passwd": "openat", "open_proc_maps": "openat", "create_file": "openat", "stat_etc_passwd": "newfstatat"},
    "sockets": {"socket": "socket", "socket_unix": "socket", "socket_pair": "socketpair", "connect_channel": "connect"},
    "exec": {"exec": "execve", "mmap_rwx": "mmap", "mprotect_exec": "mprotect"},
    "fork bomb": {"fork_bomb": "clone", "clone_parent": "clone"},
    "thread bomb": {"thread_bomb": "limit:threads", "thread": "limit:threads"},
    # Where a control group holds the memory, its bombs end with the worker; where RLIMIT_AS does, they get none.
    "memory bomb": {"memory_death": "state:over_limit.memory"} | {name: "limit:memory or state:worker.over_limit.memory"
                                                                  for name in ("memory_bomb", "memory_regrown", "memory_mapped")},
    "ptrace": {"ptrace_parent": "ptrace", "trace_neighbours": "ptrace", "read_parent_memory": "process_vm_readv"},
    "signals at the host": {"kill_parent": "kill", "kill_everyone": "kill", "tgkill_parent": "tgkill", "tkill_parent": "tkill",
                            "queue_parent": "rt_sigqueueinfo", "own_channel": "fcntl", "channel_signal": "fcntl", "pidfd_parent": "pidfd_open"},
    "signals at a neighbour": {"kill_neighbours": "kill", "tgkill_neighbours": "tgkill"},
    "limits of the host": {"prlimit_parent": "prlimit64", "affinity_parent": "sched_setaffinity", "scheduler_parent": "sched_setscheduler",
                           "priority_parent": "setpriority", "ioprio_parent": "ioprio_set"},
    "limits of a neighbour": {"limit_neighbours": "prlimit64", "slow_neighbours": "setpriority", "pin_neighbours": "sched_setaffinity"},
    "fd passing": {"pass_fd_out": "sendmsg", "pass_fd_in": "recvmsg", "copy_fd": "dup", "replace_fd": "dup3", "close_errors": "close"},
    "frame lies": {name: "state:frame" for name in ("frame_length_lie", "frame_unknown_type", "frame_record_lie", "frame_garbage",
                                                    "frame_host_type", "frame_version_lie")} | {"frame_truncated": "state:ended"},
    "clock abuse": {"set_clock": "clock_settime", "set_time": "settimeofday", "bend_clock": "adjtimex", "alarm_clock": "setitimer",
                    "timer": "timer_create", "alarm_host": "timer_create", "clock_flood": "state:[worker.", "busy": "state:worker.over_limit.processor",
                    "hang": "state:worker.hung"},
    "the sandbox itself": {"hide_refusals": "rt_sigaction", "another_filter": "seccomp", "dumpable": "prctl", "become_root": "setresuid",
                           "blocked_refusal": "state:signal 31"},
}
MEMORY_MIB = 256  # memory_bytes of hostile_tests' manifest
ERRNOS = ("EPERM", "EACCES", "EAGAIN", "ENOSYS")


def told(log):
    """instance → what the log says the sandbox refused it, and instance → what each attack got."""
    refused, got = {}, {}
    for line in log.splitlines():
        if '"worker.refused_call"' in line or '"worker.reached_limit"' in line:
            row = json.loads(line)
            refused.setdefault(row["instance"], set()).add(row.get("call") or "limit:" + row["limit"])
        elif '"plugin.hostile.report"' in line:
            row = json.loads(line)
            report = json.loads(row["message"])
            got.setdefault(row["instance"], {})[report["attack"]] = report.get("errno") or report
    return refused, got


def is_met(attack, wanted, states, log):
    """The one of what is wanted that the operator is told, or None."""
    return next((one for one in wanted.split(" or ") if is_told(attack, one, states, log)), None)


def is_told(attack, wanted, states, log):
    instance = attack.replace("_", "-")
    if wanted.startswith("state:"):
        return wanted[6:] in states[instance].lower()
    refused, got = told(log)
    result = got.get(instance, {}).get(attack)
    less = isinstance(result, dict) and (result.get("count") == "0" or int(result.get("mib", MEMORY_MIB)) < MEMORY_MIB)
    return wanted in refused.get(instance, ()) and (result in ERRNOS or less)
