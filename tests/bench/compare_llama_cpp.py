#!/usr/bin/env python3
"""Benchmarks fovea-cli beside llama.cpp on one GGUF file and one Vulkan device, alternately.

Writes a Markdown table (medians over rounds, their spread, ratios) and a JSON file with every measurement, both anew
after every call, so that what a time limit cuts off is only the call in progress. docs/performance.md tells how to
run it and what the numbers mean. Python's standard library is all it needs.
"""

import argparse

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from comparison_table import merged, report, shown, unit_of
from programs import (MIB, NO_PEER, Call, Ours, Peer, Unusable, bench_groups, environment, now, parse_test, peer_device_lines,
                      peer_device_names, test_name)

ROOT = Path(__file__).resolve().parents[2]
TESTS = "pp512,pp4096,tg128,tg128@d32768,load,memory"


class Session:
    """Runs calls in turn, and writes what is known after each."""

    def __init__(self, options, record, stem):
        self.options, self.record, self.stem = options, record, stem
        self.end = None if options.time_limit is None else time.monotonic() + options.time_limit
        self.longest = {}

    def write(self):
        for suffix, text in ((".json", json.dumps(self.record, indent=1, ensure_ascii=False) + "\n"),
                             (".md", report(self.record))):
            partial = self.stem.with_name(self.stem.name + suffix + ".part")
            partial.write_text(text, encoding="utf8")
            os.replace(partial, self.stem.with_name(self.stem.name + suffix))

    def fail(self, where, why):
        print(f"  {where['program']} {where['variant']} {where['tests']}: {why}", flush=True)
        self.record["failures"].append({**where, "why": why})
        self.write()

    def call(self, side, command, where):
        """None, and a line among the failures, where there was no time left for it."""
        key = (side.program, where["variant"], where["model"], where["tests"])
        left = None if self.end is None else self.end - time.monotonic()
        if left is not None and left <= self.longest.get(key, 0):
            self.fail(where, "left out: the time limit is near")
            return None
        errors = self.stem.with_name(self.stem.name + ".stderr")
        call = Call(command, side.extra, errors, left)
        self.longest[key] = max(self.longest.get(key, 0), call.seconds)
        return call

    def keep(self, call, where, test, warm_up, result):
        entry = {"model": where["model"], "test": test, "program": where["program"], "variant": where["variant"],
                 "round": where["round"], "warm_up": warm_up, "unit": unit_of(test), **result,
                 "command": shlex.join(call.command), "at": call.at, "seconds": round(call.seconds, 3),
                 "load_average": call.load_average}
        self.record["measurements"].append(entry)
        self.write()
        value = "not recorded" if entry["value"] is None else f"{shown(entry['value'])} {entry['unit']}"
        note = " (warm-up)" if warm_up else ""
        print(f"  {where['program']} {where['variant']} {test}: {value}{note}", flush=True)

    def wrong_device(self, side, call, results):
        if side.program == "ours":
            return None
        lines = peer_device_lines(call.errors)
        if lines:
            self.record["programs"]["peer"]["device_lines"] = lines
        return side.wrong_device(call, results, self.record["device"]["name"])

    def measure(self, side, model, variant, work, round_number, warm_up=False):
        """One call: `work` is ("load",), ("memory",) or ("bench", depth, prompts, generates)."""
        label = variant or "default"
        tests = work[0] if work[0] != "bench" else " ".join(
            [test_name(n, 0, work[1]) for n in work[2]] + [test_name(0, n, work[1]) for n in work[3]])
        where = {"model": model["name"], "tests": tests, "program": side.program, "variant": label,
                 "round": round_number}
        arguments = shlex.split(variant)
        try:
            if work[0] == "bench":
                command = side.bench(model["path"], arguments, *work[1:], self.options.repetitions)
            else:
                command = getattr(side, work[0])(model["path"], arguments)
        except Unusable as error:
            return self.fail(where, str(error))
        call = self.call(side, command, where)
        if call is None:
            return None
        results = self.results_of(side, call, work[0])
        wrong = self.wrong_device(side, call, results) if results else None
        if wrong:
            return self.fail(where, wrong)
        for test, result in results.items():
            self.keep(call, where, test, warm_up, result)
        failed = call.why_failed() or (None if results else "printed no result")
        return self.fail(where, failed) if failed else None

    @staticmethod
    def results_of(side, call, kind):
        """{test: result}: of a benchmark that was cut off, the tests it finished."""
        if kind == "bench":
            return side.speeds(call.output)
        if call.why_failed():
            return {}
        if kind == "load":
            # Where the one token has no printable character, the end of the run is the next thing that can be seen.
            first = call.first_character
            return {"load": {"value": call.seconds if first is None else first, "printed": first is not None}}
        return {"memory": side.memory_told(call) or {"value": None}}

    def run(self, model, sides, tests):
        works = [("bench", depth, *lists) for depth, lists in bench_groups(tests).items()]
        kinds = [kind for kind, _, _ in tests]
        turns = alternate(sides)
        if "load" in kinds:
            read_through(model["path"])
            for side, variant in turns:
                self.measure(side, model, variant, ("load",), 0, warm_up=True)
            works.append(("load",))
        for number in range(1, self.options.rounds + 1):
            print(f"{model['name']}, round {number} of {self.options.rounds}", flush=True)
            # Sizes do not vary: once is enough, at the end of the first round.
            for work in works + ([("memory",)] if "memory" in kinds and number == 1 else []):
                for side, variant in turns:
                    self.measure(side, model, variant, work, number)


