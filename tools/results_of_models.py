"""The tables of image models: what the embedded one can do, learning with few masks, its parts."""

from __future__ import annotations

from statistics import mean

from marked_tables import table
from results_files import number, points, read


def embedded_model() -> str:
    """Both test splits of still images, and the control with the expressions of another image."""
    names = ("mIoU", "oIoU", "Pr@0.5", "N-acc", "T-acc")
    results = read("embedded_model")["results"]
    return table(("split", *names), ([split, *(number(row[n], 3) for n in names)] for split, row in results.items()))


def embedded_families() -> str:
    """mIoU by family of expression; of expressions without a target, N-acc."""
    splits = ("test", "test_compositional")
    results = read("embedded_model")["results"]
    families = [results[split]["families"] for split in splits]
    return table(
        ("family", *splits),
        (
            [name, *(number(of_split[name]["N-acc" if name == "absent" else "mIoU"], 3) for of_split in families)]
            for name in families[0]
        ),
    )


def few_masks() -> str:
    """mIoU by share of masks and method: mean over the seeds, and each seed."""
    methods = {
        "labels": "labels alone",
        "unfiltered": "pseudo labels, unfiltered",
        "full": "full method",
        "partial_res": "Partial-RES, boxes of all images",
    }
    arms = [row for row in read("few_masks")["arms"] if not row["arm"]["ablation"]]
    rows = []
    for share in sorted({row["arm"]["share"] for row in arms}):
        cells = []
        for method in methods:
            of = [r["mIoU"] for r in arms if (r["arm"]["share"], r["arm"]["method"]) == (share, method)]
            seeds = f" ({', '.join(map(points, of))})" if len(of) > 1 else ""
            cells.append(points(mean(of)) + seeds if of else "")
        rows.append([number(100 * share, 0) + " %", *cells])
    return table(("masks", *methods.values()), rows)


def all_masks() -> str:
    """SafaRi on all masks: what tells a contour where to begin, and more steps."""
    rows = []
    for title, source in (("AMCR", "few_masks"), ("a head on the cells", "few_masks_cells")):
        (row,) = (row for row in read(source)["arms"] if row["arm"]["name"] == "labels_100_s0")
        rows.append([title, "2,500", points(row["mIoU"]), points(row["Pr@0.5"]), points(row["attention_inside"])])
    for title, arm in (("", "2,500 more steps"), (", points read adrift", "2,500 more steps, points read adrift")):
        more = read("all_masks")["arms"][arm]
        figures = [points(more[key]) for key in ("mIoU", "Pr@0.5", "attention_inside")]
        rows.append([f"a head on the cells{title}", "5,000", *figures])
    return table(("told where to begin by", "steps", "mIoU", "Pr@0.5", "attention inside the object, %"), rows)


def all_masks_contours() -> str:
    """What the contours of SafaRi go wrong by, and what trained encoders are worth."""
    titles = {
        "mIoU": "mIoU",
        "first_point_near": "first point within 16 px, %",
        "mIoU_true_start": "mIoU, the first point given",
        "mIoU_true_points": "all points given",
        "mIoU_cells": "mIoU of the head on the cells",
        "mIoU_truth": "of the true tokens",
    }
    arms = read("all_masks")["arms"]
    return table(
        ("SafaRi", *titles.values()),
        ([name, *(points(arm["contours"][key]) for key in titles)] for name, arm in arms.items()),
    )


def few_masks_ablations() -> str:
    """The full method at a tenth, one seed, with one part off."""
    titles = {
        "full_10_s0": "nothing",
        "full_10_s0_gates": "the gates of X-FACt",
        "full_10_s0_consistency": "AMCR",
        "full_10_s0_growing_gamma": "the growing gamma",
        "unfiltered_10_s0": "boxes and filter",
    }
    arms = {row["arm"]["name"]: row for row in read("few_masks")["arms"]}
    return table(
        ("part that is off", "mIoU", "attention inside the object, %"),
        ([title, points(arms[name]["mIoU"]), points(arms[name]["attention_inside"])] for name, title in titles.items()),
    )


def few_masks_filter() -> str:
    """How good the pseudo masks are that the filter lets pass, and those it turns down."""
    rows = []
    for row in sorted(read("few_masks")["arms"], key=lambda row: (row["arm"]["share"], row["arm"]["seed"])):
        arm = row["arm"]
        if arm["method"] != "full" or arm["ablation"]:
            continue
        for count, judged in enumerate(row["pseudo"], 1):
            passed, refused = judged["accepted"], judged["rejected"]
            share = passed["count"] / (passed["count"] + refused["count"])
            title = f"{100 * arm['share']:.0f} %, seed {arm['seed']}, round {count}"
            rows.append([title, points(share), points(passed["mIoU"]), points(refused["mIoU"])])
    return table(("masks", "let pass, %", "mIoU of those", "mIoU of the others"), rows)


def attention_pictures() -> str:
    """Where the attention of the words lies after the first steps, with AMCR and without."""
    models = read("attention_pictures")["models"]
    return table(
        ("SafaRi", "attention inside the object, %", "mIoU"),
        ([name, points(row["attention_inside"]), points(row["mIoU"])] for name, row in models.items()),
    )


def sparc_boxes() -> str:
    """Share of right boxes, by family of expression."""
    document = read("sparc_boxes")
    families = ("all", "attribute", "comparison", "location", "ordinal", "relation")
    shares = document["share_of_right_boxes"]
    return table(("box", *families), ([name, *(points(row[f]) for f in families)] for name, row in shares.items()))


def motion_coverage() -> str:
    """How many expressions of real datasets speak of motion, on the half that was held out, and how many of those that
    were judged by eye are read right."""
    keys = {"motion": "motion, %", "measured_alone": "measured alone, %", "direction": "a direction, %"}
    document = read("motion_coverage")
    rows = []
    for name, row in document["results"]["held_out"].items():
        eye = document["judged_by_eye"][name]
        shares = [points(row["share"][key]) for key in keys]
        rows.append([name, f"{row['expressions']:,}", *shares, f"{eye['right']} of {eye['judged']}"])
    return table(("dataset", "expressions", *keys.values(), "read right, by eye"), rows)


def parser_coverage() -> str:
    """How many expressions of real datasets have a head noun for the parser, on the half that was held out."""
    keys = {
        "head_noun": "head noun, %",
        "spatial_relation": "spatial relation, %",
        "superlative": "superlative, %",
        "work_for_the_predicates": "work for the predicates, %",
    }
    held_out = read("parser_coverage")["results"]["held_out"]
    return table(
        ("dataset", "expressions", *keys.values()),
        ([name, f"{row['sentences']:,}", *(points(row["share"][k]) for k in keys)] for name, row in held_out.items()),
    )
