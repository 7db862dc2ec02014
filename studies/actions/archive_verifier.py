"""Verify the archive of a closed study with nothing but Python: no other program, no network, no database.

    python verify.py [ARCHIVE.zip or the folder it was unpacked into]

Looked at: the SHA-256 of every file named in manifest.json, and that no file is there besides; every audit
chain, event by event, up to the length and hash the manifest names; every reading against the event that
repeats its values or the import that hashed its rows; the number of rows of every table; every report's files.
Prints what does not hold and exits with 1, or says that it is intact.

The ends of the chains stand on every report printed, and in whatever else kept them: compare them with those
in manifest.json, since someone who may rewrite every file could also rewrite the manifest.
"""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

FORMAT = 1
GENESIS = "0" * 64
EVENT = (
    "chain", "sequence", "study", "happened_at", "actor", "actor_name", "actor_role", "action", "object_type",
    "object_id", "old", "new", "reason", "previous_hash",
)  # fmt: skip
HASHED = (
    "session_id", "mouse_id", "tumor_number", "replicate", "revision", "status", "length_mm", "width_mm", "height_mm",
    "reported_volume_mm3", "volume_method", "weight_g", "signs", "is_void", "observer_id", "observer_name", "device",
    "observed_at", "recorded_at", "client_id", "reason",
)  # fmt: skip
OUTSIDE = ("manifest.json", "manifest.seal")  # files the manifest cannot name


def read(path):
    """Name -> bytes of every file of an archive."""
    path = Path(path)
    if path.is_dir():
        return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def verify(files):
    """What does not hold, in words; empty where the archive is as it was written."""
    try:
        manifest = json.loads(files["manifest.json"])
        if manifest["format"] != FORMAT:
            return [f"the archive has format {manifest['format']}, this verifier reads format {FORMAT}"]
        wrong = list(changed_files(files, manifest["files"]))
        events = [json.loads(line) for line in files["audit/events.jsonl"].splitlines()]
        tables = {name: json.loads(files[f"tables/{name}.json"]) for name in manifest["tables"]}
    except (KeyError, ValueError, TypeError) as error:
        return [f"it cannot be read: {type(error).__name__}: {error}"]
    wrong += broken_chains(events, manifest["chains"])
    wrong += [
        f"table {name} has {len(tables[name])} rows, the manifest says {count}"
        for name, count in manifest["tables"].items() if len(tables[name]) != count
    ]  # fmt: skip
    wrong += changed_readings(tables, events)
    wrong += changed_reports(tables, files)
    return wrong


def changed_files(files, named):
    for name, digest in sorted(named.items()):
        if name not in files:
            yield f"file {name} is missing"
        elif sha256(files[name]) != digest:
            yield f"file {name} was changed"
    yield from (f"file {name} was added" for name in sorted(files.keys() - named.keys() - set(OUTSIDE)))


def broken_chains(events, ends):
    by_chain = {chain: [] for chain in ends}
    for event in events:
        by_chain.setdefault(event["chain"], []).append(event)
    for chain, found in sorted(by_chain.items()):
        yield from broken_chain(chain, found, *ends.get(chain, (0, GENESIS)))


def broken_chain(chain, events, count, head):
    previous = GENESIS
    for place, event in enumerate(events, 1):
        if event["sequence"] != place:
            yield f"{chain}: event {place} is missing"
            return
        if event["previous_hash"] != previous:
            yield f"{chain}: event {place} does not follow the event before it"
            return
        if event["hash"] != event_hash(event):
            yield f"{chain}: the content of event {place} was changed"
            return
        previous = event["hash"]
    if (len(events), previous) != (count, head):
        yield f"{chain}: it ends at event {len(events)}, the manifest says {count}"


def event_hash(event):
    content = {name: event[name] for name in EVENT}
    if event["rows"] is not None:
        content["rows"] = event["rows"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sha256(text.encode())


def changed_readings(tables, events):
    """Readings that are not what vouches for them: an event of their own, of their session recorded as a whole (a
    signature of its sheet vouches for no row), or their import.
    """
    readings = {row["id"]: row for row in tables["studies_measurement"]}
    vouched = set()
    for event in events:
        new = event["new"] or {}
        if event["object_type"] == "measurement" and "revision" in new:
            key = int(event["object_id"])
            vouched.add(key)
            row = readings.get(key)
            differing = row and sorted(name for name in new.keys() & row.keys() if new[name] != row[name])
            if row is None or differing:
                yield f"reading {key} is not what event {event['sequence']} says: {differing or 'it is missing'}"
        elif event["object_type"] == "measurementsession" and "rows_sha256" in new:
            rows = [row for row in readings.values() if row["session_id"] == int(event["object_id"])]
            rows = sorted(rows, key=lambda row: row["id"])[: new["revisions"]]
            if "completed_at" not in new:
                vouched |= {row["id"] for row in rows}
            if rows_sha256(rows) != new["rows_sha256"]:
                yield f"readings of session {event['object_id']} are not what event {event['sequence']} says"
    for batch in tables["studies_importbatch"]:
        rows = sorted((row for row in readings.values() if row["import_batch_id"] == batch["id"]),
                      key=lambda row: row["id"])  # fmt: skip
        vouched |= {row["id"] for row in rows}
        if rows_sha256(rows) != batch["rows_sha256"]:
            yield f"readings imported from {batch['file_name']} were changed"
    yield from (f"reading {key} has no audit event" for key in sorted(readings.keys() - vouched))


def changed_reports(tables, files):
    for file in tables["studies_reportfile"]:
        name = f"reports/{file['report_id']}/{file['name']}"
        if name not in files or sha256(files[name]) != file["sha256"]:
            yield f"{name} is not the report's file that the record names"


def rows_sha256(rows):
    digest = hashlib.sha256()
    for row in rows:
        values = [row[name] for name in HASHED]
        text = json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def main(arguments):
    path = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    wrong = verify(read(path))
    for line in wrong or ["intact"]:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
