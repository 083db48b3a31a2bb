# SPDX-License-Identifier: MIT
"""Where in a C file a small bug can be planted, and how it would look: what scripts/mutants draws from.

libclang reads the file with the compiler's own arguments, so that comments, texts and macros are told from code, and
only arguments of one type are swapped. Offsets are bytes of the file.
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
_WORDS = re.compile(r"^(sg_error_\w+|sg_hint\w*|sg_conf_problem\w*)$")
_FLIPPED = {"<": ("<=", ">"), "<=": ("<", ">"), ">": (">=", "<"), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
            "&&": ("||",), "||": ("&&",), "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",),
            "<<": (">>",), ">>": ("<<",), "&": ("|",), "|": ("&",),
            "+=": ("-=",), "-=": ("+=",), "*=": ("/=",), "|=": ("&=",), "&=": ("|=",)}
_INTEGER = re.compile(rb"(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)([uUlL]*)")
_FLOAT = re.compile(rb"([0-9]*\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)([fFlL]?)")


@dataclass(frozen=True, order=True)
class Site:
    """One bug: bytes start..end become `text`."""

    file: str  # from the root
    line: int
    start: int
    end: int
    kind: str
    text: bytes

    def planted(self, source: bytes) -> bytes:
        return source[:self.start] + self.text + source[self.end:]


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

    def _made(self, kind: str, start: int, end: int, text: bytes) -> Site:
        return Site(self.name, self.source.count(b"\n", 0, start) + 1, start, end, kind, text)

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
            yield from self._operator(children)
        elif kind in (Kind.IF_STMT, Kind.WHILE_STMT, Kind.CONDITIONAL_OPERATOR):
            yield from self._around("negated condition", children[0], b"!(", b")")
        elif kind == Kind.RETURN_STMT and children and result_type in ("bool", "_Bool"):
            yield from self._around("negated answer", children[0], b"!(", b")")
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

    def _operator(self, children: list[cindex.Cursor]) -> Iterator[Site]:
        first, last = self._span(children[0])[1], self._span(children[1])[0]
        sign = self.source[first:last].strip().decode(errors="replace")
        start = first + self.source[first:last].find(sign.encode())
        if self._in_macro(start, start + len(sign)):
            return
        for text in _FLIPPED.get(sign, ()):
            yield self._made(f"{sign} is {text}", start, start + len(sign), text.encode())

    def _around(self, kind: str, cursor: cindex.Cursor, before: bytes, behind: bytes) -> Iterator[Site]:
        start, end = self._span(cursor)
        text = self.source[start:end]
        if text and text.count(b"(") == text.count(b")"):  # else a macro ends elsewhere
            yield self._made(kind, start, end, before + text + behind)

    def _unary(self, cursor: cindex.Cursor) -> Iterator[Site]:
        start, end = self._span(cursor)
        text = self._text(cursor)
        if self._in_macro(start, start + 2):
            return
        for old, new in ((b"++", b"--"), (b"--", b"++")):
            if text.startswith(old):
                yield self._made(f"{old.decode()} is {new.decode()}", start, start + 2, new)
            elif text.endswith(old):
                yield self._made(f"{old.decode()} is {new.decode()}", end - 2, end, new)
        if text[:1] in (b"!", b"-") and text[:2] != b"--":
            yield self._made(f"{text[:1].decode()} is left out", start, start + 1, b"")

    def _literal(self, cursor: cindex.Cursor) -> Iterator[Site]:
        start, end = self._span(cursor)
        text = self.source[start:end]
        if text in (b"true", b"false"):
            yield self._made("wrong constant", start, end, b"false" if text == b"true" else b"true")
            return
        if self._in_macro(start, end):
            return
        if found := _INTEGER.fullmatch(text):
            number = int(found[1], 0)
            for other in (number + 1, number - 1):
                if other >= 0:
                    yield self._made("off by one" if number else "wrong constant", start, end,
                                     (hex(other) if found[1][:2].lower() == b"0x" else str(other)).encode() + found[2])
        elif found := _FLOAT.fullmatch(text):
            number = float(found[1])
            yield self._made("wrong constant", start, end, repr(1.5 * number if number else 1.0).encode() + found[2])

    def _swapped(self, cursor: cindex.Cursor) -> Iterator[Site]:
        given = list(cursor.get_arguments())
        for a, b in zip(given, given[1:]):
            (start, middle), (next_start, end) = self._span(a), self._span(b)
            if a.type.get_canonical().spelling != b.type.get_canonical().spelling or middle > next_start:
                continue
            first, last = self._text(a), self._text(b)
            if first != last and first and last and not self._in_macro(start, end):
                yield self._made("swapped arguments", start, end, last + self.source[middle:next_start] + first)

    def _dropped(self, cursor: cindex.Cursor) -> Iterator[Site]:
        """A statement that does something; declarations, jumps and what is said to people stay."""
        start, end = self._span(cursor)
        text = self.source[start:end]
        is_call = cursor.kind == Kind.CALL_EXPR and not _SAYS.match(cursor.spelling)
        is_change = cursor.kind in (Kind.COMPOUND_ASSIGNMENT_OPERATOR, Kind.UNARY_OPERATOR) or (
            cursor.kind == Kind.BINARY_OPERATOR and re.search(rb"[^=!<>]=[^=]", text) is not None)
        if (is_call or is_change) and self.source[end:end + 1] == b";":
            yield self._made("dropped statement", start, end, b"(void)0")


def sites_of(root: Path, name: str, arguments: list[str]) -> list[Site]:
    """All of a file, in order, each once. ValueError when libclang cannot read it."""
    return sorted(set(_File(root, name, arguments).sites()))
