"""Pickles that would run code, or break a reader, each by one published trick."""

from __future__ import annotations

import pickle

from .assembling import (
    HARMLESS,
    called,
    checkpoint,
    framed,
    legacy,
    npy,
    stacked,
    state_dict,
    storage_id,
    tensor,
    text,
)

# Names by which published advisories got past lists of known evils.
ADVISED = (
    "os system", "posix system", "nt system", "subprocess Popen", "builtins eval",
    "builtins exec", "builtins getattr", "builtins __import__", "__builtin__ compile",
    "__builtin__ apply", "runpy run_path", "runpy _run_code", "bdb Bdb.run", "pip main",
    "torch._inductor.codecache compile_file", "pydoc pipepager", "pydoc locate",
    "functools partial", "venv create", "timeit timeit", "cProfile run", "cProfile runctx",
    "profile Profile.run", "numpy.testing._private.utils runstring",
    "numpy.f2py.crackfortran getlincoef", "torch.utils.bottleneck.__main__ run_cprofile",
    "torch._dynamo.guards GuardBuilder.get", "torch.utils.collect_env run",
    "torch.fx.experimental.symbolic_shapes ShapeEnv.evaluate_guards_expression",
    "torch.utils.data.datapipes.utils.decoder basichandlers",
    "torch.jit.unsupported_tensor_ops execWrapper", "torch.serialization load",
    "torch.utils._config_module ConfigModule.load_config", "torch.load load",
    "trace Trace.runctx", "lib2to3.pgen2.grammar Grammar.loads",
    "lib2to3.pgen2.pgen ParserGenerator.make_label", "idlelib.debugobj ObjectTreeItem.SetText",
    "idlelib.autocomplete AutoComplete.get_entity", "idlelib.calltip get_entity",
    "idlelib.run Executive.runcode", "idlelib.pyshell ModifiedInterpreter.runcode",
    "code InteractiveInterpreter.runcode", "ensurepip _run_pip", "doctest debug_script",
    "pkgutil resolve_name", "logging FileHandler", "_io FileIO", "io open",
    "asyncio.unix_events _UnixSubprocessTransport._start", "distutils.file_util write_file",
    "ctypes CDLL", "operator methodcaller", "_operator attrgetter", "pty spawn",
    "uuid _get_command_stdout", "_osx_support _read_output", "_aix_support _read_cmd_output",
    "imaplib IMAP4_stream", "smtplib SMTP", "urllib.request urlopen", "webbrowser open",
    "socket create_connection", "http.client HTTPSConnection", "ssl get_server_certificate",
    "pickle loads", "_pickle Unpickler", "marshal loads", "types CodeType", "types FunctionType",
    "cloudpickle.cloudpickle _make_function", "multiprocessing.util spawnv_passfds",
    "test.support.script_helper assert_python_ok", "importlib import_module", "sys exit",
    "shutil rmtree", "_interpreters create", "_pyrepl.pager pipe_pager",
    "torch.storage _load_from_bytes", "torch._tensor _rebuild_from_type_v2",
    "torch.hub load", "joblib.numpy_pickle load", "pandas read_pickle",
)  # fmt: skip


