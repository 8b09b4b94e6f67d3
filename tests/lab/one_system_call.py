"""Harm at one chosen system call of a command and of all that it starts: a kill before or after it, or an error from it.

    python one_system_call.py PLACE NUMBER HARM REPORT COMMAND [ARGUMENT ...]

Counted are the calls that change files: everything by path or link, and writes, flushes and truncations of files below
PLACE (pipes and terminals don't count). strace counts for each process by itself, so its `when=2` never reaches the
second of two short programs; here the count runs over all of them, in the order in which the kernel gets the calls.

HARM is `before` or `after` (SIGKILL to the one process at that call), `all` (SIGKILL to every traced process before it:
a power cut as they see it), the name of an error such as ENOSPC (that call fails with it and does nothing), the same with
`+` (so does every later one), or `none`. A process that makes a session of its own is let go with all that it starts:
it lives apart from the call; with `follow,` before the harm it is kept. REPORT gets JSON: how many calls were counted,
which one was hit, and with `none` all of them.

Linux on x86_64; `possible()` tells.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import signal
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

TRACE_ME, CONTINUE_TO_CALL, DETACH, GET_REGISTERS, SET_REGISTERS = 0, 24, 17, 12, 13
SET_OPTIONS, GET_CALL = 0x4200, 0x420E
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10  # mark the stops at calls; follow fork, vfork, clone; tell of exec
CALL_STOP = signal.SIGTRAP | 0x80
ENTRY = 1
CREATE_OR_TRUNCATE = os.O_CREAT | os.O_TRUNC
SETSID = 112
OPEN, OPENAT = 2, 257
RAX, ORIG_RAX = 10, 15  # places in x86_64's user_regs_struct

# number -> (name, which argument is the path or the descriptor)
BY_DESCRIPTOR = {
    1: ("write", 0),
    18: ("pwrite64", 0),
    20: ("writev", 0),
    40: ("sendfile", 0),
    74: ("fsync", 0),
    75: ("fdatasync", 0),
    77: ("ftruncate", 0),
    91: ("fchmod", 0),
    306: ("syncfs", 0),
    326: ("copy_file_range", 2),
}
BY_PATH = {
    OPEN: ("open", 0),
    OPENAT: ("openat", 1),
    82: ("rename", 1),
    83: ("mkdir", 0),
    84: ("rmdir", 0),
    85: ("creat", 0),
    86: ("link", 1),
    87: ("unlink", 0),
    88: ("symlink", 1),
    90: ("chmod", 0),
    258: ("mkdirat", 1),
    263: ("unlinkat", 1),
    264: ("renameat", 3),
    265: ("linkat", 3),
    266: ("symlinkat", 2),
    268: ("fchmodat", 1),
    316: ("renameat2", 3),
}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def possible() -> bool:
    """Whether this machine is one of those whose registers are known here."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def ptrace(request: int, pid: int, address: int = 0, data: object = None) -> int:
    """Make the call; raises OSError (ESRCH: the process is gone, killed meanwhile)."""
    result: int = libc.ptrace(request, pid, address, data)
    if result == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), "ptrace")
    return result


