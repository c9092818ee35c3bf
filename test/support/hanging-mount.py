"""A FUSE file system with one file, authmq.log, that answers nothing; with the argument "opens" it hangs after the open.

It hangs as a network mount does: whoever waits can be killed. So it stops reading requests; one that a server has read
cannot be given up.
"""

import ctypes
import errno
import os
import select
import struct
import sys

folder, mode = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % device
if libc.mount(b"fuse", folder.encode(), b"fuse", 0, options) != 0:
    print(os.strerror(ctypes.get_errno()), flush=True)
    sys.exit(1)
print("mounted", flush=True)

LOOKUP, GETATTR, OPEN, RELEASE, FLUSH, INIT, OPENDIR, ACCESS = 1, 3, 14, 18, 25, 26, 27, 34


def attributes(inode):
    kind = 0o040755 if inode == 1 else 0o100644
    return struct.pack("<QQQQQQIIIIIIIIII", inode, 0, 0, 0, 0, 0, 0, 0, 0, kind, 1, 0, 0, 0, 4096, 0)


def answer(unique, error, body=b""):
    os.write(device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)


hangs = False
while True:
    readable, _, _ = select.select([sys.stdin] if hangs else [device, sys.stdin], [], [])
    if sys.stdin in readable:
        sys.exit(0)
    request = os.read(device, 1 << 20)
    _, opcode, unique, inode = struct.unpack_from("<IIQQ", request)
    if opcode == INIT:
        answer(unique, 0, struct.pack("<IIIIHHIIHHI", 7, 31, 4096, 0, 1, 1, 4096, 1, 0, 0, 0) + bytes(28))
        hangs = mode != "opens"
    elif opcode == LOOKUP:
        if request[40:-1] == b"authmq.log":
            answer(unique, 0, struct.pack("<QQQQII", 2, 0, 60, 60, 0, 0) + attributes(2))
        else:
            answer(unique, errno.ENOENT)
    elif opcode == GETATTR:
        answer(unique, 0, struct.pack("<QII", 60, 0, 0) + attributes(inode))
    elif opcode in (OPEN, OPENDIR):
        answer(unique, 0, struct.pack("<QII", 1, 1, 0))  # FOPEN_DIRECT_IO: the page cache takes no write
        hangs = opcode == OPEN
    elif opcode in (ACCESS, FLUSH, RELEASE):
        answer(unique, 0)
    else:
        answer(unique, errno.ENOSYS)
