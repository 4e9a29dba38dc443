"""Checks that every option of telpher that the documentation names exists, and every option of a
script."""

import json
import re
import subprocess

from pages import ROOT

OPTION = re.compile(r"--?[A-Za-z][\w-]*$")
# Options of other programs that stand alone in inline code.
FOREIGN = {"-W": "rsync"}


class Command:
    """A subcommand of telpher with its options; the value says whether the option takes one."""

    def __init__(self, described):
        self.subcommands = {
            each["commandName"]: Command(each) for each in described.get("subcommands", [])}
        self.options, self.is_passthrough = {}, False
        for argument in described.get("arguments", []):
            for name in argument.get("names") or []:
                dashes = "--" if name["kind"] == "long" else "-"
                self.options[dashes + name["name"]] = argument["kind"] == "option"

    def all_options(self):
        found = dict(self.options)
        for each in self.subcommands.values():
            found.update(each.all_options())
        return found

    def unknown_options(self, words):
        """The options among `words` that this command does not have. Words of a command that
        `telpher run` runs are none of its options."""
        command, words = self, list(words)
        while words and words[0] in command.subcommands:
            command = command.subcommands[words.pop(0)]
        runs = command in (self.subcommands.get("run"), self.subcommands.get("on"))
        if command is self.subcommands.get("on") and words and not words[0].startswith("-"):
            words.pop(0)  # the host
        while words:
            word = words.pop(0).strip("[]")
            name = word.partition("=")[0]
            if word == "--" or (runs and not word.startswith("-")):
                return
            if not OPTION.match(name):
                continue
            if name not in command.options:
                yield name
            elif command.options[name] and "=" not in word and words:
                words.pop(0)


def read_command(program):
    described = subprocess.run(
        [program, "--experimental-dump-help"], check=True, capture_output=True, text=True).stdout
    return Command(json.loads(described)["command"])


def check(pages, program):
    telpher = read_command(program)
    script_texts = {
        path.name: "\n".join([path.read_text()] + [
            other.read_text() for other in sorted((ROOT / "scripts/lib" / path.name).glob("*.py"))])
        for path in (ROOT / "scripts").iterdir() if path.is_file()}
    offences = []
    for page in pages:
        texts = [(number, text, True) for number, text in page.inline_code()]
        for block in page.blocks:
            texts += [(number, text, False) for number, text in enumerate(block.lines, block.line)]
        for number, text, is_inline in texts:
            unknown = list(of_telpher(text, telpher))
            unknown += of_scripts(text, script_texts)
            if is_inline:
                unknown += alone(text, telpher, script_texts)
            offences += [f"{page.name}:{number}: there is no {each}" for each in unknown]
    return offences


def of_telpher(text, telpher):
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "QUOTED", text)
    for match in re.finditer(r"(?<![\w./-])telpher(?:-nio)? ([^|;&<>)#]*)", text):
        words = match.group(1).split()
        for name in telpher.unknown_options(words):
            yield f"option {name} of 'telpher {' '.join(words[:2])}'"


def of_scripts(text, script_texts):
    for match in re.finditer(r"(?<![\w./-])scripts/(\w+)([^|;&<>)#]*)", text):
        name, words = match.group(1), match.group(2).split()
        if name not in script_texts:
            continue  # names.py reports it
        for word in words[:words.index("--")] if "--" in words else words:
            word = word.strip("[]").partition("=")[0]
            if OPTION.match(word) and not has_word(script_texts[name], word):
                yield f"option {word} of scripts/{name}"


def alone(text, telpher, script_texts):
    """An option alone in inline code, or after the name of a subcommand."""
    words = text.split()
    name = words[0].partition("=")[0]
    if OPTION.match(name):
        known = name in telpher.all_options() or name in FOREIGN
        if not known and not any(has_word(each, name) for each in script_texts.values()):
            yield f"option {name}"
        return
    for command in (telpher, telpher.subcommands["classic"]):
        if words[0] in command.subcommands:
            unknown = list(command.unknown_options(words))
            if not unknown:
                return
            text = f"option {unknown[0]} of '{words[0]}'"
    if text.startswith("option "):
        yield text


def has_word(text, word):
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None
