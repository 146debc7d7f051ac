"""The one way in which texts and names are written: NFC, nothing invisible, joiners where they belong.

In: text from people, spreadsheets, file systems and archives. Out: the same text in one form, so that a name that
was decomposed by one system equals the name that another one composed. Every edge uses this file. Joiners (U+200C,
U+200D) stay where they change a word or a pictograph, and only there.
"""

from __future__ import annotations

import re
import unicodedata

from labeling.errors import Invalid

__all__ = ["check_name", "clean_name", "is_blank", "is_plain", "one_line", "same_name", "visible"]

_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_WITHOUT_SPACES = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
"""The scripts that write words without spaces (Thai, Lao, Burmese, Khmer): there U+200B says where a word ends."""
_INVISIBLE = re.compile(
    "(\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f)"  # a flag of a region: the only place for these letters
    f"|(?<!{_WITHOUT_SPACES})\u200b|\u200b(?!{_WITHOUT_SPACES})"
    "|[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff"
    "\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
_JOINERS = re.compile("[\u200c\u200d]+")
_JOINED = re.compile(
    "[\u0600-\u085f\u0870-\u0dff\u0f00-\u109f\u1780-\u18af\u1a20-\u1aad\u1b00-\u1bff\ua840-\ua8df\ua8e0-\ua8ff\ua980-\ua9df"
    "\uaa60-\uaa7f\uaae0-\uaaff\uabc0-\uabff\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00010d3f\U00010f00-\U000119ff"
    "\U0001e900-\U0001e95f]"
)
"""The blocks of the scripts whose letters change their shape or join beside a joiner (Arabic, Indic and their like)."""
_NO_OTHER_SYMBOL = re.compile("[\u2190-\u21ff\U0001f3fb-\U0001f3ff\U0001fa70-\U0001faff]")
"""Arrows, colours of skin and what is newer than Python's tables: pictographs that are no symbols by their category."""
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\uffa0")
"""Letters and signs of which nothing is displayed."""
_FORMS = re.compile("[\u034f\u0640\u200b\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""What chooses among the drawings of a sign, such as a heart in colour or in black, or a longer Arabic letter."""
_WIDTHS = re.compile("[\uff01-\uffee]+")
_ALIKE = str.maketrans({"\u2010": "-", "\u2011": "-", "\u2019": "'", "\u02bc": "'"})
"""Hyphens and apostrophes that word processors write for those of a keyboard."""
_FILLERS = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")


def is_plain(text: str) -> bool:
    """Whether a text is as it is stored already, which nearly all are: ASCII words with single spaces between them."""
    return _PLAIN.fullmatch(text) is not None


def visible(text: str) -> str:
    """Text in NFC without invisible characters; its line breaks are `\\n`, joiners stay where they belong.

    >>> visible("Ka\\u0308fer\\u202e") == "K\\u00e4fer", visible("a\\u200db")
    (True, 'ab')
    """
    if is_plain(text):
        return text
    without = _INVISIBLE.sub(lambda found: found[1] or "", _BREAKS.sub("\n", text))
    return unicodedata.normalize("NFC", _JOINERS.sub(_joiner, without))


def one_line(text: str) -> str:
    """`visible` text with single spaces in place of all white space.

    >>> one_line(" hot\\u3000 dog\\n")
    'hot dog'
    """
    return text if is_plain(text) else " ".join(visible(text).split())


def same_name(text: str) -> str:
    """Equal for names that differ in normal form, white space, invisible characters, drawing, width or case alone.

    >>> same_name("Hot  DOG") == same_name("hot dog"), same_name("cat\u2019s") == same_name("CAT'S")
    (True, True)
    """
    if not text.isascii():
        text = _FORMS.sub("", _FILLERS.sub(" ", text)).translate(_ALIKE)
        text = _WIDTHS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return unicodedata.normalize("NFC", one_line(text).casefold())


def is_blank(text: str) -> bool:
    """Whether nothing of a text is displayed: white space, invisible characters, fillers, marks without a letter."""
    return all(sign in _BLANK or unicodedata.category(sign) in ("Mn", "Me", "Zs") for sign in one_line(text))


def clean_name(name: str) -> str:
    """The name of a file as it is stored: `visible`, and otherwise as it is written.

    Raises
    ------
    Invalid
        It holds control characters, a change of the writing direction, or bytes that are no UTF-8.
    """
    if is_plain(name):
        return name
    if found := _FORBIDDEN.search(name):
        raise Invalid(f"The name holds {_described(name, found.start())}. Give it another name.")
    return visible(name)


def check_name(text: str) -> str:
    """The name of a class or a project as it is stored: `one_line`.

    Raises
    ------
    Invalid
        It is blank, or holds an invisible character; the message says which and where.
    """
    invisible = [found.start() for found in _INVISIBLE.finditer(text) if not found[1]]
    odd = min(invisible + [found.start() for found in _FORBIDDEN.finditer(text)], default=None)
    if odd is not None:
        raise Invalid(f"it holds {_described(text, odd)}, which nobody can see; take it out")
    if is_blank(text):
        raise Invalid("it is empty; give it a name, or leave it out")
    return one_line(text)


def _described(text: str, at: int) -> str:
    """A character by its number and name, and what stands before it."""
    sign = text[at]
    if "\udc80" <= sign <= "\udcff":
        return f"the byte {ord(sign) - 0xDC00:02X}, which is no UTF-8, after {text[:at][-30:]!r}"
    unnamed = {"Cc": "a control character", "Cs": "an unpaired surrogate"}
    name = unicodedata.name(sign, unnamed.get(unicodedata.category(sign), "no character"))
    return f"U+{ord(sign):04X} ({name}) after {text[:at][-30:]!r}"


def _joiner(found: re.Match[str]) -> str:
    """The first joiner of a row where it belongs; nothing elsewhere.

    Source: RFC 5892, appendix A (after a virama; between letters that join), and Unicode TR 51 (pictographs).
    """
    sign = found[0][0]
    before = found.string[found.start() - 1] if found.start() else " "
    after = found.string[found.end()] if found.end() < len(found.string) else " "
    return sign if _belongs(sign, before, after) else ""


def _belongs(sign: str, before: str, after: str) -> bool:
    if unicodedata.combining(before) == 9:  # a virama
        return True
    joins = [_JOINED.match(one) is not None and unicodedata.category(one)[0] in "LMN" for one in (before, after)]
    if sign == "\u200d":
        return any(joins) or (_is_pictograph(before) and _is_pictograph(after))
    return any(joins) and all(unicodedata.category(one)[0] in "LMN" for one in (before, after))


def _is_pictograph(sign: str) -> bool:
    return sign in "\ufe0f\u20e3" or unicodedata.category(sign) == "So" or bool(_NO_OTHER_SYMBOL.match(sign))
