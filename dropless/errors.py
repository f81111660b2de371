"""What goes wrong, said to a person."""


class DroplessError(Exception):
    """A problem told in one sentence: what is wrong, where, and what would be right.

    The command line prints the sentence without a traceback and exits with `exit_code`.
    """

    exit_code = 1


class ContractError(DroplessError):
    """A unified table's declaration is wrong; the sentence names file and line."""


class NotReady(DroplessError):
    """Something that was waited for did not become ready in its time."""


class Unreachable(DroplessError):
    """A system does not answer; trying again later may help."""


class Unsafe(DroplessError):
    """The change would lose data and was not asked for with `--allow-destructive`."""


class Recovering(Unreachable):
    """A system answers, but not in full yet: asking again soon helps."""
