"""Users and groups with what django-scim2 keeps of them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django_scim.models import AbstractSCIMGroupMixin, AbstractSCIMUserMixin


class User(AbstractSCIMUserMixin, AbstractUser):
    """Django's own user; the groups that SCIM speaks of are those below."""

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and number, in one transaction: by themselves the two wait for the disk twice."""
        with transaction.atomic():
            super().save(*args, **kwargs)


class Group(AbstractSCIMGroupMixin):
    """A group; the names of the relation are those that django-scim2's adapters use."""

    name = models.CharField(max_length=254, unique=True)
    user_set = models.ManyToManyField(User, related_name="scim_groups")

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and number, in one transaction."""
        with transaction.atomic():
            super().save(*args, **kwargs)
