# SPDX-License-Identifier: MIT
"""Where in a C file a small bug can be planted, and how it would look: what scripts/mutants draws from.

libclang reads the file with the compiler's own arguments, so that comments, texts and macros are told from code, and
only arguments of one type are swapped. Offsets are bytes of the file. Every bug takes the place of a whole expression,
so that both can stand in one program: `(SG_BUG(7) ? wrong : right)`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from clang import cindex
from clang.cindex import CursorKind as Kind

# What is said to people, not done: nothing is planted inside these calls, and dropping the first ones is no bug.
_SAYS = re.compile(r"^(sg_log\w*|log_\w+|v?f?printf|fputs|puts|perror)$")
# Of two arguments in either order: to swap them is no bug where only "equal" is asked for.
_EITHER = re.compile(r"^(strn?|mem|strn?case)cmp$|^fminf?$|^fmaxf?$")
_WORDS = re.compile(r"^(sg_error_\w+|sg_hint\w*|sg_conf_problem\w*)$")
_FLIPPED = {"<": ("<=", ">"), "<=": ("<", ">"), ">": (">=", "<"), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
            "&&": ("||",), "||": ("&&",), "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",),
            "<<": (">>",), ">>": ("<<",), "&": ("|",), "|": ("&",),
            "+=": ("-=",), "-=": ("+=",), "*=": ("/=",), "|=": ("&=",), "&=": ("|=",)}
_INTEGER = re.compile(rb"(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)([uUlL]*)")
_FLOAT = re.compile(rb"([0-9]*\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)([fFlL]?)")


@dataclass(frozen=True, order=True)
class Site:
    """One bug: the expression in bytes start..end becomes `text`."""

    file: str  # from the root
    line: int
    start: int
    end: int
    kind: str
    text: bytes
    right: bytes  # the expression as it is, of the type of `text`

    def planted(self, source: bytes) -> bytes:
        """The file with the bug alone."""
        return source[:self.start] + self.text + source[self.end:]

    def chosen(self, number: int) -> bytes:
        """The expression that is wrong when bug `number` is asked for."""
        return b"(SG_BUG(%d) ? (%b) : (%b))" % (number, self.text, self.right)

    def overlaps(self, other: Site) -> bool:
        return self.file == other.file and self.start < other.end and other.start < self.end


class _File:
    def __init__(self, root: Path, name: str, arguments: list[str]) -> None:
        self.name = name
        self.path = root / name
        self.source = self.path.read_bytes()
        self.unit = cindex.Index.create().parse(
            str(self.path), arguments, options=cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)
        errors = [str(found) for found in self.unit.diagnostics if found.severity >= cindex.Diagnostic.Error]
        if errors:
            raise ValueError(f"libclang cannot read {name}: {errors[0]}")
        here = [cursor for cursor in self.unit.cursor.get_children() if self._is_here(cursor)]
        self.macros = [self._span(cursor) for cursor in here if cursor.kind == Kind.MACRO_INSTANTIATION]
        self.code = [cursor for cursor in here if cursor.kind in (Kind.FUNCTION_DECL, Kind.VAR_DECL)]

    def _is_here(self, cursor: cindex.Cursor) -> bool:
        return cursor.location.file is not None and cursor.location.file.name == str(self.path)

    @staticmethod
    def _span(cursor: cindex.Cursor) -> tuple[int, int]:
        return cursor.extent.start.offset, cursor.extent.end.offset

    def _text(self, cursor: cindex.Cursor) -> bytes:
        start, end = self._span(cursor)
        return self.source[start:end]

    def _in_macro(self, start: int, end: int) -> bool:
        return any(first < end and start < last for first, last in self.macros)

    def _made(self, kind: str, whole: tuple[int, int], at: int, text: bytes, right: bytes = b"") -> Iterator[Site]:
        """A bug in the expression `whole`, on the line of byte `at`; none where a macro ends elsewhere."""
        old = self.source[whole[0]:whole[1]]
        if old and old.count(b"(") == old.count(b")") and b"\n#" not in old:
            yield Site(self.name, self.source.count(b"\n", 0, at) + 1, *whole, kind, text, right or old)

    def _patched(self, kind: str, cursor: cindex.Cursor, start: int, end: int, text: bytes) -> Iterator[Site]:
        """The expression of the cursor with `text` for its bytes start..end."""
        first, last = self._span(cursor)
        if first <= start and end <= last:
            yield from self._made(kind, (first, last), start,
                                  self.source[first:start] + text + self.source[end:last])

    def sites(self) -> Iterator[Site]:
        for cursor in self.code:
            yield from self._walk(cursor, "")

    def _walk(self, cursor: cindex.Cursor, result_type: str) -> Iterator[Site]:
        if cursor.kind == Kind.CALL_EXPR and (_SAYS.match(cursor.spelling) or _WORDS.match(cursor.spelling)):
            return
        if cursor.kind == Kind.FUNCTION_DECL:
            result_type = cursor.result_type.spelling
        children = list(cursor.get_children())
        yield from self._here(cursor, children, result_type)
        for child in children:
            if cursor.kind != Kind.CASE_STMT or child is not children[0]:  # two equal cases do not build
                yield from self._walk(child, result_type)

    def _here(self, cursor: cindex.Cursor, children: list[cindex.Cursor], result_type: str) -> Iterator[Site]:
        kind = cursor.kind
        if kind in (Kind.BINARY_OPERATOR, Kind.COMPOUND_ASSIGNMENT_OPERATOR):
            yield from self._operator(cursor, children)
        elif kind in (Kind.IF_STMT, Kind.WHILE_STMT, Kind.CONDITIONAL_OPERATOR):
            yield from self._negated("negated condition", children[0])
        elif kind == Kind.RETURN_STMT and children and result_type in ("bool", "_Bool"):
            yield from self._negated("negated answer", children[0])
        elif kind == Kind.UNARY_OPERATOR:
            yield from self._unary(cursor)
        elif kind in (Kind.INTEGER_LITERAL, Kind.FLOATING_LITERAL):
            yield from self._literal(cursor)
        elif kind == Kind.CALL_EXPR:
            yield from self._swapped(cursor)
        elif kind == Kind.COMPOUND_STMT:
            for child in children:
                yield from self._dropped(child)
        if kind in (Kind.IF_STMT, Kind.FOR_STMT, Kind.WHILE_STMT):
            for child in children[1:]:
                yield from self._dropped(child)

    def _operator(self, cursor: cindex.Cursor, children: list[cindex.Cursor]) -> Iterator[Site]:
        first, last = self._span(children[0])[1], self._span(children[1])[0]
        sign = self.source[first:last].strip().decode(errors="replace")
        start = first + self.source[first:last].find(sign.encode())
        if self._in_macro(start, start + len(sign)):
            return
        for text in _FLIPPED.get(sign, ()):
            yield from self._patched(f"{sign} is {text}", cursor, start, start + len(sign), text.encode())

    def _negated(self, kind: str, cursor: cindex.Cursor) -> Iterator[Site]:
        start, end = self._span(cursor)
        text = self.source[start:end]
        yield from self._made(kind, (start, end), start, b"!(" + text + b")", b"!!(" + text + b")")

    def _unary(self, cursor: cindex.Cursor) -> Iterator[Site]:
        start, end = self._span(cursor)
        text = self._text(cursor)
        if self._in_macro(start, start + 2):
            return
        for old, new in ((b"++", b"--"), (b"--", b"++")):
            if text.startswith(old):
                yield from self._patched(f"{old.decode()} is {new.decode()}", cursor, start, start + 2, new)
            elif text.endswith(old):
                yield from self._patched(f"{old.decode()} is {new.decode()}", cursor, end - 2, end, new)
        if text[:1] == b"!":
            yield from self._made("! is left out", (start, end), start, b"!!" + text[1:])
        elif text[:1] == b"-" and text[:2] != b"--":
            yield from self._made("- is left out", (start, end), start, text[1:])

    def _literal(self, cursor: cindex.Cursor) -> Iterator[Site]:
        start, end = self._span(cursor)
        text = self.source[start:end]
        if text in (b"true", b"false"):
            yield from self._made("wrong constant", (start, end), start, b"false" if text == b"true" else b"true")
            return
        if self._in_macro(start, end):
            return
        if found := _INTEGER.fullmatch(text):
            number = int(found[1], 0)
            for other in (number + 1, number - 1):
                if other >= 0:
                    yield from self._made("off by one" if number else "wrong constant", (start, end), start,
                                          (hex(other) if found[1][:2].lower() == b"0x" else str(other)).encode() +
                                          found[2])
        elif found := _FLOAT.fullmatch(text):
            value = float(found[1])
            yield from self._made("wrong constant", (start, end), start,
                                  repr(1.5 * value if value else 1.0).encode() + found[2])

    def _swapped(self, cursor: cindex.Cursor) -> Iterator[Site]:
        given = [] if _EITHER.match(cursor.spelling) else list(cursor.get_arguments())
        for a, b in zip(given, given[1:]):
            (start, middle), (next_start, end) = self._span(a), self._span(b)
            if a.type.get_canonical().spelling != b.type.get_canonical().spelling or middle > next_start:
                continue
            first, last = self._text(a), self._text(b)
            if first != last and first and last and not self._in_macro(start, end):
                yield from self._patched("swapped arguments", cursor, start, end,
                                         last + self.source[middle:next_start] + first)

    def _dropped(self, cursor: cindex.Cursor) -> Iterator[Site]:
        """A statement that does something; declarations, jumps and what is said to people stay."""
        start, end = self._span(cursor)
        text = self.source[start:end]
        is_call = cursor.kind == Kind.CALL_EXPR and not _SAYS.match(cursor.spelling)
        is_change = cursor.kind in (Kind.COMPOUND_ASSIGNMENT_OPERATOR, Kind.UNARY_OPERATOR) or (
            cursor.kind == Kind.BINARY_OPERATOR and re.search(rb"[^=!<>]=[^=]", text) is not None)
        if (is_call or is_change) and self.source[end:end + 1] == b";":
            yield from self._made("dropped statement", (start, end), start, b"(void)0", b"(void)(" + text + b")")


def sites_of(root: Path, name: str, arguments: list[str]) -> list[Site]:
    """All of a file, in order, each once. ValueError when libclang cannot read it."""
    return sorted(set(_File(root, name, arguments).sites()))
