#!/usr/bin/env python3
"""Benchmarks fovea-cli beside llama.cpp on one GGUF file and one Vulkan device, alternately.

Writes a Markdown table (medians over rounds, their spread, ratios) and a JSON file with every measurement, both anew
after every call, so that what a time limit cuts off is only the call in progress. docs/performance.md tells how to
run it and what the numbers mean. Python's standard library is all it needs.
"""

import argparse
import datetime
import hashlib
import json
import os
import platform
import re
import select
import shlex
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = "pp512,pp4096,tg128,tg128@d32768,load,memory"
LOAD_PROMPT = "Once upon a time"
MEMORY_CONTEXT = 4096
# More than one full batch of 512 in any tokenizer and less than the context, so that our buffers have their full size;
# llama.cpp reserves its own for a full batch when it starts.
MEMORY_PROMPT = " the" * 600
MIB = 1 << 20
NO_PEER = """no llama.cpp to compare with: give --peer FOLDER_OR_PROGRAM, where the folder holds llama-bench (and, for
load and memory, llama-completion), itself or in bin/, or a program `run` that starts them as `run llama-bench ...`.
  from source:  cmake -B build -DGGML_VULKAN=ON && cmake --build build --target llama-bench llama-completion
                then --peer LLAMA_CPP/build
  packaged:     any build with the Vulkan backend, for example Debian's llama.cpp-tools with libggml0-backend-vulkan;
                then --peer /usr/bin
Or measure Fovea alone with --no-peer."""


class Unusable(Exception):
    """What was asked for cannot be measured; the message says why and what to do."""


# Parsing: what both programs print.

def json_objects(text):
    """The complete objects of an array, of lines, or of either cut short by a time limit."""
    decoder, objects, at = json.JSONDecoder(), [], text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            break
        objects.append(value)
        at = text.find("{", end)
    return objects


def test_name(prompt, generate, depth):
    name = f"pp{prompt}" if prompt else f"tg{generate}"
    return f"{name}@d{depth}" if depth else name


def our_speeds(text):
    """{test: speed} of `fovea-cli bench --json`; the speed is the median of the call's repetitions."""
    speeds = {}
    for line in json_objects(text):
        name = line["test"] + (f"@d{line['depth']}" if line["depth"] else "")
        speeds[name] = {"value": line["tps"]["median"], "mean": line["tps"]["mean"], "stddev": line["tps"]["stddev"],
                        "device": line["device"], "driver": line["driver"], "kv": line["kv"],
                        "activations": line.get("activations"),
                        "bytes_per_token": line["bytes_per_token"]}
    return speeds


def peer_speeds(text):
    """{test: speed} of `llama-bench -o json`."""
    speeds = {}
    for entry in json_objects(text):
        name = test_name(entry["n_prompt"], entry["n_gen"], entry.get("n_depth", 0))
        samples = entry.get("samples_ts") or [entry["avg_ts"]]
        speeds[name] = {"value": statistics.median(samples), "samples": samples, "mean": entry["avg_ts"],
                        "stddev": entry["stddev_ts"], "device": entry["gpu_info"], "backends": entry["backends"],
                        "kv": entry["type_k"], "n_gpu_layers": entry["n_gpu_layers"],
                        "flash_attn": entry["flash_attn"],
                        "build": f"{entry['build_commit']} ({entry['build_number']})"}
    return speeds


def peer_device_lines(text):
    """The lines in which llama.cpp's Vulkan backend names its devices and their matrix cores."""
    return re.findall(r"^ggml_vulkan: \d+ = .*$", text, re.MULTILINE)


def peer_device_names(text):
    """Device names from those lines, and from the line that llama-completion prints while it loads a model."""
    loading = re.findall(r"using device Vulkan\d+ \((.+?)\)(?: \((?:unknown id|[0-9a-fA-F:.]+)\))? - \d+ MiB", text)
    return loading + [re.sub(r" \([^()]*\)$", "", line.split(" = ", 1)[1].split(" | ")[0])
                      for line in peer_device_lines(text)]


def our_memory(text):
    """Bytes beyond weights and KV, from `fovea-cli generate --json`; None where it does not tell."""
    objects = json_objects(text)
    memory = objects[0].get("memory") if objects else None
    if not memory or "compute" not in memory or "other" not in memory:
        return None
    return {"value": (memory["compute"] + memory["other"]) / MIB, "told": memory}


