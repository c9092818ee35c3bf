"""A FUSE file system on the folder given that answers nothing once it is mounted, until stdin ends.

It hangs as a network mount does: whoever waits can be killed. So it reads no request but the first one; what a server has
read cannot be given up.
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
