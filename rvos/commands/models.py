"""`rvos models`: what there is to choose from."""

from __future__ import annotations

import json

from rvos.commands import options


def models(as_json: options.Json = False) -> None:
    """List the embedded models and the kinds that can be trained."""
    from image_core.checkpoint import read_header
    from image_core.models.table import MODELS
    from image_core.weights import DEFAULT, embedded_models

    embedded = []
    for name, path in embedded_models().items():
        header = read_header(path)
        embedded.append(
            {
                "name": name,
                "default": name == DEFAULT,
                "kind": header["model"]["name"],
                "bytes": path.stat().st_size,
                "data": header["provenance"]["data"],
                "scores": header["provenance"]["scores"],
            }
        )
    kinds = [{"name": name, "summary": entry.summary} for name, entry in MODELS.items()]
    if as_json:
        print(json.dumps({"embedded": embedded, "kinds": kinds}, ensure_ascii=False))
        return
    print("embedded models (--model NAME):")
    for entry in embedded:
        note = " (default)" if entry["default"] else ""
        print(f"  {entry['name']}{note}: {entry['kind']}, {entry['bytes'] / 1e6:.1f} MB, trained on {entry['data']}")
    if not embedded:
        print("  none in this installation; give a model file: --model FILE")
    print("a model of your own (--model module:factory): docs/models.md tells how")
    print("kinds of model (rvos train):")
    for kind in kinds:
        print(f"  {kind['name']}: {kind['summary']}")
