"""Results of the slow pieces, kept: build/results/NAME.json, one object each."""
import datetime
import json
import subprocess

from house import paths


def commit():
    described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=paths.ROOT, text=True,
                               capture_output=True, check=False)
    return described.stdout.strip() or "unknown"


def record(name, passed, seconds, note=""):
    paths.RESULTS.mkdir(parents=True, exist_ok=True)
    result = {"schema": 1, "name": name, "result": "passed" if passed else "failed", "seconds": round(seconds, 1),
              "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "commit": commit(),
              "note": note}
    (paths.RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