def alternate(sides):
    """[(side, variant)]: ours, peer, ours, peer, ... as far as both have variants."""
    lists = [[(side, variant) for variant in variants] for side, variants in sides]
    longest = max(map(len, lists))
    return [one[i] for i in range(longest) for one in lists if i < len(one)]


def read_through(path):
    """Brings a file into the page cache, so that no program pays for the disk."""
    with open(path, "rb") as file:
        while file.read(16 * MIB):
            pass


def cpu_name():
    try:
        return re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def make_shape(text, generator, folder):
    """NAME[:TYPE[:LAYERS]] -> a file of random weights, made unless it is there."""
    name, _, rest = text.partition(":")
    kind, _, layers = rest.partition(":")
    kind = kind or "q4_k"
    path = folder / (f"random-{name}-{kind}" + (f"-{layers}-layers" if layers else "") + ".gguf")
    if path.exists():
        return path
    if generator is None or not Path(generator).is_file():
        raise Unusable(f"--shape {text} needs the generator of random models: give --make-gguf PATH")
    partial = path.with_suffix(".part")
    command = [sys.executable, str(generator), str(partial), "--shape", name, "--type", kind]
    if subprocess.run(command + (["--layers", layers] if layers else []), check=False).returncode != 0:
        raise Unusable(f"{generator} made no model of shape {text}")
    os.replace(partial, path)
    return path


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     epilog="More: docs/performance.md")
    parser.add_argument("models", nargs="*", metavar="MODEL.gguf", help="models to measure")
    parser.add_argument("--shape", action="append", default=[], metavar="NAME[:TYPE[:LAYERS]]",
                        help="also a model of random weights, made by --make-gguf (type q4_k unless said)")
    parser.add_argument("--make-gguf", metavar="PATH", help="the generator of random models")
    parser.add_argument("--fovea", metavar="PROGRAM",
                        default=os.environ.get("FOVEA_CLI", str(ROOT / "build/fovea-cli")),
                        help="our program (default: $FOVEA_CLI, else build/fovea-cli)")
    parser.add_argument("--peer", metavar="FOLDER_OR_PROGRAM",
                        help="llama.cpp: a folder with its tools, or llama-bench")
    parser.add_argument("--no-peer", action="store_true", help="measure Fovea alone")
    parser.add_argument("--tests", default=TESTS, metavar="T,..", help=f"ppN, tgN, ...@dDEPTH, load, memory ({TESTS})")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="times ours, peer, ... (default: 3)")
    parser.add_argument("-r", "--repetitions", type=int, default=1, metavar="R",
                        help="measurements within a call, after a warm-up (default: 1)")
    parser.add_argument("--variant", action="append", metavar="OPTIONS",
                        help="options of ours for a row of its own, '' = none; repeatable (--variant='--kv q8_0')")
    parser.add_argument("--peer-variant", action="append", metavar="OPTIONS",
                        help="the same for llama.cpp (--peer-variant='-ctk q8_0 -ctv q8_0')")
    parser.add_argument("--device", type=int, metavar="N", help="Vulkan device, as `fovea-cli devices` counts them")
    parser.add_argument("--time-limit", type=float, metavar="S", help="start nothing that would run longer than this")
    parser.add_argument("-o", "--out", metavar="STEM", type=Path,
                        help="writes STEM.json and STEM.md (default: build/bench/DATE)")
    parser.add_argument("--table", nargs="+", metavar="RECORD.json", help="only print the table of earlier records")
    options = parser.parse_args()
    if not options.table and not options.models and not options.shape:
        parser.error("no model: name a GGUF file or give --shape")
    if options.rounds < 1 or options.repetitions < 1:
        parser.error("rounds and repetitions are at least 1")
    return options


