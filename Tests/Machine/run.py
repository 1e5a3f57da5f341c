#!/usr/bin/env python3
"""A Debian machine of its own, in which docs/guides/deploy.md is walked as it is printed and the service is put to the test.

usage: run.py --needs | --release DIR --c-build DIR --build DIR

What no process can try beside others here: a real systemd with control groups of version 2, a machine on which nothing was
built, and power that fails. Needs root, debootstrap, mke2fs and qemu-system-x86_64; the machine has no network. Its base is kept
in --build and made anew when its packages change.
"""
import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(PROJECT, "Tests", "EndToEnd"))
from hostile_tests import MANIFEST

NOT_HERE = 75  # sysexits' EX_TEMPFAIL: skipped
NEEDED = {"debootstrap": "debootstrap", "mke2fs": "e2fsprogs", "qemu-system-x86_64": "qemu-system-x86"}
# Beside what deploy.md has installed: what its commands themselves need, and the machine.
PACKAGES = ["systemd", "systemd-sysv", "sudo", "openssl", "python3", "linux-image-cloud-amd64"]
DISK, MEMORY_MIB, SECONDS = "4G", 2048, 900
MARK = "MACHINE "


def run(*arguments, **options):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments[:3])} … gave {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def runtime_packages():
    with open(os.path.join(PROJECT, "deploy", "container", "runtime-packages.txt")) as f:
        return f.read().split()


def printed():
    """The guide's commands for systemd. Building is done already, and packages were installed with the machine: it has no network."""
    with open(os.path.join(PROJECT, "docs", "guides", "deploy.md")) as f:
        listing = re.search(r"## With systemd\n+```sh\n(.*?)^```$", f.read(), re.M | re.S)[1]
    lines = listing.splitlines(keepends=True)
    left = [line for line in lines if "make install" not in line and "apt-get install" not in line]
    if len(lines) - len(left) != 2:
        raise SystemExit("deploy.md's commands are not as this expects them: one installs programs, one packages")
    return "set -euo pipefail\n" + "".join(left)


def base(folder):
    """A clean Debian 12 with what the programs link, and a kernel."""
    packages = sorted(set(PACKAGES + runtime_packages()))
    name = os.path.join(folder, "base-" + hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12])
    if not os.path.exists(name):
        print(f"making {name}", flush=True)
        shutil.rmtree(name + ".new", ignore_errors=True)
        run("debootstrap", "--variant=minbase", "--include=" + ",".join(packages), "bookworm", name + ".new")
        os.rename(name + ".new", name)
    return name


def furnish(root, release, c_build):
    """What `make install` and somebody with two plugins leave on it."""
    run("make", "install", f"DESTDIR={root}", "PREFIX=/usr/local", f"RELEASE={os.path.abspath(release)}", cwd=PROJECT)
    shutil.copytree(os.path.join(PROJECT, "deploy"), os.path.join(root, "checkout", "deploy"))
    walk = os.path.join(root, "walk")
    os.makedirs(os.path.join(walk, "plugins"))
    shutil.copy(os.path.join(HERE, "guest.py"), walk)
    shutil.copy(os.path.join(PROJECT, "Tests", "EndToEnd", "attacks.py"), walk)
    with open(os.path.join(walk, "printed.sh"), "w") as f:
        f.write(printed())
    library = shutil.copy(os.path.join(c_build, "tests", "attacker.so"), os.path.join(walk, "plugins", "hostile.so"))
    with open(library, "rb") as f, open(os.path.join(walk, "plugins", "hostile.yaml"), "w") as manifest:
        text = MANIFEST.format(sha256=hashlib.sha256(f.read()).hexdigest())
        manifest.write(text.replace("memory_bytes: 268435456", "memory_bytes: 67108864, threads: 3"))
    with open(os.path.join(walk, "plugins", "attacker.yaml"), "w") as manifest:
        # An emulated machine takes longer.
        manifest.write(text.replace("limits: {operation_timeout_ms: 1500,", "limits: {operation_timeout_ms: 60000, cpu_seconds: 4,").replace("interval_ms: 60000", "interval_ms: 600000"))
    units = os.path.join(root, "etc", "systemd", "system")
    unit(units, "walk", "After=multi-user.target", "TimeoutStartSec=infinity\nStandardOutput=tty\nStandardError=tty\nTTYPath=/dev/ttyS0\n"
         "ExecStart=/usr/bin/python3 -u /walk/guest.py\nExecStopPost=/usr/bin/systemctl poweroff --force\n")
    unit(units, "hide", "Before=sluice.service", "ExecStart=/usr/bin/python3 /walk/guest.py hide\n")
    with open(os.path.join(root, "etc", "fstab"), "w") as f:
        f.write("/dev/vda / ext4 rw 0 1\n")
    for place in ("getty@tty1.service", "serial-getty@ttyS0.service"):
        os.symlink("/dev/null", os.path.join(root, "etc", "systemd", "system", place))


