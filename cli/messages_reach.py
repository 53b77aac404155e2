"""What the command line says of reaching people, in English and in Chinese; part of `cli.messages`."""

from __future__ import annotations

from typing import Final

from cli import messages_recover

TEXTS: Final[dict[str, tuple[str, str]]] = messages_recover.TEXTS | {
    "hint.call_cap": (
        "go on tomorrow: three effective calls a day, the lender's and all agencies' together",
        "请于次日继续：每日有效通话以三次为限，机构与各委外方合计",
    ),
    "hint.attempt_cap": (
        "go on tomorrow, or try another number: six attempts at one a day",
        "请于次日继续或改用其他号码：同一号码每日以六次为限",
    ),
    "reach.marks": (
        "None of these is statute. [S]: known from reports of the text. [product]: our own.",
        "以上均非法律条文。[S]：据转述，未见原文。[product]：本产品自定。",
    ),
    "reach.reserved": (
        "Afterwards: cvault reach confirm RESERVATION, or void.",
        "之后请执行：cvault reach confirm RESERVATION，或 void。",
    ),
    "reach.confirmed": ("Confirmed.", "已确认。"),
    "reach.void": ("Void; the attempt counts all the same.", "已作废；仍计一次拨打尝试。"),
    "reach.late": ("Recorded, though it came late.", "已记录，但已超时。"),
}