@dataclass
class Tracer:
    """Follows processes from call to call; `hit` is the call that was harmed."""

    place: str
    number: int
    harm: str
    follow: bool
    count: int = 0
    hit: str = ""
    names: list[str] = field(default_factory=list)
    traced: set[int] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)  # seen before their first stop
    failing: set[int] = field(default_factory=set)  # their call was taken from them; the error is put in at its end
    dying: set[int] = field(default_factory=set)  # to be killed when their call ends
    leaving: set[int] = field(default_factory=set)  # make a session of their own

    def run(self, words: list[str]) -> int:
        """Run a command to its end; return its exit code, 128 more than a signal's number when one ended it."""
        child = os.fork()
        if child == 0:
            ptrace(TRACE_ME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.execvp(words[0], words)  # noqa: S606 - this process becomes the command
        os.waitpid(child, 0)
        ptrace(SET_OPTIONS, child, 0, OPTIONS)
        self.traced.add(child)
        self._go_on(child)
        code = 1
        while self.traced:
            pid, status = os.waitpid(-1, 0x40000000)  # __WALL
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                self.traced.discard(pid)
                if pid == child:
                    code = os.waitstatus_to_exitcode(status)
                    if self.follow:
                        break  # the rest goes on untraced when we end
            else:
                self._stopped(pid, status)
        return code if code >= 0 else 128 - code

    def _stopped(self, pid: int, status: int) -> None:
        """One process stopped: at a call, at a signal, or because it is new."""
        number = os.WSTOPSIG(status)
        known = pid in self.traced
        self.traced.add(pid)
        try:
            if number == CALL_STOP:
                self._at_call(pid)
            elif status >> 16 or not known:
                self._go_on(pid)  # an event, or the first stop of a new process
            elif number == signal.SIGSTOP and pid not in self.fresh:
                self.fresh.add(pid)
                self._go_on(pid)
            else:
                self._go_on(pid, number)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise

    def _go_on(self, pid: int, number: int = 0) -> None:
        ptrace(CONTINUE_TO_CALL, pid, 0, number)

    def _at_call(self, pid: int) -> None:
        buffer = ctypes.create_string_buffer(88)
        ptrace(GET_CALL, pid, len(buffer), ctypes.addressof(buffer))
        if buffer.raw[0] == ENTRY:
            call, *arguments = struct.unpack_from("<7Q", buffer.raw, 24)
            if call == SETSID and not self.follow:
                self.leaving.add(pid)
            elif (name := self._changes(pid, call, arguments)) and self._harmed(pid, name):
                return
        elif pid in self.dying:
            os.kill(pid, signal.SIGKILL)
            return
        elif pid in self.failing:
            self.failing.discard(pid)
            self._set(pid, RAX, -getattr(errno, self.harm.rstrip("+")))
        elif pid in self.leaving:
            self.leaving.discard(pid)
            self.traced.discard(pid)
            ptrace(DETACH, pid)
            return
        self._go_on(pid)

    def _changes(self, pid: int, call: int, arguments: list[int]) -> str:
        """Return what the call would change, empty for nothing that counts."""
        if call in BY_DESCRIPTOR:
            name, place = BY_DESCRIPTOR[call]
            try:
                path = str(Path(f"/proc/{pid}/fd/{arguments[place]}").readlink())
            except OSError:
                return ""
            return f"{name} {path}" if path.startswith(self.place) else ""
        if call not in BY_PATH:
            return ""
        name, place = BY_PATH[call]
        if call in {OPEN, OPENAT} and not arguments[place + 1] & CREATE_OR_TRUNCATE:
            return ""
        path = text_at(pid, arguments[place])
        if name.startswith("rename"):
            path = f"{text_at(pid, arguments[place // 2])} -> {path}"
        return "" if path.startswith("/dev/") else f"{name} {path}"

    def _harmed(self, pid: int, name: str) -> bool:
        """Count the call, and do the harm if it is its turn; true when the process must not go on."""
        self.count += 1
        self.names.append(name)
        if self.harm == "none" or self.count < self.number or (self.count > self.number and self.harm[-1] != "+"):
            return False
        self.hit = self.hit or name
        if self.harm == "after":
            self.dying.add(pid)
        elif self.harm in {"before", "all"}:
            for each in [pid] if self.harm == "before" else list(self.traced):
                os.kill(each, signal.SIGKILL)
            return True
        else:
            self._set(pid, ORIG_RAX, -1)
            self.failing.add(pid)
        return False

    def _set(self, pid: int, register: int, value: int) -> None:
        registers = (ctypes.c_longlong * 27)()
        ptrace(GET_REGISTERS, pid, 0, ctypes.addressof(registers))
        registers[register] = value
        ptrace(SET_REGISTERS, pid, 0, ctypes.addressof(registers))


def text_at(pid: int, address: int) -> str:
    """Return the C string at an address of another process."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        # A string may end right before a page that isn't there.
        return memory.read(min(4096, 4096 - address % 4096)).split(b"\0")[0].decode("utf-8", "replace")


def main() -> int:
    """Run as the words at the top say."""
    place, number, harm, report, *words = sys.argv[1:]
    follow, harm = harm.startswith("follow,"), harm.removeprefix("follow,")
    tracer = Tracer(place=place, number=int(number), harm=harm, follow=follow)
    code = 1
    try:
        code = tracer.run(words)
    finally:
        told = {"count": tracer.count, "hit": tracer.hit, "names": tracer.names if harm == "none" else []}
        Path(report).write_text(json.dumps(told))
    return code


if __name__ == "__main__":
    sys.exit(main())
