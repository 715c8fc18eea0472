"""Files in stores that are no folder of this machine: buckets, hosts behind SSH, WebDAV servers. A module each."""
