"""The protocol: pure functions over plain data, with no Flask, no Peewee and no I/O."""
