"""The tables of what time adds: systems on synthetic videos, and objects followed from masks on real ones."""

from __future__ import annotations

from statistics import mean

from marked_tables import table
from results_files import gained, number, points, read

SYSTEMS = {
    "frame_by_frame": "frame by frame",
    "always_shown": "frame by frame, never gated",
    "hysteresis": "hysteresis and largest component",
    "vote_causal": "vote of the last frames",
    "vote_centred": "vote of the frames around",
    "best_key_frame": "best key frame, carried both ways",
    "tracks": "**tracks** (the default)",
    "tracks_key_4": "tracks, `key_frames=every:4 decode=key`",
    "tracks_lookahead": "tracks, `tracker.lookahead=12`",
    "tracks_both_ways": "tracks, `tracker.both_ways=true`",
    "true_propagation": "oracle: best key frame, true propagation",
    "true_identity": "oracle: true identity on every frame",
}


REAL = {
    "frame_by_frame": "frame by frame",
    "tracks": "**tracks** (the default)",
    "tracks_both_ways": "tracks, `tracker.both_ways=true`",
    "tracks_key_4": "tracks, `key_frames=every:4 decode=key`",
    "tracks_both_ways_key_4": "the same, `tracker.both_ways=true`",
    "tracks_key_8": "tracks, `key_frames=every:8 decode=key`",
    "oracle_candidate": "oracle: the best candidate of every frame",
}


def real_tracks() -> str:
    """Every system on the answers of a model that has seen photographs, clip by clip."""
    document = read("real_tracks")
    rows = []
    for name, title in REAL.items():
        by_clip = [points(document["systems"][name][clip]["J&F"]) for clip in document["clips"]]
        rows.append([title, *by_clip, points(document["mean"][name])])
    return table(("system", *document["clips"], "mean"), rows)


def real_presence() -> str:
    """What is shown where the target is and where it is not, at several shares that are to be shown."""
    rows = []
    for name, figures in read("real_presence")["trackers"].items():
        for level in figures["all"]["levels"]:
            if level["wanted_t_acc"] in (0.9, 0.95, 0.975):
                cells = points(level["wanted_t_acc"]), str(level["threshold"]), points(level["N-acc"])
                rows.append([{"none": "frame by frame"}.get(name, REAL.get(name, name)), *cells])
    return table(("system", "T-acc", "presence that it takes", "N-acc"), rows)


def real_faults() -> str:
    """Every system on true masks, and on true masks with one kind of fault."""
    faults = read("real_faults")["faults"]
    systems = list(next(iter(faults.values()))["mean"])
    rows = [
        [fault.replace("_", " "), *(points(figures["mean"][name]) for name in systems)]
        for fault, figures in faults.items()
    ]
    return table(("fault", *(REAL[name] for name in systems)), rows)


def video_gain() -> str:
    """Every system on the test videos, with its gain over the image model frame by frame."""
    document = read("video_gain")
    measured = {name: row for kind in document["stable"].values() for name, row in kind.items()}
    gains, costs = document["gain_over_frame_by_frame"], document["cpu_ms_per_frame_and_expression"]
    rows = []
    for name, title in SYSTEMS.items():
        row = measured[name]
        gain = gained(gains[name]) if name in gains else ""
        cells = [points(row[key]) for key in ("J&F", "N-acc", "T-acc", "J&F_all_frames")]
        rows.append([title, cells[0], gain, *cells[1:], number(costs[name])])
    rows.append(["the image model alone", "", "", "", "", "", number(costs["image_model"])])
    return table(("system", "J&F, target visible", "gain", "N-acc", "T-acc", "J&F, all frames", "ms"), rows)


def video_families() -> str:
    """Frame by frame and `tracks` by family of challenge."""
    document = read("video_gain")
    systems = [document["stable"]["causal"][name]["families"] for name in ("frame_by_frame", "tracks")]
    rows = []
    for verdict in sorted(document["tracks_family_verdicts"], key=lambda v: v["family"]):
        family = verdict["family"]
        key = "J&F" if systems[0][family]["J&F"] is not None else "J&F_all_frames"
        shown = [points(of_system[family][key]) for of_system in systems]
        constant = points(document["constant_share_of_error"].get(family))
        rows.append([family.replace("_", " "), *shown, gained(verdict), constant])
    rows.append(["all", "", "", "", points(document["constant_share_of_error"]["all"])])
    return table(("family", "frame by frame", "tracks", "difference", "constant share of error, %"), rows)


def video_kinds() -> str:
    """The headline's expressions beside those whose answer changes, and those that only motion tells."""
    kinds = {"stable": "answer never changes", "stale": "answer changes", "motion": "told by motion alone"}
    document = read("video_gain")
    rows = []
    for kind, title in kinds.items():
        causal = document[kind]["causal"]
        names = ("frame_by_frame", "always_shown", "tracks")
        count = str(causal["tracks"]["expressions_with_target"])
        rows.append([title, count, *(points(causal[name]["J&F"]) for name in names)])
    return table(("expressions", "with a target", "frame by frame", "never gated", "tracks"), rows)


def motion_words() -> str:
    """The expressions that only motion tells, with the embedded model and with true masks in its place."""
    models = {"embedded": "embedded", "true_masks": "true masks"}
    keys = ("J&F", "identity", "N-acc", "T-acc")
    rows = []
    for model, systems in read("motion_words")["results"].items():
        for system, row in systems.items():
            figures = [points(row[key]) for key in keys]
            rows.append([models[model], REAL[system], f"{row['with_target']} of {row['expressions']}", *figures])
    return table(("image model", "system", "with a target", "J&F, target visible", *keys[1:]), rows)


def video_twins() -> str:
    """What a challenge costs: the same expressions with and without it."""
    systems = read("video_gain")["twins"]["all"]["systems"]
    return table(
        ("system", "without challenge", "with challenge", "cost"),
        (
            [SYSTEMS[name], points(row["calm"]), points(row["challenge"]), gained(row["drop"])]
            for name, row in systems.items()
        ),
    )


def video_ablations() -> str:
    """`tracks` with one part off at a time."""
    document = read("video_ablations")
    titles = {
        "without_said": "what the image model pointed at, by appearance",
        "without_shown": "what is learned of the masks shown",
        "without_history": "the history of which track was meant",
        "without_presence": "the mean of presence over frames",
        "without_refusal": "the doubt about candidates",
    }
    causal, worth = document["stable"]["causal"], document["tracks_over_baselines"]
    rows = [["nothing", points(causal["tracks"]["J&F"]), ""]]
    rows += [[title, points(causal[name]["J&F"]), gained(worth[name])] for name, title in titles.items()]
    return table(("part that is off", "J&F, target visible", "worth of the part"), rows)


def mask_prompts() -> str:
    """J&F of objects followed from a mask, and frames a processor second of the trackers among the methods."""
    document = read("mask_prompts")
    methods, clips = list(document["J&F_mean"]), document["clips"]
    rows = [[clip, *(points(measured[m]["J&F"]) for m in methods)] for clip, measured in clips.items()]
    rows.append(["mean", *(points(document["J&F_mean"][m]) for m in methods)])
    speeds = [mean([measured[m]["frames_per_processor_s"] for measured in clips.values()]) for m in methods]
    shown = [number(s, 0) if m.startswith("tracker") else "" for m, s in zip(methods, speeds, strict=True)]
    return table(("clip", *methods), [*rows, ["frames a processor second", *shown]])
