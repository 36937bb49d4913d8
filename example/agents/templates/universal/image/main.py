"""A transient agent: reads its brief, the clone and what was found before, runs what its task asks for, and leaves a finding.

Lines of the task that begin with `$` are commands for the clone.
"""

import os
import subprocess
from pathlib import Path

import agency


def main():
    me, task = os.environ["SILO_AGENT_ID"], os.environ["SILO_TASK"]
    brief = "".join(path.read_text() for path in sorted(Path("/prompt").iterdir()))
    before = [path.read_text(errors="replace") for path in sorted(Path("/memory").glob("*.md"))]
    titles = [text.strip().splitlines()[0] for text in before if text.strip()]
    files = subprocess.run(["git", "-C", "/work", "ls-files"], capture_output=True, text=True, check=True).stdout
    parts = [brief, "Files:\n" + files, "Found before:\n" + "\n".join(titles)]
    for line in task.splitlines():
        if line.startswith("$"):
            ran = subprocess.run(["sh", "-c", line[1:]], cwd="/work", capture_output=True, text=True, timeout=300)
            parts.append(f"{line}\n{ran.stdout}{ran.stderr}exit code {ran.returncode}")
    said = agency.ask_model("\n\n".join(parts)[:6000])
    print(f"{me} read {len(before)} findings")
    for title in titles:
        print(f"  {title}")
    print(said)
    report = [f"# {me}: {task.splitlines()[0]}", said, *parts[3:], f"{len(files.splitlines())} files were there."]
    Path("/findings/report.md").write_text("\n\n".join(report) + "\n")


main()
