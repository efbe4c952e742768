"""Shell text -> the simple commands that it runs, with variables that it sets itself resolved.

Enough of POSIX sh and bash to read what people put behind ``sh -c``: quotes, line continuations,
pipes, lists, redirections, here-documents, assignments, arrays, loops over words (POSIX.1-2017,
Shell Command Language, 2.2 to 2.9). Nothing is run. What only a running shell knows (a command's
output, a variable from elsewhere) becomes an `unknown` mark, which readers refuse to guess.
Known gap: every branch of a condition is read as if it ran.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from rightslice.kube.parse.shell_variables import LONGEST_VALUE, Variables
from rightslice.kube.parse.shell_words import SHELLS, basename, script_of, unknown

_PLAIN: Final = re.compile(r"[^\s'\"\\$`;&|<>()#]+")
_BLANKS: Final = re.compile(r"[ \t\r\f\v]+")
_IN_DOUBLE: Final = re.compile(r'[^"\\$`]+')
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_OPENS_ARRAY: Final = re.compile(r"[A-Za-z_]\w*\+?=", re.ASCII)
_BRACED: Final = re.compile(r"([A-Za-z_]\w*|[@*])(\[[@*]\])?(:?[-=?+])?", re.ASCII)
_HEREDOC: Final = re.compile(r"<<-?[ \t]*(\\?)(['\"]?)([\w.-]+)\2")
_FUNCTION: Final = re.compile(r"\(\)\s*\{")
_RESERVED: Final = frozenset(
    {"if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "time",
     "esac"}
)  # fmt: skip
_DECLARES: Final = frozenset({"export", "declare", "local", "readonly", "typeset"})
_DEEPEST: Final = 8
_MOST_COMMANDS: Final = 2000
_LONGEST_SCRIPT: Final = 131_072
"""Characters; longer ones are cut."""


def commands(
    script: str, variables: Mapping[str, str], arguments: Sequence[str] = ()
) -> list[list[str]]:
    """Return the words of each simple command of *script*, in reading order.

    >>> commands("M=a/b; vllm serve $M --port 80 & sleep 60", {})
    [['vllm', 'serve', 'a/b', '--port', '80'], ['sleep', '60']]
    """
    reader = _Reader(script, Variables.of(variables, arguments), 0)
    reader.read()
    return reader.done


class _Reader:
    def __init__(self, script: str, held: Variables, depth: int) -> None:
        self.text = script[:_LONGEST_SCRIPT]
        self.at = 0
        self.held = held
        self.depth = depth
        self.done: list[list[str]] = []
        self.words: list[str] = []
        self.word: str | None = None
        self.skip_word = False
        self.heredocs: list[str] = []
        self.array: tuple[str, bool, list[str]] | None = None

    def read(self) -> None:
        """Read the whole script."""
        text, size = self.text, len(self.text)
        while self.at < size and len(self.done) < _MOST_COMMANDS:
            plain = _PLAIN.match(text, self.at)
            if plain is not None:
                self._add(plain[0])
                self.at = plain.end()
                continue
            self._special(text[self.at])
        self._end_command()

    def _special(self, char: str) -> None:
        if char in "'\"\\$`":
            self._quoted(char)
        elif char == "\n":
            self.at += 1
            if self.array is not None:
                self._end_word()
                return
            self._end_command()
            self._skip_heredocs()
        elif char.isspace():
            blanks = _BLANKS.match(self.text, self.at)
            self.at = self.at + 1 if blanks is None else blanks.end()
            self._end_word()
        elif char == "#":
            self._comment()
        elif char in "<>":
            self._redirect()
        elif char == "&" and self.text.startswith("&>", self.at):
            self._end_word()
            self.at += 1
            self._redirect()
        elif char == "(" and (self._opens_array() or self._opens_function()):
            return
        elif char == ")" and self.array is not None:
            self._close_array()
        else:
            self.at += 1
            self._end_command()

    def _add(self, piece: str) -> None:
        if len(self.word or "") < LONGEST_VALUE:
            self.word = (self.word or "") + piece[:LONGEST_VALUE]

    def _quoted(self, char: str) -> None:
        text = self.text
        if char == "'":
            end = text.find("'", self.at + 1)
            end = len(text) if end < 0 else end
            self._add(text[self.at + 1 : end])
            self.at = end + 1
        elif char == '"':
            self.at += 1
            self._add("")
            self._double()
        elif char == "\\":
            self._escape()
        elif char == "`":
            end = text.find("`", self.at + 1)
            self.at = len(text) if end < 0 else end + 1
            self._add(unknown("(...)"))
        else:
            self._split(self._expansion(quoted=False))

    def _escape(self) -> None:
        ending = re.compile(r"\\[ \t]*\r?\n").match(self.text, self.at)
        if ending is not None:  # a blank after the backslash is a slip that everybody means alike
            self.at = ending.end()
            return
        self._add(self.text[self.at + 1 : self.at + 2])
        self.at += 2

    def _double(self) -> None:
        text, size = self.text, len(self.text)
        while self.at < size and text[self.at] != '"':
            plain = _IN_DOUBLE.match(text, self.at)
            if plain is not None:
                self._add(plain[0])
                self.at = plain.end()
            elif text[self.at] == "\\":
                after = text[self.at + 1 : self.at + 2]
                self._add("" if after == "\n" else after if after in '"\\$`' else f"\\{after}")
                self.at += 2
            elif text[self.at] == "`":
                end = text.find("`", self.at + 1)
                self.at = size if end < 0 else end + 1
                self._add(unknown("(...)"))
            else:
                several = self._expansion(quoted=True)
                for piece in several[:-1]:
                    self._add(piece)
                    self._end_word()
                if several:
                    self._add(several[-1])
        self.at += 1

    def _split(self, pieces: list[str]) -> None:
        """Add an unquoted expansion: blanks in it end words."""
        for number, value in enumerate(pieces):
            if number:
                self._end_word()
            parts = value.split()
            if not parts:
                continue
            if value[0].isspace() and self.word:
                self._end_word()
            for place, part in enumerate(parts):
                if place:
                    self._end_word()
                self._add(part)
            if value[-1].isspace():
                self._end_word()

    def _expansion(self, *, quoted: bool) -> list[str]:
        """Read what follows a ``$`` and return its value: one piece, or an array's pieces."""
        text = self.text
        self.at += 1
        following = text[self.at : self.at + 1]
        if following == "(":
            return self._substitution()
        if following == "{":
            return self._braced(self._balanced("{", "}"))
        name = _NAME.match(text, self.at)
        if name is not None:
            self.at = name.end()
            return [self.held.value(name[0])]
        return self._parameter(following, quoted=quoted)

    def _parameter(self, following: str, *, quoted: bool) -> list[str]:
        if following in ("@", "*"):
            self.at += 1
            return self.held.arrays["@"]
        if following and following in "'\"":
            return [] if quoted else [""]  # $'...' and $"..." read as their quotes
        if following and following in "!?$#-0123456789":
            self.at += 1
            return [self.held.positional(following)]
        return ["$"]

    def _substitution(self) -> list[str]:
        inside = self._balanced("(", ")").strip()
        if inside.startswith("(") and inside.endswith(")"):
            return [self.held.arithmetic(inside[1:-1])]
        return [unknown(inside if _NAME.fullmatch(inside) else f"({inside[:40]})")]

    def _balanced(self, opens: str, closes: str) -> str:
        start, level = self.at + 1, 0
        for index in range(self.at, len(self.text)):
            char = self.text[index]
            level += (char == opens) - (char == closes)
            if level == 0:
                self.at = index + 1
                return self.text[start:index]
        self.at = len(self.text)
        return self.text[start:]

    def _braced(self, inside: str) -> list[str]:
        match = _BRACED.match(inside)
        if match is None:
            return [unknown(inside)]
        name, is_array, operator = match[1], match[2], match[3]
        rest = inside[match.end() :]
        if is_array or name in "@*":
            known = self.held.arrays.get(name)
            return [unknown(name)] if known is None or rest or operator else known
        if operator is None:
            return [unknown(name)] if rest else [self.held.value(name)]
        value = self.held.values.get(name)
        if operator[-1] == "+":
            return [self._nested(rest)] if value else [""]
        if value is None or (value == "" and operator[0] == ":"):
            return [self._nested(rest)] if operator[-1] in "-=" else [unknown(name)]
        return [value]

    def _nested(self, piece: str) -> str:
        """Expand the word of ``${NAME:-word}``."""
        if self.depth >= _DEEPEST:
            return unknown(piece[:40])
        inner = _Reader(piece.strip("'\"") + '"', self.held, self.depth + 1)
        inner._double()
        return inner.word or ""

    def _comment(self) -> None:
        if self.word is not None:
            self._add("#")
            self.at += 1
            return
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _redirect(self) -> None:
        if self.word is not None and self.word.isdigit():
            self.word = None
        self._end_word()
        text = self.text
        heredoc = _HEREDOC.match(text, self.at)
        if heredoc is not None and not text.startswith("<<<", self.at):
            self.heredocs.append(heredoc[3])
            self.at = heredoc.end()
            return
        while self.at < len(text) and text[self.at] in "<>|&":
            self.at += 1
        if text.startswith("(", self.at):
            self._balanced("(", ")")
            return
        self.skip_word = True

    def _skip_heredocs(self) -> None:
        for ends in self.heredocs:
            lines = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = end + 1
                if line.strip() == ends:
                    break
                lines.append(line)
            self._here("\n".join(lines))
        self.heredocs = []

    def _here(self, body: str) -> None:
        """Read a here-document as a script when the command is one that writes or runs scripts."""
        program = basename(self.done[-1][0]) if self.done else ""
        if program in SHELLS or (program in ("cat", "tee") and "#!" in body[:3]):
            self._run(body, [])

    def _opens_array(self) -> bool:
        if self.array is not None or self.word is None or not _OPENS_ARRAY.fullmatch(self.word):
            return False
        name = self.word.rstrip("=").rstrip("+")
        self.array = (name, self.word.endswith("+="), self.words)
        self.words, self.word = [], None
        self.at += 1
        return True

    def _opens_function(self) -> bool:
        """Read ``name() { ... }``: its commands run where it is called."""
        if self.array is not None or not self.word or any(w != "function" for w in self.words):
            return False
        body = _FUNCTION.match(self.text, self.at)
        if body is None or not _NAME.fullmatch(self.word):
            return False
        name, self.word, self.words = self.word, None, []
        self.at = body.end() - 1
        self.held.functions[name] = self._balanced("{", "}")
        return True

    def _close_array(self) -> None:
        assert self.array is not None
        self._end_word()
        name, appends, outer = self.array
        self.held.arrays[name] = [*(self.held.arrays.get(name, []) if appends else []), *self.words]
        self.words, self.array = outer, None
        self.at += 1

    def _end_word(self) -> None:
        if self.word is None:
            return
        if self.skip_word:
            self.skip_word = False
        else:
            self.words.append(self.word)
        self.word = None

    def _end_command(self) -> None:
        self._end_word()
        self.skip_word = False
        words, self.words = self.words, []
        while words and words[0] in _RESERVED:
            words = words[1:]
        if not words:
            return
        if words[0] in ("for", "select") and len(words) > 3 and words[2] == "in":
            self.held.values[words[1]] = ",".join(words[3:])
            return
        if words[0] in _DECLARES:
            words = [one for one in words[1:] if not one.startswith("-")]
            for one in words:
                self.held.assign(one)
            return
        if words[0] == "set" and "--" in words:
            self.held.arrays["@"] = words[words.index("--") + 1 :]
        while words and self.held.assign(words[0]):
            words = words[1:]
        if words:
            self._finish(words)

    def _finish(self, words: list[str]) -> None:
        nested = script_of(words[:8])
        if nested is not None and basename(words[0]) != "echo":
            script = script_of(words)
            assert script is not None
            self._run(*script)
        elif words[0] in self.held.functions:
            self._run(self.held.functions[words[0]], words[1:])
        elif words[0] == "eval":
            self._run(" ".join(words[1:]), [])
        else:
            self.done.append(words)

    def _run(self, script: str, arguments: list[str]) -> None:
        if self.depth < _DEEPEST and self.held.runs[0] > 0:
            self.held.runs[0] -= 1
            inner = _Reader(script, self.held.copied(arguments), self.depth + 1)
            inner.read()
            self.done += inner.done[: _MOST_COMMANDS - len(self.done)]
