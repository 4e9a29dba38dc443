"""Finds resources that Swift code would close twice if an initializer fails.

    python3 scripts/lib/deinits.py FILE...

Swift runs `deinit` also if `init` throws or returns nil after all stored properties have a value. An
`init` that then closes a descriptor itself, and whose `deinit` closes it too, closes the number twice.
Another thread may have opened a file under this number between the two calls, and loses it.

An offence is a call in an `init`, after all stored properties have a value, that closes or frees
what the `deinit` of the same type closes or frees. Prints a line for each; the exit status is 0 if
there is none.
"""

import re
import sys

# A function that gives a resource back, as `close(socket)`, `Glibc.close(ends.reader)` or
# `telpher_digest_free(state)`; and a method of the resource itself, as `memory.deallocate()`.
RELEASING_CALL = re.compile(
    r"\b(?:\w+\.)*(?:\w+_)?(?:close|closedir|fclose|free|freeState|munmap|destroy)\("
    r"\s*(?:self\.)?([a-zA-Z_][\w.!]*)\s*[,)]")
RELEASING_METHOD = re.compile(
    r"\b(?:self\.)?([a-zA-Z_][\w.!?]*)\.(?:close|free|deallocate|destroy)\(\s*\)")
OWN_CALL = re.compile(r"(?<![\w.])(?:self\.)?([a-z]\w*)\(")


def offences(text):
    """Returns pairs: the number of a line, and what is released there."""
    code = without_texts(text)
    found = []
    types = [(match["name"], *braces(code, match.end() - 1)) for match in re.finditer(
        r"\b(?:class|actor|struct|enum|extension)\s+(?P<name>[A-Z][\w.]*)[^{}]*\{", code)]
    for name, start, end in types:
        members = code_at_top(code, start, end)
        closing = re.search(r"\bdeinit\s*\{", members)
        if not closing:
            continue
        released = releases_of_deinit(code, members, start, closing)
        required = properties_without_value(members)
        # Also in extensions of the type in the same file.
        for other, first, last in types:
            if other == name:
                found += offences_of_initializers(code, first, last, required, released)
    return sorted(set(found))


def offences_of_initializers(code, start, end, required, released):
    members = code_at_top(code, start, end)
    for match in re.finditer(r"\binit[?!]?\s*(?:<[^>]*>)?\(", members):
        opening = members.find("{", skip_parentheses(members, match.end() - 1))
        if opening < 0:
            continue
        first, last = braces(code, start + opening)
        body = code[first:last]
        assigned = [
            found for name in required
            if (found := re.search(
                rf"(?<![\w.])(?:self\.)?{name}\s*=(?!=)", without_locals(body, name)))]
        assigned += re.finditer(r"\b(?:self|super)\.init\(", body)
        aliases = {
            copy[2]: copy[1] for copy in re.finditer(
                r"(?<![\w.])(?:self\.)?(\w+)\s*=\s*(\w+)\s*(?=[;\n}])", body)}
        for position, resource in releases(body):
            root, *rest = resource.split(".")
            whole = ".".join([aliases.get(root, root), *rest])
            if whole not in released or not all(
                    is_done(body, other.start(), position) for other in assigned):
                continue
            # A property that gets another value after the call is not released again.
            if re.search(rf"(?<![\w.])(?:self\.)?{re.escape(whole)}\s*=(?!=)", body[position:]):
                continue
            yield code.count("\n", 0, first + position) + 1, whole


def is_done(body, assignment, position):
    """Whether a property has its value at a later position. In a `catch` it has none if the
    assignment is the last statement of the `do` that could fail."""
    if position < assignment:
        return False
    for match in re.finditer(r"\bdo\b[^{}]*\{", body[:position]):
        first, last = braces(body, match.end() - 1)
        handler = re.compile(r"\}\s*catch\b[^{}]*\{").match(body, last)
        if first <= assignment < last and handler:
            handler_first, handler_last = braces(body, handler.end() - 1)
            if handler_first <= position < handler_last:
                end = end_of_statement(body, assignment)
                return re.search(r"\b(try|throw)\b", body[end:last]) is not None
    return True


def end_of_statement(body, position):
    depth = 0
    for end in range(position, len(body)):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(body[end], 0)
        if depth < 0 or depth == 0 and body[end] in "\n;" and not body[:end].rstrip().endswith("="):
            return end
    return len(body)