def unit(units, name, order, service):
    with open(os.path.join(units, name + ".service"), "w") as f:
        f.write(f"[Unit]\n{order}\n[Service]\nType=oneshot\n{service}")
    wants = os.path.join(units, "multi-user.target.wants")
    os.makedirs(wants, exist_ok=True)
    os.symlink(f"/etc/systemd/system/{name}.service", os.path.join(wants, name + ".service"))


def boot(root, image, words):
    """Runs the machine until it powers off, or its power is cut when it says so. Gives what it said, a line each.

    Emulated: slower than by virtualization, which is not everywhere, and the same everywhere.
    """
    kernel = next(os.path.join(root, "boot", n) for n in sorted(os.listdir(os.path.join(root, "boot"))) if n.startswith("vmlinuz-"))
    machine = subprocess.Popen(
        ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", str(MEMORY_MIB), "-smp", "2", "-display", "none",
         "-no-reboot", "-nic", "none", "-serial", "stdio", "-monitor", "none", "-kernel", kernel, "-initrd", kernel.replace("vmlinuz-", "initrd.img-"),
         "-append", f"console=ttyS0 root=/dev/vda rw quiet panic=-1 {words}",
         "-drive", f"file={image},if=virtio,format=raw,cache=writeback"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    said, too_long = [], threading.Timer(SECONDS, machine.kill)
    too_long.start()
    try:
        for line in machine.stdout:
            at = line.find(MARK)
            if at < 0:
                said.append(line.rstrip())
                continue
            told = json.loads(line[at + len(MARK):])
            print(f"  {told['outcome']:<6} {told['what']}", flush=True)
            said.append(told)
            if told["outcome"] == "cut":
                break
        return said
    finally:
        too_long.cancel()
        machine.kill()  # for the machine this is its power: what its kernel had not written is lost
        machine.wait()


def phase(said, ending):
    """What the machine told last, which is how it should end."""
    told = [one for one in said if isinstance(one, dict)]
    if not told or told[-1]["outcome"] != ending:
        raise SystemExit("\n".join(line for line in said if isinstance(line, str))[-6000:] + "\nmachine: FAILED")
    return told[-1]["what"]


def needs():
    """0 where all is here. What can be installed is a failure with REQUIRE=1; another user or processor no installation gives."""
    missing = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if os.geteuid() != 0 or platform.machine() != "x86_64":
        print("machine: skipped: needs root on x86_64")
        return NOT_HERE
    if missing:
        print(f"machine: skipped: needs {', '.join(missing)}")
        return 1 if os.environ.get("REQUIRE") else NOT_HERE
    return 0


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    parser = argparse.ArgumentParser()
    parser.add_argument("--needs", action="store_true", help="only say whether what it needs is here")
    for name in ("--release", "--c-build", "--build"):
        parser.add_argument(name, default="")
    options = parser.parse_args()
    if options.needs:
        return needs()
    os.makedirs(options.build, exist_ok=True)
    clean, root, image = base(options.build), os.path.join(options.build, "root"), os.path.join(options.build, "disk")
    shutil.rmtree(root, ignore_errors=True)
    run("cp", "-a", clean, root)
    furnish(root, options.release, options.c_build)
    run("rm", "-f", image)
    run("mke2fs", "-q", "-t", "ext4", "-d", root, image, DISK)
    at = phase(boot(root, image, "walk.phase=walk"), "cut")
    phase(boot(root, image, f"walk.phase=after-power walk.told={at}"), "done")
    print("machine: all well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
