"""The base of all tables, as Peewee models without a database of their own."""

from __future__ import annotations

from peewee import Model


class Table(Model):
    """Common ground of all tables."""

    class Meta:
        legacy_table_names = False
