"""The tables of speed and memory."""

from __future__ import annotations

from marked_tables import table
from results_files import gained, number, points, read


def segment_speed() -> str:
    """The steps of the command one by one on one thread, by height."""
    by_height = read("segment_speed")["ms_a_frame_by_height"]
    rows = [[step, *(number(of[step]) for of in by_height.values())] for step in next(iter(by_height.values()))]
    return table(("processor ms a frame", *(f"{height}p" for height in by_height)), rows)


def segment_writing() -> str:
    """The command from a mask at the largest height, beside the code before."""
    document = read("segment_speed")["from_a_mask"]
    titles = {
        "wall_s": "wall seconds of the command's pass",
        "waiting_for_writer_s": "of these waiting for the writer",
        "writing_s": "seconds that the writer's threads were busy, added up",
        "processor_s": "processor seconds of the whole command",
    }
    codes = [document[which] for which in ("before", "now")]
    rows = [[title, *(number(code[key]) for code in codes)] for key, title in titles.items()]
    return table((f"{document['frames']} frames at {document['height']}p from a mask", "before", "now"), rows)


def propagation_large() -> str:
    """Speed of three full-scale models against every frame through the encoder."""
    large = read("propagation_speed")["large"]
    titles = {
        "every frame": "every frame, no tracker",
        "flow every:4": "`flow`",
        "affinity every:4": "`affinity`",
        "tracker alone every:4": "the tracker alone",
    }
    return table(
        ("one core, `key_frames=every:4`", *(f"`{name}`" for name in large)),
        ([title, *(number(model[name]["times"]) for model in large.values())] for name, title in titles.items()),
    )


def propagation_embedded() -> str:
    """Speed and J&F of the embedded model."""
    rows = []
    for name, row in read("propagation_speed")["embedded"].items():
        lost = {"mean": -row["J&F_lost"], "interval": [-end for end in reversed(row["J&F_lost_interval"])]}
        share = number(100 * row["encoded_share"], 0) + " %"
        rows.append([name, share, number(row["frames_per_s"]), points(row["J&F"]), gained(lost)])
    rows[0][-1] = ""
    return table(("embedded model", "frames encoded", "frames/s", "J&F", "against every frame"), rows)


def many_expressions() -> str:
    """What E expressions cost beside one."""
    models = read("many_expressions")["models"]
    counts = list(next(iter(models.values())))
    return table(
        ("expressions", *counts),
        ([f"`{name}`", *(number(row[count]["times_one"], 3) for count in counts)] for name, row in models.items()),
    )


def expressions_by_mode() -> str:
    """What five expressions cost beside one, in every way of reading, and beside the code before."""
    rows = []
    for name, model in read("expressions_by_mode")["models"].items():
        for mode, row in model["modes"].items():
            own = [number(row["one_ms"], 0), number(row["five_ms"], 0), number(row["times_one"], 2)]
            then = [number(row[key], 2) if key in row else "" for key in ("one_to_before", "five_to_before")]
            rows.append([f"`{name}`", mode, *own, *then])
    beside = ("one, to the code before", "five, to the code before")
    return table(("model", "reading", "one, ms", "five, ms", "five to one", *beside), rows)


def kernels() -> str:
    """What other ways to compute the same give on a processor."""
    document = read("kernels")
    titles = {"encoder": f"encoder of `{document['experiment']}`", "five_decodes": "five decodes of `s2rm_tiny`"}
    rows = []
    for key, title in titles.items():
        for way, row in document[key].items():
            rows.append([title, way, number(row["ms"], 0), number(row["to_first"], 2), f"{row['differs']:.0e}"])
    return table(("", "way", "ms", "to the first", "largest difference"), rows)


def chunk_counts() -> str:
    """Kernels and waits for the device of a frame, frame by frame and in chunks."""
    rows = []
    for reading, by_count in read("chunk_counts")["a_frame_by_expressions"].items():
        for count, chunks in by_count.items():
            for chunk, row in chunks.items():
                rows.append([reading, count, f"`{chunk}`", number(row["kernels"], 0), number(row["waits"], 2)])
    return table(("reading", "expressions", "", "kernels a frame", "waits a frame"), rows)


def tracking_cost() -> str:
    """What the tracker costs beside the image model, with the aims."""
    document = read("tracking_cost")
    more, ten = number(document["ms_of_one_more_expression"]), number(document["ten_tracks_to_one"], 2)
    return table(
        ("`tracks` at 480 x 854, one core", "measured", "aim, at most"),
        (
            ["ms a frame, one expression, with what is computed once a frame", number(document["one_track_ms"]), ""],
            ["ms a frame of one more expression", more, "12"],
            ["ten tracks, as a multiple of one", ten, "2"],
        ),
    )


def memory_flat() -> str:
    """How resident memory grows with a stream."""
    document = read("memory_flat")
    frames, most = f"{document['clip']['frames']:,}", document["most_mb_a_frame"]
    return table(
        ("system", "frames", "MB a frame", "aim, at most", "peak, MB"),
        (
            [name, frames, number(arm["mb_a_frame"], 4), str(most), number(arm["peak_mb"], 0)]
            for name, arm in document["arms"].items()
        ),
    )


