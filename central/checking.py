"""What `serve --check` tells: each setting in force and where it comes from. Starts nothing and writes nothing."""

import argparse
import json
import os
import re
from collections.abc import Mapping

from central import config
from central.errors import StartError
from central.invites import write_duration
from protos.operating.settings_file import Found, SettingsError, SettingsFile, explain, strange_variables

_PASSWORD = re.compile(r"(://[^:/@]*):[^@/]*@")
OTHERS = ("BARRIO_KEYRING",)


def check(options: argparse.Namespace, found: Mapping[str, Found], file: SettingsFile) -> None:
    """Prints the settings. Raises SettingsError for those that cannot hold together."""
    try:
        enrol = config.enrol_address(options.listen, options.enrol)
        database = config.database_path(options.database, options.data_dir)
    except StartError as error:
        raise SettingsError(error.message) from error
    derived = {"enrol": enrol, "database": database}
    shown = {
        key: Found(derived[key], one.source) if key in derived and one.source == "default" else one
        for key, one in found.items()
    }
    expires = found["expires"]
    assert isinstance(expires.value, int)
    shown["expires"] = Found(write_duration(expires.value), expires.source)
    rows = explain(shown, lambda value: None if value is None else _PASSWORD.sub(r"\1:…@", str(value)))
    notes = strange_variables(os.environ, [setting.known for setting in config.SETTINGS], OTHERS)
    where = str(file.path) if file.path else None
    if options.json:
        print(json.dumps({"ok": True, "file": where, "settings": rows, "notes": notes}, ensure_ascii=False))
        return
    print(f"settings file: {where or 'none'}")
    for row in rows:
        print(f"{row['key']:<15} {row['value'] if row['value'] is not None else '-'}  ({row['source']})")
    for note in notes:
        print(f"note: {note}")
