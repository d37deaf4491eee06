"""The one error root and its leaves; each leaf has the exit code that the process ends with.

The message names the thing (file, key or device) and what is wrong, `fix` what to do about it. Commands print both in
one line and leave with `exit_code`. Anything that is not an `EdgeError` is a defect of ours and keeps its traceback.
"""


class EdgeError(Exception):
    """Root of every error that a user can cause or cure.

    Args:
        message: the thing and what is wrong with it, one line.
        fix: what to do about it; empty where there is nothing to do.
    """

    exit_code = 1

    def __init__(self, message: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}; {self.fix}" if self.fix else self.message


class ConfigError(EdgeError, ValueError):
    """The configuration is unreadable, has an unknown key, or asks for the impossible."""

    exit_code = 2


class DeploymentError(ConfigError):
    """A live camera was asked for before `[deployment]` says why, where and who."""


class AssetError(EdgeError, FileNotFoundError):
    """The face detector's graph is missing or has the wrong hash."""

    exit_code = 3


class BundleError(EdgeError, ValueError):
    """A model bundle is incomplete, altered, or does not reproduce its golden vectors."""

    exit_code = 4


class EngineError(EdgeError, RuntimeError):
    """An inference runtime, a delegate or a model graph cannot be used."""

    exit_code = 5


class CameraError(EdgeError, OSError):
    """A video source cannot be opened, vanished, or delivers nothing."""

    exit_code = 6


class CameraStuckError(CameraError):
    """A read of the camera never returned; only a new process can have it again."""

    exit_code = 8


class PublishError(EdgeError, ConnectionError):
    """A broker session cannot be set up as configured."""

    exit_code = 7


class NoticeError(DeploymentError):
    """The notice that hangs there is of another policy than the configuration's."""

    exit_code = 9


class AuditError(EdgeError, OSError):
    """The audit log cannot be written, or was changed or cut."""

    exit_code = 12


class FrameError(EdgeError, ValueError):
    """One frame could not be used; it is counted and skipped, the run goes on."""


def one_line(said: str | Exception) -> str:
    """A message in one printable line of at most 300 characters; an exception without a message by its name."""
    shown = "".join(char if char.isprintable() else " " for char in str(said) or type(said).__name__)
    return " ".join(shown.split())[:300]
