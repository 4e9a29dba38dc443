"""Holds the documentation to the code: see CONTRIBUTING.md.

    python3 scripts/lib/docs names              links, anchors, files, variables, types, and
                                                the list of modules in docs/architecture.md
    python3 scripts/lib/docs options PROGRAM    the options of telpher and of the scripts
    python3 scripts/lib/docs commands PROGRAM   runs the commands of README.md and other pages
    python3 scripts/lib/docs swift PROGRAM      builds and runs README's Swift program, and
                                                compiles docs/SWIFT.md

Prints a line for each offence; the exit status is 0 if there is none.
"""

import pathlib
import sys

import pages


def main(arguments):
    if len(arguments) != (1 if arguments[:1] == ["names"] else 2):
        sys.exit(__doc__)
    what, program = arguments[0], pathlib.Path(arguments[-1]).resolve()
    found = pages.all_pages()
    if what == "names":
        import modules
        import names
        offences = names.check(found) + modules.check(found)
    elif what == "options":
        import options
        offences = options.check(found, program)
    elif what == "commands":
        import commands
        offences = commands.check(program)
    elif what == "swift":
        import swift
        offences = swift.check(program)
    else:
        sys.exit(__doc__)
    for offence in offences:
        print(offence)
    return 1 if offences else 0


sys.exit(main(sys.argv[1:]))