def start_up() -> str:
    """The cost of commands until they process the first frame, beside the earlier code."""
    rows = []
    for name, row in read("start_up")["rows"].items():
        cost = [number(row[which][key], digits) for key, digits in _START_UP for which in ("before", "now")]
        rows.append([f"`rvos {name}`", *cost[:2], number(row["aim_s"], 1), *cost[2:]])
    return table(("command", "before, s", "now, s", "aim, at most", "before, MB", "now, MB"), rows)


_START_UP = (("processor_s", 2), ("peak_mb", 0))


def score_speed() -> str:
    """Seconds that both protocols of a dataset of Ref-DAVIS17's size take."""
    document = read("score_speed")
    size = [f"{document[key]:,}" for key in ("videos", "frames", "objects", "expressions")]
    seconds = document["seconds_by_processes"].items()
    header = ("videos", "frames", "objects", "expressions", "processes", "seconds")
    return table(header, ([*size, count, number(each, 0)] for count, each in seconds))


def metric_speed() -> str:
    """J and F of one mask beside the method of the reference."""
    document = read("metric_speed")
    rows = []
    for row in document["rows"]:
        aim = f"{document['aim_times_faster'][row['size']]}"
        cost = [number(row[key], 2) for key in ("dilation_ms", "ours_ms")]
        rows.append([row["size"], row["scene"], *cost, number(row["times_faster"]), aim])
    return table(("size", "scene", "reference's method, ms", "ours, ms", "times as fast", "aim"), rows)


def sequence_decoder() -> str:
    """The coordinate decoder with its cache, and without."""
    rows = []
    for row in read("sequence_decoder")["rows"]:
        cost = [number(row[key], 0) for key in ("prefix_ms", "cached_ms")]
        spread = f"{number(row['times'])} [{number(row['times_least'])}, {number(row['times_most'])}]"
        rows.append([str(row["points"]), str(row["expressions"]), *cost, spread])
    return table(("points", "expressions", "whole prefix, ms", "cache, ms", "times as fast [least, most]"), rows)


def synthetic_speed() -> str:
    """Images that one core draws per second."""
    document = read("synthetic_speed")
    rows = []
    for row in document["samples"]:
        size = str(row["size_px"])
        rows.append([size, str(row["expressions_per_image"]), number(row["images_per_s"], 0)])
    return table(("px", "expressions per image", "images per second"), rows)


def photo_speed() -> str:
    """What an image costs `photo`, part by part, and what MobileSAM's parts cost as they are released."""
    document = read("photo_speed")
    released, rows = document["released_mobile_sam"], document["expressions"]
    boxes = {count: row["boxes"] for count, row in rows.items()}
    before = {
        count: {"encoder": released["encoder"], "decoder": released["decoder_a_box"] * boxes[count]} for count in rows
    }
    body = []
    for part in ("detector", "encoder", "decoder", "classifier", "words", "whole"):
        times = [number(row[part], 2) for row in rows.values()]
        body.append([part, *times, *(number(row[part], 2) if part in row else "" for row in before.values())])
    body.append(["boxes that get a mask", *(number(each) for each in boxes.values()), "", ""])
    titles = [f"{count} expression{'s' if int(count) > 1 else ''}" for count in rows]
    return table(("part", *titles, *(f"{title}, MobileSAM as released" for title in titles)), body)


def masker_inputs() -> str:
    """J of MobileSAM's masks, and the encoder's time, by what is encoded."""
    rows = []
    for name, row in read("masker_inputs")["arms"].items():
        beside = "" if row["same"] == 1 else gained(row["difference"])
        rows.append([name, points(row["J"]), beside, number(row["same"], 3), number(row["encoder_s"], 2)])
    return table(("what is encoded", "J", "difference", "IoU with the release's masks", "encoder, s"), rows)


def list_speed() -> str:
    """A list beside a command a clip, in processes, and rows of one clip together."""
    document = read("list_speed")
    setting, seconds = document["setting"], document["seconds"]
    titles = {
        "a_command_a_clip": f"{setting['clips']} clips, a command each",
        "list_in_one_process": f"{setting['clips']} clips, one list, `--jobs 1`",
        "list_in_processes": f"{setting['clips']} clips, one list, `--jobs {setting['processes']}`",
        "a_list_a_row": "five sentences on a clip, a list each",
        "rows_of_one_clip": "five sentences on a clip, one list",
    }
    clocks = ("wall_s", "processor_s")
    rows = [[title, *(number(seconds[key][clock]) for clock in clocks)] for key, title in titles.items()]
    return table(("", "wall s", "processor s"), rows)


def training_speed() -> str:
    """Images of a training step per processor second, by variant."""
    ways = read("training_speed")["ways"]
    first = next(iter(ways.values()))["pictures_a_processor_s"]
    rows = []
    for name, way in ways.items():
        speed = way["pictures_a_processor_s"]
        rows.append([name, number(speed), number(speed / first, 2), number(way["loss"], 3)])
    return table(("`s2rm_tiny`", "images per processor second", "to the first", "loss of the step"), rows)
