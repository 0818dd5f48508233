"""The table that a record of measurements is shown as: pure functions of what was recorded."""

import json
import statistics

from programs import MIB, Unusable


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
