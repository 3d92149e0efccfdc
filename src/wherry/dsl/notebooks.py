"""`@dsl.notebook_component`: a notebook as a component, and `dsl.run_notebook`, which its function calls.

The notebook travels in the component's source.  There a program of ours, found under the names that KFP's has, unpacks
it and puts in the place of `dsl.run_notebook` what executes it with nbclient, with parameters as papermill has them.
"""

from __future__ import annotations

import os

from wherry.compiler.places import at
from wherry.dsl import custom_artifacts, embedding, enumerations, source
from wherry.dsl.python_component import of_function, written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from wherry.dsl.components import PythonComponent
    from wherry.dsl.task_config import TaskConfigField, TaskConfigPassthrough

DEFAULT_PACKAGES = ("nbclient>=0.10,<1", "ipykernel>=6,<7", "jupyter_client>=7,<9")
_SUFFIX = ".ipynb"
_CHECKPOINTS = ".ipynb_checkpoints"


def notebook_component(
    func: Callable[..., Any] | None = None,
    *,
    notebook_path: str,
    base_image: str | None = None,
    packages_to_install: Sequence[str] | None = None,
    output_component_file: str | None = None,
    pip_index_urls: Sequence[str] | None = None,
    pip_trusted_hosts: Sequence[str] | None = None,
    use_venv: bool = False,
    kfp_package_path: str | None = None,
    install_kfp_package: bool = True,
    task_config_passthroughs: Sequence[TaskConfigPassthrough | TaskConfigField] | None = None,
) -> Any:
    """Make a function that calls `dsl.run_notebook(...)` a component that executes a notebook.

    notebook_path: an `.ipynb` file, or a folder with exactly one, all of which goes along.  packages_to_install: what
    executing takes (nbclient, ipykernel, jupyter_client) by default; a list, be it empty, takes its place.

    The other options are those of `@dsl.component`.  Raises ValueError for a path that is no notebook, and what
    `@dsl.component` raises.
    """
    packages = DEFAULT_PACKAGES if packages_to_install is None else packages_to_install

    def decorate(function: Callable[..., Any]) -> PythonComponent:
        command = source.install_command(
            packages,
            with_kfp=install_kfp_package,
            kfp_package_path=kfp_package_path,
            index_urls=pip_index_urls or (),
            trusted_hosts=pip_trusted_hosts,
            use_venv=use_venv,
        )
        helper = program(notebook_path)
        imports = custom_artifacts.import_lines(function) + enumerations.definition_lines(function)
        command += source.run_command(source.module_source(function, imports, (), helper))
        made = of_function(function, base_image, command, task_config_passthroughs)
        return written(made, output_component_file)

    return decorate if func is None else decorate(func)


def run_notebook(**kwargs: Any) -> None:
    """Execute the notebook of the component whose function calls this; the arguments are its parameters.

    Raises NotImplementedError everywhere else: only in a running notebook component is there something to execute.
    """
    raise NotImplementedError("dsl.run_notebook is only available inside a @dsl.notebook_component at runtime.")


def program(path: str) -> str:
    """The source that unpacks the notebook at `path` and lets `dsl.run_notebook` execute it.  Raises ValueError."""
    notebook = _notebook_in(path)
    return _PROGRAM.replace("<archive>", embedding.archive_text(path)).replace("<notebook>", repr(notebook))


def _notebook_in(path: str) -> str:
    """The notebook's path in the archive that is made of `path`."""
    if not os.path.exists(path):
        raise ValueError(at(f"Notebook path does not exist: {path}"))
    if not os.path.isdir(path):
        if os.path.splitext(path)[1].lower() != _SUFFIX:
            raise ValueError(at(f"Invalid notebook_path (expected {_SUFFIX} file): {path}"))
        return os.path.basename(path)
    found = [
        os.path.relpath(os.path.join(folder, name), path)
        for folder, _, names in os.walk(path)
        for name in names
        if name.endswith(_SUFFIX) and _CHECKPOINTS not in folder.split(os.sep)
    ]
    if not found:
        raise ValueError(at(f"No {_SUFFIX} files found in directory: {path}"))
    if len(found) > 1:
        raise ValueError(at(f"Multiple {_SUFFIX} files found in directory: {path}. Exactly one is required."))
    return found[0].replace(os.sep, "/")


