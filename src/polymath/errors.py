"""The tree of errors.

    PolymathError
    ├── UserError              bad input; the command prints one line and exits 2
    │   ├── RecipeError        a recipe key, value or combination
    │   ├── SampleError        a sample or pool: unreadable, empty, without a checkable answer
    │   ├── ModelError         a model directory or id that cannot be loaded or does not fit
    │   ├── PromptError        a template that cannot be used, a prompt longer than the context
    │   ├── TrainingError      training that cannot go on: not finite
    │   ├── EndpointError      an endpoint that cannot be reached, refuses, or says what nobody can read
    │   ├── RunFolderError     a run folder that is missing, torn, or of another recipe
    │   └── DiskError          the disk is full or read-only
    └── Stopped                Ctrl-C or SIGTERM; what is on disk is whole; exit 130

A UserError says where, what was found, and what to do, in one line.
Mistakes of our own stay AssertionError, TypeError and friends.
"""

from __future__ import annotations


class PolymathError(Exception):
    """Everything that this package raises on purpose."""


class UserError(PolymathError):
    """Bad input: where it is, what was found, what to do about it."""

    def __init__(self, where: object, what: str, remedy: str) -> None:
        self.where, self.what, self.remedy = str(where), what, remedy
        super().__init__(" ".join(f"{self.where}: {what}; {remedy}".split()))


class RecipeError(UserError):
    """A recipe key, value or combination that cannot be used."""


class SampleError(UserError):
    """A sample or a pool that cannot be trained on or judged."""


class ModelError(UserError):
    """A model that cannot be loaded or does not fit its task."""


class PromptError(UserError):
    """A prompt template that cannot be used, or a prompt longer than the context."""


class TrainingError(UserError):
    """Training that cannot go on: a loss or gradient that is not finite."""


class EndpointError(UserError):
    """An endpoint that cannot be reached, refuses the request, or answers what cannot be read."""


class RunFolderError(UserError):
    """A run folder that is missing, torn, or belongs to another recipe."""


class DiskError(UserError):
    """The disk refused a write; nothing half-written is taken for whole."""


class Stopped(PolymathError):
    """The user asked to stop. The message says how to continue."""
