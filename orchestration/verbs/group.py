"""A group of verbs whose help, and whose answer to a wrong word, wait for no library.

Here: typer's group, with a word judged before options are converted, and each verb's whole
sentence. Not here: any verb.
"""

from typer.core import TyperGroup

_WHOLE = 1_000  # characters: no verb's first sentence is as long


class Verbs(TyperGroup):
    """Typer converts options by pydantic, which takes longer to import than the rest to run."""

    def parse_args(self, ctx, args):
        if not args and self.no_args_is_help:
            print(ctx.get_help())
            ctx.fail("found no verb")
        if args and not args[0].startswith("-"):
            self.resolve_command(ctx, args)  # a wrong verb is said here
        return super().parse_args(ctx, args)

    def format_commands(self, ctx, formatter):
        verbs = [(name, verb.get_short_help_str(_WHOLE)) for name, verb in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(verbs)
