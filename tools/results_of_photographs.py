"""The tables of the model `photo` on real images."""

from __future__ import annotations

from marked_tables import table
from results_files import points, read


def photo_clips() -> str:
    """J&F of each clip: what is shown, the best candidate, the control."""
    document = read("photo_clips")
    kinds = ("frame by frame", "best candidate", "control")
    rows = [
        [name, f'"{clip["expression"]}"', *(points(clip[kind]["J&F"]) for kind in kinds)]
        for name, clip in document["clips"].items()
    ]
    rows.append(["mean", "", *(points(document["J&F"][kind]) for kind in kinds)])
    return table(("clip", "expression", *kinds), rows)


def photo_clips_parts() -> str:
    """What the mean J&F is without parts of the model."""
    document = read("photo_clips")
    rows = [["whole", points(document["J&F"]["frame by frame"])]]
    rows += [[name, points(row["mean"])] for name, row in document["J&F without parts"].items()]
    return table(("photo", "J&F"), rows)


def photo_by_hand() -> str:
    """How many expressions are answered rightly, with what a person saw as the truth."""
    rows = read("photo_by_hand")["right"].items()
    return table(
        ("expressions", "asked", "right"), ([name, str(row["expressions"]), str(row["right"])] for name, row in rows)
    )


def photo_by_hand_failures() -> str:
    """Every expression that is answered wrongly."""
    rows = read("photo_by_hand")["failures"]
    return table(
        ("frame", "expression", "what is wrong"),
        ([row["frame"], f'"{row["expression"]}"', _fault(row)] for row in rows),
    )


def _fault(row: dict[str, object]) -> str:
    if row["absent"]:
        return "shown though absent"
    return "something else is shown" if row["boxes"] else "nothing is shown"


def photo_presence() -> str:
    """How presence tells what is there from what is not."""
    document, names = read("photo_presence"), ("present", "absent", "AUC", "T-acc", "N-acc")
    rows = [[kind, *(str(document[kind][name]) for name in names)] for kind in ("nouns", "colours")]
    return table(("asked", *names), rows)