def peer_memory(text):
    """MiB of the compute buffers that llama.cpp tells for Vulkan devices; None where it does not."""
    told = {}
    for buffer, size in re.findall(r"(Vulkan\w* +compute) buffer size = +([0-9.]+) MiB", text):
        told[" ".join(buffer.split())] = float(size)  # told more than once, of the same buffer: the last one stays
    on_device = [size for buffer, size in told.items() if not buffer.startswith("Vulkan_Host")]
    return {"value": sum(on_device), "told": told} if on_device else None


def parse_test(text):
    """("pp" | "tg" | "load" | "memory", tokens, depth)"""
    if text in ("load", "memory"):
        return text, 0, 0
    match = re.fullmatch(r"(pp|tg)([1-9]\d*)(?:@d(\d+))?", text)
    if not match:
        raise Unusable(f"unknown test {text}: tests are ppN, tgN, either with @dDEPTH, load and memory")
    return match[1], int(match[2]), int(match[3] or 0)


def bench_groups(tests):
    """Tests of one depth share a call: {depth: ([prompt lengths], [generation lengths])}."""
    groups = {}
    for kind, tokens, depth in tests:
        if kind in ("pp", "tg"):
            groups.setdefault(depth, ([], []))[kind == "tg"].append(tokens)
    return groups


def bench_arguments(depth, prompts, generates, repetitions):
    lists = [",".join(map(str, values)) or "0" for values in (prompts, generates)]
    return ["-p", lists[0], "-n", lists[1], "-r", str(repetitions)] + (["-d", str(depth)] if depth else [])


# The report: pure functions of what was recorded.

def unit_of(test):
    return {"load": "s", "memory": "MiB"}.get(test, "t/s")


def test_title(test):
    titles = {"load": "start to first token", "memory": "memory beyond weights and KV"}
    return titles.get(test, test.replace("@d", " @ d"))


def shown(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def ratio(ours, peer):
    return f"{ours / peer:.2f}" if ours and peer else "-"


def values_of(record, model, test, program, variant):
    return [m["value"] for m in record["measurements"] if not m["warm_up"] and m["value"] is not None
            and (m["model"], m["test"], m["program"], m["variant"]) == (model, test, program, variant)]


def cells(values):
    if not values:
        return "not recorded", "-", None
    middle = statistics.median(values)
    return shown(middle), f"{shown(min(values))} – {shown(max(values))} ({len(values)})", middle


def in_order(items):
    return list(dict.fromkeys(items))


def table(record, model):
    """A row for every test and variant of ours, beside every variant of the peer."""
    measured = [m for m in record["measurements"] if m["model"] == model and not m["warm_up"]]
    variants = {program: in_order(m["variant"] for m in measured if m["program"] == program)
                for program in ("ours", "peer")}
    head = ["test", "unit", "better", "Fovea", "median", "min – max (rounds)"]
    for peer in variants["peer"]:
        head += ["llama.cpp" if peer == "default" else f"llama.cpp `{peer}`", "min – max (rounds)", "ours / peer"]
    rows = [head, ["---"] * len(head)]
    for test in in_order(m["test"] for m in measured):
        unit = unit_of(test)
        for ours in variants["ours"] or ["default"]:
            text, spread, middle = cells(values_of(record, model, test, "ours", ours))
            row = [test_title(test), unit, "more" if unit == "t/s" else "less",
                   ours if ours == "default" else f"`{ours}`", text, spread]
            for peer in variants["peer"]:
                peer_text, peer_spread, peer_middle = cells(values_of(record, model, test, "peer", peer))
                row += [peer_text, peer_spread, ratio(middle, peer_middle)]
            rows.append(row)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def report(record):
    ours, peer, machine = record["programs"]["ours"], record["programs"].get("peer"), record["machine"]
    lines = [f"Measured {record['date']} on {machine['cpu']}, {machine['cores']} cores, {machine['system']}.", "",
             f"- device: {record['device']['name']}, driver {record['device']['driver']}",
             f"- Fovea: {ours['version']}, SHA-256 of the program {ours['sha256'][:12]}"]
    if peer:
        lines.append(f"- llama.cpp: {peer['version']}")
        lines += [f"- llama.cpp's device: `{line}`" for line in peer["device_lines"]]
    lines.append(f"- command: `{record['command']}`")
    loads = [m["load_average"] for m in record["measurements"] if m["load_average"] is not None]
    if loads:
        lines.append(f"- load average (1 min) before the calls: median {statistics.median(loads):.1f}, "
                     f"highest {max(loads):.1f}; the calls themselves are part of it")
    for model in record["models"]:
        lines += ["", f"**{model['name']}** ({model['bytes'] / MIB:.0f} MiB)", "", table(record, model["name"])]
    if record["failures"]:
        lines += ["", "Failed or left out:", ""]
        lines += [f"- {f['model']}, {f['tests']}, {f['program']} {f['variant']}, round {f['round']}: {f['why']}"
                  for f in record["failures"]]
    return "\n".join(lines) + "\n"


def merged(records):
    """One record of several of the same device, for a set of tests that took more than one command."""
    result = json.loads(json.dumps(records[0]))
    for record in records[1:]:
        if record["device"]["name"] != result["device"]["name"]:
            raise Unusable(f"{record['device']['name']} and {result['device']['name']} do not belong in one table")
        for key in ("measurements", "failures"):
            result[key] += record[key]
        names = [model["name"] for model in result["models"]]
        result["models"] += [model for model in record["models"] if model["name"] not in names]
    result["command"] = "; ".join(record["command"] for record in records)
    return result


# Running the programs.

def load_average():
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def environment(extra):
    return {**os.environ, **extra}


def capture(command, extra, limit=60):
    """Standard output and error of a short call; empty where it cannot be run."""
    try:
        done = subprocess.run(command, env=environment(extra), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=limit)
        return done.stdout, done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)


