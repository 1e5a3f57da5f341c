"""What documents and remedies tell people to type is held against the program's own help."""
import os
import re

from rig import *

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.S | re.M)
SPAN = re.compile(r"`([^`\n]+)`")
CALL = re.compile(r"(?:^|[|&(;]\s*|\$ |/)(sluice(?:-world)?) (?=[a-z-])(.*)$")


def documents():
    for folder, names, files in os.walk(PROJECT):
        names[:] = [n for n in names if not n.startswith(".")]
        for name in sorted(files):
            if name.endswith(".md"):
                yield os.path.join(folder, name)


def calls(text):
    """Commands in fences and in spans, without comment and redirection; a line goes on behind a backslash."""
    lines = [line for language, body in FENCE.findall(text) if language.strip() in ("", "sh", "bash", "console")
             for line in body.replace("\\\n", " ").splitlines()]
    lines += SPAN.findall(FENCE.sub("", text))
    for line in lines:
        found = CALL.search(line.split("#")[0].strip())
        if found:
            yield found.group(1), re.split(r"\s[<>|&;]", found.group(2))[0].split()


class Help:
    """The program's help by command, asked once each."""

    def __init__(self):
        self.known = {}

    def of(self, name, words):
        key = (name, *words)
        if key not in self.known:
            done = subprocess.run([program(name), *(["help"] if name == "sluice" else []), *words, *([] if name == "sluice" else ["--help"])],
                                  capture_output=True, text=True, timeout=30)
            usage = re.search(r"USAGE: (.*?)\n\n", done.stdout + "\n\n", re.S)
            expected = " ".join(key)
            self.known[key] = done.stdout if done.returncode == 0 and usage and " ".join(usage.group(1).split()).startswith(expected) else None
        return self.known[key]

    def fault(self, name, words):
        """What is wrong with a command as written, or nothing."""
        if words[:1] == ["help"]:
            words = words[1:]
        page, path = self.of(name, []), []
        expect(page, f"{name} has help")
        while words and "SUBCOMMANDS:" in page and re.fullmatch(r"[a-z][a-z-]*", words[0]):
            deeper = self.of(name, [*path, words[0]])
            if not deeper:
                return f"there is no {' '.join([name, *path, words[0]])}"
            page, path, words = deeper, [*path, words[0]], words[1:]
        default = re.search(r"^  (\S+) \(default\)", page, re.M)
        if default:
            page = self.of(name, [*path, default.group(1)])
        for word in words:
            option = re.match(r"\[?(--[a-z-]+)", word)
            if option and not re.search(rf"(?<![\w-]){option.group(1)}(?![\w-])", page):
                return f"{' '.join([name, *path])} has no {option.group(1)}"
        return None


def test_what_is_written_can_be_typed(rig):
    """every command that a document, a guide or an error's remedy names exists, with the options that it shows"""
    helps, seen, faults = Help(), 0, []
    for path in documents():
        with open(path) as f:
            text = f.read()
        # What is said not to exist yet may be named.
        text = "\n".join(line for line in text.splitlines() if "not exist yet" not in line)
        for name, words in calls(text):
            seen += 1
            fault = helps.fault(name, words)
            if fault:
                faults.append(f"{os.path.relpath(path, PROJECT)}: {fault}")
    expect(not faults, "; ".join(faults))
    expect(seen > 50, f"only {seen} commands were found")
    expect(helps.fault("sluice", ["tenant", "fly"]) and helps.fault("sluice", ["up", "--fly"]), "what does not exist is found")
    return f"{seen} commands in documents"
