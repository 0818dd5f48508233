"""Fovea's program and llama.cpp's: how they are called, and what their output says."""

import datetime
import hashlib
import json
import os
import re
import select
import signal
import statistics
import subprocess
import time
from pathlib import Path

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
