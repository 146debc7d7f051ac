"""The settings, and the only place that reads the environment: `HARDCASE_` and the setting's name in capitals.

Every setting has a default that works on one machine; `home` contains the database, the media, the models and the
logs. Secrets that are not set are made once by `hardcase init` and kept in `home/secrets.json` (mode 0600).
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from labeling.errors import Invalid, not_written

MASK = 0o077
"""What nobody but the owner of our files gets."""
DOCUMENTED_MODELS = (
    "openai/clip-vit-base-patch32,google/siglip-base-patch16-224,HuggingFaceTB/SmolVLM-500M-Instruct,"
    "facebook/dinov2-small,intfloat/e5-small-v2,CIDAS/clipseg-rd64-refined"
)
"""Those that the documentation names."""


class Settings(BaseSettings):
    """Read once at the edge of a process and handed down as an argument."""

    model_config = SettingsConfigDict(env_prefix="HARDCASE_", env_file=None, extra="forbid")

    home: Path = Field(default=Path("var/hardcase"), description="Folder for everything that hardcase keeps.")
    database_url: str = Field(default="", description="Database address; empty means SQLite in `home`.")
    storage_url: str = Field(default="", description="Address of the media (fsspec); empty means `home/media`.")
    host: str = Field(default="127.0.0.1", description="Address that the web process listens on.")
    port: int = Field(default=8320, description="Port that the web process listens on.")
    public_url: str = Field(default="", description="Address under which browsers and Label Studio reach us.")
    label_studio_url: str = Field(default="http://127.0.0.1:8321", description="Address of Label Studio.")
    label_studio_token: SecretStr = Field(default=SecretStr(""), description="Its API token, of either kind.")
    label_studio_origin: str = Field(default="", description="Origin of its pages, if not its address.")
    label_studio_timeout_s: float = Field(default=30.0, description="How long to wait for Label Studio.")
    secret: SecretStr = Field(default=SecretStr(""), description="Signs sessions and media addresses.")
    previous_secret: SecretStr = Field(
        default=SecretStr(""), description="The secret before it: what it signed stays good until it expires."
    )
    executor: str = Field(default="worker-0", description="Stable name of this worker slot.")
    sweep_every_s: float = Field(default=60.0, description="How often the sweep asks what is left to do.")
    spool_every_s: float = Field(default=0.2, description="How often webhook events are drained to the inbox.")
    queue_poll_s: float = Field(default=0.2, description="How often the worker polls for jobs.")
    endpoints_file: str = Field(default="", description="Which endpoints may be asked; empty: home/endpoints.yaml.")
    max_body_bytes: int = Field(default=64 * 2**20, description="Largest request body accepted.")
    max_image_bytes: int = Field(default=50 * 2**20, description="Largest image file accepted.")
    max_image_pixels: int = Field(default=80_000_000, description="Largest image accepted, in pixels.")
    max_backlog: int = Field(
        default=200_000, ge=0, description="Uploads are refused while the worker is so many registrations behind."
    )
    max_decoding_bytes: int = Field(default=2 * 2**30, description="Most memory that decoding one image may take.")
    allow_private_addresses: bool = Field(default=False, description="Fetch images from private addresses too.")
    source_roots: str = Field(default="", description="Under which folders and buckets the API may add sources.")
    allowed_models: str = Field(
        default=DOCUMENTED_MODELS,
        description="Hub names (* for any ending) and folders of models that the API may name.",
    )
    local_only: bool = Field(default=False, description="Call no outside endpoint, download no model.")
    torch_threads: int = Field(default=0, description="Threads of a model's computation; 0 = let torch choose.")
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where models run; auto = a GPU if any.",
    )
    dtype: str = Field(
        default="auto",
        pattern="^(auto|float32|bfloat16|int8|int4)$",
        description="In what numbers generative models and the bundled encoder compute.",
    )
    failpoint: str = Field(default="", description="For tests: name:n kills the process at the n-th pass.")
    log_json: bool = Field(default=False, description="Write logs as JSON lines.")
    log_level: str = Field(default="info", description="Least severe level that is logged.")

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.home / 'hardcase.db').absolute()}"

    @property
    def storage(self) -> str:
        return self.storage_url or str((self.home / "media").absolute())

    @property
    def endpoints(self) -> Path:
        return Path(self.endpoints_file) if self.endpoints_file else self.home / "endpoints.yaml"

    @property
    def address(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def label_studio_page_origin(self) -> str:
        return (self.label_studio_origin or self.label_studio_url).rstrip("/")

    @property
    def signing(self) -> tuple[str, ...]:
        """The secrets that a signature may come from; new ones are made with the first."""
        both = (self.secret.get_secret_value(), self.previous_secret.get_secret_value())
        return (both[0], *(secret for secret in both[1:] if secret))

    @property
    def is_sqlite(self) -> bool:
        return self.database.startswith("sqlite")


def load_settings(**overrides: object) -> Settings:
    """The settings of this process, with the secrets of `home/secrets.json` where the environment has none."""
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(f"HARDCASE_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise Invalid(f"A setting is wrong. {wrong}. docs/reference/settings.md lists them all.") from error
    kept = _read_secrets(settings.home)
    missing: dict[str, Any] = {
        name: SecretStr(kept[name])
        for name in ("secret", "label_studio_token")
        if not getattr(settings, name).get_secret_value() and name in kept
    }
    return settings.model_copy(update=missing)


def keep_files_private() -> None:
    """From here on, whatever this process or a child of it makes is for its user alone; called at a process's start."""
    os.umask(MASK)


def prepare_home(settings: Settings) -> None:
    """Make the home folder; Invalid names it, or what in it is another user's, if it cannot be written."""
    place = settings.home.absolute()
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe = settings.home / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
        for entry in sorted(settings.home.iterdir()):
            place = entry.absolute()
            needed = os.R_OK | os.W_OK | (os.X_OK if entry.is_dir() else 0)
            if not entry.is_symlink() and not os.access(entry, needed):
                raise PermissionError(errno.EACCES, "Permission denied")
    except OSError as error:
        way_out = "Give this user write access to it, or set HARDCASE_HOME to another folder."
        raise not_written(place, error, way_out) from error


def ensure_secret(settings: Settings) -> Settings:
    """Make the signing secret if there is none yet, and keep it; called by `hardcase init` only."""
    if settings.secret.get_secret_value():
        return settings
    return keep_secret(settings, "secret", secrets.token_urlsafe(48))


def keep_secret(settings: Settings, name: str, value: str) -> Settings:
    """Write a secret to `home/secrets.json`, readable by this user alone."""
    settings.home.mkdir(parents=True, exist_ok=True)
    path = settings.home / "secrets.json"
    content = json.dumps({**_read_secrets(settings.home), name: value}, indent=1)
    with os.fdopen(os.open(path.with_suffix(".tmp"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".tmp").replace(path)
    return settings.model_copy(update={name: SecretStr(value)})


def kept_secret(settings: Settings, name: str) -> str:
    """A secret that was kept in `home/secrets.json`; empty where there is none."""
    return _read_secrets(settings.home).get(name, "")


def _read_secrets(home: Path) -> dict[str, str]:
    path = home / "secrets.json"
    try:
        found = json.loads(path.read_text())
        if not isinstance(found, dict):
            raise ValueError("it is no object of names and values")
        return {str(k): str(v) for k, v in found.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError as error:
        raise Invalid(f"{path} may not be read by this user. Run as its owner, or give this user the right.") from error
    except (OSError, ValueError) as error:
        raise Invalid(f"{path} cannot be read ({error}). Restore it, or delete it and run `hardcase init`.") from error
