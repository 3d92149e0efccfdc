"""The table of commands, and how each ends: errors as one plain message, exit codes 0, 1, 2, 130.

Called by `wherry.cli.main`.  Invariants: a command's module is imported when the command is used; a `WherryError` is
shown without a traceback, anything else is a fault of ours and is shown with one.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, NamedTuple

import click

from wherry._version import __version__
from wherry.cli.begin import Begun, begin
from wherry.client.api import Client
from wherry.errors import UsageError, WherryError
from wherry.settings import suggestion


class Command(NamedTuple):
    """Where a command lives (`module:name`), and its line in the help."""

    place: str
    help: str


# The lazy entries of the command line, in the order of the help.
TABLE: dict[str, Command] = {
    "run": Command("wherry.cli.run:run", "Run a pipeline."),
    "compile": Command("wherry.cli.compile:compile_", "Compile a pipeline to KFP PipelineSpec IR."),
    "graph": Command("wherry.cli.graph:graph", "Draw a pipeline: in the terminal, or as SVG."),
    "ls": Command("wherry.cli.runs:ls", "List runs, newest first."),
    "show": Command("wherry.cli.show:show", "Show a run: its tasks, their states, inputs, outputs and metrics."),
    "logs": Command("wherry.cli.logs:logs", "Print what a run's tasks wrote."),
    "artifacts": Command("wherry.cli.runs:artifacts", "List the artifacts of a run."),
    "retry": Command("wherry.cli.run:retry", "Go on from what failed in a run."),
    "cancel": Command("wherry.cli.runs:cancel", "Cancel a run."),
    "rm": Command("wherry.cli.runs:rm", "Delete finished runs."),
    "prune": Command("wherry.cli.runs:prune", "Delete old runs, and environments that are no longer used."),
    "apply": Command("wherry.cli.objects:apply", "Make or change Kubernetes objects as files say."),
    "get": Command("wherry.cli.objects:get_", "Show Kubernetes objects: secrets, configmaps, pods, ..."),
    "describe": Command("wherry.cli.objects:describe", "Show Kubernetes objects whole, with their events."),
    "wait": Command("wherry.cli.objects:wait", "Wait until Kubernetes objects are as they are wanted."),
    "delete": Command("wherry.cli.objects:delete", "Delete Kubernetes objects."),
    "exec": Command("wherry.cli.reach:exec_", "Run a command in a pod."),
    "port-forward": Command("wherry.cli.reach:port_forward", "Have local ports lead to ports of pods."),
    "up": Command("wherry.cli.up:up", "Serve the home in the foreground, on the network too."),
    "kubeconfig": Command("wherry.cli.kubeconfig:kubeconfig", "Make kubectl and other clients know the server."),
    "status": Command("wherry.cli.server:status", "Show the home's server."),
    "down": Command("wherry.cli.server:down", "Stop the home's server; running tasks go on."),
    "doctor": Command("wherry.cli.doctor:doctor", "Say what this machine offers and lacks."),
}


class Lazy(click.Group):
    """A group whose commands are loaded when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(TABLE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in TABLE:
            return None
        module, _, name = TABLE[cmd_name].place.partition(":")
        return getattr(import_module(module), name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in TABLE:
            raise UsageError(
                f"no command {args[0]!r}", hint=suggestion(args[0], list(TABLE)) or "wherry --help lists them"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in TABLE.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="wherry %(version)s")
def wherry() -> None:
    """Machine-learning workflows, from a laptop to Kubernetes."""


def client_of(context: click.Context) -> Client:
    """The client of this invocation; its server was begun before click was loaded, or is begun now."""
    root = context.find_root()
    if not isinstance(root.obj, Begun):
        root.obj = begin()
    return root.obj.get()


def invoke(words: list[str], begun: Begun | None) -> int:
    """Runs one command line; returns the exit code."""
    try:
        result = wherry.main(words, prog_name="wherry", standalone_mode=False, obj=begun)
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    except UsageError as error:
        return _told(error, 2)
    except WherryError as error:
        return _told(error, 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # who read our output has gone; so that the exit does not complain
        return 1
    return result if isinstance(result, int) else 0


def _told(error: WherryError, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"{click.style('error:', fg='red') if sys.stderr.isatty() else 'error:'} {error}\n")
    return code
