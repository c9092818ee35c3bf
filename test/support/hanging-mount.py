"""A FUSE file system on the given folder that never answers after it is mounted, until stdin ends.

It hangs like a network mount: waiting processes can be killed. It therefore reads only the first request, because a
process cannot be killed while a server has read its request.
"""

import ctypes
import os
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % device
if libc.mount(b"fuse", sys.argv[1].encode(), b"fuse", 0, options) != 0:
    print(os.strerror(ctypes.get_errno()), flush=True)
    sys.exit(1)
_, _, unique = struct.unpack_from("<IIQ", os.read(device, 1 << 20))  # FUSE_INIT
body = struct.pack("<IIIIHHIIHHI", 7, 31, 4096, 0, 1, 1, 4096, 1, 0, 0, 0) + bytes(28)
os.write(device, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
print("mounted", flush=True)
sys.stdin.read()
