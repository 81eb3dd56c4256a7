"""`perfkit lab`: JupyterLab on the guided notebooks."""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from perfkit.cli._shared import CommandError, add_create_option, add_database_options, lab_errors, say
from perfkit.cli._workspace import Workspace, prepare
from perfkit.cli.tour import build_data, kernel_environment

# Defaults, not settings: what the person chose in JupyterLab keeps its place above them.
_DEFAULT_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
}
_START = "notebooks/00_start_here.ipynb"


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "lab",
        help="open JupyterLab on the guided notebooks",
        description="Build the sample data unless it is there, then open JupyterLab on the first notebook. "
        "It needs no network.",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where the notebooks go")
    parser.add_argument(
        "--no-browser", action="store_true", help="start the server only, and show its address"
    )
    parser.add_argument(
        "--port", type=int, metavar="N", help="JupyterLab's port; a free one from 8888 by default"
    )
    add_database_options(parser)
    add_create_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run JupyterLab until the person ends it; its exit code."""
    workspace = prepare(arguments.folder)
    build_data(arguments)
    with lab_errors():
        from perfkit.lab import stop
        from perfkit.lab.paths import home

        stop()  # the notebooks' kernels are the users of the server now
        settings = _write_settings(home() / "jupyter")
    say("Starting JupyterLab; end it with Ctrl-C.")
    environment = {**os.environ, **kernel_environment(arguments), **_paths(settings)}
    return _wait(subprocess.Popen(_command(arguments, workspace), env=environment))  # noqa: S603 - our own interpreter


def _command(arguments: argparse.Namespace, workspace: Workspace) -> list[str]:
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={workspace.folder.resolve()}",
        f"--LabApp.default_url=/lab/tree/{_START}",
        # The extension manager would ask PyPI, the update check npm.
        "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if arguments.no_browser:
        command.append("--no-browser")
    if arguments.port is not None:
        command.append(f"--port={arguments.port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # JupyterLab refuses root without it, and containers are often root
    return command


def _wait(process: "subprocess.Popen[bytes]") -> int:
    """JupyterLab gets the terminal's Ctrl-C too, and asks before it ends: wait for its answer."""
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
    finally:
        signal.signal(signal.SIGTERM, before)


def _write_settings(folder: Path) -> Path:
    """Write default settings and a kernel of this very interpreter, one folder for each interpreter."""
    folder = folder / hashlib.sha256(sys.executable.encode()).hexdigest()[:10]
    kernel = {  # named as in the notebooks, which would count as changed under another name
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    try:
        _write_json(folder / "labconfig" / "default_setting_overrides.json", _DEFAULT_SETTINGS)
        _write_json(folder / "kernels" / "python3" / "kernel.json", kernel)
    except OSError as error:
        raise CommandError(f"Cannot write JupyterLab's settings to {folder}: {error.strerror}.") from None
    return folder


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _paths(settings: Path) -> dict[str, str]:
    """Jupyter's own search paths, ours in front of those that are set already."""
    names = ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH")
    return {name: os.pathsep.join(filter(None, [str(settings), os.environ.get(name)])) for name in names}
