"""Everything that the audit log can say: each act with its meaning, and the names of its details."""

from __future__ import annotations

ACTS: dict[str, str] = {
    "started": "The service began to watch: camera, model, version.",
    "start_refused": "The service did not start: reason.",
    "stopped": "The service ended: reason.",
    "configuration_changed": "The configuration file is not that of the start before: its SHA-256.",
    "zones_changed": "Excluded zones were changed while it ran: by.",
    "hours_changed": "Opening hours were changed while it ran: by.",
    "names_changed": "Names were changed while it ran: by.",
    "policy_changed": "The policy is not the one before: before.",
    "notice_mismatch": "The notice is of another policy, so nothing is released: notice.",
    "hours_opened": "Opening hours began, and the camera was opened.",
    "hours_closed": "Opening hours ended, or the time is unknown, and the camera was released.",
    "clock_unsynchronized": "The clock is not known to be right.",
    "clock_synchronized": "The clock is known to be right again.",
    "camera_lost": "The camera gives no pictures: reason.",
    "camera_back": "The camera gives pictures again.",
    "camera_moved": "The camera seems to have been moved or turned: reason.",
    "model_installed": "A model bundle was installed: model.",
    "model_activated": "A model bundle runs from the next start on: model.",
    "model_rolled_back": "The bundle before runs again: model, reason.",
    "model_refused": "A model bundle was refused: reason.",
    "model_fallback": "Another bundle runs than the one that should: model.",
    "watch_opened": "Somebody aimed the camera with `watch`.",
    "doctor_looked": "`doctor` opened the camera.",
    "scores_written": "`replay --scores` wrote lines about single persons of a file: consent.",
    "setup_opened": "The page for setting up was opened: by.",
    "setup_closed": "The page for setting up was closed: reason.",
    "setup_refused": "The page for setting up refused somebody: reason.",
    "log_expired": "Lines of this log were deleted for their age or number: lines, until.",
    "log_broken": "This log was found changed or cut: reason.",
}
DETAILS = frozenset(
    ["camera", "model", "version", "reason", "sha256", "by", "before", "notice", "consent", "lines", "until"]
)