# Runs in the task, in any Python 3 that has nbclient.  Its names begin with `_kfp`: the user's are beside them.
_PROGRAM = """__KFP_EMBEDDED_ARCHIVE_B64 = '<archive>'
__KFP_NOTEBOOK_REL_PATH = <notebook>

import base64 as _kfp_base64
import io as _kfp_io
import json as _kfp_json
import os as _kfp_os
import subprocess as _kfp_subprocess
import sys as _kfp_sys
import tarfile as _kfp_tarfile
import tempfile as _kfp_tempfile

import nbclient as _kfp_nbclient
import nbformat as _kfp_nbformat

_kfp_folder = _kfp_tempfile.TemporaryDirectory()
__KFP_EMBEDDED_ASSET_DIR = _kfp_folder.name
__KFP_EMBEDDED_ASSET_FILE = _kfp_os.path.join(__KFP_EMBEDDED_ASSET_DIR, __KFP_NOTEBOOK_REL_PATH)
_kfp_archive = _kfp_io.BytesIO(_kfp_base64.b64decode(__KFP_EMBEDDED_ARCHIVE_B64))
with _kfp_tarfile.open(fileobj=_kfp_archive, mode='r:gz') as _kfp_tar:
    _kfp_tar.extractall(__KFP_EMBEDDED_ASSET_DIR)
_kfp_sys.path.insert(0, __KFP_EMBEDDED_ASSET_DIR)


def _kfp_show(output, cell_index):
    # What a cell says, as it says it.
    kind = output.get('output_type')
    data = output.get('data', {})
    if kind == 'stream':
        text = output.get('text', '').rstrip('\\n')
        if text:
            print('\\n'.join(f'[cell {cell_index}] {line}' for line in text.split('\\n')), flush=True)
    elif kind == 'error':
        print('\\n'.join(output.get('traceback', [])), file=_kfp_sys.stderr, flush=True)
    elif 'text/plain' in data:
        print(data['text/plain'], flush=True)
    elif 'application/json' in data:
        print(_kfp_json.dumps(data['application/json'], ensure_ascii=False), flush=True)
    elif 'text/markdown' in data:
        print(data['text/markdown'], flush=True)


class _kfp_Client(_kfp_nbclient.NotebookClient):

    def process_message(self, msg, cell, cell_index):
        output = super().process_message(msg, cell, cell_index)
        if output is not None:
            _kfp_show(output, cell_index)
        return output


def _kfp_ensure_kernel():
    try:
        from jupyter_client.kernelspec import KernelSpecManager
    except ImportError as error:
        raise RuntimeError(f'{error}: have jupyter_client in the image or in packages_to_install.') from error
    if 'python3' in KernelSpecManager().find_kernel_specs():
        return
    command = [_kfp_sys.executable, '-m', 'ipykernel', 'install', '--user', '--name', 'python3']
    done = _kfp_subprocess.run(command, stdout=_kfp_subprocess.PIPE, stderr=_kfp_subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f'No python3 kernel, and ipykernel could not install one: {done.stdout}')


def _kfp_with_parameters(notebook, parameters):
    # As papermill: after the first code cell that is tagged `parameters`, or first of all.
    if not parameters:
        return
    lines = ['import json']
    lines += [f'{name} = json.loads({_kfp_json.dumps(value)!r})' for name, value in parameters.items()]
    cell = _kfp_nbformat.v4.new_code_cell(source='\\n'.join(lines) + '\\n')
    cell.metadata['tags'] = ['injected-parameters']
    tagged = [
        index for index, one in enumerate(notebook.cells)
        if one.get('cell_type') == 'code' and 'parameters' in (one.get('metadata', {}).get('tags') or [])
    ]
    notebook.cells.insert(tagged[0] + 1 if tagged else 0, cell)


def _kfp_run_notebook(**parameters):
    _kfp_ensure_kernel()
    try:
        notebook = _kfp_nbformat.read(__KFP_EMBEDDED_ASSET_FILE, as_version=4)
    except Exception as error:
        raise RuntimeError(f'Failed to read notebook {__KFP_NOTEBOOK_REL_PATH}. Error: {error}') from error
    try:
        _kfp_with_parameters(notebook, parameters)
        client = _kfp_Client(notebook, timeout=None, store_widget_state=False, kernel_name='python3')
        client.execute(cwd=__KFP_EMBEDDED_ASSET_DIR)
    except Exception as error:
        raise RuntimeError(f'Notebook execution failed. Error: {error}') from None


dsl.run_notebook = _kfp_run_notebook"""
