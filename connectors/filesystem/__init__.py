"""A folder of files on this machine, by ``.vouch.yaml`` or by the access that POSIX gives."""
