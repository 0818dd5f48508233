"""The benchmark's script over recorded output of both programs: reading, medians, the table, and whole runs in which
shell scripts print the recordings."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
sys.path.insert(0, str(HERE))

import compare_llama_cpp as bench  # noqa: E402
import comparison_table  # noqa: E402
import programs  # noqa: E402

LAVAPIPE = "llvmpipe (LLVM 15.0.6, 256 bits)"
# In the form of the recorded line, as a GPU with cooperative matrices fills it in.
GPU_LINE = ("ggml_vulkan: 0 = NVIDIA H200 (NVIDIA) | uma: 0 | fp16: 1 | bf16: 1 | warp size: 32 | shared memory: 49152 | "
            "int dot: 1 | matrix cores: NV_coopmat2")


def recorded(name):
    return (DATA / name).read_text(encoding="utf8")


def measurement(program, value, test="tg128", variant="default", warm_up=False):
    return {"model": "m.gguf", "test": test, "program": program, "variant": variant, "warm_up": warm_up,
            "value": value, "load_average": 0.5}


def record_of(measurements, device="a GPU"):
    return {"date": "2026-01-01", "command": "compare", "machine": {"cpu": "a CPU", "cores": 2, "system": "Linux"},
            "device": {"name": device, "driver": "a driver"}, "failures": [],
            "programs": {"ours": {"version": "fovea-cli 0.1.0", "sha256": "0" * 64},
                         "peer": {"version": "0.7.0", "device_lines": [GPU_LINE]}},
            "models": [{"name": "m.gguf", "bytes": 1 << 30}], "measurements": measurements}


class Reading(unittest.TestCase):
    def test_our_speeds(self):
        speeds = programs.our_speeds(recorded("fovea_bench.jsonl"))
        self.assertEqual(list(speeds), ["pp32", "tg8"])
        self.assertAlmostEqual(speeds["pp32"]["value"], 175.974, 3)
        self.assertEqual(speeds["tg8"]["device"], LAVAPIPE)

    def test_our_speeds_at_a_depth(self):
        line = json.loads(recorded("fovea_bench.jsonl").splitlines()[1])
        self.assertEqual(list(programs.our_speeds(json.dumps({**line, "depth": 32768}))), ["tg8@d32768"])

    def test_peer_speeds_are_medians_of_the_samples(self):
        text = recorded("llama_bench.json")
        speeds = programs.peer_speeds(text)
        self.assertEqual(list(speeds), ["pp32", "tg8"])
        self.assertAlmostEqual(speeds["pp32"]["value"], (7.50191 + 7.81267) / 2)
        self.assertEqual(speeds["tg8"]["backends"], "Vulkan")
        deep = text.replace('"n_depth": 0', '"n_depth": 64')
        self.assertEqual(list(programs.peer_speeds(deep)), ["pp32@d64", "tg8@d64"])

    def test_an_array_cut_short_keeps_what_is_complete(self):
        text = recorded("llama_bench.json")
        self.assertEqual(list(programs.peer_speeds(text[:text.rindex('"avg_ns"')])), ["pp32"])
        self.assertEqual(programs.peer_speeds(""), {})
        self.assertEqual(programs.json_objects("no JSON { here"), [])

    def test_peer_device(self):
        start = recorded("llama_bench.stderr")
        self.assertEqual(programs.peer_device_names(start), [LAVAPIPE])
        self.assertIn("matrix cores: none", programs.peer_device_lines(start)[0])
        self.assertEqual(programs.peer_device_names(recorded("llama_completion.stderr")), [LAVAPIPE])
        self.assertEqual(programs.peer_device_names(GPU_LINE), ["NVIDIA H200"])

    def test_memory_beyond_weights_and_kv(self):
        ours = programs.our_memory(recorded("fovea_generate.json"))
        self.assertAlmostEqual(ours["value"], (3136768 + 105216) / programs.MIB)
        peer = programs.peer_memory(recorded("llama_completion.stderr"))
        self.assertAlmostEqual(peer["value"], 36.52)
        self.assertEqual(peer["told"]["Vulkan_Host compute"], 4.52)

    def test_memory_that_is_not_told_is_no_number(self):
        self.assertIsNone(programs.our_memory('{"text":"a"}'))
        self.assertIsNone(programs.our_memory(""))
        self.assertIsNone(programs.peer_memory("Vulkan_Host compute buffer size = 4.52 MiB"))

    def test_tests_by_name(self):
        self.assertEqual(programs.parse_test("tg128@d32768"), ("tg", 128, 32768))
        self.assertEqual(programs.parse_test("load"), ("load", 0, 0))
        for wrong in ("pp", "tg0", "xx4", "pp4@32", "load@d4", ""):
            with self.assertRaises(programs.Unusable):
                programs.parse_test(wrong)
        groups = programs.bench_groups(map(programs.parse_test, bench.TESTS.split(",")))
        self.assertEqual(groups, {0: ([512, 4096], [128]), 32768: ([], [128])})
        self.assertEqual(programs.bench_arguments(32768, [], [128], 1), ["-p", "0", "-n", "128", "-r", "1", "-d", "32768"])


class Table(unittest.TestCase):
    def test_medians_spread_and_ratio(self):
        record = record_of([measurement("ours", 1, warm_up=True)]
                           + [measurement("ours", value) for value in (200, 260, 250)]
                           + [measurement("peer", value) for value in (100, 90, 125)])
        row = comparison_table.table(record, "m.gguf").splitlines()[2]
        self.assertEqual(row, "| tg128 | t/s | more | default | 250.0 | 200.0 – 260.0 (3) | 100.0 | 90.00 – 125.0 (3) "
                              "| 2.50 |")

    def test_what_one_side_does_not_tell_has_no_ratio(self):
        record = record_of([measurement("ours", 3.0, "memory"), measurement("peer", None, "memory")])
        row = comparison_table.table(record, "m.gguf").splitlines()[2]
        self.assertTrue(row.endswith("| not recorded | - | - |"), row)

    def test_a_row_for_each_variant_and_a_column_for_each_of_the_peers(self):
        record = record_of([measurement("ours", 10), measurement("ours", 20, variant="--activations q8_0"),
                            measurement("peer", 5), measurement("peer", 4, variant="-ctk q8_0")])
        lines = comparison_table.table(record, "m.gguf").splitlines()
        self.assertIn("llama.cpp `-ctk q8_0`", lines[0])
        self.assertEqual(len(lines), 4)
        self.assertIn("`--activations q8_0`", lines[3])
        self.assertTrue(lines[3].endswith("| 4.00 | 4.00 – 4.00 (1) | 5.00 |"), lines[3])
        self.assertEqual({line.count("|") for line in lines}, {lines[0].count("|")})

    def test_the_report_names_the_peers_device(self):
        self.assertIn("matrix cores: NV_coopmat2", comparison_table.report(record_of([measurement("ours", 1)])))

    def test_records_of_one_device_become_one_table(self):
        one, two = record_of([measurement("ours", 10)]), record_of([measurement("ours", 20)])
        self.assertEqual(len(comparison_table.merged([one, two])["measurements"]), 2)
        self.assertEqual(len(one["measurements"]), 1)
        with self.assertRaises(programs.Unusable):
            comparison_table.merged([one, record_of([], "another GPU")])

    def test_turns(self):
        self.assertEqual(bench.alternate([("o", [1, 2]), ("p", [3])]), [("o", 1), ("p", 3), ("o", 2)])


class WholeRuns(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "m.gguf").write_bytes(b"GGUF")
        self.script("fovea-cli", f"""case "$*" in