def _proto(body: bytes, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + body


_DTYPE = b"cnumpy\ndtype\n(S'%s'\nI00\nI01\ntR(I3\nS'<'\nNNN%sI-1\n%stb"
_PLAIN = _DTYPE % (b"f8", b"I-1\n", b"I0\n")
_NESTED = b"C" + bytes([len(HARMLESS) + 1]) + HARMLESS + b"."

# Trick: the pickle, and the code of the finding that must be among those made.
PICKLES: dict[str, tuple[bytes, str]] = {
    "protocol 0": (HARMLESS + b".", "pickle-global"),
    "protocol 1": (called("os", "getenv", "X", protocol=1), "pickle-global"),
    "protocol 2": (called("os", "getenv", "X", protocol=2), "pickle-global"),
    "protocol 3": (called("os", "getenv", "X", protocol=3), "pickle-global"),
    "protocol 4": (called("os", "getenv", "X", protocol=4), "pickle-global"),
    "protocol 5": (called("os", "getenv", "X", protocol=5), "pickle-global"),
    "import alone": (_proto(b"cantigravity\nfly\n0N."), "pickle-global"),
    "INST": (b"(S'STEELYARD'\nios\ngetenv\n.", "pickle-global"),
    "OBJ": (b"(cos\ngetenv\nS'STEELYARD'\no.", "pickle-global"),
    "OBJ whose result is dropped": (_proto(b"(" + stacked("os", "getenv") + text("X") + b"o0N."),
                                    "pickle-global"),
    "NEWOBJ": (_proto(stacked("os", "_Environ") + b")\x81."), "pickle-global"),
    "NEWOBJ_EX": (_proto(stacked("collections", "OrderedDict") + b")}\x92."), "pickle-call"),
    "result dropped by POP_MARK": (_proto(b"(" + HARMLESS + b"1N."), "pickle-global"),
    "call as a key": (_proto(b"}" + HARMLESS + b"Ns."), "pickle-global"),
    "name over two memo slots": (
        b"Vos\np2\n0Vgetenv\np3\n0Vtorch\np0\n0VLongStorage\np1\n0g2\ng3\n\x93(VX\ntR.",
        "pickle-global",
    ),
    "memo slot written twice": (
        _proto(text("torch") + b"q\0000" + text("os") + b"q\0000h\0" + text("getenv") + b"\x93."),
        "pickle-global",
    ),
    "memo slot of another type": (
        _proto(
            b"K\x01q\x00" + b"0" + stacked("os", "getenv") + b"q\x00h\x00" + text("X") + b"\x85R."
        ),
        "pickle-global",
    ),
    "name doubled by DUP": (_proto(text("code") + b"2\x93."), "pickle-global"),
    "name that is no text": (_proto(b"K\x01" + text("getenv") + b"\x93."), "pickle-unresolved"),
    "name from a call": (
        _proto(
            b"c_codecs\nencode\n" + text("os") + text("latin1") + b"\x86R" + text("system")
            + b"\x93."
        ),
        "pickle-unresolved",
    ),
    "name with escapes of UNICODE": (b"Vo\\u0073\nVget\\u0065nv\n\x93(VX\ntR.", "pickle-global"),
    "name with escapes of STRING": (b"S'\\x6fs'\nS'getenv'\n\x93(VX\ntR.", "pickle-global"),
    "name in BINUNICODE8": (
        _proto(b"\x8d\x02\0\0\0\0\0\0\0os" + text("getenv") + b"\x93."), "pickle-global"
    ),
    "name in BINSTRING": (_proto(b"T\x02\0\0\0osU\x06getenv\x93."), "pickle-global"),
    "name too long to keep": (
        _proto(b"X\x00\x10\0\0" + b"a" * 4096 + text("x") + b"\x93."), "pickle-unresolved"
    ),
    "dotted name in a module of the list": (
        _proto(stacked("torch", "serialization.os.getenv") + b"."), "pickle-global"
    ),
    "dotted name in the standard library": (
        _proto(stacked("pathlib", "os.getenv") + b")R."), "pickle-global"
    ),
    "carriage return in a name": (b"ccollections\r\nOrderedDict\r\n.", "pickle-global"),
    "index with a leading zero": (b"Vos\np010\n0g10\nVgetenv\n\x93.", "pickle-global"),
    "EXT1": (_proto(b"\x82\x01)R."), "pickle-unresolved"),
    "EXT2": (_proto(b"\x83\x01\x00)R."), "pickle-unresolved"),
    "EXT4": (_proto(b"\x84\x01\x00\x00\x00)R."), "pickle-unresolved"),
    "call of what a call gave": (
        _proto(b"ccollections\nOrderedDict\n)R)R."), "pickle-unresolved"
    ),
    "no STOP behind the call": (_proto(HARMLESS), "pickle-global"),
    "no opcode behind the call": (_proto(HARMLESS + b"\xff"), "pickle-global"),
    "empty stack behind the call": (_proto(HARMLESS + b"0000."), "pickle-global"),
    "broken text behind the call": (_proto(HARMLESS + b"\x8c\xff."), "pickle-global"),
    "unknown memo slot behind the call": (_proto(HARMLESS + b"h\x63."), "pickle-global"),
    "second pickle": (pickle.dumps([1]) + HARMLESS + b".", "pickle-global"),
    "sixth pickle": (pickle.dumps([1]) * 5 + HARMLESS + b".", "pickle-global"),
    "bytes behind the end": (pickle.dumps([1]) + b"\xffhidden", "pickle-trailing"),
    "end of a frame crossed": (
        _proto(framed(b"B\x14\0\0\0" + b"\0" * 20, 3) + b"."), "pickle-structure"
    ),
    "frame in a frame": (_proto(framed(b"N" + framed(b"N", 1), 30) + b"0."), "pickle-structure"),
    "PROTO inside": (_proto(b"\x80\x04N."), "pickle-structure"),
    "BUILD on a class": (_proto(b"ctorch\nSize\n}" + text("x") + b"Nsb."), "pickle-state"),
    "BUILD on a mapping with methods": (
        _proto(b"ccollections\nOrderedDict\n)R}" + text("items") + b"ctorch\nSize\nsb."),
        "pickle-state",
    ),
    "SETITEM on a class": (_proto(b"ctorch\nSize\nNNs."), "pickle-items"),
    "APPENDS on a class": (_proto(b"ctorch\nSize\n(Ne."), "pickle-items"),
    "ADDITEMS on a class": (_proto(b"ctorch\nSize\n(N\x90."), "pickle-items"),
    "class called with a class": (
        _proto(b"ctorch._utils\n_rebuild_parameter\nctorch\ndevice\n\x88\x89\x87R."), "pickle-call"
    ),
    "constant that is called": (_proto(b"ctorch\nfloat32\n)R."), "pickle-call"),
    "codec of another name": (
        _proto(b"c_codecs\nencode\n" + text("x") + text("zip") + b"\x86R."), "pickle-call"
    ),
    "factory of another module": (
        _proto(b"ccollections\ndefaultdict\nctorch\ndevice\n\x85R."), "pickle-call"
    ),
    "array of another class": (
        _proto(b"cnumpy.core.multiarray\n_reconstruct\nctorch\nSize\nK\0\x85C\x01b\x87R."),
        "pickle-call",
    ),
    "element type that takes bytes for pointers": (
        _proto(_DTYPE % (b"V8", b"I8\n", b"I63\n") + b"."), "pickle-state"
    ),
    "element type with fields": (
        _proto(b"cnumpy\ndtype\n(S'V8'\nI00\nI01\ntR(I3\nS'|'\nN(S'x'\nt(S'x'\n(" + _PLAIN
               + b"I0\ntdI8\nI1\nI0\ntb."),
        "pickle-state",
    ),
    "array of objects given as bytes": (
        _proto(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01K\x01\x85"
               + _DTYPE % (b"O8", b"I-1\n", b"I63\n") + b"\x89C\x08\0\0\0\0\0\0\0\0tb."),
        "pickle-state",
    ),
    "scalar of objects": (
        _proto(b"cnumpy.core.multiarray\nscalar\n" + _DTYPE % (b"O8", b"I-1\n", b"I63\n")
               + b"C\x08\0\0\0\0\0\0\0\0\x86R."),
        "pickle-call",
    ),
    "element type in words": (_proto(b"cnumpy\ndtype\n(S'f8,O'\nI00\nI01\ntR."), "pickle-call"),
    "joblib array of objects": (
        _proto(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + text("subclass")
               + b"cnumpy\nndarray\n" + text("shape") + b"K\x01\x85" + text("dtype")
               + _DTYPE % (b"O8", b"I-1\n", b"I63\n") + b"ub."),
        "pickle-state",
    ),
    "joblib array of another class": (
        _proto(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + text("subclass")
               + b"ctorch\nSize\n" + text("shape") + b"K\x01\x85" + text("dtype") + _PLAIN
               + b"ub."),
        "pickle-state",
    ),
    "persistent id of text": (b"Pstorage\n.", "pickle-persistent-id"),
    "persistent id of a module": (_proto(text("module") + b"Q."), "pickle-persistent-id"),
    "storage outside the archive": (_proto(storage_id("../0") + b"."), "pickle-persistent-id"),
    "storage of another type": (
        _proto(b"(X\x07\0\0\0storagectorch\nSize\n" + text("0") + text("cpu") + b"K\x01tQ."),
        "pickle-persistent-id",
    ),
    "tensor without a storage": (
        _proto(b"ctorch._utils\n_rebuild_tensor_v2\n(NK\0K\x04\x85K\x01\x85\x89NtR."), "pickle-call"
    ),
    "hooks that are a function": (
        state_dict(tensor(hooks=b"ctorch._utils\n_rebuild_tensor\n")), "pickle-call"
    ),
    "pickle in a pickle": (_proto(b"cpickle\nloads\n" + _NESTED + b"\x85R."), "pickle-global"),
    "torch file in a pickle": (
        _proto(b"ctorch.storage\n_load_from_bytes\n" + _NESTED + b"\x85R."), "pickle-global"
    ),
    "checkpoint": (checkpoint(state_dict(HARMLESS)), "pickle-global"),
    "checkpoint with a second pickle": (checkpoint(more=HARMLESS + b"."), "polyglot"),
    "legacy checkpoint": (legacy(state_dict(HARMLESS)), "pickle-global"),
    "legacy magic number from a call": (
        legacy(magic=called("builtins", "int", "1", protocol=2)), "pickle-call"
    ),
    "legacy magic number from eval": (
        legacy(HARMLESS + b".", magic=called("builtins", "eval", "1", protocol=2)), "pickle-global"
    ),
    "legacy checkpoint with a tail": (legacy(tail=HARMLESS + b"."), "pickle-trailing"),
    "legacy checkpoint in six pickles": (
        legacy(state_dict(tensor()) + HARMLESS + b"."), "pickle-global"
    ),
    "array of objects": (npy(HARMLESS + b"."), "pickle-global"),
}  # fmt: skip