def begin(options):
    """Finds programs and device, and starts the record."""
    ours = Ours(options.fovea, options.device)
    device = ours.device(options.device)
    record = {"format": 1, "date": now(), "command": shlex.join(["tests/bench/compare_llama_cpp.py", *sys.argv[1:]]),
              "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "system": platform.platform()},
              "device": device, "programs": {"ours": ours.describe()}, "models": [], "measurements": [],
              "failures": []}
    sides = [(ours, options.variant or [""])]
    if not options.no_peer:
        if not options.peer:
            raise Unusable(NO_PEER)
        peer = Peer(options.peer, device["index"])
        record["programs"]["peer"] = peer.describe()
        names = peer_device_names(peer.help["llama-bench"])
        if names and names != [device["name"]]:
            raise Unusable(f"llama.cpp sees {', '.join(names)} where Fovea chose {device['name']}: choose with "
                           "--device, and leave GGML_VK_VISIBLE_DEVICES to this program")
        sides.append((peer, options.peer_variant or [""]))
    record["environment"] = {name: value for side, _ in sides for name, value in environment(side.extra).items()
                             if re.match(r"VK_|GGML_VK_|MESA_|FOVEA_", name)}
    return record, sides


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, interrupt)  # `timeout` sends it: the program in progress must end too
    if options.table:
        print(report(merged([json.loads(Path(path).read_text(encoding="utf8")) for path in options.table])), end="")
        return 0
    tests = [parse_test(text) for text in options.tests.split(",")]
    stem = options.out or ROOT / "build/bench" / datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    stem.parent.mkdir(parents=True, exist_ok=True)
    record, sides = begin(options)
    paths = [Path(path) for path in options.models] + [make_shape(text, options.make_gguf, stem.parent)
                                                        for text in options.shape]
    for path in paths:
        if not path.is_file():
            raise Unusable(f"{path} is no file")
    if len({path.name for path in paths}) < len(paths):
        raise Unusable("two models have one file name, which is what the table calls them by")
    session, interrupted = Session(options, record, stem), False
    try:
        for path in paths:
            record["models"].append({"name": path.name, "path": str(path.absolute()), "bytes": path.stat().st_size})
            session.run(record["models"][-1], sides, tests)
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted; what was measured stays", file=sys.stderr)
    session.write()
    print(f"\n{report(record)}\n{stem}.md and {stem}.json hold it", flush=True)
    return 130 if interrupted else 1 if record["failures"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unusable as problem:
        print(f"compare_llama_cpp: {problem}", file=sys.stderr)
        sys.exit(2)
