"""What ``from firmmap import *`` gives: what ``from mmap import *`` gives, and MapFaultError."""

# What importlib.machinery and importlib.util have, which take longer to load than the package.
import _frozen_importlib as bootstrap
import _frozen_importlib_external as external
import sys

# What the standard module has in no version.
_OWN = frozenset(
    {
        "FASTA",
        "FASTQ",
        "FileRange",
        "MappedFile",
        "Residency",
        "anonymous",
        "fault_guard",
        "open",
        "renew_fault_guard",
        "set_fault_guard",
        "split",
    }
)


def names(namespace):
    """Return the names for __all__, from those in the namespace of the package."""
    ours = sorted(name for name in namespace if not name.startswith("_") and name not in _OWN)
    standard = _public_names_of_mmap()
    return [name for name in ours if name in standard or name == "MapFaultError"] if standard else ours


def _public_names_of_mmap():
    # sys.modules may have the package itself under that name, to replace the module.
    module = sys.modules.get("mmap")
    if getattr(module, "__name__", None) != "mmap":
        module = _load()
    return {name for name in dir(module) if not name.startswith("_")} if module else None


def _load():
    """Load the standard module without entering it into sys.modules; None if the interpreter cannot."""
    for finder in bootstrap.BuiltinImporter, external.PathFinder:
        spec = finder.find_spec("mmap")
        if spec is not None and spec.loader is not None:
            try:
                module = bootstrap.module_from_spec(spec)
                spec.loader.exec_module(module)
            except ImportError:
                return None
            return module
    return None
