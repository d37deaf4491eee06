"""The arm64 package without a board: installed and run in an emulated Debian, its numbers compared with this machine's.

It owns the roots, the emulation and the comparison. It refuses to say anything about time: emulated times mean nothing.
"""
