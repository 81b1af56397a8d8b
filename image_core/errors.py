"""The errors that the user's input causes. Without heavy imports: the command line catches them before torch loads."""


class RvosError(Exception):
    """Base of all errors that the user's input causes.

    The message is one line: what was expected, what came, and the fix. The command line prints it and exits with 2.
    """


class CheckpointError(RvosError):
    """A model file that cannot be used: truncated, unsafe, another project's, or of another shape."""


class FetchError(RvosError):
    """Packaged weights that could not be downloaded, or whose files are not the expected ones."""


class ConfigError(RvosError):
    """Settings that contradict each other or name something that is not there."""


class DataError(RvosError):
    """A dataset folder, annotation or image that is missing or broken."""


class OutputError(RvosError):
    """An output folder that cannot be written, is in use, or holds another run."""


class InUseError(OutputError):
    """An output folder that another run holds."""


class DamagedError(OutputError):
    """A file that a run left, and that cannot be read any more."""


class UnknownNameError(RvosError):
    """A name that is in no table; the message suggests the nearest one. otherwise: what else could be given."""

    def __init__(self, kind: str, name: str, names: list[str], otherwise: str = "") -> None:
        import difflib

        plain = {each.replace("-", "_"): each for each in names}
        nearest = difflib.get_close_matches(name.replace("-", "_"), plain, n=1, cutoff=0.5)
        hint = f"did you mean '{plain[nearest[0]]}'? " if nearest else ""
        listed = f"known are {', '.join(sorted(names))}" if names else "there are none"
        super().__init__(f"unknown {kind} '{name}': {hint}{listed}{otherwise}")
