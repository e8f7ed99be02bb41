"""What ``from firmmap import *`` gives: what ``from mmap import *`` gives, and MapFaultError."""

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


def lazy(namespace):
    """Return the value of __all__ for a package: a list that is made when it is first used.

    The standard module takes longer to load than the package. The list then takes the place of what is
    returned here. Whoever still has that uses the list too, by whichever method.
    """
    names = _Names()
    names.namespace = namespace
    return names


def _of_the_list(method):
    def call(self, *arguments, **options):
        names = _made(self.namespace)
        # So that it is equal to itself.
        return method(names, *(names if argument is self else argument for argument in arguments), **options)

    return call


_METHODS = {
    name: _of_the_list(method)
    for name, method in vars(list).items()
    if callable(method) and name not in ("__class_getitem__", "__getattribute__", "__init__", "__new__")
}
_METHODS["__radd__"] = _of_the_list(lambda names, other: other + names)
_METHODS["__reduce_ex__"] = _of_the_list(lambda names, protocol: (list, (names[:],)))
_Names = type("_Names", (list,), _METHODS)


def _made(namespace):
    """Return the list for __all__ in the namespace of the package."""
    if type(namespace["__all__"]) is _Names:
        namespace["__all__"] = _names(namespace)
    return namespace["__all__"]


def _names(namespace):
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
    """Load the standard module without entering it into sys.modules; None if the interpreter has none."""
    from importlib.machinery import BuiltinImporter, PathFinder
    from importlib.util import module_from_spec

    for finder in BuiltinImporter, PathFinder:
        spec = finder.find_spec("mmap")
        if spec is not None and spec.loader is not None:
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return None