def releases(body):
    """Yields the position and the name of each resource that code releases."""
    for pattern in (RELEASING_CALL, RELEASING_METHOD):
        for match in pattern.finditer(body):
            yield match.start(), match[1].replace("!", "").replace("?", "")


def releases_of_deinit(code, members, start, closing):
    """What the deinitializer releases, itself or by a method of the type that it calls."""
    first, last = braces(code, start + closing.end() - 1)
    body = code[first:last]
    released = {name for _, name in releases(body)}
    for call in OWN_CALL.finditer(body):
        method = re.search(rf"\bfunc\s+{call[1]}\s*\(", members)
        opening = members.find("{", skip_parentheses(members, method.end() - 1)) if method else -1
        if opening >= 0:
            first, last = braces(code, start + opening)
            released |= {name for _, name in releases(code[first:last])}
    return released


def properties_without_value(members):
    """The stored properties that an initializer must set."""
    declarations = re.findall(
        r"^[ \t]*(?:(?:@\w+|unowned|nonisolated|public|package|internal|private|fileprivate|final)"
        r"(?:\([\w ]+\))?[ \t]+)*(let|var)[ \t]+(\w+)[ \t]*:[ \t]*([^\n={]*)([={]?)", members, re.M)
    return [
        name for kind, name, type_name, rest in declarations
        if not rest and not (kind == "var" and type_name.strip().endswith(("?", "!")))]


def without_locals(body, name):
    """The body without `let name = ...`, which sets no property."""
    return re.sub(rf"\b(let|var)\s+{name}\b", lambda match: " " * len(match[0]), body)


def code_at_top(code, start, end):
    """The code between two positions, with what stands in further braces as blanks."""
    depth, result = 0, []
    for character in code[start:end]:
        if character == "}":
            depth -= 1
        result.append(character if depth == 0 or character == "\n" else " ")
        if character == "{":
            depth += 1
    return "".join(result)


def braces(code, opening):
    """The positions after a brace and of the one that closes it."""
    depth = 0
    for position in range(opening, len(code)):
        depth += {"{": 1, "}": -1}.get(code[position], 0)
        if depth == 0:
            return opening + 1, position
    return opening + 1, len(code)


def skip_parentheses(code, opening):
    depth = 0
    for position in range(opening, len(code)):
        depth += {"(": 1, ")": -1}.get(code[position], 0)
        if depth == 0:
            return position
    return len(code)


def without_texts(text):
    """The code with blanks for its comments and the texts in quotes, line by line as before."""
    result, position = [], 0
    # What the scanner is in: code, code within \(...) of a text with the depth of its parentheses,
    # or a text with its end and the beginning of such code.
    stack = [["code", 0]]

    def blank(count):
        nonlocal position
        result.extend("\n" if c == "\n" else " " for c in text[position:position + count])
        position += count

    while position < len(text):
        state = stack[-1]
        if state[0] == "text":
            _, end, interpolation = state
            if text.startswith(interpolation, position):
                blank(len(interpolation))
                stack.append(["code", 1])
            elif text.startswith(end, position):
                blank(len(end))
                stack.pop()
            else:
                blank(2 if text[position] == "\\" and "#" not in end else 1)
            continue
        if text.startswith("//", position):
            line_end = text.find("\n", position)
            blank((len(text) if line_end < 0 else line_end) - position)
        elif text.startswith("/*", position):
            close = text.find("*/", position)
            blank((len(text) if close < 0 else close + 2) - position)
        elif quote := re.compile(r'(#*)("""|")').match(text, position):
            stack.append(["text", quote[2] + quote[1], "\\" + quote[1] + "("])
            blank(len(quote[0]))
        else:
            character = text[position]
            if len(stack) > 1:
                state[1] += {"(": 1, ")": -1}.get(character, 0)
                if state[1] == 0:
                    stack.pop()
                    blank(1)
                    continue
            result.append(character)
            position += 1
    return "".join(result)


def main(files):
    status = 0
    for file in files:
        with open(file, encoding="utf-8") as opened:
            for line, resource in offences(opened.read()):
                print(
                    f"{file}:{line}: this initializer closes {resource}, and deinit closes it again: "
                    "leave it to deinit")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
