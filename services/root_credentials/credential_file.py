"""A root user's credential in a private file, in the form in which every process takes it: as two variables."""

from __future__ import annotations

from pathlib import Path

from services.ownership import NotOurs, read_private, write_private_once
from services.runtime.data_folder import Credentials, new_access_key_id, new_secret
from services.settings import BadSetting

ID, SECRET = "KEYTRAIL_ROOT_ACCESS_KEY_ID", "KEYTRAIL_ROOT_SECRET_ACCESS_KEY"


def kept_or_new(path: Path) -> Credentials:
    """The credential in the file, which a command that was interrupted has left; else a new one, which is then in the file (mode
    0600). Raises BadSetting for a file that holds something else; OSError."""
    if not path.exists():
        made = Credentials(new_access_key_id(), new_secret())
        write_private_once(path, f"{ID}={made.access_key_id}\n{SECRET}={made.secret_access_key}\n")
    try:
        lines = dict(line.partition("=")[::2] for line in read_private(path).decode().split())
        return Credentials(lines[ID], lines[SECRET])
    except NotOurs as fault:
        raise BadSetting(str(fault)) from None
    except (ValueError, KeyError):
        raise BadSetting(f"{path} holds something else than a credential: name another file.") from None