class Call:
    """One run of a program: its output, the seconds to its first printed character and to its end."""

    def __init__(self, command, extra, errors_path, limit):
        self.command = command
        self.load_average = load_average()
        self.at = now()
        start = time.monotonic()
        with open(errors_path, "wb") as errors:
            process = subprocess.Popen(command, env=environment(extra), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
            try:
                self.output, self.first_character, self.timed_out = read_output(process, start, limit)
            except BaseException:
                stop(process)
                raise
        self.status = process.wait()
        self.seconds = time.monotonic() - start
        self.errors = Path(errors_path).read_text(errors="replace")

    def why_failed(self):
        if self.timed_out:
            return f"stopped at the time limit after {self.seconds:.0f} s"
        if self.status != 0:
            said = [line for line in self.errors.strip().splitlines() if line.strip()]
            return f"exit status {self.status}" + (f": {said[-1]}" if said else "")
        return None


def stop(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def read_output(process, start, limit):
    """Standard output, the seconds to its first printable character, and whether the limit ended the run."""
    chunks, first = [], None
    descriptor = process.stdout.fileno()
    while True:
        left = None if limit is None else start + limit - time.monotonic()
        if left is not None and left <= 0:
            stop(process)
            return b"".join(chunks).decode(errors="replace"), first, True
        ready, _, _ = select.select([descriptor], [], [], left)
        if not ready:
            continue
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return b"".join(chunks).decode(errors="replace"), first, False
        if first is None and chunk.strip():
            first = time.monotonic() - start
        chunks.append(chunk)


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


class Ours:
    program = "ours"

    def __init__(self, path, device):
        self.path = Path(path)
        if not os.access(self.path, os.X_OK):
            raise Unusable(f"{path} is no program: build it with tools/run or name it with --fovea")
        self.device_arguments = [] if device is None else ["--device", str(device)]
        self.extra = {}

    def describe(self):
        version, _ = capture([str(self.path), "--version"], {})
        return {"path": str(self.path), "version": version.strip(),
                "sha256": hashlib.sha256(self.path.read_bytes()).hexdigest()}

    def device(self, wanted):
        out, errors = capture([str(self.path), "devices", "--json"], {})
        try:
            devices = json.loads(out)
        except ValueError:
            raise Unusable(f"fovea-cli devices tells no devices: {errors.strip() or out.strip()}")
        found = [d for d in devices if (d["chosen"] if wanted is None else d["index"] == wanted)]
        if not found:
            raise Unusable("fovea-cli chooses no device: install a Vulkan driver, or source build/env.sh for the private "
                           "one, or give --device as `fovea-cli devices` counts")
        return found[0]

    def command(self, subcommand, model, variant):
        return [str(self.path), subcommand, "-m", model, "--json", *self.device_arguments, *variant]

    def bench(self, model, variant, depth, prompts, generates, repetitions):
        return self.command("bench", model, variant) + bench_arguments(depth, prompts, generates, repetitions)

    def load(self, model, variant):
        command = [part for part in self.command("generate", model, variant) if part != "--json"]
        return command + ["-p", LOAD_PROMPT, "-n", "1", "-c", "512", "--temp", "0", "--seed", "1"]

    def memory(self, model, variant):
        return self.command("generate", model, variant) + ["-p", MEMORY_PROMPT, "-n", "1", "-c", str(MEMORY_CONTEXT),
                                                           "--temp", "0", "--seed", "1"]

    speeds = staticmethod(our_speeds)

    def memory_told(self, call):
        return our_memory(call.output)


class Peer:
    program = "peer"

    def __init__(self, where, device_index):
        self.start = self.find(Path(where))
        self.extra = {} if "GGML_VK_VISIBLE_DEVICES" in os.environ else {"GGML_VK_VISIBLE_DEVICES": str(device_index)}
        self.help = {tool: "\n".join(capture(self.start(tool) + ["--help"], self.extra))
                     for tool in ("llama-bench", "llama-completion")}
        if "--n-gpu-layers" not in self.help["llama-bench"]:
            raise Unusable(f"{where} starts no llama-bench: {self.help['llama-bench'].strip()[:300]}")
        self.can_complete = "--n-gpu-layers" in self.help["llama-completion"]

    @staticmethod
    def find(where):
        """How a tool's name becomes the start of a command."""
        where = where.absolute()
        if where.is_dir():
            if not (where / "llama-bench").exists() and (where / "run").exists():
                return lambda tool: [str(where / "run"), tool]
            for folder in (where, where / "bin"):
                if (folder / "llama-bench").exists():
                    return lambda tool: [str(folder / tool)]
            raise Unusable(f"{where} holds neither llama-bench nor bin/llama-bench nor run\n{NO_PEER}")
        if where.name.startswith("llama-bench") and where.exists():
            return lambda tool: [str(where if tool == "llama-bench" else where.parent / tool)]
        if where.exists():
            return lambda tool: [str(where), tool]
        raise Unusable(f"{where} does not exist\n{NO_PEER}")

    def describe(self):
        version = "\n".join(capture(self.start("llama-bench") + ["--version"], self.extra))
        found = re.search(r"^version: .*$", version, re.MULTILINE)
        return {"path": self.start("llama-bench")[0], "version": found[0][9:] if found else "not told by --version",
                "device_lines": peer_device_lines(self.help["llama-bench"])}

    def bench(self, model, variant, depth, prompts, generates, repetitions):
        if depth and "--n-depth" not in self.help["llama-bench"]:
            raise Unusable("this llama-bench has no -d: it cannot measure at a depth")
        return self.start("llama-bench") + ["-m", model, "-ngl", "99", "-fa", "1", "-o", "json", *variant,
                                            *bench_arguments(depth, prompts, generates, repetitions)]

    def complete(self, model, variant, context):
        """llama-completion without what delays it: the fitting of options to the memory and the warm-up run.

        At verbosity 4 it names its device and the sizes of its buffers, some 150 lines.
        """
        if not self.can_complete:
            raise Unusable("no llama-completion beside llama-bench")
        told = self.help["llama-completion"]
        flash = ["-fa", "on"] if re.search(r"--flash-attn +\[?on", told) else ["-fa"]
        optional = [option for option, words in (("--no-warmup", ["--no-warmup"]), ("--fit ", ["--fit", "off"]))
                    if option in told for option in words]
        return self.start("llama-completion") + [
            "-m", model, "-p", LOAD_PROMPT, "-n", "1", "-c", str(context), "-ngl", "99", *flash, "-no-cnv",
            "--no-display-prompt", "--temp", "0", "--seed", "1", "--log-verbosity", "4", *optional, *variant]

    def load(self, model, variant):
        return self.complete(model, variant, 512)

    def memory(self, model, variant):
        return self.complete(model, variant, MEMORY_CONTEXT)

    speeds = staticmethod(peer_speeds)

    def memory_told(self, call):
        return peer_memory(call.errors + call.output)

    @staticmethod
    def wrong_device(call, results, wanted):
        """Why a call counts as one on another device, or None."""
        benched = [result for result in results.values() if "backends" in result]
        devices = [result["device"] for result in benched] + peer_device_names(call.errors)
        if not devices:
            return "llama.cpp did not say which Vulkan device it ran on"
        other = [device for device in devices if device != wanted]
        if other:
            return f"llama.cpp ran on {other[0]}, not on {wanted}"
        if any("Vulkan" not in result["backends"] for result in benched):
            return "llama.cpp ran without its Vulkan backend"
        return None


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