--version) echo fovea-cli 0.1.0 ;;
"devices --json") cat {DATA}/fovea_devices.json ;;
bench*) cat {DATA}/fovea_bench.jsonl ;;
generate*--json*) cat {DATA}/fovea_generate.json ;;
*) echo , ;;
esac""")
        self.script("llama-bench", f"""cat {DATA}/llama_bench.stderr >&2
case "$*" in
--help) echo "--n-gpu-layers --n-depth" ;;
--version) echo "version: 0.7.0 (build 11669)" ;;
*) cat {DATA}/llama_bench.json ;;
esac""")
        self.script("llama-completion", f"""case "$*" in
--help) echo "--n-gpu-layers --no-warmup" ;;
*) cat {DATA}/llama_completion.stderr >&2; echo , ;;
esac""")

    def script(self, name, body):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf8")
        path.chmod(0o755)

    def run_bench(self, *arguments):
        environment = {name: value for name, value in os.environ.items() if name != "GGML_VK_VISIBLE_DEVICES"}
        command = [sys.executable, str(HERE / "compare_llama_cpp.py"), "--fovea", str(self.folder / "fovea-cli"),
                   "-o", str(self.folder / "out"), str(self.folder / "m.gguf"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    def test_everything_is_recorded(self):
        done = self.run_bench("--peer", str(self.folder), "--tests", "pp32,tg8,load,memory", "--rounds", "2")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        record = json.loads((self.folder / "out.json").read_text(encoding="utf8"))
        self.assertEqual(len(record["measurements"]), 2 + 2 * 6 + 2)
        programs = [m["program"] for m in record["measurements"] if m["test"] == "tg8"]
        self.assertEqual(programs, ["ours", "peer", "ours", "peer"])
        self.assertEqual(record["environment"]["GGML_VK_VISIBLE_DEVICES"], "0")
        for entry in record["measurements"]:
            self.assertIsNotNone(entry["value"])
            self.assertIn("m.gguf", entry["command"])
        self.assertIn("| tg8 | t/s | more | default | 35.73 |", (self.folder / "out.md").read_text(encoding="utf8"))

    def test_a_peer_on_another_device_is_refused(self):
        other = json.loads(recorded("fovea_devices.json"))
        other[0]["name"] = "NVIDIA H200"
        self.script("fovea-cli", f"cat <<'END'\n{json.dumps(other)}\nEND")
        done = self.run_bench("--peer", str(self.folder))
        self.assertEqual(done.returncode, 2)
        self.assertIn("llama.cpp sees llvmpipe", done.stderr)

    def test_without_a_peer_it_says_what_to_do(self):
        done = self.run_bench()
        self.assertEqual(done.returncode, 2)
        self.assertIn("-DGGML_VULKAN=ON", done.stderr)
        self.assertIn("--no-peer", done.stderr)

    def test_a_failure_is_told_and_the_rest_stays(self):
        self.script("llama-completion", 'test "$1" = --help && echo "--n-gpu-layers" || { echo "no memory" >&2; exit 1; }')
        done = self.run_bench("--peer", str(self.folder), "--tests", "tg8,memory", "--rounds", "1")
        self.assertEqual(done.returncode, 1)
        report = (self.folder / "out.md").read_text(encoding="utf8")
        self.assertIn("exit status 1: no memory", report)
        self.assertIn("| tg8 |", report)

    def test_a_time_limit_ends_the_call_in_progress(self):
        # The recording is one of two tests; what the slow program had printed when it was stopped stays.
        self.script("fovea-cli", f"""case "$*" in
--version) ;;
"devices --json") cat {DATA}/fovea_devices.json ;;
*) head -n 1 {DATA}/fovea_bench.jsonl; sleep 30 ;;
esac""")
        done = self.run_bench("--no-peer", "--tests", "pp32,tg8", "--rounds", "1", "--time-limit", "0.5")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        record = json.loads((self.folder / "out.json").read_text(encoding="utf8"))
        self.assertEqual([m["test"] for m in record["measurements"]], ["pp32"])
        self.assertIn("time limit", record["failures"][0]["why"])


if __name__ == "__main__":
    unittest.main()
