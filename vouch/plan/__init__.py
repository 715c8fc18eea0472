"""What an index of a size takes: a model of memory, disk, machines and time, made from what was measured."""
