"""Judges manifests: by the schemas of two Kubernetes versions, strictly, and by checkov.

    python manifests.py LIST FILE...

LIST says what checkov may find. Its packages are in requirements-manifests.txt."""

import json
import os
import subprocess
import sys
from pathlib import Path

# The earliest that the programs are built for, and the latest that is known here.
VERSIONS = ["1.33.0", "1.37.0"]


def main(known, files):
    python = Path(sys.executable)
    for version in VERSIONS:
        tool = python.with_name("kubernetes-validate")
        subprocess.run([tool, "--strict", "--quiet", "-k", version, *files], check=True)
        print(f"{len(files)} files are valid for Kubernetes {version}")

    listed = set()
    for line in Path(known).read_text().splitlines():
        if line and not line.startswith("#"):
            check, reason = line.split(" ", 1)
            assert reason.strip(), f"{check} is listed without a reason"
            listed.add(check)
    found = set()
    for file in files:
        # One file at a time: the answer of several is of another shape.
        command = [python.with_name("checkov"), "--framework", "kubernetes", "--skip-download"]
        command += ["--quiet", "--soft-fail", "-o", "json", "-f", file]
        environment = os.environ | {"LOG_LEVEL": "ERROR"}
        answer = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
        results = json.loads(answer.stdout)
        assert results["summary"]["passed"] > 50, f"{file}: checkov checked next to nothing"
        for failed in results["results"]["failed_checks"]:
            check = failed["check_id"]
            found.add(check)
            if check not in listed:
                print(f"{file}: {failed['resource']}: {check} {failed['check_name']}")
    print(f"checkov: {len(found)} kinds of findings, {len(listed)} listed")
    for check in sorted(listed - found):
        print(f"{check} is listed and no finding any more")
    return 0 if found == listed else 1


sys.exit(main(sys.argv[1], sys.argv[2:]))
