"""What the command line says of audit packs; part of `cli.messages`."""

from __future__ import annotations

from typing import Final

from cli import messages_disclose

TEXTS: Final[dict[str, tuple[str, str]]] = messages_disclose.TEXTS | {
    "pack.made": (
        "The pack lies in {directory}; its index's digest is in entry {entry}. It names staff: keep it so",
        "审计资料包已写入 {directory}；其索引摘要记于日志第 {entry} 条。其中有员工姓名，请妥善保管",
    ),
    "pack.title": ("Audit pack", "合规审计资料包"),
    "pack.about": (
        "What a compliance audit (PIPL 54) asks of this system: evidence, or that no software shows it.",
        "合规审计（个人信息保护法第54条）对本系统的要求：附证据，或注明属组织事项。",
    ),
    "pack.check": (
        "The log: cvault-verify tree tiles --vkey FILE, with a key that you got by another way.",
        "日志核验：cvault-verify tree tiles --vkey FILE，公钥须由其他途径取得。",
    ),
    "pack.item": ("Item", "事项"),
    "pack.source": ("Source", "依据"),
    "pack.evidence": ("Evidence", "证据"),
    "pack.organisational": ("organisational", "组织事项"),
    "pack.none": ("nothing in this period", "本期无"),
    "pack.verified": ("[V] the text was read", "[V] 已核对原文"),
    "pack.secondary": ("[S] by a secondary source", "[S] 二手来源"),
    "pack.memory": ("[M] from memory, to be checked", "[M] 凭记忆，待核对"),
}
